#include "index/dense/graph_build.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/dense/parallel.h"

namespace vouch {
namespace {

// A batch has at most this share of the nodes already in the graph, so that few neighbours are missed in it.
constexpr size_t kBatchShare = 32;
constexpr size_t kMaxBatch = 2048;
constexpr size_t kGrain = 8;
constexpr uint64_t kLevelSeed = 20261123;
constexpr uint64_t kOrderSeed = 20261125;

absl::Status ValidateBuild(const DenseColumn& column, const HnswOptions& options) {
  if (column.mapped() != nullptr) {
    return absl::InvalidArgumentError("a graph is built over vectors in private memory; these lie in a file");
  }
  if (column.nodes() == 0 || column.nodes() >= Graph::kMaxNodes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a graph takes 1 to ", Graph::kMaxNodes - 1, " vectors; there are ", column.nodes()));
  }
  if (options.m < 2 || options.m > 128) {
    return absl::InvalidArgumentError(absl::StrCat("hnsw m is ", options.m, "; it takes 2 to 128"));
  }
  if (options.ef_construction < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("hnsw ef_construction is ", options.ef_construction, "; it takes 1 or more"));
  }
  return absl::OkStatus();
}

// The bytes of a graph being built, with all links kNoNode.
class GraphBytes {
 public:
  // Each level has an m-th of the nodes of the one below, drawn in node order.
  static absl::StatusOr<GraphBytes> Create(const VectorCodes& codes, uint32_t m, uint32_t cells) {
    const uint32_t nodes = codes.nodes();
    GraphBytes graph;
    graph.m_ = m;
    std::mt19937_64 random(kLevelSeed);
    std::vector<uint8_t> levels(nodes);
    uint64_t blocks = 0;
    graph.upper_start_.resize(nodes);
    for (uint32_t node = 0; node < nodes; ++node) {
      while (levels[node] < Graph::kMaxLevel && random() % m == 0) ++levels[node];
      graph.upper_start_[node] = static_cast<uint32_t>(blocks);
      blocks += levels[node];
    }
    const GraphLayout layout(nodes, m, blocks, cells, codes.stride());
    graph.buffer_ = std::make_shared<AlignedBuffer>(layout.size);
    char* bytes = graph.buffer_->data();
    if (bytes == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for a graph of ", layout.size, " bytes"));
    }
    std::memset(bytes, 0, layout.size);
    std::memcpy(bytes, &nodes, sizeof(nodes));
    std::memcpy(bytes + 4, &m, sizeof(m));
    std::memcpy(bytes + 16, &blocks, sizeof(blocks));
    std::memcpy(bytes + 24, &cells, sizeof(cells));
    graph.cells_ = bytes + layout.cells;
    std::memcpy(bytes + layout.levels, levels.data(), nodes);
    std::memset(bytes + layout.level0, 0xFF, size_t{nodes} * 2 * m * sizeof(uint32_t));
    std::memset(bytes + layout.upper, 0xFF, blocks * m * sizeof(uint32_t));
    graph.levels_ = reinterpret_cast<const uint8_t*>(bytes + layout.levels);
    graph.level0_ = reinterpret_cast<uint32_t*>(bytes + layout.level0);
    graph.upper_ = reinterpret_cast<uint32_t*>(bytes + layout.upper);
    return graph;
  }

  // Takes the links of a graph of the first nodes; false where it was not made by the same levels.
  bool TakeLinks(const Graph& first) {
    const std::span<const uint8_t> levels = first.levels();
    if (first.m() != m_ || !std::equal(levels.begin(), levels.end(), levels_)) return false;
    std::copy(first.level0().begin(), first.level0().end(), level0_);
    std::copy(first.upper().begin(), first.upper().end(), upper_);
    return true;
  }

  uint32_t level(uint32_t node) const { return levels_[node]; }
  size_t Capacity(uint32_t level) const { return level == 0 ? 2 * m_ : m_; }
  std::span<uint32_t> Links(uint32_t node, uint32_t level) const {
    if (level == 0) return {level0_ + size_t{node} * 2 * m_, 2 * m_};
    return {upper_ + (size_t{upper_start_[node]} + level - 1) * m_, m_};
  }
  void SetEntry(uint32_t entry, uint32_t max_level) {
    std::memcpy(buffer_->data() + 8, &entry, sizeof(entry));
    std::memcpy(buffer_->data() + 12, &max_level, sizeof(max_level));
  }
  const std::shared_ptr<AlignedBuffer>& buffer() const { return buffer_; }
  char* cells() const { return cells_; }

 private:
  size_t m_ = 0;
  std::vector<uint32_t> upper_start_;
  std::shared_ptr<AlignedBuffer> buffer_;
  const uint8_t* levels_ = nullptr;
  uint32_t* level0_ = nullptr;
  uint32_t* upper_ = nullptr;
  char* cells_ = nullptr;
};

// What one thread needs to find and choose links.
struct BuildScratch {
  WalkScratch walk;
  std::vector<BeamEntry> candidates;  // ascending
  std::vector<CodeQuery> chosen;
  std::vector<uint32_t> links;
  uint64_t distances = 0;
};

// A link to be made from `target` back to `source`.
struct BackLink {
  uint32_t target = 0;
  uint32_t source = 0;
};

class GraphBuilder {
 public:
  GraphBuilder(const VectorCodes& codes, Metric metric, GraphBytes& graph, const HnswOptions& options, int threads)
      : codes_(codes),
        has_length_(metric != Metric::kInnerProduct),
        graph_(graph),
        m_(static_cast<size_t>(options.m)),
        ef_(static_cast<size_t>(options.ef_construction)),
        threads_(threads),
        scratch_(static_cast<size_t>(threads)) {}

  // The links of `first`'s nodes, where it is not null, are there already.
  absl::Status Run(const Graph* first, const BuildProgress& progress) {
    const size_t kept = first == nullptr ? 0 : first->nodes();
    order_ = InsertionOrder(static_cast<uint32_t>(kept), codes_.nodes());
    entry_ = first == nullptr ? order_[0] : first->entry();
    max_level_ = graph_.level(entry_);
    const size_t nodes = codes_.nodes();
    for (size_t begin = std::max<size_t>(1, kept); begin < nodes;) {
      const double fraction = static_cast<double>(begin - kept) / static_cast<double>(nodes - kept);
      if (absl::Status status = progress(fraction); !status.ok()) return status;
      const size_t end = std::min(nodes, begin + std::clamp<size_t>(begin / kBatchShare, 1, kMaxBatch));
      InsertBatch(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
      begin = end;
    }
    graph_.SetEntry(entry_, max_level_);
    return progress(1.0);
  }

  // From the nearest nodes of each: the levels above by insertion, then level 0 of all nodes.
  absl::Status RunFrom(const std::vector<std::vector<uint32_t>>& nearest, const BuildProgress& progress) {
    order_ = InsertionOrder(0, codes_.nodes());
    std::erase_if(order_, [&](uint32_t node) { return graph_.level(node) == 0; });
    entry_ = order_.empty() ? 0 : order_[0];
    max_level_ = graph_.level(entry_);
    lowest_level_ = 1;
    for (size_t begin = 1; begin < order_.size();) {
      const double fraction = kUpperPart * static_cast<double>(begin) / static_cast<double>(order_.size());
      if (absl::Status status = progress(fraction); !status.ok()) return status;
      const size_t end = std::min(order_.size(), begin + std::clamp<size_t>(begin / kBatchShare, 1, kMaxBatch));
      InsertBatch(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
      begin = end;
    }
    order_.resize(codes_.nodes());
    std::iota(order_.begin(), order_.end(), 0u);
    found_.assign(codes_.nodes(), {});
    if (absl::Status status = progress(kUpperPart); !status.ok()) return status;
    ParallelFor(0, codes_.nodes(), threads_, kGrain, [&](size_t node, size_t thread) {
      ChooseOf(static_cast<uint32_t>(node), nearest[node], scratch_[thread], found_[node]);
    });
    if (absl::Status status = progress((1 + kUpperPart) / 2); !status.ok()) return status;
    LinkLevel(0, 0);
    graph_.SetEntry(entry_, max_level_);
    return progress(1.0);
  }

 private:
  static constexpr double kUpperPart = 0.3;  // of the work

  // The links of a node at level 0 among those nearest to it and those that it has above, which lead farther.
  void ChooseOf(uint32_t node, std::span<const uint32_t> nearest, BuildScratch& scratch,
                std::vector<std::vector<uint32_t>>& found) const {
    CodeQuery& query = scratch.walk.query;
    codes_.EncodeNode(node, query);
    scratch.candidates.clear();
    const auto add = [&](uint32_t other) {
      if (other == node || other >= codes_.nodes()) return;
      scratch.candidates.push_back(BeamEntry::Make(codes_.Key(query, other), other));
    };
    for (const uint32_t other : nearest) add(other);
    if (graph_.level(node) > 0) {
      for (const uint32_t other : graph_.Links(node, 1)) {
        if (other == kNoNode) break;
        add(other);
      }
    }
    std::sort(scratch.candidates.begin(), scratch.candidates.end(),
              [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
    scratch.candidates.erase(std::unique(scratch.candidates.begin(), scratch.candidates.end(),
                                         [](BeamEntry a, BeamEntry b) { return a.bits == b.bits; }),
                             scratch.candidates.end());
    Choose(node, m_, scratch);
    found.assign(1, scratch.links);
  }

  // Nodes in a drawn order: those that come in one after the other are often near, as the chunks of a document are, and nodes
  // of one batch do not find each other. The first `kept` are in already.
  static std::vector<uint32_t> InsertionOrder(uint32_t kept, uint32_t nodes) {
    std::vector<uint32_t> order(nodes);
    std::iota(order.begin(), order.end(), 0u);
    std::mt19937_64 random(kOrderSeed);
    for (uint32_t i = nodes; i > kept + 1; --i) std::swap(order[i - 1], order[kept + random() % (i - kept)]);
    return order;
  }

  // The nodes at the places [begin, end) of the order.
  void InsertBatch(uint32_t begin, uint32_t end) {
    found_.resize(end - begin);
    ParallelFor(begin, end, threads_, kGrain, [&](size_t place, size_t thread) {
      FindLinks(order_[place], scratch_[thread], found_[place - begin]);
    });
    uint32_t top = 0;
    for (const auto& levels : found_) top = std::max(top, static_cast<uint32_t>(levels.size()));
    for (uint32_t level = lowest_level_; level < top; ++level) LinkLevel(begin, level);
    for (uint32_t place = begin; place < end; ++place) {
      const uint32_t node = order_[place];
      if (graph_.level(node) <= max_level_) continue;
      max_level_ = graph_.level(node);
      entry_ = node;
    }
  }

  // The links of a node at each of its levels that the graph has, level 0 first.
  void FindLinks(uint32_t node, BuildScratch& scratch, std::vector<std::vector<uint32_t>>& found) const {
    CodeQuery& query = scratch.walk.query;
    codes_.EncodeNode(node, query);
    BeamEntry best = BeamEntry::Make(codes_.Key(query, entry_), entry_);
    const uint32_t own_level = std::min(graph_.level(node), max_level_);
    for (uint32_t level = max_level_; level > own_level; --level) {
      best = DescendLevel(codes_, query, [&](uint32_t from) { return graph_.Links(from, level); }, best,
                          scratch.distances);
    }
    found.resize(own_level + 1);
    scratch.candidates.assign(1, best);
    for (uint32_t level = own_level + 1; level-- > lowest_level_;) {
      scratch.walk.visited.Begin(codes_.nodes());
      scratch.walk.beam.Begin(ef_);
      for (const BeamEntry& entry : scratch.candidates) {
        scratch.walk.visited.Visit(entry.node());
        scratch.walk.beam.Insert({entry.bits & ~uint64_t{1}});
      }
      WalkLevel(codes_, query, [&](uint32_t from) { return graph_.Links(from, level); }, scratch.walk.visited,
                scratch.walk.beam, scratch.distances);
      const std::span<const BeamEntry> beam = scratch.walk.beam.entries();
      scratch.candidates.assign(beam.begin(), beam.end());
      Choose(node, m_, scratch);
      found[level] = scratch.links;
    }
  }

  // Puts into scratch.links up to `count` of the candidates, nearest first: those that are nearer to the node than to
  // every link chosen before.
  void Choose(uint32_t node, size_t count, BuildScratch& scratch) const {
    scratch.links.clear();
    if (scratch.chosen.size() < count) scratch.chosen.resize(count);
    const float own = has_length_ ? codes_.bias(node) : 0.0f;
    for (const BeamEntry& candidate : scratch.candidates) {
      if (scratch.links.size() == count) break;
      const float distance = candidate.key() + own;
      bool nearer = true;
      for (size_t i = 0; i < scratch.links.size() && nearer; ++i) {
        const float length = has_length_ ? codes_.bias(scratch.links[i]) : 0.0f;
        nearer = codes_.Key(scratch.chosen[i], candidate.node()) + length >= distance;
      }
      if (!nearer) continue;
      codes_.EncodeNode(candidate.node(), scratch.chosen[scratch.links.size()]);
      scratch.links.push_back(candidate.node());
    }
  }

  // Writes the batch's own links at the level, and the links back.
  void LinkLevel(uint32_t begin, uint32_t level) {
    back_.clear();
    for (size_t i = 0; i < found_.size(); ++i) {
      if (found_[i].size() <= level) continue;
      const uint32_t node = order_[begin + i];
      std::copy(found_[i][level].begin(), found_[i][level].end(), graph_.Links(node, level).begin());
      for (uint32_t target : found_[i][level]) back_.push_back({target, node});
    }
    std::sort(back_.begin(), back_.end(), [](const BackLink& a, const BackLink& b) {
      return a.target != b.target ? a.target < b.target : a.source < b.source;
    });
    starts_.clear();
    for (size_t i = 0; i < back_.size(); ++i) {
      if (i == 0 || back_[i].target != back_[i - 1].target) starts_.push_back(i);
    }
    starts_.push_back(back_.size());
    ParallelFor(0, starts_.size() - 1, threads_, kGrain, [&](size_t i, size_t thread) {
      AddBackLinks(std::span<const BackLink>(back_).subspan(starts_[i], starts_[i + 1] - starts_[i]), level,
                   scratch_[thread]);
    });
  }

  // All of one target. Where its places do not suffice, old and new links are chosen among anew. Nodes that were all linked at once
  // (RunFrom) choose each other: such a link is there already.
  void AddBackLinks(std::span<const BackLink> links, uint32_t level, BuildScratch& scratch) const {
    const uint32_t target = links.front().target;
    const std::span<uint32_t> places = graph_.Links(target, level);
    const auto used = static_cast<size_t>(std::find(places.begin(), places.end(), kNoNode) - places.begin());
    const std::span<const uint32_t> there = places.first(used);
    const auto is_new = [there](const BackLink& link) { return std::find(there.begin(), there.end(), link.source) == there.end(); };
    const auto more = static_cast<size_t>(std::count_if(links.begin(), links.end(), is_new));
    if (used + more <= places.size()) {
      size_t at = used;
      for (const BackLink& link : links) {
        if (is_new(link)) places[at++] = link.source;
      }
      return;
    }
    CodeQuery& query = scratch.walk.query;
    codes_.EncodeNode(target, query);
    scratch.candidates.clear();
    const auto add = [&](uint32_t node) {
      scratch.candidates.push_back(BeamEntry::Make(codes_.Key(query, node), node));
    };
    for (size_t i = 0; i < used; ++i) add(places[i]);
    for (const BackLink& link : links) {
      if (is_new(link)) add(link.source);
    }
    std::sort(scratch.candidates.begin(), scratch.candidates.end(),
              [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
    Choose(target, places.size(), scratch);
    std::fill(std::copy(scratch.links.begin(), scratch.links.end(), places.begin()), places.end(), kNoNode);
  }

  const VectorCodes& codes_;
  const bool has_length_;  // keys plus lengths are squared distances
  GraphBytes& graph_;
  const size_t m_;
  const size_t ef_;
  const int threads_;
  uint32_t entry_ = 0;
  uint32_t max_level_ = 0;
  uint32_t lowest_level_ = 0;  // that nodes are inserted at
  std::vector<uint32_t> order_;                             // in which nodes are inserted
  std::vector<BuildScratch> scratch_;                       // one a thread
  std::vector<std::vector<std::vector<uint32_t>>> found_;   // by node of the batch and level
  std::vector<BackLink> back_;
  std::vector<size_t> starts_;  // of each target in `back_`
};

// What a graph is built from; `first` is null where nothing is kept.
struct BuildStart {
  std::shared_ptr<const VectorCodes> codes;
  GraphBytes bytes;
  const Graph* first = nullptr;
};

// Codes, links and cells of the first nodes' graph with room for the others; no value where they do not suit these.
absl::StatusOr<std::optional<BuildStart>> StartFrom(const Graph& first, const DenseColumn& column, int threads) {
  if (!first.MayGrowTo(column.nodes())) return std::nullopt;
  absl::StatusOr<std::shared_ptr<const VectorCodes>> codes = VectorCodes::Extend(column, first.codes(), threads);
  if (!codes.ok()) return codes.status();
  if (*codes == nullptr) return std::nullopt;
  absl::StatusOr<GraphBytes> bytes = GraphBytes::Create(**codes, first.m(), first.cells().cells());
  if (!bytes.ok()) return bytes.status();
  if (!bytes->TakeLinks(first)) return std::nullopt;
  if (first.cells().cells() > 0) ExtendCells(**codes, column.metric(), first.cells(), threads, bytes->cells());
  return BuildStart{*std::move(codes), *std::move(bytes), &first};
}

absl::StatusOr<BuildStart> StartAnew(const DenseColumn& column, uint32_t m, const GraphModels& models, int threads) {
  absl::StatusOr<std::shared_ptr<const VectorCodes>> codes = std::shared_ptr<const VectorCodes>();
  if (models.alike != nullptr) codes = VectorCodes::BuildLike(column, *models.alike, threads);
  if (codes.ok() && *codes == nullptr) codes = VectorCodes::Build(column, threads);
  if (!codes.ok()) return codes.status();
  const uint32_t cells = CellTable::CellsFor(column.nodes());
  absl::StatusOr<GraphBytes> bytes = GraphBytes::Create(**codes, m, cells);
  if (!bytes.ok()) return bytes.status();
  BuildCells(**codes, column.metric(), cells, threads, bytes->cells(), models.help.assign);
  return BuildStart{*std::move(codes), *std::move(bytes), nullptr};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        int threads, const BuildProgress& progress) {
  return BuildGraph(column, options, GraphModels(), threads, progress);
}

absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        const GraphModels& models, int threads,
                                                        const BuildProgress& progress) {
  if (absl::Status status = ValidateBuild(column, options); !status.ok()) return status;
  threads = std::clamp(threads, 1, 64);
  const auto m = static_cast<uint32_t>(options.m);
  std::optional<BuildStart> start;
  if (models.first != nullptr && models.first->m() == m) {
    absl::StatusOr<std::optional<BuildStart>> kept = StartFrom(*models.first, column, threads);
    if (!kept.ok()) return kept.status();
    start = *std::move(kept);
  }
  if (!start) {
    absl::StatusOr<BuildStart> anew = StartAnew(column, m, models, threads);
    if (!anew.ok()) return anew.status();
    start = *std::move(anew);
  }
  GraphBuilder builder(*start->codes, column.metric(), start->bytes, options, threads);
  absl::StatusOr<std::vector<std::vector<uint32_t>>> nearest = absl::UnavailableError("nobody finds them");
  if (models.help.nearest && start->first == nullptr) {
    const auto count = std::max(2 * static_cast<size_t>(options.m), static_cast<size_t>(options.ef_construction));
    nearest = models.help.nearest(column, count, progress);
  }
  const bool found = nearest.ok() && nearest->size() == column.nodes();
  absl::Status status = found ? builder.RunFrom(*nearest, progress) : builder.Run(start->first, progress);
  if (!status.ok()) return status;
  return Graph::Parse(start->bytes.buffer()->view(), std::move(start->codes), start->bytes.buffer());
}

}  // namespace vouch
