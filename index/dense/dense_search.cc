#include "index/dense/dense_search.h"

#include <algorithm>
#include <cmath>

#include "index/dense/kernels.h"

namespace vouch {
namespace {

// Below this share of allowed rows, scanning them beats walking past the others.
constexpr double kMinWalkShare = 0.3;
// A walk computes about this many distances for each place in its beam, at random places in memory; a scan of fewer
// rows is faster and exact.
constexpr uint64_t kWalkDistancesPerEf = 8;
constexpr uint32_t kRowsBetweenCancelChecks = 16'384;

// Scores nodes four at a time, in the order given.
class Scanner {
 public:
  Scanner(const DenseSegmentSearch& search, const float* query, TopHits& top)
      : column_(*search.column), first_row_(search.first_row.value), query_(query), top_(top) {}

  void Add(uint32_t node) {
    nodes_[waiting_++] = node;
    if (waiting_ == 4) Flush();
  }
  void Flush() {
    if (waiting_ == 4) {
      const float* rows[4];
      for (size_t i = 0; i < 4; ++i) rows[i] = column_.vector(nodes_[i]);
      float distances[4];
      four_(query_, rows, column_.dim(), distances);
      for (size_t i = 0; i < 4; ++i) Push(nodes_[i], distances[i]);
    } else {
      for (size_t i = 0; i < waiting_; ++i) Push(nodes_[i], one_(query_, column_.vector(nodes_[i]), column_.dim()));
    }
    computed_ += waiting_;
    waiting_ = 0;
  }
  uint64_t computed() const { return computed_; }

 private:
  void Push(uint32_t node, float distance) {
    const float score = ScoreOfDistance(distance);
    if (top_.Wants(score)) top_.Push({RowId(first_row_ + column_.RowOf(node)), score});
  }

  const DenseColumn& column_;
  uint64_t first_row_;
  const float* query_;
  TopHits& top_;
  DistanceKernels::One one_ = BestKernels().one(column_.metric());
  DistanceKernels::Four four_ = BestKernels().four(column_.metric());
  uint32_t nodes_[4] = {};
  size_t waiting_ = 0;
  uint64_t computed_ = 0;
};

absl::Status ScanExactly(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel, TopHits& top,
                         DenseSegmentStats& stats) {
  const DenseColumn& column = *search.column;
  Scanner scanner(search, query, top);
  if (search.allowed != nullptr && column.dense_rows()) {
    // Node = row: only the set bits are looked at.
    absl::Status status;
    uint64_t seen = 0;
    search.allowed->ForEach([&](size_t row) {
      if (++seen % kRowsBetweenCancelChecks == 0 && status.ok()) status = cancel.Check();
      if (status.ok()) scanner.Add(static_cast<uint32_t>(row));
    });
    if (!status.ok()) return status;
    scanner.Flush();
    stats.exact = true;
    stats.distances += scanner.computed();
    return absl::OkStatus();
  }
  for (uint32_t begin = 0; begin < column.nodes();) {
    const uint32_t end = begin + std::min(kRowsBetweenCancelChecks, column.nodes() - begin);
    for (uint32_t node = begin; node < end; ++node) {
      if (search.allowed == nullptr || search.allowed->Test(column.RowOf(node))) scanner.Add(node);
    }
    begin = end;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
  }
  scanner.Flush();
  stats.exact = true;
  stats.distances += scanner.computed();
  return absl::OkStatus();
}

uint64_t CountAllowedNodes(const DenseSegmentSearch& search) {
  const DenseColumn& column = *search.column;
  if (search.allowed == nullptr) return column.nodes();
  if (column.dense_rows()) return search.allowed_count;
  uint64_t count = 0;
  for (uint32_t row : column.rows()) count += search.allowed->Test(row) ? 1 : 0;
  return count;
}

// True where the walk found enough; its hits are pushed then.
bool WalkGraph(const DenseSegmentSearch& search, const float* query, uint64_t allowed_nodes, size_t ef, TopHits& top,
               DenseSegmentStats& stats) {
  const DenseColumn& column = *search.column;
  stats.ef = ef;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(search.k, allowed_nodes));
  const std::span<const BeamEntry> beam = search.graph->Walk(column, query, ef, stats.distances);
  std::vector<Hit> hits;
  hits.reserve(wanted);
  for (const BeamEntry& entry : beam) {
    if (hits.size() == wanted) break;
    const uint32_t row = column.RowOf(entry.node());
    if (search.allowed != nullptr && !search.allowed->Test(row)) continue;
    hits.push_back({RowId(search.first_row.value + row), ScoreOfDistance(entry.distance())});
  }
  if (hits.size() < wanted) return false;
  for (const Hit& hit : hits) {
    if (!top.Wants(hit.score)) break;
    top.Push(hit);
  }
  return true;
}

}  // namespace

void TopHits::Push(const Hit& hit) {
  if (hits_.size() < k_) {
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end());
  } else if (k_ > 0 && hit < hits_.front()) {
    std::pop_heap(hits_.begin(), hits_.end());
    hits_.back() = hit;
    std::push_heap(hits_.begin(), hits_.end());
  }
}

std::vector<Hit> TopHits::TakeSorted() {
  std::sort_heap(hits_.begin(), hits_.end());
  return std::move(hits_);
}

absl::Status SearchDenseSegment(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel,
                                TopHits& top, DenseSegmentStats& stats) {
  if (search.column->nodes() == 0 || search.k == 0) return absl::OkStatus();
  if (search.exact || search.graph == nullptr) return ScanExactly(search, query, cancel, top, stats);
  const uint64_t allowed = CountAllowedNodes(search);
  if (allowed == 0) return absl::OkStatus();
  const double share = static_cast<double>(allowed) / search.column->nodes();
  const auto ef = static_cast<size_t>(std::ceil(static_cast<double>(std::max(search.ef, search.k)) / share));
  if (share < kMinWalkShare || allowed <= ef * kWalkDistancesPerEf) {
    return ScanExactly(search, query, cancel, top, stats);
  }
  if (WalkGraph(search, query, allowed, ef, top, stats)) return absl::OkStatus();
  return ScanExactly(search, query, cancel, top, stats);
}

}  // namespace vouch
