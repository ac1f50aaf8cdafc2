#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "index/index_reader.h"
#include "query/planner.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

// The examples of a recommend leaf as vectors: of the field's dimension, normalised under cosine.
struct Examples {
  std::vector<std::vector<float>> positive;
  std::vector<std::vector<float>> negative;
  std::vector<RowId> rows;     // of the points among them, ascending; they are no hits
  std::vector<float> average;  // the query of the average_vector strategy; empty under another
};

// Finds the points that a plan's recommend leaves name, at the reader's version and as the
// principal sees them.
class ExampleResolver {
 public:
  ExampleResolver(const Store& store, const CollectionInfo& info, const IndexReader& reader,
                  const Principal& principal, const CancelToken& cancel)
      : store_(store), info_(info), reader_(reader), principal_(principal), cancel_(cancel) {}

  // Sets PlannedNode::examples of all recommend leaves. NOT_FOUND: a point that is unknown, retired
  // at this version or hidden. FAILED_PRECONDITION: it has no vector in the field.
  // INVALID_ARGUMENT: examples whose average has no direction. Each names the node by its path and
  // the example.
  absl::Status Resolve(PlannedNode& root) { return Visit(root, ""); }

 private:
  absl::Status Visit(PlannedNode& node, const std::string& prefix);
  absl::StatusOr<std::vector<float>> VectorOf(const Example& example, const PlannedNode& node,
                                              Examples& examples);
  absl::StatusOr<RowId> RowOf(const PointId& id);

  const Store& store_;
  const CollectionInfo& info_;
  const IndexReader& reader_;
  const Principal& principal_;
  const CancelToken& cancel_;
  std::optional<RowMask> seen_;  // the rows that the principal sees
};

}  // namespace vouch
