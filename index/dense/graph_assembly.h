#pragma once

#include <span>
#include <vector>

#include "index/dense/build_help.h"
#include "index/dense/graph_links.h"

namespace vouch {

// Links all nodes of a graph at once, from the highest level down: a node's links are those that were chosen for it (ChooseLinks), and, as
// far as there are places, those that it has one level above, which lead farther: out of clusters, and to what no group near its own has.
// Then links are made both ways; where a node's places do not suffice, they are chosen among anew.
//
// `links[level]`: links_of_node places for each of levels[level].nodes; they are let go when they are taken. What names no other node of
// the level is left out. The result does not depend on the number of threads. `progress` is asked every so many nodes.
absl::Status AssembleGraph(const VectorCodes& codes, Metric metric, std::span<const NodeGroups> levels,
                           std::vector<std::vector<uint32_t>> links, size_t links_of_node, int threads,
                           const BuildProgress& progress, GraphBytes& graph);

}  // namespace vouch
