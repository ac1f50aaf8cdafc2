#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "index/index_reader.h"
#include "query/fuse.h"
#include "query/mask_cache.h"
#include "query/planner.h"
#include "storage/principal.h"

namespace vouch {

// What one node of the plan gave.
struct NodeResult {
  std::vector<RankedRow> hits;  // in total order; those of `all` and mmr in an order of their own
  bool cut = false;             // the leaf or fusion had, or may have had, more hits than its limit
  std::vector<NodeResult> children;  // with explain only
  SearchStats stats;                 // with explain only
  int64_t time_us = 0;               // with explain only; children included
};

// Runs plans over one snapshot. For one request on one thread; borrows all it is given.
//
// Invariants:
// 1. A mask is made once for each distinct filter of the plan, when first needed.
// 2. Nothing here touches the store.
class Executor {
 public:
  struct Options {
    bool explain = false;
    RowId scroll_after = kNoRow;  // a scroll at the root goes on after this row
    MaskCache* masks = nullptr;   // of other requests of the principal over the reader; may be null
  };
  Executor(const IndexReader& reader, const CollectionSchema& schema, const Principal& principal,
           const CancelToken& cancel, Options options)
      : reader_(reader),
        schema_(schema),
        principal_(principal),
        cancel_(cancel),
        options_(options) {}

  // One node of the plan, or a copy of one with another limit or query, with all below it.
  absl::StatusOr<NodeResult> RunAlone(const Plan& plan, const PlannedNode& node) {
    return RunNode(plan, node);
  }
  const CancelToken& cancel() const { return cancel_; }
  absl::StatusOr<NodeResult> Run(const Plan& plan);
  // The mask of the plan's filter `index`; made where it was not yet.
  absl::StatusOr<const RowMask*> MaskOf(const Plan& plan, size_t index);
  // What the payload indexes say of the mask before it is made.
  AllowedEstimate EstimateOf(const Plan& plan, size_t index) const {
    return reader_.EstimateAllowed(plan.filters[index], principal_);
  }

 private:
  absl::StatusOr<NodeResult> RunNode(const Plan& plan, const PlannedNode& node);
  absl::Status RunLeaf(const PlannedNode& node, const RowMask& mask, NodeResult& result);
  absl::Status RunRecommend(const RecommendLeaf& leaf, const PlannedNode& node, const RowMask& mask,
                            NodeResult& result);
  absl::Status RunAll(const AllLeaf& all, const PlannedNode& node, const RowMask& mask,
                      NodeResult& result);
  absl::Status RunRerank(const Plan& plan, const PlannedNode& node, const RerankNode& rerank,
                         NodeResult& result);
  absl::Status RunFuse(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                       NodeResult& result);

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  const Principal& principal_;
  const CancelToken& cancel_;
  const Options options_;
  std::vector<std::optional<RowMask>> masks_;
};

}  // namespace vouch
