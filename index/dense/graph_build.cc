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
#include "index/dense/graph_assembly.h"
#include "index/dense/graph_links.h"
#include "index/dense/node_groups.h"
#include "index/dense/parallel.h"

namespace vouch {
namespace {

// A batch has at most this share of the nodes already in the graph, so that few neighbours are missed in it.
constexpr size_t kBatchShare = 32;
constexpr size_t kMaxBatch = 2048;
constexpr size_t kGrain = 8;
// Links back are made in so many parts, each by one thread; few are made by one.
constexpr size_t kPartsAThread = 4;
constexpr size_t kFewLinks = 512;
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

// A link to be made from `target` back to `source`.
struct BackLink {
  uint32_t target = 0;
  uint32_t source = 0;
};

// What one thread needs to find and choose links.
struct BuildScratch {
  WalkScratch walk;
  LinkScratch links;
  std::vector<BackLink> back;
  std::vector<uint32_t> sources;
  uint64_t distances = 0;
};

class GraphBuilder {
 public:
  GraphBuilder(const VectorCodes& codes, Metric metric, GraphBytes& graph, const HnswOptions& options, int threads)
      : codes_(codes),
        graph_(graph),
        chooser_(codes, metric, graph),
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

 private:
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
    for (uint32_t level = 0; level < top; ++level) LinkLevel(begin, level);
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
    scratch.links.candidates.assign(1, best);
    for (uint32_t level = own_level + 1; level-- > 0;) {
      scratch.walk.visited.Begin(codes_.nodes());
      scratch.walk.beam.Begin(ef_);
      for (const BeamEntry& entry : scratch.links.candidates) {
        scratch.walk.visited.Visit(entry.node());
        scratch.walk.beam.Insert({entry.bits & ~uint64_t{1}});
      }
      WalkLevel(codes_, query, [&](uint32_t from) { return graph_.Links(from, level); }, scratch.walk.visited,
                scratch.walk.beam, scratch.distances);
      const std::span<const BeamEntry> beam = scratch.walk.beam.entries();
      scratch.links.candidates.assign(beam.begin(), beam.end());
      chooser_.Choose(node, m_, scratch.links);
      found[level] = scratch.links.links;
    }
  }

  // Writes the batch's own links at the level, and the links back: by parts of the targets, side by side.
  void LinkLevel(uint32_t begin, uint32_t level) {
    size_t links = 0;
    for (size_t i = 0; i < found_.size(); ++i) {
      if (found_[i].size() <= level) continue;
      std::copy(found_[i][level].begin(), found_[i][level].end(), graph_.Links(order_[begin + i], level).begin());
      links += found_[i][level].size();
    }
    const size_t parts = links < kFewLinks ? 1 : kPartsAThread * static_cast<size_t>(threads_);
    ParallelFor(0, parts, threads_, 1, [&](size_t part, size_t thread) {
      LinkBack(begin, level, codes_.nodes() * part / parts, codes_.nodes() * (part + 1) / parts, scratch_[thread]);
    });
  }

  // To the targets [first, last).
  void LinkBack(uint32_t begin, uint32_t level, uint64_t first, uint64_t last, BuildScratch& scratch) const {
    std::vector<BackLink>& back = scratch.back;
    back.clear();
    for (size_t i = 0; i < found_.size(); ++i) {
      if (found_[i].size() <= level) continue;
      for (const uint32_t target : found_[i][level]) {
        if (target >= first && target < last) back.push_back({target, order_[begin + i]});
      }
    }
    std::sort(back.begin(), back.end(), [](const BackLink& a, const BackLink& b) {
      return a.target != b.target ? a.target < b.target : a.source < b.source;
    });
    for (size_t at = 0; at < back.size();) {
      const uint32_t target = back[at].target;
      scratch.sources.clear();
      for (; at < back.size() && back[at].target == target; ++at) scratch.sources.push_back(back[at].source);
      chooser_.AddBackLinks(target, scratch.sources, level, scratch.links);
    }
  }

  const VectorCodes& codes_;
  GraphBytes& graph_;
  const LinkChooser chooser_;
  const size_t m_;
  const size_t ef_;
  const int threads_;
  uint32_t entry_ = 0;
  uint32_t max_level_ = 0;
  std::vector<uint32_t> order_;                             // in which nodes are inserted
  std::vector<BuildScratch> scratch_;                       // one a thread
  std::vector<std::vector<std::vector<uint32_t>>> found_;   // by node of the batch and level
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

// Links all nodes at once where the help chooses their links; false where it does not.
absl::StatusOr<bool> LinkWithHelp(const DenseColumn& column, const HnswOptions& options, const GraphModels& models, int threads,
                                  const BuildProgress& progress, BuildStart& start) {
  constexpr double kChoosing = 0.6;  // of the work
  GraphBytes& graph = start.bytes;
  CellTable cells;
  const std::string_view bytes(graph.cells(), CellLayout(graph.nodes(), graph.cell_count(), start.codes->stride()).size);
  if (absl::Status status = CellTable::Parse(bytes, graph.cell_count(), *start.codes, cells); !status.ok()) return status;
  const std::vector<NodeGroups> levels = GroupLevels(*start.codes, cells, graph.levels(), threads, models.groups);
  const auto m = static_cast<size_t>(options.m);
  const LinkCounts counts{.candidates = std::max(2 * m, static_cast<size_t>(options.ef_construction)), .links = m};
  absl::StatusOr<std::vector<std::vector<uint32_t>>> links =
      models.help.links(column, levels, counts, [&](double fraction) { return progress(kChoosing * fraction); });
  const auto fits = [&](const NodeGroups& level) {
    return (*links)[static_cast<size_t>(&level - levels.data())].size() == level.nodes.size() * counts.links;
  };
  if (!links.ok() || links->size() != levels.size() || !std::all_of(levels.begin(), levels.end(), fits)) return false;
  const BuildProgress rest = [&](double fraction) { return progress(kChoosing + (1 - kChoosing) * fraction); };
  absl::Status status =
      AssembleGraph(*start.codes, column.metric(), levels, *std::move(links), counts.links, threads, rest, graph);
  if (!status.ok()) return status;
  return true;
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
  absl::StatusOr<bool> linked = false;
  if (models.help.links && start->first == nullptr) linked = LinkWithHelp(column, options, models, threads, progress, *start);
  if (!linked.ok()) return linked.status();
  if (!*linked) {
    GraphBuilder builder(*start->codes, column.metric(), start->bytes, options, threads);
    if (absl::Status status = builder.Run(start->first, progress); !status.ok()) return status;
  }
  return Graph::Parse(start->bytes.buffer()->view(), std::move(start->codes), start->bytes.buffer());
}

}  // namespace vouch
