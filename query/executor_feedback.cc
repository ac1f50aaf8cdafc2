// Feedback: what the first hits make of a leaf's query, and the legs that it adds to a fusion.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "query/executor.h"
#include "query/feedback.h"
#include "query/node_timer.h"
#include "query/rerank_exact.h"
#include "query/vector_scorer.h"

namespace vouch {
namespace {

// Whether the leg's vector can be searched for.
bool IsUsable(std::span<const float> vector, Metric metric) {
  bool zero = true;
  for (float value : vector) {
    if (!std::isfinite(value)) return false;
    zero = zero && value == 0;
  }
  return !zero || metric != Metric::kCosine;
}

std::vector<RankedRow> AllowedOf(const IndexReader& reader, const RowMask& mask,
                                 std::span<const RankedRow> hits) {
  std::vector<RankedRow> allowed;
  allowed.reserve(hits.size());
  for (const RankedRow& hit : hits) {
    if (reader.IsAllowed(hit.row, mask)) allowed.push_back(hit);
  }
  return allowed;
}

std::string HitWords(size_t count) { return absl::StrCat(count, count == 1 ? " hit" : " hits"); }

// "rm3 of 10 hits, ": before the words on the search.
std::string LearnedWords(std::string_view method, const NodeResult& result) {
  return absl::StrCat(std::string(method), " of ", HitWords(result.learned_from), ", ");
}

}  // namespace

absl::Status Executor::LearnTerms(const PlannedNode& node, const Rm3& rm3,
                                  std::span<const RankedRow> hits, NodeResult& result) const {
  const absl::StatusOr<AnalyzedText> query = reader_.AnalyzeText(node.field, node.text);
  if (!query.ok()) return query.status();
  std::vector<FeedbackText> documents;
  for (const RankedRow& hit : hits.first(std::min<size_t>(hits.size(), rm3.documents))) {
    absl::StatusOr<AnalyzedText> text = reader_.ReadText(node.field, hit.row);
    if (!text.ok()) return text.status();
    documents.push_back({.text = *std::move(text), .score = hit.score});
  }
  result.learned_from = documents.size();
  result.terms = ExpandByRm3(*query, documents, rm3);
  return absl::OkStatus();
}

absl::Status Executor::LearnVector(const PlannedNode& node, const Rocchio& rocchio,
                                   std::span<const RankedRow> hits, NodeResult& result) const {
  const DenseField& field = schema_.dense[static_cast<size_t>(node.field)];
  std::vector<float> query = PreparedVector(field, std::get<DenseLeaf>(node.node->node).vector);
  std::vector<std::vector<float>> vectors;
  std::vector<float> vector(field.dim);
  for (const RankedRow& hit : hits) {
    if (vectors.size() == rocchio.documents) break;
    const absl::StatusOr<bool> there = reader_.ReadVector(node.field, hit.row, vector);
    if (!there.ok()) return there.status();
    if (*there) vectors.push_back(vector);
  }
  const std::vector<std::span<const float>> documents(vectors.begin(), vectors.end());
  result.learned_from = documents.size();
  result.vector = ExpandByRocchio(query, documents, rocchio);
  if (!IsUsable(result.vector, field.metric)) result.vector = std::move(query);
  return absl::OkStatus();
}

absl::Status Executor::RunLearnedText(const PlannedNode& node, const Rm3& rm3,
                                      const AnalyzedText& query, const RowMask& mask,
                                      NodeResult& result) {
  NodeResult first;
  absl::Status status = RunTerms(node, WeightedTermsOf(query), rm3.documents, mask, first);
  if (status.ok()) status = LearnTerms(node, rm3, first.hits, result);
  if (status.ok()) status = RunTerms(node, result.terms, node.limit, mask, result);
  if (status.ok() && options_.explain) {
    result.stats.plan = absl::StrCat(LearnedWords("rm3", result), result.stats.plan);
  }
  return status;
}

absl::Status Executor::RunLearnedDense(const PlannedNode& node, const Rocchio& rocchio,
                                       const RowMask& mask, NodeResult& result) {
  const std::vector<float>& query = std::get<DenseLeaf>(node.node->node).vector;
  NodeResult first;
  absl::Status status = RunDense(node, query, rocchio.documents, mask, first);
  if (status.ok()) status = LearnVector(node, rocchio, first.hits, result);
  if (status.ok()) status = RunDense(node, result.vector, node.limit, mask, result);
  if (status.ok() && options_.explain) {
    result.stats.plan = absl::StrCat(LearnedWords("rocchio", result), result.stats.plan);
  }
  return status;
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
    const std::vector<RankedRow> allowed = AllowedOf(reader_, **mask, hits);
    const std::span<const RankedRow> first =
        std::span(allowed).first(std::min(allowed.size(), leg.limit));
    if (std::holds_alternative<TextLeaf>(leg.node->node)) {
      status = LearnTerms(leg, *feedback.text, allowed, *result);
      if (status.ok()) status = ScoreByTerms(leg, first, **mask, *result);
    } else {
      status = LearnVector(leg, *feedback.dense, allowed, *result);
      if (status.ok()) status = ScoreByVector(leg, first, *result);
    }
  }
  if (!status.ok()) return status;
  result->cut = true;  // a search would have had others
  return result;
}

absl::Status Executor::ScoreByTerms(const PlannedNode& leg, std::span<const RankedRow> hits,
                                    const RowMask& mask, NodeResult& result) const {
  std::vector<RowId> rows;
  rows.reserve(hits.size());
  for (const RankedRow& hit : hits) rows.push_back(hit.row);
  const absl::StatusOr<std::vector<float>> scores =
      reader_.ScoreTerms(leg.field, result.terms, rows, mask, cancel_);
  if (!scores.ok()) return scores.status();
  result.hits.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if ((*scores)[i] > 0) result.hits.push_back({rows[i], (*scores)[i]});
  }
  std::sort(result.hits.begin(), result.hits.end());
  if (options_.explain) {
    result.stats.rows_visited = rows.size();
    result.stats.plan = absl::StrCat(LearnedWords("rm3", result), "bm25 of ", result.terms.size(),
                                     " terms over ", HitWords(rows.size()), " of the fusion");
  }
  return absl::OkStatus();
}

absl::Status Executor::ScoreByVector(const PlannedNode& leg, std::span<const RankedRow> hits,
                                     NodeResult& result) const {
  VectorScorer scorer(reader_, schema_, leg.field);
  const std::vector<float> query =
      PreparedVector(schema_.dense[static_cast<size_t>(leg.field)], result.vector);
  absl::StatusOr<std::vector<RankedRow>> scored = RerankExact(hits, query, scorer, cancel_);
  if (!scored.ok()) return scored.status();
  result.hits = *std::move(scored);
  if (options_.explain) {
    result.stats.distances = result.hits.size();
    result.stats.rows_visited = hits.size();
    result.stats.plan = absl::StrCat(LearnedWords("rocchio", result), "exact over ",
                                     HitWords(hits.size()), " of the fusion");
  }
  return absl::OkStatus();
}

}  // namespace vouch
