#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/search.h"
#include "storage/ids.h"
#include "storage/point_id.h"

namespace vouch {

class Executor;
class IndexReader;
struct CollectionSchema;
struct Filter;
struct NodeResult;
struct Plan;
struct PlannedNode;

// How one stage of a search saw a point.
struct WhyNotStage {
  std::string node = {};  // the node's path: "fuse[0].dense(embedding)"
  bool gave = false;      // it gave the point to its parent
  // Where the point stands in the node's list without the limit, from 1; for a dense leaf by exact
  // search. None: it is no hit of the node at all, or not among the first QueryLimits::kMaxLimit.
  std::optional<uint64_t> rank = {};
  std::optional<double> score = {};   // the point's, in this node
  std::optional<double> cutoff = {};  // of the last hit that the node gave
  uint64_t limit = 0;                 // hits that the node gives
  std::string reason = {};            // for people; empty where it gave the point
};

struct WhyNotResponse {
  Version version = {};
  uint64_t rank = 0;                // the point's among the request's hits, from 1; 0: it is none
  std::string verdict = {};              // at which stage the point fell out, and by how much
  std::vector<WhyNotStage> stages = {};  // leaves first
};

// Follows one row through a plan that was run with explain. Runs the nodes that did not give it
// again, without their limits. For one request on one thread; borrows all.
class WhyNotFinder {
 public:
  WhyNotFinder(const IndexReader& reader, const CollectionSchema& schema,
               const SearchRequest& request, const Plan& plan, Executor& executor)
      : reader_(reader), schema_(schema), request_(request), plan_(plan), executor_(executor) {}

  // `result` is the plan's. The row must be visible to the principal.
  absl::StatusOr<WhyNotResponse> Find(RowId row, const NodeResult& result);

 private:
  struct Outcome {
    bool gave = false;
    std::string cause;  // where it fell out
  };
  absl::StatusOr<Outcome> Visit(const PlannedNode& node, const NodeResult& result,
                                const std::string& path);
  // Fills rank, score and reason of a node that did not give the row.
  absl::Status Look(const PlannedNode& node, bool child_gave, WhyNotStage& stage);
  absl::StatusOr<std::string> UnmetOf(const PlannedNode& node);
  absl::Status AddUnmet(const Filter& filter, std::string& unmet);
  absl::StatusOr<std::string> WhyNotClause(const PlannedNode& node) const;
  absl::StatusOr<std::string> WhyNoHit(const PlannedNode& node, bool child_gave) const;

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  const SearchRequest& request_;
  const Plan& plan_;
  Executor& executor_;
  RowId row_;
  WhyNotResponse response_;
};

}  // namespace vouch
