#include "index/dense/dense_search.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "index/dense/code_scan.h"
#include "index/dense/hamming_kernels.h"
#include "index/dense/ivf_scan.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_reader.h"

namespace vouch {
namespace {

// Up to this many rows, or four times those scored in the end, are scored exactly at once: no code saves much then.
constexpr uint64_t kFewRows = 256;
// A walk among all nodes costs about as much as comparing the codes of this many in order, for each place in its beam.
constexpr uint64_t kWalkRowsPerEf = 128;
// Where at least two in five of the nodes around the query are allowed, a walk with a beam wide enough for the others too is
// cheaper than the nearest cells.
constexpr size_t kWalkOf = 5, kWalkAllowed = 2;
constexpr size_t kSpareOfBeam = 2;
// Of the nearest cells, so many allowed rows are compared for each place in the beam and some places more, and more where more
// of all rows are allowed, up to the most.
constexpr double kCellRowsPerEf = 36, kCellRowsPerShare = 140, kMostCellRowsPerEf = 80;
constexpr size_t kCellExtraEf = 5;
constexpr uint64_t kMinPart = 4;  // cells
constexpr size_t kCellsAhead = 4;  // cells whose nodes are asked of memory before they are looked at
constexpr uint32_t kRowsBetweenCancelChecks = 16'384;

// Scores nodes four at a time, in the order given.
class Scanner {
 public:
  Scanner(const DenseSegmentSearch& search, const float* query, TopHits& top)
      : column_(*search.column), reader_(column_), first_row_(search.first_row.value), query_(query), top_(top) {
    if (column_.type() == VectorType::kBit && IsRounded(VectorType::kBit, {query, column_.dim()})) {
      query_bits_.resize(column_.vector_bytes());
      EncodeVector(VectorType::kBit, {query, column_.dim()}, query_bits_.data());
    }
  }

  void Add(uint32_t node) {
    if (!query_bits_.empty()) return PushBits(node, reader_.ReadBytes(node));
    nodes_[waiting_] = node;
    rows_[waiting_] = reader_.Read(node, waiting_);
    if (++waiting_ == 4) Flush();
  }
  // As Add, where all nodes of the column come in order.
  void AddNext(uint32_t node) {
    if (!query_bits_.empty()) return PushBits(node, reader_.ReadNextBytes(node));
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
  void PushBits(uint32_t node, const char* bits) {
    ++computed_;
    Push(node, static_cast<float>(bits_(query_bits_.data(), bits, query_bits_.size())));
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
  HammingKernels::Distance bits_ = BestHammingKernels().distance;
  std::string query_bits_;  // of bit vectors, where the query is one too: their distances are counted
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

WalkScratch& ThreadScratch() {
  thread_local WalkScratch scratch;
  return scratch;
}

// Scores the first `count` entries, all of them allowed.
absl::Status Rescore(const DenseSegmentSearch& search, const float* query, std::span<const BeamEntry> entries,
                     size_t count, TopHits& top, DenseSegmentStats& stats) {
  entries = entries.first(std::min(count, entries.size()));
  for (const BeamEntry& entry : entries) search.column->Prefetch(entry.node());
  Scanner scanner(search, query, top);
  for (const BeamEntry& entry : entries) scanner.Add(entry.node());
  absl::Status status = scanner.Finish();
  stats.distances += scanner.computed();
  return status;
}

// The query as the segment's codes take it.
const CodeQuery& EncodeQuery(const DenseSegmentSearch& search, const float* query) {
  DenseCandidates* shared = search.candidates;
  if (shared != nullptr && !shared->axes) {
    search.codes->Encode(query, shared->query);
    shared->axes = search.codes->axes();
  }
  if (shared != nullptr && shared->axes == search.codes->axes()) return shared->query;
  CodeQuery& own = ThreadScratch().query;
  search.codes->Encode(query, own);
  return own;
}

// How many of the best rows by code are scored: the beam says how many the caller wants to be looked at.
size_t Candidates(const DenseSegmentSearch& search, size_t ef) { return std::min(Rescored(search.k), ef); }

// The entries without those that as many of other segments come before; notes their keys.
std::span<const BeamEntry> TakeCandidates(const DenseSegmentSearch& search, std::span<const BeamEntry> entries,
                                          size_t most) {
  entries = entries.first(std::min(most, entries.size()));
  DenseCandidates* shared = search.candidates;
  if (shared == nullptr || shared->axes != search.codes->axes()) return entries;
  size_t taken = 0;
  for (; taken < entries.size(); ++taken) {
    const float key = entries[taken].key();
    if (shared->keys.size() >= most) {
      if (key > shared->keys.front()) break;
      std::pop_heap(shared->keys.begin(), shared->keys.end());
      shared->keys.pop_back();
    }
    shared->keys.push_back(key);
    std::push_heap(shared->keys.begin(), shared->keys.end());
  }
  return entries.first(taken);
}

// The key beyond which the segment's rows are no candidates, since as many of other segments come before.
float CandidateLimit(const DenseSegmentSearch& search, size_t most) {
  const DenseCandidates* shared = search.candidates;
  const bool known = shared != nullptr && shared->axes == search.codes->axes() && shared->keys.size() >= most;
  return known ? shared->keys.front() : std::numeric_limits<float>::infinity();
}

// Whether the entry's row would be among the best found so far.
absl::StatusOr<bool> IsWanted(const DenseSegmentSearch& search, const float* query, BeamEntry entry,
                              const TopHits& top) {
  TopHits one(1);
  Scanner scanner(search, query, one);
  scanner.Add(entry.node());
  if (absl::Status status = scanner.Finish(); !status.ok()) return status;
  return top.Wants(one.TakeSorted().front().score);
}

size_t CountAllowed(const DenseSegmentSearch& search, std::span<const uint32_t> nodes) {
  size_t count = 0;
  for (const uint32_t node : nodes) count += search.allowed->Test(search.column->RowOf(node)) ? 1 : 0;
  return count;
}

// Of `nodes` nodes around the place where a walk begins so many are allowed.
struct AllowedAround {
  size_t nodes = 1;
  size_t allowed = 1;

  // The beam that `ef` allowed nodes have place in, and a few more where not all are allowed: chance may leave out some.
  size_t BeamFor(size_t ef) const {
    if (allowed == nodes) return ef;
    return ((ef + kSpareOfBeam) * nodes + allowed - 1) / allowed;
  }
};

// The allowed ones of the nodes nearest to the query that a walk finds.
std::span<const BeamEntry> Walk(const DenseSegmentSearch& search, const CodeQuery& query, BeamEntry start, size_t beam,
                                bool filtered, DenseSegmentStats& stats) {
  WalkScratch& scratch = ThreadScratch();
  stats.ef = beam;
  const std::span<const BeamEntry> found = search.graph->Walk(query, start, beam, scratch, stats.distances, search.held_out);
  if (!filtered) return found;
  scratch.allowed.clear();
  for (const BeamEntry& entry : found) {
    if (search.allowed->Test(search.column->RowOf(entry.node()))) scratch.allowed.push_back(entry);
  }
  return scratch.allowed;
}

// True where the walk found enough; its hits are pushed then. False, with little done, where few of the nodes around the
// query are allowed.
absl::StatusOr<bool> WalkGraph(const DenseSegmentSearch& search, const float* query, uint64_t allowed_nodes,
                               size_t first_ef, size_t ef, TopHits& top, DenseSegmentStats& stats) {
  const CodeQuery& code_query = EncodeQuery(search, query);
  const BeamEntry start = search.graph->Descend(code_query, stats.distances);
  const bool filtered = allowed_nodes < search.column->nodes();
  AllowedAround around;
  if (filtered) {
    uint32_t places[Graph::kMaxAround];
    const std::span<const uint32_t> nodes = search.graph->Around(start.node(), places);
    around = {.nodes = nodes.size(), .allowed = CountAllowed(search, nodes)};
    if (around.allowed == 0 || around.allowed * kWalkOf < around.nodes * kWalkAllowed) return false;
  }
  std::span<const BeamEntry> beam = Walk(search, code_query, start, around.BeamFor(first_ef), filtered, stats);
  if (first_ef < ef && !beam.empty()) {
    const absl::StatusOr<bool> wanted = IsWanted(search, query, beam[beam.size() / 2], top);
    if (!wanted.ok()) return wanted.status();
    if (*wanted) {
      beam = Walk(search, code_query, start, around.BeamFor(ef), filtered, stats);
      first_ef = ef;
    }
  }
  // Fewer where the allowed rows lie elsewhere than the query.
  const size_t enough = filtered ? std::max(search.k, first_ef / 2) : search.k;
  if (beam.size() < std::min<uint64_t>(enough, allowed_nodes)) return false;
  absl::Status status =
      Rescore(search, query, TakeCandidates(search, beam, Candidates(search, first_ef)), SIZE_MAX, top, stats);
  if (!status.ok()) return status;
  return true;
}

// Compares the codes of all allowed nodes and scores the best exactly.
absl::Status ScanCodes(const DenseSegmentSearch& search, const float* query, size_t ef, const CancelToken& cancel,
                       TopHits& top, DenseSegmentStats& stats) {
  stats.codes = true;
  Beam& beam = ThreadScratch().beam;
  const CodeQuery& code_query = EncodeQuery(search, query);
  beam.Begin(Candidates(search, ef), CandidateLimit(search, Candidates(search, ef)));
  CodeScan scan(*search.codes, code_query, beam);
  if (search.allowed == nullptr) {
    scan.AddAll(0, search.column->nodes());
  } else {
    absl::Status status = ForEachAllowedNode(search, cancel, [&](uint32_t node) { scan.Add(node); });
    if (!status.ok()) return status;
  }
  scan.Finish();
  stats.distances += scan.added();
  return Rescore(search, query, TakeCandidates(search, beam.entries(), Candidates(search, ef)), SIZE_MAX, top, stats);
}

// How many allowed rows of the nearest cells are compared.
uint64_t CellRows(uint64_t allowed, uint64_t nodes, size_t ef) {
  const double share = static_cast<double>(allowed) / static_cast<double>(nodes);
  const double rows_per_ef = std::min(kMostCellRowsPerEf, kCellRowsPerEf + kCellRowsPerShare * share);
  return static_cast<uint64_t>(rows_per_ef * static_cast<double>(ef + kCellExtraEf));
}

// Whether that is cheaper than comparing all allowed rows: the means are compared, nodes are looked at until enough of them are
// allowed, and each costs more than one that comes in order.
bool CellsPay(uint64_t rows, uint64_t allowed, uint64_t nodes, uint64_t cells) {
  return cells > 0 && cells + 2 * rows + rows * nodes / (4 * allowed) < allowed;
}

// Likewise the allowed nodes of the cells nearest to the query, until `rows` of them are compared.
absl::Status ScanCells(const DenseSegmentSearch& search, const float* query, uint64_t allowed_nodes, size_t ef,
                       uint64_t rows, const CancelToken& cancel, TopHits& top, DenseSegmentStats& stats) {
  stats.cells = true;
  const DenseColumn& column = *search.column;
  const CellTable& cells = search.graph->cells();
  WalkScratch& scratch = ThreadScratch();
  const CodeQuery& code_query = EncodeQuery(search, query);
  scratch.cell_order.Begin(cells.Keys(code_query, scratch.cell_keys));
  stats.distances += cells.cells();
  scratch.beam.Begin(Candidates(search, ef), CandidateLimit(search, Candidates(search, ef)));
  CodeScan scan(*search.codes, code_query, scratch.beam);
  // First somewhat fewer cells than hold `rows` allowed nodes if these are spread evenly; then as many more as those looked at
  // suggest.
  uint64_t seen = allowed_nodes;
  uint64_t seen_in = cells.cells();
  uint64_t looked_at = 0;
  while (scan.added() < rows) {
    const uint64_t more = (rows - scan.added()) * seen_in / std::max<uint64_t>(1, seen);
    const std::span<const uint32_t> part = scratch.cell_order.Next(
        looked_at == 0 ? std::max(kMinPart, more * 3 / 4) : std::clamp(more, kMinPart, 2 * looked_at));
    if (part.empty()) break;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    for (size_t i = 0; i < part.size(); ++i) {
      if (i + kCellsAhead < part.size()) __builtin_prefetch(cells.nodes(part[i + kCellsAhead]).data());
      const std::span<const uint32_t> nodes = cells.nodes(part[i]);
      if (search.allowed == nullptr) {
        for (const uint32_t node : nodes) scan.Add(node);
      } else if (column.dense_rows()) {
        scan.AddSet(search.allowed->words().data(), nodes);
      } else {
        for (const uint32_t node : nodes) {
          if (search.allowed->Test(column.RowOf(node))) scan.Add(node);
        }
      }
    }
    looked_at += part.size();
    seen = scan.added();
    seen_in = looked_at;
  }
  scan.Finish();
  stats.distances += scan.added();
  return Rescore(search, query, TakeCandidates(search, scratch.beam.entries(), Candidates(search, ef)), SIZE_MAX, top,
                 stats);
}

// Calls visit(place, node) for the allowed nodes of the cell.
template <typename Visit>
void ForEachAllowedOf(const DenseSegmentSearch& search, std::span<const uint32_t> nodes, const Visit& visit) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (search.allowed == nullptr || search.allowed->Test(search.column->RowOf(nodes[i]))) visit(i, nodes[i]);
  }
}

// Compares the allowed nodes of the nearest cells, until `rows` of them are compared: by product codes, of which the best are
// scored, or by scoring all.
absl::Status ScanIvf(const DenseSegmentSearch& search, const float* query, size_t ef, const CancelToken& cancel,
                     TopHits& top, DenseSegmentStats& stats) {
  stats.ivf = true;
  stats.ef = ef;
  const Ivf& ivf = *search.ivf;
  WalkScratch& scratch = ThreadScratch();
  thread_local Ivf::Query ivf_query;
  thread_local std::vector<float> keys;
  ivf.Prepare(query, search.column->metric(), ivf_query);
  stats.distances += ivf.cells();
  scratch.cell_order.Begin(ivf_query.keys);
  Beam& beam = scratch.beam;
  beam.Begin(RescoredOfIvf(search.k, ef));
  Scanner scanner(search, query, top);
  uint64_t compared = 0;
  while (compared < kIvfRowsPerEf * ef) {
    const std::span<const uint32_t> part = scratch.cell_order.Next(kIvfPart);
    if (part.empty()) break;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    for (const uint32_t cell : part) {
      const std::span<const uint32_t> nodes = ivf.NodesOf(cell);
      if (!ivf.has_codes()) {
        ForEachAllowedOf(search, nodes, [&](size_t, uint32_t node) {
          ++compared;
          scanner.Add(node);
        });
        continue;
      }
      ivf.Keys(ivf_query, cell, keys);
      ForEachAllowedOf(search, nodes, [&](size_t place, uint32_t node) {
        ++compared;
        if (keys[place] <= beam.limit()) beam.Insert(BeamEntry::Make(keys[place], node));
      });
    }
  }
  stats.distances += compared;
  if (!ivf.has_codes()) return scanner.Finish();
  return Rescore(search, query, beam.entries(), SIZE_MAX, top, stats);
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

uint64_t CountAllowedNodes(const DenseSegmentSearch& search) {
  const DenseColumn& column = *search.column;
  if (search.allowed == nullptr) return column.nodes();
  if (column.dense_rows()) return search.allowed_count;
  uint64_t count = 0;
  for (uint32_t row : column.rows()) count += search.allowed->Test(row) ? 1 : 0;
  return count;
}

uint64_t FewNodes(size_t k) { return std::max<uint64_t>(kFewRows, 4 * Rescored(k)); }

absl::Status SearchDenseSegment(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel,
                                TopHits& top, DenseSegmentStats& stats) {
  if (search.column->nodes() == 0 || search.k == 0) return absl::OkStatus();
  if (search.exact || (search.codes == nullptr && search.ivf == nullptr)) {
    return ScanExactly(search, query, cancel, top, stats);
  }
  const uint64_t allowed = CountAllowedNodes(search);
  if (allowed == 0) return absl::OkStatus();
  if (allowed <= FewNodes(search.k)) return ScanExactly(search, query, cancel, top, stats);
  const size_t ef = std::max(search.ef, search.k);
  if (search.ivf != nullptr) return ScanIvf(search, query, ef, cancel, top, stats);
  const size_t first_ef = search.first_ef == 0 || !top.full() ? ef : std::clamp(search.first_ef, search.k, ef);
  if (search.graph != nullptr && allowed > kWalkRowsPerEf * first_ef) {
    const absl::StatusOr<bool> enough = WalkGraph(search, query, allowed, first_ef, ef, top, stats);
    if (!enough.ok() || *enough) return enough.status();
  }
  const uint64_t cell_rows = CellRows(allowed, search.column->nodes(), first_ef);
  if (search.graph != nullptr &&
      CellsPay(cell_rows, allowed, search.column->nodes(), search.graph->cells().cells())) {
    return ScanCells(search, query, allowed, ef, cell_rows, cancel, top, stats);
  }
  return ScanCodes(search, query, ef, cancel, top, stats);
}

}  // namespace vouch
