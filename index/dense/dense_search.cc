#include "index/dense/dense_search.h"

#include <algorithm>
#include <cmath>

#include "index/dense/kernels.h"

namespace vouch {
namespace {

// Up to this many rows, or four times those scored in the end, are scored exactly at once: no code saves much then.
constexpr uint64_t kFewRows = 256;
// A walk compares about this many codes for each place in its beam, at random places in memory, each as costly as two in
// a scan.
constexpr uint64_t kWalkCodesPerEf = 16;
constexpr uint64_t kWalkCodeCost = 2;
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

// Calls visit(node) for each allowed node, ascending; stops with the token's status.
template <typename Visit>
absl::Status ForEachAllowedNode(const DenseSegmentSearch& search, const CancelToken& cancel, const Visit& visit) {
  const DenseColumn& column = *search.column;
  if (search.allowed != nullptr && column.dense_rows()) {
    // Node = row: only the set bits are looked at.
    absl::Status status;
    uint64_t seen = 0;
    search.allowed->ForEach([&](size_t row) {
      if (++seen % kRowsBetweenCancelChecks == 0 && status.ok()) status = cancel.Check();
      if (status.ok()) visit(static_cast<uint32_t>(row));
    });
    return status;
  }
  for (uint32_t begin = 0; begin < column.nodes();) {
    const uint32_t end = begin + std::min(kRowsBetweenCancelChecks, column.nodes() - begin);
    for (uint32_t node = begin; node < end; ++node) {
      if (search.allowed == nullptr || search.allowed->Test(column.RowOf(node))) visit(node);
    }
    begin = end;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ScanExactly(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel, TopHits& top,
                         DenseSegmentStats& stats) {
  Scanner scanner(search, query, top);
  absl::Status status = ForEachAllowedNode(search, cancel, [&](uint32_t node) { scanner.Add(node); });
  if (!status.ok()) return status;
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

// How many of the best rows by code are scored exactly: enough that what the codes misplace comes back (docs/architecture).
size_t Rescored(size_t k) { return 3 * k + 10; }

WalkScratch& ThreadScratch() {
  thread_local WalkScratch scratch;
  return scratch;
}

// Scores the first `count` allowed entries; how many there were.
size_t Rescore(const DenseSegmentSearch& search, const float* query, std::span<const BeamEntry> entries, size_t count,
               TopHits& top, DenseSegmentStats& stats) {
  const DenseColumn& column = *search.column;
  Scanner scanner(search, query, top);
  const auto is_allowed = [&](const BeamEntry& entry) {
    return search.allowed == nullptr || search.allowed->Test(column.RowOf(entry.node()));
  };
  size_t prefetched = 0;
  for (const BeamEntry& entry : entries) {
    if (prefetched == count) break;
    if (!is_allowed(entry)) continue;
    column.Prefetch(entry.node());
    ++prefetched;
  }
  size_t found = 0;
  for (const BeamEntry& entry : entries) {
    if (found == count) break;
    if (!is_allowed(entry)) continue;
    scanner.Add(entry.node());
    ++found;
  }
  scanner.Flush();
  stats.distances += scanner.computed();
  return found;
}

// True where the walk found enough; its hits are pushed then or not.
bool WalkGraph(const DenseSegmentSearch& search, const float* query, uint64_t allowed_nodes, size_t ef, TopHits& top,
               DenseSegmentStats& stats) {
  stats.ef = ef;
  WalkScratch& scratch = ThreadScratch();
  search.graph->codes().Encode(query, scratch.query);
  const std::span<const BeamEntry> beam = search.graph->Walk(scratch.query, ef, scratch, stats.distances);
  const uint64_t wanted = std::min<uint64_t>(search.k, allowed_nodes);
  if (wanted > beam.size()) return false;
  if (search.allowed != nullptr) {
    uint64_t allowed = 0;
    for (const BeamEntry& entry : beam) allowed += search.allowed->Test(search.column->RowOf(entry.node())) ? 1 : 0;
    if (allowed < wanted) return false;
  }
  Rescore(search, query, beam, Rescored(search.k), top, stats);
  return true;
}

// Compares the codes of all allowed nodes and scores the best exactly.
absl::Status ScanCodes(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel, TopHits& top,
                       DenseSegmentStats& stats) {
  stats.codes = true;
  const VectorCodes& codes = search.graph->codes();
  WalkScratch& scratch = ThreadScratch();
  codes.Encode(query, scratch.query);
  scratch.beam.Begin(Rescored(search.k));
  uint32_t nodes[4];
  size_t waiting = 0;
  absl::Status status = ForEachAllowedNode(search, cancel, [&](uint32_t node) {
    nodes[waiting++] = node;
    codes.Prefetch(node);
    if (waiting < 4) return;
    waiting = 0;
    float keys[4];
    codes.KeyFour(scratch.query, nodes, keys);
    for (size_t i = 0; i < 4; ++i) scratch.beam.Insert(BeamEntry::Make(keys[i], nodes[i]));
    stats.distances += 4;
  });
  if (!status.ok()) return status;
  for (size_t i = 0; i < waiting; ++i) {
    scratch.beam.Insert(BeamEntry::Make(codes.Key(scratch.query, nodes[i]), nodes[i]));
  }
  stats.distances += waiting;
  Rescore(search, query, scratch.beam.entries(), Rescored(search.k), top, stats);
  return absl::OkStatus();
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
  if (allowed <= std::max<uint64_t>(kFewRows, 4 * Rescored(search.k))) return ScanExactly(search, query, cancel, top, stats);
  const double share = static_cast<double>(allowed) / search.column->nodes();
  const auto ef = static_cast<size_t>(std::ceil(static_cast<double>(std::max(search.ef, search.k)) / share));
  if (allowed <= ef * kWalkCodesPerEf * kWalkCodeCost) return ScanCodes(search, query, cancel, top, stats);
  if (WalkGraph(search, query, allowed, ef, top, stats)) return absl::OkStatus();
  return ScanExactly(search, query, cancel, top, stats);
}

}  // namespace vouch
