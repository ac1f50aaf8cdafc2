#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "rag/eval/paired_test.h"

namespace vouch {

struct CompareOptions {
  // By name; the first one decides. Empty: ndcg_cut_10, map, recip_rank_cut_10, recall_100, and where
  // both have answers token_f1 first, and exact_match, rouge_l, grounding.
  std::vector<std::string> metrics = {};
  PairedOptions paired = {};
  size_t examples = 10;  // questions shown on each side
};

struct MetricComparison {
  std::string name = {};
  bool less_is_better = false;
  // b - a, as the figures are; `verdict`, wins and losses are about what is better.
  PairedResult result = {};
};

struct QuestionChange {
  std::string id = {};
  double a = 0;
  double b = 0;
};

struct Comparison {
  EvaluationRecord a = {};
  EvaluationRecord b = {};
  PairedOptions paired = {};
  std::vector<MetricComparison> metrics = {};  // p-values adjusted by Holm, all together
  uint64_t only_a = 0;  // questions that b did not run, or whose text differs
  uint64_t only_b = 0;
  std::vector<QuestionChange> losses = {};  // of the first metric, greatest first
  std::vector<QuestionChange> gains = {};
  std::vector<double> differences = {};     // of the first metric, ascending: what plots show
};

// b against a, question by question. FAILED_PRECONDITION: one is not finished, or they have no
// question in common. INVALID_ARGUMENT: no such metric, or one that neither has.
absl::StatusOr<Comparison> CompareEvaluations(const EvaluationStore& evaluations,
                                              const DatasetStore& datasets, std::string_view a,
                                              std::string_view b, const CompareOptions& options);

// One question's figure; NaN where it has none.
double FigureOf(const QuestionResult& result, const std::string& name);

// In one sentence, for people: what the first metric says and how sure that is.
std::string DescribeVerdict(const Comparison& comparison);

}  // namespace vouch
