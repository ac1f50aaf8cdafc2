#pragma once

#include <string>
#include <vector>

#include "index/index_reader.h"
#include "query/planner.h"
#include "query/search.h"

namespace vouch {

// A node with its field, as plans and explanations name it: "dense(embedding)".
std::string NodeLabel(const PlannedNode& node, const CollectionSchema& schema);

// The path of a node's child: "fuse[0].dense(embedding)", and of a leg that feedback adds
// "fuse.feedback[0].dense(embedding)", with the number of the child that it expands.
std::string ChildPath(const std::string& path, const PlannedNode& node, size_t child,
                      const CollectionSchema& schema);

// What a plan would do: one step for each filter, then one for each node, parents first. Takes
// estimates from the indexes and runs nothing.
std::vector<PlanStep> DescribePlan(const Plan& plan, const CollectionSchema& schema,
                                   const IndexReader& reader, const Principal& principal);

}  // namespace vouch
