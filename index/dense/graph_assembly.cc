#include "index/dense/graph_assembly.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "index/dense/parallel.h"

namespace vouch {
namespace {

constexpr size_t kGrain = 64;
constexpr size_t kNodesAtOnce = 65'536;  // between two looks at whether to go on

class GraphAssembler {
 public:
  GraphAssembler(const VectorCodes& codes, Metric metric, size_t links_of_node, int threads, const BuildProgress& progress,
                 GraphBytes& graph)
      : chooser_(codes, metric, graph),
        links_of_node_(links_of_node),
        threads_(threads),
        progress_(progress),
        graph_(graph),
        scratch_(static_cast<size_t>(threads)) {}

  absl::Status Run(std::span<const NodeGroups> levels, std::vector<std::vector<uint32_t>> links) {
    for (const NodeGroups& level : levels) all_ += level.nodes.size();
    for (size_t level = levels.size(); level-- > 0;) {
      if (absl::Status status = LinkLevel(static_cast<uint32_t>(level), levels[level].nodes, std::move(links[level])); !status.ok()) {
        return status;
      }
    }
    const std::span<const uint8_t> highest = graph_.levels();
    const auto entry = std::max_element(highest.begin(), highest.end());
    graph_.SetEntry(static_cast<uint32_t>(entry - highest.begin()), *entry);
    return progress_(1.0);
  }

 private:
  // The links above are there already.
  absl::Status LinkLevel(uint32_t level, std::span<const uint32_t> nodes, std::vector<uint32_t> links) {
    absl::Status status = ForNodes(nodes, 0.2, [&](size_t place, LinkScratch& scratch) {
      const std::span<const uint32_t> chosen = std::span(links).subspan(place * links_of_node_, links_of_node_);
      TakeLinks(nodes[place], level, chosen, scratch);
    });
    if (!status.ok()) return status;
    std::vector<uint32_t>().swap(links);
    // Each node's links from others are counted, then listed, and made in ascending order.
    std::vector<uint64_t> start(size_t{graph_.nodes()} + 1);
    ForLinks(level, nodes, [&](uint32_t, uint32_t target) { Add(start[target + size_t{1}]); });
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<uint32_t> sources(start.back());
    std::vector<uint64_t> next(start.begin(), start.end() - 1);
    ForLinks(level, nodes, [&](uint32_t source, uint32_t target) { sources[Add(next[target])] = source; });
    return ForNodes(nodes, 0.8, [&](size_t place, LinkScratch& scratch) {
      const uint32_t target = nodes[place];
      const std::span<uint32_t> own = std::span(sources).subspan(start[target], start[target + size_t{1}] - start[target]);
      std::sort(own.begin(), own.end());
      chooser_.AddBackLinks(target, own, level, scratch);
    });
  }

  void TakeLinks(uint32_t node, uint32_t level, std::span<const uint32_t> chosen, LinkScratch& scratch) const {
    std::vector<uint32_t>& links = scratch.links;
    links.clear();
    const auto add = [&](uint32_t other) {
      if (other == node || std::find(links.begin(), links.end(), other) != links.end()) return;
      links.push_back(other);
    };
    for (const uint32_t other : chosen) {
      if (other < graph_.nodes() && graph_.level(other) >= level) add(other);
    }
    if (graph_.level(node) > level) {
      for (const uint32_t other : graph_.Links(node, level + 1)) {
        if (other != kNoNode) add(other);
      }
    }
    links.resize(std::min(links.size(), graph_.Capacity(level)));
    std::copy(links.begin(), links.end(), graph_.Links(node, level).begin());
  }

  // Calls work(place, scratch) for each of the nodes, which is `share` of what a level takes.
  template <typename Work>
  absl::Status ForNodes(std::span<const uint32_t> nodes, double share, const Work& work) {
    for (size_t begin = 0; begin < nodes.size(); begin += kNodesAtOnce) {
      const size_t end = std::min(nodes.size(), begin + kNodesAtOnce);
      ParallelFor(begin, end, threads_, kGrain, [&](size_t place, size_t thread) { work(place, scratch_[thread]); });
      done_ += share * static_cast<double>(end - begin);
      if (absl::Status status = progress_(std::min(1.0, done_ / static_cast<double>(all_))); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  template <typename Visit>
  void ForLinks(uint32_t level, std::span<const uint32_t> nodes, const Visit& visit) const {
    ParallelFor(0, nodes.size(), threads_, kGrain, [&](size_t place, size_t) {
      for (const uint32_t target : graph_.Links(nodes[place], level)) {
        if (target != kNoNode) visit(nodes[place], target);
      }
    });
  }
  static uint64_t Add(uint64_t& counter) { return std::atomic_ref<uint64_t>(counter).fetch_add(1, std::memory_order_relaxed); }

  const LinkChooser chooser_;
  const size_t links_of_node_;
  const int threads_;
  const BuildProgress& progress_;
  GraphBytes& graph_;
  std::vector<LinkScratch> scratch_;  // one a thread
  size_t all_ = 0;                    // nodes of all levels
  double done_ = 0;                   // of these
};

}  // namespace

absl::Status AssembleGraph(const VectorCodes& codes, Metric metric, std::span<const NodeGroups> levels,
                           std::vector<std::vector<uint32_t>> links, size_t links_of_node, int threads,
                           const BuildProgress& progress, GraphBytes& graph) {
  return GraphAssembler(codes, metric, links_of_node, threads, progress, graph).Run(levels, std::move(links));
}

}  // namespace vouch
