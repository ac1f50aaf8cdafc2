// Fusions, and feedback from their hits.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "query/executor.h"
#include "query/feedback.h"
#include "query/fuse.h"
#include "query/node_timer.h"
#include "query/reliability.h"
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

// Whether the leg's vector can be searched for.
bool IsUsable(std::span<const float> vector, Metric metric) {
  bool zero = true;
  for (float value : vector) {
    if (!std::isfinite(value)) return false;
    zero = zero && value == 0;
  }
  return !zero || metric != Metric::kCosine;
}

// The first `limit` of the hits that the mask allows.
std::vector<RankedRow> FirstAllowed(const IndexReader& reader, const RowMask& mask,
                                    std::span<const RankedRow> hits, size_t limit) {
  std::vector<RankedRow> first;
  for (const RankedRow& hit : hits) {
    if (first.size() == limit) break;
    if (reader.IsAllowed(hit.row, mask)) first.push_back(hit);
  }
  return first;
}

std::string_view HitWord(size_t count) { return count == 1 ? " hit" : " hits"; }

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
  absl::Status status = RunLegs(plan, node, fuse, fusion, fuse.children.size(),
                                [&](const PlannedNode& leg) { return RunNode(plan, leg); });
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

absl::StatusOr<NodeResult> Executor::RunAddedLeg(const Plan& plan, const PlannedNode& leg,
                                                 const FusionFeedback& feedback,
                                                 std::span<const RankedRow> hits) {
  absl::StatusOr<NodeResult> result{NodeResult()};
  absl::Status status;
  {
    const NodeTimer timer(options_.explain, result->time_us);
    absl::StatusOr<const RowMask*> mask = MaskOf(plan, leg.mask);
    if (!mask.ok()) return mask.status();
    status = std::holds_alternative<TextLeaf>(leg.node->node)
                 ? RunRm3(leg, *feedback.text, hits, **mask, *result)
                 : RunRocchio(leg, *feedback.dense, hits, **mask, *result);
  }
  if (!status.ok()) return status;
  return result;
}

absl::Status Executor::RunRm3(const PlannedNode& node, const Rm3& rm3,
                              std::span<const RankedRow> hits, const RowMask& mask,
                              NodeResult& result) {
  const absl::StatusOr<AnalyzedText> query = reader_.AnalyzeText(node.field, node.text);
  if (!query.ok()) return query.status();
  std::vector<FeedbackText> documents;
  for (const RankedRow& hit : FirstAllowed(reader_, mask, hits, rm3.documents)) {
    absl::StatusOr<AnalyzedText> text = reader_.ReadText(node.field, hit.row);
    if (!text.ok()) return text.status();
    documents.push_back({.text = *std::move(text), .score = hit.score});
  }
  std::vector<WeightedTerm> terms = ExpandByRm3(*query, documents, rm3);
  if (absl::Status status = RunTerms(node, terms, node.limit, mask, result); !status.ok()) {
    return status;
  }
  if (options_.explain) {
    result.stats.plan = absl::StrCat("rm3 of ", documents.size(), std::string(HitWord(documents.size())),
                                     ", ", result.stats.plan);
    result.terms = std::move(terms);
  }
  return absl::OkStatus();
}

absl::Status Executor::RunRocchio(const PlannedNode& node, const Rocchio& rocchio,
                                  std::span<const RankedRow> hits, const RowMask& mask,
                                  NodeResult& result) {
  const DenseField& field = schema_.dense[static_cast<size_t>(node.field)];
  std::vector<float> query = PreparedVector(field, std::get<DenseLeaf>(node.node->node).vector);
  std::vector<std::vector<float>> vectors;
  std::vector<float> vector(field.dim);
  for (const RankedRow& hit : hits) {
    if (vectors.size() == rocchio.documents) break;
    if (!reader_.IsAllowed(hit.row, mask)) continue;
    const absl::StatusOr<bool> there = reader_.ReadVector(node.field, hit.row, vector);
    if (!there.ok()) return there.status();
    if (*there) vectors.push_back(vector);
  }
  const std::vector<std::span<const float>> documents(vectors.begin(), vectors.end());
  result.vector = ExpandByRocchio(query, documents, rocchio);
  if (!IsUsable(result.vector, field.metric)) result.vector = std::move(query);
  if (absl::Status status = RunDense(node, result.vector, node.limit, mask, result); !status.ok()) {
    return status;
  }
  if (options_.explain) {
    result.stats.plan =
        absl::StrCat("rocchio of ", documents.size(), std::string(HitWord(documents.size())), ", ",
                     result.stats.plan);
  }
  return absl::OkStatus();
}

}  // namespace vouch
