// Fusions.
#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "query/executor.h"
#include "query/fuse.h"
#include "query/node_timer.h"
#include "query/reliability.h"
#include "query/together.h"
#include "query/vector_scorer.h"

namespace vouch {
namespace {

// What a child's scores cannot fall below; unset where nothing bounds them.
std::optional<double> LowestScore(const PlannedNode& node, const CollectionSchema& schema) {
  const auto& kind = node.node->node;
  if (std::holds_alternative<DenseLeaf>(kind)) {
    const DenseField& field = schema.dense[static_cast<size_t>(node.field)];
    if (field.metric == Metric::kCosine) return -1;
    if (field.metric == Metric::kHamming) return -static_cast<double>(field.dim);
    return std::nullopt;
  }
  if (const auto* multi = std::get_if<MultiVectorLeaf>(&kind)) {
    const MultiVectorField& field = schema.multi_vector[static_cast<size_t>(node.field)];
    if (field.metric != Metric::kCosine) return std::nullopt;
    return -static_cast<double>(multi->tokens.tokens());
  }
  if (const auto* fuse = std::get_if<FuseNode>(&kind)) {
    if (fuse->method == FusionMethod::kDbsf) return std::nullopt;
    return 0;
  }
  if (std::holds_alternative<TextLeaf>(kind) || std::holds_alternative<AllLeaf>(kind)) return 0;
  return std::nullopt;
}

// Waking a thread takes as long as a search of fewer.
constexpr uint64_t kRowsWorthAThread = 10'000;

bool IsSearchingLeaf(const decltype(QueryNode::node)& kind) {
  return !std::holds_alternative<FuseNode>(kind) && !std::holds_alternative<RerankNode>(kind) &&
         !std::holds_alternative<AllLeaf>(kind);
}

}  // namespace

struct Executor::Fusion {
  std::vector<NodeResult> results;  // never grows past what is reserved: the legs point into it
  std::vector<FusionLeg> legs;
  std::vector<double> reliability;
};

absl::Status Executor::RunFuse(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                               NodeResult& result) {
  Fusion fusion;
  fusion.results.reserve(node.children.size());
  absl::StatusOr<LeafResults> leaves = RunLeavesTogether(plan, node);
  if (!leaves.ok()) return leaves.status();
  absl::Status status = RunLegs(plan, node, fuse, fusion, fuse.children.size(), [&](const PlannedNode& leg) {
    std::optional<absl::StatusOr<NodeResult>>& ran = (*leaves)[static_cast<size_t>(&leg - node.children.data())];
    return ran ? *std::move(ran) : RunNode(plan, leg);
  });
  if (!status.ok()) return status;
  if (fusion.results.size() < node.children.size()) {
    const std::vector<RankedRow> hits = Fuse(fusion.legs);
    status = RunLegs(plan, node, fuse, fusion, node.children.size(), [&](const PlannedNode& leg) {
      return RunAddedLeg(plan, leg, *fuse.feedback, hits);
    });
    if (!status.ok()) return status;
  }
  result.hits = Fuse(fusion.legs);
  if (options_.explain) {
    result.stats.rows_visited = result.hits.size();
    result.stats.plan = absl::StrCat(
        std::string(FusionMethodName(fuse.method)),
        fuse.method == FusionMethod::kRrf ? absl::StrCat(" k=", fuse.k) : std::string(), " over ",
        fusion.results.size(), " lists, ", result.hits.size(), " distinct rows");
    result.children = std::move(fusion.results);
  }
  result.cut = result.hits.size() > node.limit;
  if (result.cut) result.hits.resize(node.limit);
  return absl::OkStatus();
}

absl::StatusOr<Executor::LeafResults> Executor::RunLeavesTogether(const Plan& plan, const PlannedNode& node) {
  LeafResults results(node.children.size());
  if (options_.pool == nullptr) return results;
  std::vector<size_t> leaves;
  size_t approximate = 0;  // whose rows must reach the candidates in order
  for (size_t i = 0; i < node.children.size(); ++i) {
    const auto& kind = node.children[i].node->node;
    if (node.children[i].expands >= 0) continue;
    if (!IsSearchingLeaf(kind)) {
      // What is below a fusion or reranking may be approximate, and runs after the leaves.
      approximate += std::holds_alternative<AllLeaf>(kind) ? 0 : 1;
      continue;
    }
    leaves.push_back(i);
    approximate += std::holds_alternative<DenseLeaf>(kind) || std::holds_alternative<RecommendLeaf>(kind) ? 1 : 0;
  }
  if (leaves.size() < 2 || (options_.candidates != nullptr && approximate > 1)) return results;
  uint64_t rows = 0;
  for (size_t leaf : leaves) {
    const absl::StatusOr<const RowMask*> mask = MaskOf(plan, node.children[leaf].mask);
    if (!mask.ok()) return mask.status();
    rows = std::max(rows, (*mask)->allowed_count);
  }
  if (rows < kRowsWorthAThread) return results;
  // Helpers come late; so the caller begins with what takes longest, which is most often a text leaf.
  std::stable_partition(leaves.begin(), leaves.end(), [&](size_t leaf) {
    return std::holds_alternative<TextLeaf>(node.children[leaf].node->node);
  });
  WorkTogether(options_.pool, leaves.size() - 1, leaves.size(), [&](size_t i) {
    // Work of the pool must not throw: nobody on its threads would catch it.
    std::optional<absl::StatusOr<NodeResult>>& result = results[leaves[i]];
    try {
      result = RunNode(plan, node.children[leaves[i]]);
    } catch (const std::bad_alloc&) {
      result = absl::ResourceExhaustedError("there was not enough memory for a leaf of the query");
    } catch (const std::exception& error) {
      result = absl::InternalError(absl::StrCat("a leaf of the query failed: ", error.what()));
    }
    return true;
  });
  return results;
}

absl::Status Executor::AddLeg(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                              NodeResult&& ran, Fusion& fusion) {
  const size_t child = fusion.results.size();
  const PlannedNode& at = node.children[child];
  double reliability = 1;
  if (fuse.by_reliability && std::holds_alternative<DenseLeaf>(at.node->node)) {
    if (at.expands >= 0) {
      reliability = fusion.reliability[static_cast<size_t>(at.expands)];
    } else {
      const absl::StatusOr<double> estimated = ReliabilityWeight(plan, at, ran);
      if (!estimated.ok()) return estimated.status();
      reliability = *estimated;
    }
  }
  fusion.reliability.push_back(reliability);
  ran.weight = WeightOfChild(fuse, node, child) * reliability;
  ScoredList list{.hits = &ran.hits, .lowest = LowestScore(at, schema_)};
  if (std::holds_alternative<TextLeaf>(at.node->node) && !ran.cut) {
    absl::StatusOr<const RowMask*> mask = MaskOf(plan, at.mask);
    if (!mask.ok()) return mask.status();
    list.complete = true;
    list.rows = (*mask)->allowed_count;
  }
  ran.scale = ScoreScale::Of(fuse.method, fuse.k, list);
  const NodeResult& kept = fusion.results.emplace_back(std::move(ran));
  fusion.legs.push_back({.hits = &kept.hits, .scale = kept.scale, .weight = kept.weight});
  return absl::OkStatus();
}

absl::StatusOr<double> Executor::ReliabilityWeight(const Plan& plan, const PlannedNode& node,
                                                   NodeResult& ran) {
  absl::StatusOr<const RowMask*> mask = MaskOf(plan, node.mask);
  if (!mask.ok()) return mask.status();
  const std::vector<float>& vector =
      ran.vector.empty() ? std::get<DenseLeaf>(node.node->node).vector : ran.vector;
  const DenseField& field = schema_.dense[static_cast<size_t>(node.field)];
  const std::vector<float> prepared = PreparedVector(field, vector);
  VectorScorer scorer(reader_, schema_, node.field);
  std::vector<float> sample;
  for (RowId row : reader_.SampleRows(**mask, ReliabilityLimits::kSampleRows)) {
    const absl::StatusOr<std::optional<float>> score = scorer.Score(prepared, row);
    if (!score.ok()) return score.status();
    if (score->has_value()) sample.push_back(**score);
  }
  const Reliability found = EstimateReliability(ran.hits, sample, (*mask)->allowed_count);
  if (options_.explain) {
    ran.stats.distances += sample.size();
    absl::StrAppendFormat(&ran.stats.plan,
                          ", reliability %.3f (first hits %.2f deviations high, %.2f by chance)",
                          found.weight, found.height, found.chance);
  }
  return found.weight;
}

absl::Status Executor::RunLegs(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                               Fusion& fusion, size_t end, const LegRunner& run) {
  while (fusion.results.size() < end) {
    absl::StatusOr<NodeResult> ran = run(node.children[fusion.results.size()]);
    if (!ran.ok()) return ran.status();
    if (absl::Status status = AddLeg(plan, node, fuse, *std::move(ran), fusion); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace vouch
