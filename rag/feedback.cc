#include "rag/feedback.h"

#include <deque>
#include <iterator>
#include <mutex>
#include <utility>

#include "rag/answer_id.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr std::string_view kPrefix = "feedback/";
// As records have it, but without a hash: a short text could be guessed by it.
constexpr std::string_view kErased = "{\"erased\":true}";

// One process has a store open; its additions count what is there.
std::mutex& FeedbackLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

std::string PrefixOf(std::string_view answer) { return Concat(kPrefix, answer, "/"); }
std::string NameOf(const Feedback& feedback) {
  return Concat(PrefixOf(feedback.answer), feedback.id);
}

RecordJson TextToJson(const std::string& text) {
  return text == kErased ? RecordJson({{"erased", true}}) : RecordJson(text);
}

absl::Status CheckText(std::string_view field, const std::string& text, size_t limit) {
  if (text.size() > limit) {
    return absl::InvalidArgumentError(
        Concat(field, " has ", text.size(), " bytes; the limit is ", limit));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError(Concat(field, " is not UTF-8"));
  return absl::OkStatus();
}

bool Erase(std::string* text) {
  if (text->empty() || *text == kErased) return false;
  *text = std::string(kErased);
  return true;
}

// Those below a prefix; a damaged one is an error.
absl::Status Scan(Store& store, std::string_view tenant, const std::string& prefix,
                  const std::function<bool(Feedback&&)>& visit) {
  absl::Status status;
  const absl::Status scanned = Journal::Of(store).ScanJournalRecords(
      tenant, prefix, [&](std::string_view, std::string_view bytes) {
        absl::StatusOr<Feedback> feedback = FeedbackFromJson(bytes);
        status = feedback.status();
        return status.ok() && visit(*std::move(feedback));
      });
  return status.ok() ? scanned : status;
}

}  // namespace

absl::Status CheckFeedback(const FeedbackDraft& draft) {
  if (!draft.thumbs_up && !draft.score && draft.correction.empty())
    return absl::InvalidArgumentError("feedback takes thumbs (up or down), a score, or a correction");
  if (draft.score && !(*draft.score >= 0 && *draft.score <= 1))
    return absl::InvalidArgumentError(Concat("score is ", *draft.score, "; it takes 0 to 1"));
  absl::Status status =
      CheckText("correction", draft.correction, FeedbackStore::kMaxCorrectionBytes);
  if (!status.ok()) return status;
  return CheckText("comment", draft.comment, FeedbackStore::kMaxCommentBytes);
}

std::string FeedbackToJson(const Feedback& feedback) {
  RecordJson json = {{"format", 1},
                     {"id", feedback.id},
                     {"answer", feedback.answer},
                     {"time_us", feedback.time_us},
                     {"actor", feedback.actor}};
  if (feedback.said.thumbs_up) json["thumbs"] = *feedback.said.thumbs_up ? "up" : "down";
  if (feedback.said.score) json["score"] = *feedback.said.score;
  json["correction"] = TextToJson(feedback.said.correction);
  json["comment"] = TextToJson(feedback.said.comment);
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<Feedback> FeedbackFromJson(std::string_view text) {
  const RecordJson json = ParseRecordJson(text);
  RecordReader reader(json, "", "the feedback");
  Feedback feedback;
  uint64_t format = 0;
  std::string thumbs;
  reader.Take("format", &format);
  reader.Take("id", &feedback.id);
  reader.Take("answer", &feedback.answer);
  reader.Take("time_us", &feedback.time_us);
  reader.Take("actor", &feedback.actor);
  if (reader.Has("thumbs")) reader.Take("thumbs", &thumbs);
  if (reader.Has("score")) reader.Take("score", &feedback.said.score.emplace());
  reader.Take("correction", &feedback.said.correction);
  reader.Take("comment", &feedback.said.comment);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::FailedPreconditionError(
        Concat("the feedback has format ", format, "; this program reads 1"));
  }
  if (!thumbs.empty() && thumbs != "up" && thumbs != "down")
    return absl::DataLossError("the feedback is damaged: thumbs is neither up nor down");
  if (!thumbs.empty()) feedback.said.thumbs_up = thumbs == "up";
  return feedback;
}

absl::StatusOr<Feedback> FeedbackStore::Add(std::string_view tenant, std::string_view answer,
                                            const FeedbackDraft& draft, std::string_view actor,
                                            const Also& also) {
  if (absl::Status status = CheckFeedback(draft); !status.ok()) return status;
  const absl::StatusOr<std::string> record = store_.GetAnswer(tenant, answer);
  if (!record.ok()) return record.status();
  const absl::StatusOr<Answer> about = AnswerFromJson(*record);
  if (!about.ok()) return about.status();
  const std::lock_guard<std::mutex> lock(FeedbackLock());
  size_t count = 0;
  const absl::Status counted = Journal::Of(store_).ScanJournalRecords(
      tenant, PrefixOf(answer), [&](std::string_view, std::string_view) {
        return ++count < kMaxOfAnAnswer;
      });
  if (!counted.ok()) return counted;
  if (count >= kMaxOfAnAnswer) {
    return absl::ResourceExhaustedError(Concat("answer ", Escape(answer), " has feedback ",
                                               kMaxOfAnAnswer, " times, which is the limit"));
  }
  Feedback feedback{.answer = about->id,
                    .time_us = clock_.NowMicros(),
                    .actor = std::string(actor),
                    .said = draft};
  feedback.id = MakeUuidV7(feedback.time_us, RandomBytes());
  JournalChange change;
  change.records.push_back({NameOf(feedback), FeedbackToJson(feedback)});
  if (also) {
    std::vector<RecordChange> more = also(feedback, *about);
    std::move(more.begin(), more.end(), std::back_inserter(change.records));
  }
  const auto kept = Journal::Of(store_).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  return feedback;
}

absl::StatusOr<std::vector<Feedback>> FeedbackStore::List(std::string_view tenant,
                                                          std::string_view answer) const {
  if (const auto record = store_.GetAnswer(tenant, answer); !record.ok()) return record.status();
  std::vector<Feedback> all;
  const absl::Status status = Scan(store_, tenant, PrefixOf(answer), [&](Feedback&& feedback) {
    all.push_back(std::move(feedback));
    return true;
  });
  if (!status.ok()) return status;
  return all;
}

absl::StatusOr<std::vector<Feedback>> FeedbackStore::ListLatest(std::string_view tenant,
                                                                size_t limit) const {
  std::deque<Feedback> latest;
  const absl::Status status = Scan(store_, tenant, std::string(kPrefix), [&](Feedback&& feedback) {
    latest.push_back(std::move(feedback));
    if (latest.size() > limit) latest.pop_front();
    return true;
  });
  if (!status.ok()) return status;
  return std::vector<Feedback>(std::make_move_iterator(latest.begin()),
                               std::make_move_iterator(latest.end()));
}

absl::StatusOr<uint64_t> FeedbackStore::EraseTexts(std::string_view tenant, std::string_view answer,
                                                   bool change) {
  const std::lock_guard<std::mutex> lock(FeedbackLock());
  uint64_t texts = 0;
  JournalChange erased;
  const absl::Status status = Scan(store_, tenant, PrefixOf(answer), [&](Feedback&& feedback) {
    const int gone = (Erase(&feedback.said.correction) ? 1 : 0) + (Erase(&feedback.said.comment) ? 1 : 0);
    if (gone == 0) return true;
    texts += static_cast<uint64_t>(gone);
    erased.records.push_back({NameOf(feedback), FeedbackToJson(feedback)});
    return true;
  });
  if (!status.ok()) return status;
  if (!change || erased.records.empty()) return texts;
  const auto kept = Journal::Of(store_).Commit(tenant, erased);
  if (!kept.ok()) return kept.status();
  return texts;
}

}  // namespace vouch
