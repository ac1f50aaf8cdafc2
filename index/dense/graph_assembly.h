#pragma once

#include <span>
#include <vector>

#include "index/dense/build_help.h"
#include "index/dense/graph_links.h"

namespace vouch {

// Links all nodes of a graph at once, from the highest level down: a node's links are those that were chosen for it (ChooseLinks), and, as
// far as there are places, those that it has one level above, which lead farther: from groups that lie in no others' reach, and out of
// clusters. Then links are made both ways.
//
// `links[level]`: counts.links places for each of levels[level].nodes. What names no other node of the level is left out. The result
// does not depend on the number of threads.
absl::Status AssembleGraph(const VectorCodes& codes, Metric metric, std::span<const NodeGroups> levels,
                           std::span<const std::vector<uint32_t>> links, size_t links_of_node, int threads,
                           const BuildProgress& progress, GraphBytes& graph);

}  // namespace vouch
