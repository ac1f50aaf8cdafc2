#include "query/rerank.h"

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "query/formula.h"
#include "query/rerank_exact.h"
#include "query/rerank_formula.h"
#include "query/rerank_max_sim.h"
#include "query/rerank_mmr.h"
#include "query/vector_scorer.h"

namespace vouch {
namespace {

absl::StatusOr<std::vector<MmrChoice>> RunMmr(const MmrRerank& mmr, const PlannedNode& node,
                                              const RerankContext& context,
                                              std::span<const RankedRow> candidates, size_t limit) {
  const DenseField& field = context.schema.dense[static_cast<size_t>(node.field)];
  VectorScorer scorer(context.reader, context.schema, node.field);
  return ChooseByMmr(candidates, PreparedVector(field, mmr.vector), mmr.lambda, limit, scorer,
                     context.cancel);
}

std::vector<std::string> FormulaNotes(const FormulaRerank& rerank, const PlannedNode& node,
                                      const RerankContext& context,
                                      std::span<const RankedRow> candidates,
                                      std::span<const RankedRow> hits) {
  absl::flat_hash_map<uint64_t, double> score_of;
  for (const RankedRow& candidate : candidates)
    score_of.emplace(candidate.row.value, candidate.score);
  std::vector<std::string> notes;
  std::vector<double> values;
  for (const RankedRow& hit : hits) {
    const double score = score_of[hit.row.value];
    ReadFormulaValues(context.reader, *node.formula, context.schema, hit.row, values);
    std::string& note = notes.emplace_back(absl::StrCat("score ", score));
    for (size_t i = 0; i < values.size(); ++i) {
      absl::StrAppend(&note, ", ",
                      context.schema.payload[static_cast<size_t>(node.formula->fields()[i])].path,
                      " ");
      if (std::isnan(values[i])) {
        absl::StrAppend(&note, "missing");
      } else {
        absl::StrAppend(&note, values[i]);
      }
    }
    if (std::isnan(node.formula->Evaluate(score, values))) {
      absl::StrAppend(&note, ": no value, so ", rerank.missing);
    }
  }
  return notes;
}

absl::StatusOr<std::vector<RankedRow>> RunCrossEncoder(const CrossEncoderRerank& rerank,
                                                       const RerankContext& context,
                                                       std::span<const RankedRow> candidates,
                                                       SearchStats* stats) {
  absl::StatusOr<CrossScorer::Outcome> outcome =
      context.cross.Rerank(rerank, candidates, context.cancel);
  if (!outcome.ok()) return outcome.status();
  if (stats != nullptr && outcome->failure.empty()) {
    absl::StrAppend(&stats->plan, ", ", outcome->hits.size(), " with a text, by ", outcome->model);
  } else if (stats != nullptr) {
    absl::StrAppend(&stats->plan, ", which stay as they are: ", outcome->failure);
  }
  return std::move(outcome->hits);
}

}  // namespace

absl::StatusOr<std::vector<RankedRow>> Rerank(const RerankNode& rerank, const PlannedNode& node,
                                              const RerankContext& context,
                                              std::span<const RankedRow> candidates,
                                              SearchStats* stats) {
  if (stats != nullptr) {
    stats->rows_visited = candidates.size();
    stats->plan = absl::StrCat(RerankWords(rerank), " over ", candidates.size(), " hits");
    const bool by_vector = std::holds_alternative<ExactRerank>(rerank.method) ||
                           std::holds_alternative<MmrRerank>(rerank.method);
    if (by_vector) stats->distances = candidates.size();
  }
  if (const auto* exact = std::get_if<ExactRerank>(&rerank.method)) {
    const DenseField& field = context.schema.dense[static_cast<size_t>(node.field)];
    VectorScorer scorer(context.reader, context.schema, node.field);
    return RerankExact(candidates, PreparedVector(field, exact->vector), scorer, context.cancel);
  }
  if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method)) {
    absl::StatusOr<std::vector<MmrChoice>> chosen =
        RunMmr(*mmr, node, context, candidates, node.limit + 1);
    if (!chosen.ok()) return chosen.status();
    std::vector<RankedRow> hits;
    hits.reserve(chosen->size());
    for (const MmrChoice& choice : *chosen) hits.push_back({choice.row, choice.score});
    return hits;
  }
  if (const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method)) {
    return RunCrossEncoder(*cross, context, candidates, stats);
  }
  if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
    if (stats != nullptr) stats->rows_visited = 0;  // counted as they are compared
    return RerankByMaxSim(candidates, max_sim->tokens, node.field, context.reader, context.cancel,
                          stats);
  }
  return RerankByFormula(candidates, *node.formula, std::get<FormulaRerank>(rerank.method).missing,
                         context.schema, context.reader, context.cancel);
}

absl::StatusOr<std::vector<std::string>> RerankNotes(const RerankNode& rerank,
                                                     const PlannedNode& node,
                                                     const RerankContext& context,
                                                     std::span<const RankedRow> candidates,
                                                     std::span<const RankedRow> hits) {
  if (const auto* formula = std::get_if<FormulaRerank>(&rerank.method)) {
    return FormulaNotes(*formula, node, context, candidates, hits);
  }
  if (const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method)) {
    return std::vector<std::string>(hits.size(), context.cross.NoteOf(*cross));
  }
  std::vector<std::string> notes(hits.size());
  if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method)) {
    const absl::StatusOr<std::vector<MmrChoice>> chosen =
        RunMmr(*mmr, node, context, candidates, hits.size());
    if (!chosen.ok()) return chosen.status();
    for (size_t i = 0; i < notes.size() && i < chosen->size(); ++i) {
      const MmrChoice& choice = (*chosen)[i];
      notes[i] = absl::StrCat("similarity ", choice.relevance, " to the vector");
      if (choice.redundancy)
        absl::StrAppend(&notes[i], ", ", *choice.redundancy, " to the nearest chosen before");
    }
  }
  return notes;
}

std::string_view RerankMethodName(const RerankNode& rerank) {
  if (std::holds_alternative<ExactRerank>(rerank.method)) return "exact";
  if (std::holds_alternative<CrossEncoderRerank>(rerank.method)) return "cross_encoder";
  if (std::holds_alternative<MaxSimRerank>(rerank.method)) return "maxsim";
  return std::holds_alternative<MmrRerank>(rerank.method) ? "mmr" : "formula";
}

std::string RerankWords(const RerankNode& rerank) {
  if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method))
    return absl::StrCat("mmr lambda=", mmr->lambda);
  if (std::holds_alternative<ExactRerank>(rerank.method)) return "exact scores";
  if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
    const size_t tokens = max_sim->tokens.tokens();
    return absl::StrCat("MaxSim of ", tokens, tokens == 1 ? " token" : " tokens");
  }
  if (const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method)) {
    return absl::StrCat("cross-encoder ", cross->model, cross->model.empty() ? "" : " ",
                        "of the texts",
                        cross->path.empty() ? "" : absl::StrCat(" at '", cross->path, "'"),
                        cross->on_failure == CrossEncoderFailure::kKeepOrder
                            ? " (the child's order where it fails)"
                            : "");
  }
  return absl::StrCat("formula ", std::get<FormulaRerank>(rerank.method).formula);
}

}  // namespace vouch
