#pragma once

#include <string>

#include "vouch/v1/lineage.pb.h"

namespace vouch {

// A lineage graph as one SVG 1.1 file that needs nothing else: what was made on the left, what it was made of to its right.
// Layers by the longest way from a node that nothing leads to; within a layer by the mean place of the neighbours, a few
// times to and fro (Sugiyama, Tagawa, Toda 1981), so that few edges cross. The same graph gives the same bytes. All texts
// are escaped; long ones are cut, and whole in the node's <title>.
std::string LineageSvg(const v1::LineageGraph& graph);

}  // namespace vouch
