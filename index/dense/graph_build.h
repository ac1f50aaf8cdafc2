#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "index/dense/graph.h"
#include "storage/schema.h"

namespace vouch {

// Asked every few hundred rows with the share of the work done, 0 to 1; anything but OK ends the build with it.
using BuildProgress = std::function<absl::Status(double fraction)>;

// Builds the graph over all nodes of the column by FAISS (IndexHNSWFlat), on this thread alone. Equal columns and
// options give equal bytes. While it runs it holds a second copy of the vectors.
// INVALID_ARGUMENT: no nodes, too many, or options outside HnswOptions' limits.
absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        const BuildProgress& progress);

}  // namespace vouch
