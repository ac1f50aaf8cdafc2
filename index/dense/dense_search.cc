#include "index/dense/dense_search.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_reader.h"

namespace vouch {
namespace {

// Up to this many rows, or four times those scored in the end, are scored exactly at once: no code saves much then.
constexpr uint64_t kFewRows = 256;
// A walk costs about as much as comparing the codes of this many rows in order, for each place in its beam; one among
// allowed rows only, with its ways through the others, some times that (measured, docs/architecture.md).
constexpr uint64_t kWalkRowsPerEf = 128;
constexpr uint64_t kFilteredWalkRowsPerEf = 256;
constexpr size_t kCodesAhead = 32;
constexpr uint32_t kRowsBetweenCancelChecks = 16'384;

// Scores nodes four at a time, in the order given.
class Scanner {
 public:
  Scanner(const DenseSegmentSearch& search, const float* query, TopHits& top)
      : column_(*search.column), reader_(column_), first_row_(search.first_row.value), query_(query), top_(top) {}

  void Add(uint32_t node) {
    nodes_[waiting_] = node;
    rows_[waiting_] = reader_.Read(node, waiting_);
    if (++waiting_ == 4) Flush();
  }
  // As Add, where all nodes of the column come in order.
  void AddNext(uint32_t node) {
    nodes_[waiting_] = node;
    rows_[waiting_] = reader_.ReadNext(node, waiting_);
    if (++waiting_ == 4) Flush();
  }
  // Not OK: a vector could not be read, and what was pushed may not be used.
  absl::Status Finish() {
    Flush();
    return reader_.status();
  }
  uint64_t computed() const { return computed_; }

 private:
  static_assert(VectorReader::kSlots == 4);

  void Flush() {
    if (waiting_ == 4) {
      float distances[4];
      four_(query_, rows_, column_.dim(), distances);
      for (size_t i = 0; i < 4; ++i) Push(nodes_[i], distances[i]);
    } else {
      for (size_t i = 0; i < waiting_; ++i) Push(nodes_[i], one_(query_, rows_[i], column_.dim()));
    }
    computed_ += waiting_;
    waiting_ = 0;
  }
  void Push(uint32_t node, float distance) {
    const float score = ScoreOfDistance(distance);
    if (top_.Wants(score)) top_.Push({RowId(first_row_ + column_.RowOf(node)), score});
  }

  const DenseColumn& column_;
  VectorReader reader_;
  uint64_t first_row_;
  const float* query_;
  TopHits& top_;
  DistanceKernels::One one_ = BestKernels().one(column_.metric());
  DistanceKernels::Four four_ = BestKernels().four(column_.metric());
  uint32_t nodes_[4] = {};
  const float* rows_[4] = {};  // their vectors
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
  const bool all = search.allowed == nullptr;
  absl::Status status = ForEachAllowedNode(search, cancel, [&](uint32_t node) {
    all ? scanner.AddNext(node) : scanner.Add(node);
  });
  if (!status.ok()) return status;
  if (status = scanner.Finish(); !status.ok()) return status;
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

// Scores the first `count` entries, all of them allowed.
absl::Status Rescore(const DenseSegmentSearch& search, const float* query, std::span<const BeamEntry> entries, size_t count,
             TopHits& top, DenseSegmentStats& stats) {
  entries = entries.first(std::min(count, entries.size()));
  for (const BeamEntry& entry : entries) search.column->Prefetch(entry.node());
  Scanner scanner(search, query, top);
  for (const BeamEntry& entry : entries) scanner.Add(entry.node());
  absl::Status status = scanner.Finish();
  stats.distances += scanner.computed();
  return status;
}

// True where the walk found enough; its hits are pushed then.
absl::StatusOr<bool> WalkGraph(const DenseSegmentSearch& search, const float* query, uint64_t allowed_nodes, size_t ef, TopHits& top,
               DenseSegmentStats& stats) {
  stats.ef = ef;
  const DenseColumn& column = *search.column;
  WalkScratch& scratch = ThreadScratch();
  search.graph->codes().Encode(query, scratch.query);
  std::span<const BeamEntry> beam;
  if (allowed_nodes == column.nodes()) {
    beam = search.graph->Walk(scratch.query, ef, scratch, stats.distances);
  } else {
    beam = search.graph->WalkAllowed(
        scratch.query, ef, [&](uint32_t node) { return search.allowed->Test(column.RowOf(node)); }, scratch,
        stats.distances);
  }
  if (beam.size() < std::min<uint64_t>(search.k, allowed_nodes)) return false;
  if (absl::Status status = Rescore(search, query, beam, Rescored(search.k), top, stats); !status.ok()) return status;
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
  // Many are asked of memory before the first is compared.
  uint32_t nodes[kCodesAhead];
  size_t waiting = 0;
  const auto flush = [&] {
    InsertScored(codes, scratch.query, {nodes, waiting}, scratch.beam);
    stats.distances += waiting;
    waiting = 0;
  };
  absl::Status status = ForEachAllowedNode(search, cancel, [&](uint32_t node) {
    nodes[waiting++] = node;
    codes.Prefetch(node);
    if (waiting == kCodesAhead) flush();
  });
  if (!status.ok()) return status;
  flush();
  return Rescore(search, query, scratch.beam.entries(), Rescored(search.k), top, stats);
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
  const size_t ef = std::max(search.ef, search.k);
  const bool filtered = allowed < search.column->nodes();
  if (allowed <= ef * (filtered ? kFilteredWalkRowsPerEf : kWalkRowsPerEf)) {
    return ScanCodes(search, query, cancel, top, stats);
  }
  const absl::StatusOr<bool> enough = WalkGraph(search, query, allowed, ef, top, stats);
  if (!enough.ok() || *enough) return enough.status();
  return ScanExactly(search, query, cancel, top, stats);
}

}  // namespace vouch
