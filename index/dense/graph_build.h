#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "index/dense/build_help.h"
#include "index/dense/graph.h"
#include "index/dense/node_groups.h"
#include "storage/schema.h"

namespace vouch {

// Builds codes and graph over all nodes of the column, on `threads` threads. Equal columns and options give equal bytes,
// whatever the number of threads.
//
// Nodes are inserted in a drawn order, in batches that grow with the graph: each node of a batch searches the graph as it was before the
// batch (so the searches share nothing that changes), then all links are made in node order, as in "ParlayANN" (Manohar
// and others, 2024). Neighbours are chosen by Malkov and Yashunin's heuristic (algorithm 4), all by code.
// INVALID_ARGUMENT: no nodes, too many, vectors that lie in a file, or options outside HnswOptions' limits.
absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        int threads, const BuildProgress& progress);

// The same from what is there already, as far as it suits. Equal columns, options and models give equal bytes.
struct GraphModels {
  // Of the column's first vectors: where it may grow so far and its axes suit the other vectors, these are inserted into a
  // copy of it, in a drawn order. May be null.
  const Graph* first = nullptr;
  // Of other vectors of the field: where they suit, the codes get their axes, so that one search compares keys of both. May be
  // null.
  const VectorCodes* alike = nullptr;
  // Where `links` is set and no graph is extended, all nodes are linked at once by the links that it chooses (graph_assembly.h), which
  // decide the bytes, too. `assign` changes none.
  DenseBuildHelp help = {};
  NodeGroupLimits groups = {};  // where links are looked for then
};
absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        const GraphModels& models, int threads,
                                                        const BuildProgress& progress);

}  // namespace vouch
