#pragma once

#include "rag/eval/compare.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "vouch/v1/evaluations.pb.h"

namespace vouch {

void FillDatasetInfo(const DatasetInfo& info, v1::DatasetInfo* message);
void FillEvaluation(const EvaluationRecord& record, bool with_slices,
                    v1::EvaluationSummary* message);
void FillOutcome(const QuestionResult& result, const std::string& text,
                 v1::QuestionOutcome* message);
void FillComparison(const Comparison& comparison, v1::EvaluationComparison* message);

}  // namespace vouch
