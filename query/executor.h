#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "index/index_reader.h"
#include "query/candidate_log.h"
#include "query/mask_cache.h"
#include "query/planner.h"
#include "query/ranked_row.h"
#include "query/rerank_cross.h"
#include "query/score_scale.h"
#include "storage/principal.h"

namespace vouch {

class JobPool;

// What one node of the plan gave.
struct NodeResult {
  std::vector<RankedRow> hits = {};  // in total order; those of `all` and mmr in an order of their own
  bool cut = false;             // the leaf or fusion had, or may have had, more hits than its limit
  // What feedback made of a dense leaf's vector, and of a text leaf's question; empty where there was
  // none. And how many hits it learned from.
  std::vector<float> vector = {};
  std::vector<WeightedTerm> terms = {};
  size_t learned_from = 0;
  // With explain only:
  std::vector<NodeResult> children;
  SearchStats stats = {};
  int64_t time_us = 0;  // children included
  // What a text leaf's clause became; null where it has none, or none of its clauses a term.
  std::shared_ptr<const TextExpression> expression = {};
  // How the hits of a fusion's child count in it.
  ScoreScale scale = {};
  double weight = 1;
};

// Runs plans over one snapshot. For one request at a time, on the caller's thread; where a pool helps, the leaves of a fusion over many
// rows run at the same time, which changes nothing but the time. Borrows all it is given.
//
// Invariants:
// 1. A mask is made once for each distinct filter of the plan, when first needed; those of leaves that run at the same time before
// they run.
// 2. Nothing here touches the store but the CrossScorer, for the texts that a model reads.
// 3. Feedback learns only from rows that the leaf could give: of the version, the principal and the
// filter.
class Executor {
 public:
  struct Options {
    bool explain = false;
    RowId scroll_after = kNoRow;  // a scroll at the root goes on after this row
    MaskCache* masks = nullptr;   // of other requests of the principal over the reader; may be null
    CrossScorer* cross = nullptr;  // the request's own; must be given
    CandidateLog* candidates = nullptr;  // of approximate searches; may be null
    JobPool* pool = nullptr;             // helps with the leaves of a fusion; null: none does
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
  CrossScorer& cross() const { return *options_.cross; }
  absl::StatusOr<NodeResult> Run(const Plan& plan);
  // The mask of the plan's filter `index`; made where it was not yet.
  absl::StatusOr<const RowMask*> MaskOf(const Plan& plan, size_t index);
  // What the payload indexes say of the mask before it is made.
  AllowedEstimate EstimateOf(const Plan& plan, size_t index) const {
    return reader_.EstimateAllowed(plan.filters[index], principal_);
  }

 private:
  // A fusion in the making: the lists so far.
  struct Fusion;

  absl::StatusOr<NodeResult> RunNode(const Plan& plan, const PlannedNode& node);
  absl::Status RunLeaf(const PlannedNode& node, const RowMask& mask, NodeResult& result);
  absl::Status RunDense(const PlannedNode& node, std::span<const float> vector, size_t limit,
                        const RowMask& mask, NodeResult& result);
  // A dense search; the rows of an approximate one pass through the candidates.
  absl::StatusOr<std::vector<Hit>> SearchDense(const DenseQuery& query, const RowMask& mask,
                                               SearchStats* stats);
  absl::Status RunTerms(const PlannedNode& node, std::span<const WeightedTerm> terms, size_t limit,
                        const RowMask& mask, NodeResult& result);
  absl::Status RunText(const TextLeaf& leaf, const PlannedNode& node, const RowMask& mask,
                       NodeResult& result);
  absl::Status RunClause(const PlannedNode& node, const RowMask& mask, NodeResult& result);
  absl::Status RunRecommend(const RecommendLeaf& leaf, const PlannedNode& node, const RowMask& mask,
                            NodeResult& result);
  absl::Status RunAll(const AllLeaf& all, const PlannedNode& node, const RowMask& mask,
                      NodeResult& result);
  absl::Status RunRerank(const Plan& plan, const PlannedNode& node, const RerankNode& rerank,
                         NodeResult& result);

  // What feedback makes of a leaf's query, from the first of `hits`, which the leaf could give:
  // result.terms and result.vector.
  absl::Status LearnTerms(const PlannedNode& node, const Rm3& rm3, std::span<const RankedRow> hits,
                          NodeResult& result) const;
  absl::Status LearnVector(const PlannedNode& node, const Rocchio& rocchio,
                           std::span<const RankedRow> hits, NodeResult& result) const;
  // A leaf with feedback of its own: two searches.
  absl::Status RunLearnedText(const PlannedNode& node, const Rm3& rm3, const AnalyzedText& query,
                              const RowMask& mask, NodeResult& result);
  absl::Status RunLearnedDense(const PlannedNode& node, const Rocchio& rocchio, const RowMask& mask,
                               NodeResult& result);

  absl::Status RunFuse(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                       NodeResult& result);
  // Results of the fusion's leaves that were run at the same time, by child; those of others are unset.
  using LeafResults = std::vector<std::optional<absl::StatusOr<NodeResult>>>;
  absl::StatusOr<LeafResults> RunLeavesTogether(const Plan& plan, const PlannedNode& node);
  // Runs the fusion's next legs up to number `end` and adds them in order.
  using LegRunner = std::function<absl::StatusOr<NodeResult>(const PlannedNode&)>;
  absl::Status RunLegs(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                       Fusion& fusion, size_t end, const LegRunner& run);
  // A leg of the fusion's feedback: no search, but new scores for the first `leg.limit` of the
  // children's fused hits that the leaf could give.
  absl::StatusOr<NodeResult> RunAddedLeg(const Plan& plan, const PlannedNode& leg,
                                         const FusionFeedback& feedback,
                                         std::span<const RankedRow> hits);
  absl::Status ScoreByTerms(const PlannedNode& leg, std::span<const RankedRow> hits,
                            const RowMask& mask, NodeResult& result) const;
  absl::Status ScoreByVector(const PlannedNode& leg, std::span<const RankedRow> hits,
                             NodeResult& result) const;
  absl::Status AddLeg(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                      NodeResult&& ran, Fusion& fusion);
  absl::StatusOr<double> ReliabilityWeight(const Plan& plan, const PlannedNode& node,
                                           NodeResult& ran);

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  const Principal& principal_;
  const CancelToken& cancel_;
  const Options options_;
  std::vector<std::optional<RowMask>> masks_;
};

}  // namespace vouch
