#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "query/executor.h"
#include "query/planner.h"
#include "query/search.h"

namespace vouch {

// Explain: accounts for each hit's score and each step of the plan, from what the executor kept.
// Borrows all.
class Ledger {
 public:
  Ledger(const IndexReader& reader, const CollectionSchema& schema, const Plan& plan,
         const NodeResult& result, Executor& executor)
      : reader_(reader), schema_(schema), plan_(plan), result_(result), executor_(executor) {}

  // One step for each filter, then one for each node, parents first.
  absl::Status AddPlan(SearchResponse& response);
  // Fills each hit's `explanation`: the nodes that found it, the root first. Under a fusion the
  // children's contributions, added in order, are the fusion's score to the last bit.
  absl::Status ExplainHits(std::span<PointHit> hits);

 private:
  absl::Status AddStep(const PlannedNode& node, const NodeResult& result, const std::string& path,
                       std::vector<PlanStep>& steps) const;
  // Notes of a reranking, to the entries that it has just made.
  absl::Status AddNotes(const RerankNode& rerank, const PlannedNode& node, const NodeResult& result,
                        std::span<PointHit> hits) const;
  // `parent` is null for the root.
  absl::Status ExplainNode(const PlannedNode& node, const NodeResult& result,
                           const std::string& path, const PlannedNode* parent,
                           std::span<PointHit> hits);
  // What each term, index or query token gave to the rows' scores in a text, sparse or multi_vector leaf
  // or a maxsim reranking: to the entry of the same place, which has it for each of the rows. Statistics
  // are collected once a node.
  absl::Status ExplainLeaf(const PlannedNode& node, const NodeResult& result,
                           std::span<const RowId> rows, std::span<NodeScore> scores);
  absl::Status ExplainText(const PlannedNode& node, const NodeResult& result,
                           std::span<const RowId> rows, std::span<NodeScore> scores);

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  const Plan& plan_;
  const NodeResult& result_;
  Executor& executor_;
  // The page's rows; a row that stands in several groups has more than one hit.
  absl::flat_hash_map<uint64_t, std::vector<size_t>> hits_of_;
};

}  // namespace vouch
