#include "index/dense/graph_assembly.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "index/dense/parallel.h"

namespace vouch {
namespace {

constexpr size_t kGrain = 64;

class GraphAssembler {
 public:
  GraphAssembler(const VectorCodes& codes, Metric metric, size_t links_of_node, int threads, GraphBytes& graph)
      : chooser_(codes, metric, graph),
        links_of_node_(links_of_node),
        threads_(threads),
        graph_(graph),
        scratch_(static_cast<size_t>(threads)) {}

  // The links above are there already.
  void LinkLevel(uint32_t level, const NodeGroups& groups, std::span<const uint32_t> links) {
    ParallelFor(0, groups.nodes.size(), threads_, kGrain, [&](size_t place, size_t thread) {
      TakeLinks(groups.nodes[place], level, links.subspan(place * links_of_node_, links_of_node_), scratch_[thread]);
    });
    LinkBack(level, groups);
  }

 private:
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

  // Counts each node's links from others, then lists them in ascending order.
  void LinkBack(uint32_t level, const NodeGroups& groups) {
    std::vector<uint64_t> end(size_t{graph_.nodes()} + 1);
    ForLinks(level, groups, [&](uint32_t, uint32_t target) { Add(end[target + size_t{1}]); });
    std::partial_sum(end.begin(), end.end(), end.begin());
    std::vector<uint32_t> sources(end.back());
    // Where a target's begin moves to where they end, and so to where those of the next begin.
    std::vector<uint64_t> at(end.begin(), end.end() - 1);
    ForLinks(level, groups, [&](uint32_t source, uint32_t target) { sources[Add(at[target])] = source; });
    ParallelFor(0, groups.nodes.size(), threads_, kGrain, [&](size_t place, size_t thread) {
      const uint32_t target = groups.nodes[place];
      const std::span<uint32_t> own = std::span(sources).subspan(end[target], end[target + size_t{1}] - end[target]);
      std::sort(own.begin(), own.end());
      chooser_.AddBackLinks(target, own, level, scratch_[thread]);
    });
  }
  static uint64_t Add(uint64_t& counter) { return std::atomic_ref<uint64_t>(counter).fetch_add(1, std::memory_order_relaxed); }
  template <typename Visit>
  void ForLinks(uint32_t level, const NodeGroups& groups, const Visit& visit) const {
    ParallelFor(0, groups.nodes.size(), threads_, kGrain, [&](size_t place, size_t) {
      for (const uint32_t target : graph_.Links(groups.nodes[place], level)) {
        if (target != kNoNode) visit(groups.nodes[place], target);
      }
    });
  }

  const LinkChooser chooser_;
  const size_t links_of_node_;
  const int threads_;
  GraphBytes& graph_;
  std::vector<LinkScratch> scratch_;  // one a thread
};

}  // namespace

absl::Status AssembleGraph(const VectorCodes& codes, Metric metric, std::span<const NodeGroups> levels,
                           std::span<const std::vector<uint32_t>> links, size_t links_of_node, int threads,
                           const BuildProgress& progress, GraphBytes& graph) {
  GraphAssembler assembler(codes, metric, links_of_node, threads, graph);
  for (size_t level = levels.size(); level-- > 0;) {
    if (absl::Status status = progress(1.0 / static_cast<double>(level + 1)); !status.ok()) return status;
    assembler.LinkLevel(static_cast<uint32_t>(level), levels[level], links[level]);
  }
  const std::span<const uint8_t> highest = graph.levels();
  const auto entry = std::max_element(highest.begin(), highest.end());
  graph.SetEntry(static_cast<uint32_t>(entry - highest.begin()), *entry);
  return progress(1.0);
}

}  // namespace vouch
