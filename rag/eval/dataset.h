#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"
#include "rag/eval/metrics.h"

namespace vouch {

// A judged passage: bytes of a source, so that the judgement survives another way of cutting it.
struct PassageJudgement {
  std::string document = {};     // document id, as provenance has it
  std::string source_hash = {};  // of the bytes that `source` counts in
  ByteSpan source = {};
  int level = 1;
  friend bool operator==(const PassageJudgement&, const PassageJudgement&) = default;
};

struct DatasetQuestion {
  std::string id = {};
  std::string text = {};
  std::vector<std::string> tags = {};        // the slices it belongs to; ascending, none twice
  std::vector<std::string> references = {};  // answers, any of which is right
  bool unanswerable = false;  // the right answer is none; excludes references
  std::map<std::string, int> documents = {};  // relevance by external document id
  std::vector<PassageJudgement> passages = {};
  friend bool operator==(const DatasetQuestion&, const DatasetQuestion&) = default;
};

struct DatasetLimits {
  static constexpr size_t kMaxQuestions = 100'000;
  static constexpr size_t kMaxBytes = size_t{48} << 20;  // of the content as JSONL
  static constexpr size_t kMaxTags = 64;                 // of a question
  static constexpr size_t kMaxTagBytes = 128;
  static constexpr size_t kMaxReferences = 1'000;
  static constexpr size_t kMaxJudgements = 10'000;  // of a question, documents and passages each
};

// Reads questions of any of these shapes, told apart by their keys; INVALID_ARGUMENT with the line.
// - our own, one JSON object a line: {"_id", "text"} and where there are any "tags": [text],
//   "answers": [text], "unanswerable": true, "documents": {id: level} or [id],
//   "passages": [{"document", "source_hash", "source": [begin, end], "level"}];
// - BEIR's queries.jsonl, which is that without judgements (its "metadata" is passed over);
// - SQuAD, a line each: {"id", "question", "answers": {"text": [text]} or [{"text"}]}; no answer, or
//   "is_impossible": true, is unanswerable;
// - SQuAD's one JSON file: {"data": [{"title", "paragraphs": [{"qas": […]}]}]}; the title is a tag.
absl::StatusOr<std::vector<DatasetQuestion>> ParseQuestions(std::string_view text);

// Adds judgements on documents. INVALID_ARGUMENT: a query that is none of the questions, or a
// document that is judged already.
absl::Status AddJudgements(const Qrels& qrels, std::vector<DatasetQuestion>* questions);
void AddTag(std::string_view tag, std::vector<DatasetQuestion>* questions);

// Whether a dataset may be kept: at least one question, and each within DatasetLimits.
absl::Status CheckQuestions(const std::vector<DatasetQuestion>& questions);

// The canonical form, one line a question in the order given; ParseQuestions reads it back the same.
std::string EncodeQuestions(const std::vector<DatasetQuestion>& questions);

}  // namespace vouch
