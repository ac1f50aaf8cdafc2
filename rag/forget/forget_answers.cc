#include "rag/forget/forget_answers.h"

#include <mutex>
#include <utility>
#include <vector>

#include "rag/answer_texts.h"
#include "rag/eval/evaluation_record.h"
#include "rag/eval/results_lock.h"
#include "rag/feedback.h"
#include "storage/answer_records.h"
#include "storage/concat.h"
#include "storage/evaluation_records.h"

namespace vouch {
namespace {

// A shorter text may stand in a conversation for other reasons.
constexpr size_t kMinRepeatedBytes = 24;
constexpr std::string_view kResultPrefix = "result/";
constexpr std::string_view kErasedResult = "(erased: a source of it was forgotten)";

// What the answer says in the caller's eyes, and what it quotes.
void AddRepeatable(const Answer& answer, const std::set<std::string>& paths, std::set<std::string>* texts) {
  const auto add = [&](const std::string& path, const std::string& text) {
    if (paths.contains(path) && text.size() >= kMinRepeatedBytes && !IsErasedText(text))
      texts->insert(text);
  };
  add("text", answer.text);
  for (size_t i = 0; i < answer.citations.size(); ++i)
    add(Concat("citations[", i, "].quote"), answer.citations[i].quote);
}

class AnswerForgetter {
 public:
  AnswerForgetter(Store& store, std::string_view tenant, std::string_view collection, std::string_view document,
                  bool change, const CancelToken& cancel)
      : store_(store), tenant_(tenant), collection_(collection), document_(document), change_(change), cancel_(cancel) {}

  absl::Status Run(ForgottenTexts* counts) {
    if (absl::Status status = Find(); !status.ok()) return status;
    // Turns first: what they are found by is still there if this is interrupted.
    if (absl::Status status = EraseTurns(); !status.ok()) return status;
    if (absl::Status status = EraseResults(); !status.ok()) return status;
    if (absl::Status status = EraseFeedback(); !status.ok()) return status;
    for (const auto& [id, paths] : found_) {
      if (absl::Status status = Erase(id, paths); !status.ok()) return status;
    }
    counts_.answers = touched_.size();
    *counts = counts_;
    return absl::OkStatus();
  }

 private:
  absl::Status Scan(const std::function<absl::Status(const std::string& id, const Answer& answer)>& visit) {
    absl::Status status;
    const absl::Status scanned = store_.ScanAnswers(tenant_, [&](std::string_view id, std::string_view record) {
      if (status = cancel_.Check(); !status.ok()) return false;
      const absl::StatusOr<Answer> answer = AnswerFromJson(record);
      status = answer.ok() ? visit(std::string(id), *answer) : answer.status();
      return status.ok();
    });
    return status.ok() ? scanned : status;
  }

  absl::Status Find() {
    return Scan([&](const std::string& id, const Answer& answer) {
      std::set<std::string> paths = PathsOf(answer, collection_, document_);
      AddRepeatable(answer, paths, &repeatable_);
      if (paths.contains("text")) said_.insert(id);
      if (!paths.empty()) found_.emplace_back(id, std::move(paths));
      return absl::OkStatus();
    });
  }

  absl::Status EraseTurns() {
    if (repeatable_.empty()) return absl::OkStatus();
    std::vector<std::pair<std::string, std::set<std::string>>> turns;
    const absl::Status scanned = Scan([&](const std::string& id, const Answer& answer) {
      std::set<std::string> paths;
      for (size_t i = 0; i < answer.conversation.size(); ++i) {
        if (Repeats(answer.conversation[i].content)) paths.insert(Concat("conversation[", i, "].content"));
      }
      // A prompt holds the conversation with its white space collapsed, and rewrites say it in other words.
      if (!paths.empty()) {
        for (size_t i = 0; answer.generation && i < answer.generation->prompt.size(); ++i) {
          paths.insert(Concat("generation.prompt[", i, "].content"));
        }
        for (size_t i = 0; i < answer.rewrites.size(); ++i) {
          paths.insert(Concat("rewrites[", i, "].texts"));
          paths.insert(Concat("rewrites[", i, "].completion"));
        }
      }
      if (!paths.empty()) turns.emplace_back(id, std::move(paths));
      return absl::OkStatus();
    });
    if (!scanned.ok()) return scanned;
    for (const auto& [id, paths] : turns) {
      if (absl::Status status = Erase(id, paths); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  bool Repeats(const std::string& content) const {
    for (const std::string& text : repeatable_) {
      if (content.find(text) != std::string::npos) return true;
    }
    return false;
  }

  // A result keeps the beginning of its answer.
  absl::Status EraseResults() {
    EvaluationRecords& records = EvaluationRecords::Of(store_);
    const std::lock_guard<std::mutex> lock(ResultsLock());
    std::vector<NamedRecord> changed;
    absl::Status status;
    const absl::Status scanned = records.ScanEvaluationRecords(
        tenant_, kResultPrefix, [&](std::string_view name, std::string_view bytes) {
          status = cancel_.Check();
          absl::StatusOr<QuestionResult> result = DecodeQuestionResult(bytes);
          if (!status.ok() || !result.ok()) return status.ok();  // a damaged one is `vouch verify`'s
          if (result->answer.empty() || result->answer == kErasedResult) return true;
          if (!said_.contains(result->answer_id) && !Repeats(result->answer)) return true;
          result->answer = kErasedResult;
          changed.push_back({.name = std::string(name), .bytes = EncodeQuestionResult(*result)});
          return true;
        });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
    counts_.results = changed.size();
    if (!change_ || changed.empty()) return absl::OkStatus();
    return records.PutEvaluationRecords(tenant_, changed, /*only_new=*/false);
  }

  // What users said of an answer may repeat it.
  absl::Status EraseFeedback() {
    FeedbackStore feedback(store_, Clock::System());
    for (const std::string& id : said_) {
      const absl::StatusOr<uint64_t> erased = feedback.EraseTexts(tenant_, id, change_);
      if (!erased.ok()) return erased.status();
      counts_.texts += *erased;
    }
    return absl::OkStatus();
  }

  absl::Status Erase(const std::string& id, const std::set<std::string>& paths) {
    if (!change_) {
      counts_.texts += paths.size();
      touched_.insert(id);
      return absl::OkStatus();
    }
    const absl::StatusOr<uint32_t> erased = AnswerRecords::Of(store_).EraseAnswerTexts(tenant_, id, paths);
    if (!erased.ok()) return erased.status();
    counts_.texts += *erased;
    touched_.insert(id);
    return absl::OkStatus();
  }

  Store& store_;
  const std::string tenant_;
  const std::string collection_;
  const std::string document_;
  const bool change_;
  const CancelToken& cancel_;
  std::vector<std::pair<std::string, std::set<std::string>>> found_;  // by answer
  std::set<std::string> said_;        // answers whose text goes
  std::set<std::string> repeatable_;  // texts that other records may repeat
  std::set<std::string> touched_;
  ForgottenTexts counts_;
};

}  // namespace

absl::Status ForgetInAnswers(Store& store, std::string_view tenant, std::string_view collection,
                             std::string_view document, bool change, const CancelToken& cancel,
                             ForgottenTexts* counts) {
  return AnswerForgetter(store, tenant, collection, document, change, cancel).Run(counts);
}

}  // namespace vouch
