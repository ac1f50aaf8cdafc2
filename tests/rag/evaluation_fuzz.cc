// What evaluations read: questions in all their shapes, and the kept records.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/eval/dataset.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto questions = vouch::ParseQuestions(text);
  if (questions.ok() && vouch::CheckQuestions(*questions).ok()) {
    const std::string canonical = vouch::EncodeQuestions(*questions);
    const auto again = vouch::ParseQuestions(canonical);
    if (!again.ok() || vouch::EncodeQuestions(*again) != canonical) std::abort();
  }
  if (const auto record = vouch::DecodeEvaluation(text); record.ok()) {
    const std::string json = vouch::EncodeEvaluation(*record);
    const auto again = vouch::DecodeEvaluation(json);
    if (!again.ok() || vouch::EncodeEvaluation(*again) != json) std::abort();
  }
  if (const auto result = vouch::DecodeQuestionResult(text); result.ok()) {
    const std::string json = vouch::EncodeQuestionResult(*result);
    const auto again = vouch::DecodeQuestionResult(json);
    if (!again.ok() || vouch::EncodeQuestionResult(*again) != json) std::abort();
  }
  if (const auto info = vouch::DecodeDatasetInfo(text); info.ok()) {
    const std::string json = vouch::EncodeDatasetInfo(*info);
    const auto again = vouch::DecodeDatasetInfo(json);
    if (!again.ok() || vouch::EncodeDatasetInfo(*again) != json) std::abort();
  }
  (void)vouch::ParseDatasetRef(text);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::DatasetQuestion question;
  question.id = "a";
  question.text = "why?";
  question.tags = {"t"};
  question.references = {"so"};
  question.documents["d"] = 1;
  question.passages.emplace_back().document = std::string("d");
  question.passages.back().source_hash = std::string(32, 'a');
  question.passages.back().source = {1, 2};
  vouch::EvaluationRecord record;
  record.id = std::string("i");
  record.metrics.emplace_back().name = std::string("map");
  record.slices.emplace_back().tag = std::string("t");
  record.has_answers = true;
  vouch::QuestionResult result;
  result.metrics["map"] = 0.5;
  result.top = {"d"};
  return {vouch::EncodeQuestions({question}),
          R"({"id": "1", "question": "who?", "answers": {"text": ["Ada"], "answer_start": [1]}})",
          R"({"data": [{"title": "t", "paragraphs": [{"qas": [{"id": "1", "question": "q", "answers": [{"text": "x"}]}]}]}]})",
          vouch::EncodeEvaluation(record), vouch::EncodeQuestionResult(result),
          vouch::EncodeDatasetInfo({.name = "n", .version = 1, .hash = "h", .tags = {"t"}}),
          "name@2"};
}
