#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rag/eval/answer_metrics.h"
#include "rag/eval/passages.h"
#include "rag/eval/subject.h"

namespace vouch {

// What an evaluation keeps of one question.
struct QuestionResult {
  uint64_t index = 0;  // in the dataset
  std::string id = {};
  // NaN: the measure has nothing to say of this question. Ranking measures of questions without a
  // relevant document or passage, and answer measures without references, are NaN.
  std::map<std::string, double> metrics = {};
  std::vector<std::string> top = {};  // the best units, at most kKeptTop
  std::string answer_id = {};         // of the kept record
  std::string answer = {};            // its text, at most kKeptAnswerBytes
  bool answered = false;
  double confidence = 0;  // of an answer: grounding, or the best hit's score
  uint32_t lost_passages = 0;
  std::string error = {};  // why it could not be run; then there are no metrics

  static constexpr size_t kKeptTop = 10;
  static constexpr size_t kKeptAnswerBytes = 1'000;
};

// An answer counts as correct from this F1 on, where abstention is judged.
inline constexpr double kCorrectF1 = 0.5;

// The measures of evaluations in the order in which they are shown, with what is better.
struct MeasureInfo {
  std::string_view name = {};
  bool less_is_better = false;
  bool of_answers = false;
  bool by_judge = false;  // of answers, once a model has judged them (judge.h)
};
const std::vector<MeasureInfo>& EvaluationMeasures();
// nullptr where there is none of the name.
const MeasureInfo* FindMeasure(std::string_view name);

// Ranking measures over all that was retrieved; context_* over the first `context` units.
QuestionResult ScoreQuestion(const DatasetQuestion& question, const SubjectResult& result,
                             const JudgedRetrieval& judged, uint32_t context);

}  // namespace vouch
