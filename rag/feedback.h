#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "storage/clock.h"
#include "storage/journal.h"
#include "storage/store.h"

namespace vouch {

// What somebody says of an answer.
struct FeedbackDraft {
  std::optional<bool> thumbs_up = {};
  std::optional<double> score = {};  // 0 … 1
  std::string correction = {};       // what the answer should have said
  std::string comment = {};
};

struct Feedback {
  std::string id = {};  // UUIDv7
  std::string answer = {};
  int64_t time_us = 0;
  std::string actor = {};  // "tenant/subject"
  FeedbackDraft said = {};
};

// Feedback on answers. Only added to: a change of mind is more feedback. Thread safe; lives as long as
// the store.
//
// Corrections and comments are texts of users, who may have quoted what the answer said: where a source's
// texts are erased from an answer (rag/forget), those of its feedback go with them. They are in no entry
// of the audit log, from which nothing can be erased. Thumbs and scores stay.
//
// Journal record of a tenant: "feedback/ANSWER/ID" (JSON).
class FeedbackStore {
 public:
  static constexpr size_t kMaxCorrectionBytes = 65'536;
  static constexpr size_t kMaxCommentBytes = 4'096;
  static constexpr size_t kMaxOfAnAnswer = 1'000;

  FeedbackStore(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // What else is written with it, in the same transaction.
  using Also = std::function<std::vector<RecordChange>(const Feedback&, const Answer&)>;
  // Durable on return. INVALID_ARGUMENT names the field and the limit. NOT_FOUND: no such answer.
  absl::StatusOr<Feedback> Add(std::string_view tenant, std::string_view answer,
                               const FeedbackDraft& draft, std::string_view actor,
                               const Also& also = nullptr);
  // In the order of their ids; NOT_FOUND: no such answer.
  absl::StatusOr<std::vector<Feedback>> List(std::string_view tenant, std::string_view answer) const;
  // Of all answers, the latest answers' last, at most `limit`.
  absl::StatusOr<std::vector<Feedback>> ListLatest(std::string_view tenant, size_t limit) const;
  // Erases corrections and comments; returns how many texts. `change` false only counts.
  absl::StatusOr<uint64_t> EraseTexts(std::string_view tenant, std::string_view answer, bool change);

 private:
  Store& store_;
  const Clock& clock_;
};

absl::Status CheckFeedback(const FeedbackDraft& draft);
std::string FeedbackToJson(const Feedback& feedback);
absl::StatusOr<Feedback> FeedbackFromJson(std::string_view json);  // DATA_LOSS

}  // namespace vouch
