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
#include "rag/feedback.h"
#include "rag/kept_answers.h"

namespace vouch {

// What people say of an answer.
struct AnswerOpinion {
  // More thumbs up than down, or less, of each person the last one; nullopt: none, or as many.
  std::optional<bool> liked = {};
  std::string correction = {};  // the latest; empty: none, or it was erased
};
// Of an answer's feedback, the oldest first.
AnswerOpinion OpinionOf(const std::vector<Feedback>& feedback);

// Which answers' questions are taken: all terms must hold. "answered", "abstained", "liked", "disliked", "grounding<0.8" (a model's
// answer of whose sentences less are supported), "subject=NAME", "collection=NAME", "tier=NAME" (that gave the completion).
class AnswerFilter {
 public:
  // INVALID_ARGUMENT names the term, and what there is.
  static absl::StatusOr<AnswerFilter> Parse(const std::vector<std::string>& terms);
  bool Matches(const Answer& answer, const AnswerOpinion& opinion) const;

 private:
  std::optional<bool> abstained_ = {};
  std::optional<bool> liked_ = {};
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
  uint64_t corrected = 0;    // got a reference answer by a correction: of those that were added, or stood there without one
};

// Grows a dataset by the questions of live answers, as a new version; nothing new gives the version that is there. Questions
// that are there stay as they are, first, in their order; only one that came of answers itself and has no reference answer gets one
// where somebody corrected an answer to it since. Never taken are answers that evaluations asked for, and those of shadows.
//
// Of the answers to one question (CanonicalQuestion) the newest counts that cites something, else the newest one. What it cites
// becomes the judgement: passages of ingested sources, else documents. That is no person's judgement, so each question says by
// its tags how it came: "live" and "cited", or "live" and "unjudged". Sources that were forgotten since are no judgement, nor is what
// a disliked answer cites. The latest correction of an answer to the question is its reference answer, by the tag "corrected".
//
// NOT_FOUND: there is no question to be had, and no dataset.
absl::StatusOr<LiveQuestions> GrowByLiveQuestions(Database& database, const LiveQuestionsRequest& request);

// The question of one answer with its judgements; nullopt where it cannot be had (`why` counts it). A correction is its reference,
// and a dislike takes the judgements away.
std::optional<DatasetQuestion> QuestionOfAnswer(const Answer& answer, const AnswerOpinion& opinion, LiveQuestions* why);

}  // namespace vouch
