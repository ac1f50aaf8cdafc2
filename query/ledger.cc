#include "query/ledger.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "query/plan_description.h"
#include "query/rerank.h"

namespace vouch {
namespace {

// What a text leaf with feedback searched for, the weightiest terms first.
std::vector<QueryTerm> TermsOf(const NodeResult& result, const AnalyzedText& question) {
  std::vector<QueryTerm> terms;
  for (const WeightedTerm& term : result.terms) {
    const bool asked = std::any_of(question.terms.begin(), question.terms.end(),
                                   [&](const auto& own) { return own.term == term.term; });
    terms.push_back({.term = term.term, .weight = term.weight, .added = !asked});
  }
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return terms;
}

// The query of a node that scores by MaxSim; null: it does not.
const MultiVector* TokensOf(const QueryNode& node) {
  if (const auto* multi = std::get_if<MultiVectorLeaf>(&node.node)) return &multi->tokens;
  const auto* rerank = std::get_if<RerankNode>(&node.node);
  const auto* max_sim = rerank == nullptr ? nullptr : std::get_if<MaxSimRerank>(&rerank->method);
  return max_sim == nullptr ? nullptr : &max_sim->tokens;
}

}  // namespace

absl::Status Ledger::AddPlan(SearchResponse& response) {
  absl::StatusOr<const RowMask*> root = executor_.MaskOf(plan_, plan_.root.mask);
  if (!root.ok()) return root.status();
  response.visible_rows = (*root)->visible_count;
  response.allowed_rows = (*root)->allowed_count;
  for (size_t i = 0; i < plan_.filters.size(); ++i) {
    absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, i);
    if (!mask.ok()) return mask.status();
    const bool filtered = plan_.filters[i] != nullptr;
    std::string words = absl::StrCat(filtered ? "" : "no filter: ", (*mask)->allowed_count, " of ",
                                     (*mask)->visible_count, " visible rows allowed");
    if (filtered) {
      const AllowedEstimate::Bounds expected = executor_.EstimateOf(plan_, i).total;
      absl::StrAppend(&words, ", expected ", expected.lower);
      if (expected.upper != expected.lower) absl::StrAppend(&words, " to ", expected.upper);
    }
    response.plan.push_back({.node = absl::StrCat("filter[", i, "]"),
                             .plan = std::move(words),
                             .hits = (*mask)->allowed_count,
                             .distances = 0,
                             .rows_visited = 0,
                             .time_us = 0,
                             .terms = {},
                             .recall_estimate = -1});
  }
  return AddStep(plan_.root, result_, NodeLabel(plan_.root, schema_), response.plan);
}

absl::Status Ledger::AddStep(const PlannedNode& node, const NodeResult& result,
                             const std::string& path, std::vector<PlanStep>& steps) const {
  PlanStep& step = steps.emplace_back();
  step = {.node = path,
          .plan = absl::StrCat(result.stats.plan, result.stats.plan.empty() ? "" : ", ", "limit ",
                               node.limit, ", filter[", node.mask, "]"),
          .hits = result.hits.size(),
          .distances = result.stats.distances,
          .rows_visited = result.stats.rows_visited,
          .time_us = result.time_us,
          .terms = {},
          .recall_estimate = result.stats.recall_estimate};
  if (!result.terms.empty()) {
    const absl::StatusOr<AnalyzedText> question =
        reader_.AnalyzeText(node.field, node.text);
    if (!question.ok()) return question.status();
    step.terms = TermsOf(result, *question);
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    absl::Status status =
        AddStep(node.children[i], result.children[i], ChildPath(path, node, i, schema_), steps);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Ledger::ExplainHits(std::span<PointHit> hits) {
  hits_of_.clear();
  for (size_t i = 0; i < hits.size(); ++i) hits_of_[hits[i].row.value].push_back(i);
  return ExplainNode(plan_.root, result_, NodeLabel(plan_.root, schema_), nullptr, hits);
}

absl::Status Ledger::ExplainText(const PlannedNode& node, const NodeResult& result,
                                 std::span<const RowId> rows, std::span<NodeScore> scores) {
  const absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, node.mask);
  if (!mask.ok()) return mask.status();
  if (result.expression != nullptr) {
    absl::StatusOr<std::vector<IndexReader::TextAccount>> accounts =
        reader_.ExplainExpression(*result.expression, rows, **mask, executor_.cancel());
    if (!accounts.ok()) return accounts.status();
    for (size_t i = 0; i < rows.size(); ++i) scores[i].terms = std::move((*accounts)[i].shares);
    return absl::OkStatus();
  }
  std::vector<WeightedTerm> asked;
  if (result.terms.empty()) {
    const absl::StatusOr<AnalyzedText> query = reader_.AnalyzeText(node.field, node.text);
    if (!query.ok()) return query.status();
    asked = WeightedTermsOf(*query);
  }
  absl::StatusOr<std::vector<std::vector<TermContribution>>> shares =
      reader_.ExplainTerms(node.field, result.terms.empty() ? asked : result.terms, rows, **mask,
                           executor_.cancel());
  if (!shares.ok()) return shares.status();
  for (size_t i = 0; i < rows.size(); ++i) scores[i].terms = std::move((*shares)[i]);
  return absl::OkStatus();
}

absl::Status Ledger::ExplainLeaf(const PlannedNode& node, const NodeResult& result,
                                 std::span<const RowId> rows, std::span<NodeScore> scores) {
  if (rows.empty()) return absl::OkStatus();
  if (std::holds_alternative<TextLeaf>(node.node->node)) {
    return ExplainText(node, result, rows, scores);
  }
  const auto* sparse = std::get_if<SparseLeaf>(&node.node->node);
  for (size_t i = 0; sparse != nullptr && i < rows.size(); ++i) {
    absl::StatusOr<std::vector<SparseContribution>> shares =
        reader_.ExplainSparse(node.field, sparse->vector, rows[i]);
    if (!shares.ok()) return shares.status();
    scores[i].sparse_terms = *std::move(shares);
  }
  const MultiVector* tokens = TokensOf(*node.node);
  for (size_t i = 0; tokens != nullptr && i < rows.size(); ++i) {
    absl::StatusOr<std::vector<TokenMatch>> matches = reader_.ExplainMultiVector(node.field, *tokens, rows[i]);
    if (!matches.ok()) return matches.status();
    scores[i].token_matches = *std::move(matches);
  }
  return absl::OkStatus();
}

absl::Status Ledger::AddNotes(const RerankNode& rerank, const PlannedNode& node,
                              const NodeResult& result, std::span<PointHit> hits) const {
  absl::flat_hash_map<uint64_t, size_t> place_of;  // of the page's rows in the reranking's list
  for (const PointHit& hit : hits) place_of.emplace(hit.row.value, result.hits.size());
  size_t needed = 0;
  for (size_t i = 0; i < result.hits.size(); ++i) {
    const auto place = place_of.find(result.hits[i].row.value);
    if (place == place_of.end()) continue;
    place->second = i;
    needed = i + 1;
  }
  absl::StatusOr<std::vector<std::string>> notes = RerankNotes(
      rerank, node,
      {.reader = reader_,
       .schema = schema_,
       .cancel = executor_.cancel(),
       .cross = executor_.cross()},
      result.children[0].hits, std::span(result.hits).first(needed));
  if (!notes.ok()) return notes.status();
  for (PointHit& hit : hits) {
    const size_t place = place_of[hit.row.value];
    if (place < needed) hit.explanation.back().note = (*notes)[place];
  }
  return absl::OkStatus();
}

absl::Status Ledger::ExplainNode(const PlannedNode& node, const NodeResult& result,
                                 const std::string& path, const PlannedNode* parent,
                                 std::span<PointHit> hits) {
  const bool fused = parent != nullptr && std::holds_alternative<FuseNode>(parent->node->node);
  std::vector<RowId> rows;
  std::vector<NodeScore> scores;
  for (size_t i = 0; i < result.hits.size() && rows.size() < hits_of_.size(); ++i) {
    const RankedRow& found = result.hits[i];
    if (!hits_of_.contains(found.row.value)) continue;
    const size_t rank = i + 1;
    NodeScore& score = scores.emplace_back();
    score.node = path;
    score.rank = static_cast<uint32_t>(rank);
    score.score = found.score;
    score.normalized = fused ? result.scale.Value(found.score, rank) : found.score;
    score.weight = result.weight;
    if (parent == nullptr) score.contribution = found.score;
    if (fused) score.contribution = result.scale.Share(result.weight, found.score, rank);
    rows.push_back(found.row);
  }
  if (absl::Status status = ExplainLeaf(node, result, rows, scores); !status.ok()) return status;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<size_t>& places = hits_of_[rows[i].value];
    for (size_t other = 1; other < places.size(); ++other) {
      hits[places[other]].explanation.push_back(scores[i]);
    }
    hits[places[0]].explanation.push_back(std::move(scores[i]));
  }
  if (const auto* rerank = std::get_if<RerankNode>(&node.node->node)) {
    if (absl::Status status = AddNotes(*rerank, node, result, hits); !status.ok()) return status;
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    absl::Status status = ExplainNode(node.children[i], result.children[i],
                                      ChildPath(path, node, i, schema_), &node, hits);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace vouch
