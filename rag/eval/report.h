#pragma once

#include <string>
#include <vector>

#include "rag/eval/compare.h"
#include "rag/eval/dataset.h"
#include "rag/eval/evaluation_record.h"

namespace vouch {

// Questions by the first metric they have, worst first; those that could not be run stand before all.
std::vector<const QuestionResult*> WorstFirst(const std::vector<QuestionResult>& results,
                                              const std::string& metric);

// token_f1 where there are answers with references, else ndcg_cut_10.
std::string MainMetric(const EvaluationRecord& record);

// One HTML file that stands alone: plots are inline SVG, nothing is fetched, no script runs. All that
// questions and answers say is escaped.
std::string EvaluationReport(const EvaluationRecord& record,
                             const std::vector<DatasetQuestion>& questions,
                             const std::vector<QuestionResult>& results);
std::string ComparisonReport(const Comparison& comparison);

}  // namespace vouch
