#include "index/dense/graph.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/dense/kernels.h"

namespace vouch {
namespace {

constexpr size_t kLineFloats = 16;     // of a cache line
constexpr size_t kPrefetchLines = 16;  // of one vector at most; the processor follows the rest by itself

template <typename T>
T ReadNumber(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// Which nodes this thread's current walk has seen: a node is seen where its mark equals the walk's. Marks of a byte
// keep the table in cache; it is cleared once in 255 walks.
class VisitedMarks {
 public:
  void Begin(size_t nodes) {
    if (marks_.size() < nodes) marks_.resize(nodes, 0);
    if (++current_ == 0) {
      std::fill(marks_.begin(), marks_.end(), uint8_t{0});
      current_ = 1;
    }
  }
  // True the first time.
  bool Visit(uint32_t node) {
    if (marks_[node] == current_) return false;
    marks_[node] = current_;
    return true;
  }

 private:
  std::vector<uint8_t> marks_;
  uint8_t current_ = 0;
};

// What a walk needs beside the graph, kept by thread so that a walk allocates nothing.
struct WalkScratch {
  VisitedMarks visited;
  std::vector<BeamEntry> beam;
};

WalkScratch& ThreadScratch() {
  thread_local WalkScratch scratch;
  return scratch;
}

void PrefetchVector(const float* vector, size_t dim) {
  const size_t lines = std::min(kPrefetchLines, (dim + kLineFloats - 1) / kLineFloats);
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(vector + line * kLineFloats);
}

// The `ef` best entries seen, ascending; the mark of an entry says that its neighbours were looked at.
class Beam {
 public:
  Beam(std::vector<BeamEntry>& storage, size_t ef) : ef_(ef) {
    if (storage.size() < ef + 1) storage.resize(ef + 1);
    entries_ = storage.data();
  }

  void Insert(BeamEntry entry) {
    if (size_ == ef_ && entry.bits >= (entries_[size_ - 1].bits & ~uint64_t{1})) return;
    BeamEntry* at = std::lower_bound(entries_, entries_ + size_, entry,
                                     [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
    const auto position = static_cast<size_t>(at - entries_);
    const size_t moved = (size_ < ef_ ? size_++ : size_ - 1) - position;
    std::memmove(at + 1, at, moved * sizeof(BeamEntry));
    *at = entry;
    next_ = std::min(next_, position);
  }

  // Marks and gives the best entry that is not marked; false where all are.
  bool TakeNext(uint32_t& node) {
    while (next_ < size_ && (entries_[next_].bits & 1) != 0) ++next_;
    if (next_ == size_) return false;
    entries_[next_].bits |= 1;
    node = entries_[next_].node();
    return true;
  }
  // The entry that TakeNext gives if no better one is inserted before.
  const BeamEntry* PeekNext() const {
    for (size_t i = next_; i < size_; ++i) {
      if ((entries_[i].bits & 1) == 0) return &entries_[i];
    }
    return nullptr;
  }
  std::span<const BeamEntry> entries() const { return {entries_, size_}; }

 private:
  BeamEntry* entries_ = nullptr;
  size_t size_ = 0;
  size_t ef_;
  size_t next_ = 0;  // entries before it are marked
};

}  // namespace

BeamEntry BeamEntry::Make(float distance, uint32_t node) {
  const auto raw = std::bit_cast<uint32_t>(distance);
  const uint32_t ordered = (raw & 0x80000000u) != 0 ? ~raw : raw | 0x80000000u;
  return {uint64_t{ordered} << 32 | uint64_t{node} << 1};
}

float BeamEntry::distance() const {
  const auto ordered = static_cast<uint32_t>(bits >> 32);
  return std::bit_cast<float>((ordered & 0x80000000u) != 0 ? ordered & 0x7FFFFFFFu : ~ordered);
}

absl::StatusOr<std::shared_ptr<const Graph>> Graph::Parse(std::string_view bytes, uint32_t nodes,
                                                          std::shared_ptr<const void> owner) {
  std::shared_ptr<Graph> graph(new Graph());
  if (absl::Status status = graph->ParseArrays(bytes, nodes); !status.ok()) return status;
  if (absl::Status status = graph->CheckLinks(); !status.ok()) return status;
  graph->owner_ = std::move(owner);
  return graph;
}

absl::Status Graph::ParseArrays(std::string_view bytes, uint32_t nodes) {
  if (bytes.size() < kHeaderBytes) return absl::DataLossError("graph: shorter than its header");
  nodes_ = ReadNumber<uint32_t>(bytes, 0);
  m_ = ReadNumber<uint32_t>(bytes, 4);
  entry_ = ReadNumber<uint32_t>(bytes, 8);
  max_level_ = ReadNumber<uint32_t>(bytes, 12);
  const auto blocks = ReadNumber<uint64_t>(bytes, 16);
  if (nodes_ != nodes || nodes_ == 0 || nodes_ > kMaxNodes) {
    return absl::DataLossError(absl::StrCat("graph: ", nodes_, " nodes where the column has ", nodes));
  }
  if (m_ < 2 || m_ > 128 || max_level_ > kMaxLevel || entry_ >= nodes_ || blocks > uint64_t{nodes_} * kMaxLevel) {
    return absl::DataLossError("graph: a number of the header is out of range");
  }
  const GraphLayout layout(nodes_, m_, blocks);
  if (bytes.size() != layout.size) {
    return absl::DataLossError(absl::StrCat("graph: ", bytes.size(), " bytes where ", layout.size, " are due"));
  }
  levels_ = {reinterpret_cast<const uint8_t*>(bytes.data() + layout.levels), nodes_};
  level0_ = {reinterpret_cast<const uint32_t*>(bytes.data() + layout.level0), size_t{nodes_} * 2 * m_};
  upper_ = {reinterpret_cast<const uint32_t*>(bytes.data() + layout.upper), blocks * m_};
  bytes_ = bytes;
  upper_start_.resize(nodes_);
  uint64_t start = 0;
  for (uint32_t node = 0; node < nodes_; ++node) {
    if (levels_[node] > max_level_) return absl::DataLossError("graph: a node lies above the highest level");
    upper_start_[node] = static_cast<uint32_t>(start);
    start += levels_[node];
    if (start > blocks) break;
  }
  if (start != blocks || blocks > UINT32_MAX) return absl::DataLossError("graph: levels and links do not fit together");
  if (levels_[entry_] != max_level_) return absl::DataLossError("graph: the entry is not on the highest level");
  return absl::OkStatus();
}

absl::Status Graph::CheckLinks() const {
  for (uint32_t neighbor : level0_) {
    if (neighbor >= nodes_ && neighbor != kNoNode) return absl::DataLossError("graph: a neighbour is no node");
  }
  for (uint32_t node = 0; node < nodes_; ++node) {
    for (uint32_t level = 1; level <= levels_[node]; ++level) {
      for (uint32_t neighbor : Upper(node, level)) {
        if (neighbor == kNoNode) continue;
        if (neighbor >= nodes_ || levels_[neighbor] < level) {
          return absl::DataLossError("graph: a neighbour is not on its level");
        }
      }
    }
  }
  return absl::OkStatus();
}

BeamEntry Graph::Descend(const DenseColumn& column, const float* query, uint64_t& distances) const {
  const DistanceKernels::One distance = BestKernels().one(column.metric());
  const size_t dim = column.dim();
  BeamEntry best = BeamEntry::Make(distance(query, column.vector(entry_), dim), entry_);
  ++distances;
  for (uint32_t level = max_level_; level > 0; --level) {
    for (bool improved = true; improved;) {
      improved = false;
      const std::span<const uint32_t> neighbors = Upper(best.node(), level);
      for (uint32_t neighbor : neighbors) {
        if (neighbor == kNoNode) break;
        PrefetchVector(column.vector(neighbor), dim);
      }
      for (uint32_t neighbor : neighbors) {
        if (neighbor == kNoNode) break;
        const BeamEntry entry = BeamEntry::Make(distance(query, column.vector(neighbor), dim), neighbor);
        ++distances;
        if (entry.bits < best.bits) {
          best = entry;
          improved = true;
        }
      }
    }
  }
  return best;
}

std::span<const BeamEntry> Graph::Walk(const DenseColumn& column, const float* query, size_t ef,
                                       uint64_t& distances) const {
  const DistanceKernels::One distance = BestKernels().one(column.metric());
  const DistanceKernels::Four distance_four = BestKernels().four(column.metric());
  const size_t dim = column.dim();
  WalkScratch& scratch = ThreadScratch();
  scratch.visited.Begin(nodes_);
  Beam beam(scratch.beam, std::max<size_t>(1, std::min<size_t>(ef, nodes_)));

  const BeamEntry start = Descend(column, query, distances);
  scratch.visited.Visit(start.node());
  beam.Insert(start);

  uint32_t fresh[2 * 128];
  uint32_t node = 0;
  while (beam.TakeNext(node)) {
    size_t count = 0;
    for (uint32_t neighbor : Level0(node)) {
      if (neighbor == kNoNode) break;
      if (!scratch.visited.Visit(neighbor)) continue;
      fresh[count++] = neighbor;
      PrefetchVector(column.vector(neighbor), dim);
    }
    if (const BeamEntry* next = beam.PeekNext()) __builtin_prefetch(Level0(next->node()).data());
    distances += count;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
      const float* rows[4];
      for (size_t j = 0; j < 4; ++j) rows[j] = column.vector(fresh[i + j]);
      float out[4];
      distance_four(query, rows, dim, out);
      for (size_t j = 0; j < 4; ++j) beam.Insert(BeamEntry::Make(out[j], fresh[i + j]));
    }
    for (; i < count; ++i) {
      beam.Insert(BeamEntry::Make(distance(query, column.vector(fresh[i]), dim), fresh[i]));
    }
  }
  return beam.entries();
}

}  // namespace vouch
