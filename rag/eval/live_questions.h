#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/eval/dataset_store.h"
#include "rag/kept_answers.h"

namespace vouch {

// Which answers' questions are taken: all terms must hold. "answered", "abstained", "grounding<0.8" (a model's answer of whose
// sentences less are supported), "subject=NAME", "collection=NAME", "tier=NAME" (that gave the completion).
class AnswerFilter {
 public:
  // INVALID_ARGUMENT names the term, and what there is.
  static absl::StatusOr<AnswerFilter> Parse(const std::vector<std::string>& terms);
  bool Matches(const Answer& answer) const;

 private:
  std::optional<bool> abstained_ = {};
  std::optional<double> below_grounding_ = {};
  std::optional<std::string> subject_ = {};
  std::optional<std::string> collection_ = {};
  std::optional<std::string> tier_ = {};
};

struct LiveQuestionsRequest {
  static constexpr size_t kMaxAnswers = 1'000'000;

  std::string dataset = {};   // its name; where it is there, it grows
  std::string pipeline = {};  // NAME or NAME@NUMBER; empty: answers of any, and of none
  TimeRange range = {};
  AnswerFilter filter = {};
  uint32_t sample = 0;  // of the questions that would be new, at most so many; 0: all
  uint64_t seed = 1;    // the same seed takes the same ones
  bool dry_run = false;
  Principal principal = {};
  CancelToken cancel = {};
};

struct LiveQuestions {
  DatasetInfo info = {};
  uint64_t answers = 0;      // that match
  uint64_t covered = 0;      // of these, left out: the question has covered places
  uint64_t follow_ups = 0;   // left out: it does not stand alone, and no step made it do so
  uint64_t repeated = 0;     // asked the same as another
  uint64_t known = 0;        // stood in the dataset already
  uint64_t not_sampled = 0;
  uint64_t added = 0;
};

// Grows a dataset by the questions of live answers, as a new version; nothing new gives the version that is there. Questions
// that are there stay as they are, first, in their order. Never taken are answers that evaluations asked for.
//
// Of the answers to one question (CanonicalQuestion) the newest counts that cites something, else the newest one. What it cites
// becomes the judgement: passages of ingested sources, else documents. That is no person's judgement, so each question says by
// its tags how it came: "live" and "cited", or "live" and "unjudged". Sources that were forgotten since are no judgement.
//
// NOT_FOUND: there is no question to be had, and no dataset.
absl::StatusOr<LiveQuestions> GrowByLiveQuestions(Database& database, const LiveQuestionsRequest& request);

// The question of one answer with its judgements; nullopt where it cannot be had (`why` counts it). What people say of an answer
// belongs here as well: a correction is a reference, a thumb down takes the judgements away.
std::optional<DatasetQuestion> QuestionOfAnswer(const Answer& answer, LiveQuestions* why);

}  // namespace vouch
