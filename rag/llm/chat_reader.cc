#include "rag/llm/chat_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "rag/http/http_error.h"
#include "rag/parse/json_string.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using ReplyJson = nlohmann::json;

constexpr size_t kMaxWordBytes = 200;  // of a model, a fingerprint or a finish_reason
constexpr int kMaxDepth = 64;

absl::Status Broken(std::string_view what) {
  return absl::UnavailableError(Concat("the model's reply ", what));
}

// Discarded where it is no JSON, or nested too deep.
ReplyJson ParseBounded(std::string_view text) {
  if (JsonDepth(text) > kMaxDepth) return ReplyJson(ReplyJson::value_t::discarded);
  return ReplyJson::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Null where the key is missing, or its value null.
const ReplyJson* Find(const ReplyJson& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string_view TextOf(const ReplyJson& object, const char* key) {
  const ReplyJson* value = Find(object, key);
  return value != nullptr && value->is_string() ? value->get_ref<const std::string&>()
                                                : std::string_view();
}

void TakeName(const ReplyJson& object, const char* key, std::string* name) {
  if (const std::string_view text = TextOf(object, key); !text.empty()) {
    *name = std::string(text.substr(0, kMaxWordBytes));
  }
}

// Numbers that cannot be meant are as good as none.
std::optional<TokenUsage> UsageOf(const ReplyJson& object) {
  const ReplyJson* usage = Find(object, "usage");
  if (usage == nullptr) return std::nullopt;
  TokenUsage tokens;
  const std::pair<const char*, uint64_t*> counts[] = {
      {"prompt_tokens", &tokens.prompt_tokens}, {"completion_tokens", &tokens.completion_tokens}};
  for (const auto& [key, value] : counts) {
    const ReplyJson* count = Find(*usage, key);
    if (count == nullptr || !count->is_number_unsigned() ||
        count->get<uint64_t>() > TokenUsage::kMaxTokens) {
      return std::nullopt;
    }
    *value = count->get<uint64_t>();
  }
  return tokens;
}

// The first choice; null where there is none.
const ReplyJson* FirstChoice(const ReplyJson& object) {
  const ReplyJson* choices = Find(object, "choices");
  if (choices == nullptr || !choices->is_array()) return nullptr;
  for (const ReplyJson& choice : *choices) {
    const ReplyJson* index = Find(choice, "index");
    if (choice.is_object() && (index == nullptr || *index == 0)) return &choice;
  }
  return nullptr;
}

void TakeHead(const ReplyJson& object, ChatReply* reply) {
  TakeName(object, "model", &reply->model);
  TakeName(object, "system_fingerprint", &reply->fingerprint);
}

}  // namespace

absl::Status ChatReader::AddText(std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  if (text.size() > kMaxTextBytes - reply_.text.size()) {
    return absl::ResourceExhaustedError(
        Concat("the model's reply is longer than ", kMaxTextBytes, " bytes of text"));
  }
  reply_.text += text;
  reply_.text_after_usage = reply_.usage.has_value();
  return sink_ ? sink_(text) : absl::OkStatus();
}

void ChatReader::TakeUsage(const std::optional<TokenUsage>& usage) {
  if (!usage) return;
  reply_.usage = usage;
  reply_.text_after_usage = false;
}

absl::Status ChatReader::TakeEvent(std::string_view data) {
  if (done_) return absl::OkStatus();
  if (data == "[DONE]") {
    done_ = true;
    return absl::OkStatus();
  }
  const ReplyJson event = ParseBounded(data);
  if (!event.is_object()) return Broken("has an event that is no JSON object");
  if (Find(event, "error") != nullptr) {
    return Broken(Concat("ends with an error: ", ErrorMessageOf(data)));
  }
  TakeHead(event, &reply_);
  absl::Status status;
  if (const ReplyJson* choice = FirstChoice(event); choice != nullptr) {
    TakeName(*choice, "finish_reason", &reply_.finish_reason);
    if (const ReplyJson* delta = Find(*choice, "delta"); delta != nullptr) status = TakeDelta(*delta);
  }
  TakeUsage(UsageOf(event));
  return status;
}

absl::Status ChatReader::TakeDelta(const ReplyJson& delta) {
  for (const char* key : {"reasoning_content", "reasoning"}) {
    reply_.unseen_tokens += EstimateTokens(TextOf(delta, key));
  }
  const std::string_view refusal = TextOf(delta, "refusal");
  reply_.refusal +=
      refusal.substr(0, kMaxTextBytes - std::min(kMaxTextBytes, reply_.refusal.size()));
  return AddText(TextOf(delta, "content"));
}

absl::Status ChatReader::TakeObject(std::string_view body) {
  const ReplyJson object = ParseBounded(body);
  if (!object.is_object()) return Broken("is cut, or no JSON object");
  if (Find(object, "error") != nullptr) {
    return Broken(Concat("is an error: ", ErrorMessageOf(body)));
  }
  TakeHead(object, &reply_);
  const ReplyJson* choice = FirstChoice(object);
  const ReplyJson* message = choice == nullptr ? nullptr : Find(*choice, "message");
  if (message == nullptr) return Broken("has no message");
  TakeName(*choice, "finish_reason", &reply_.finish_reason);
  if (reply_.finish_reason.empty()) reply_.finish_reason = "stop";
  reply_.refusal = std::string(TextOf(*message, "refusal"));
  reply_.unseen_tokens += EstimateTokens(TextOf(*message, "reasoning_content"));
  absl::Status status = AddText(TextOf(*message, "content"));
  TakeUsage(UsageOf(object));
  return status;
}

absl::Status ChatReader::Feed(std::string_view bytes) {
  if (form_ == Form::kUnknown) {
    const size_t first = bytes.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return absl::OkStatus();
    bytes.remove_prefix(first);
    form_ = bytes.front() == '{' ? Form::kObject : Form::kEvents;
  }
  if (form_ == Form::kEvents) {
    return events_.Feed(bytes, [this](std::string_view data) { return TakeEvent(data); });
  }
  if (bytes.size() > kMaxBodyBytes - body_.size()) {
    return absl::ResourceExhaustedError(
        Concat("the model's reply is longer than ", kMaxBodyBytes, " bytes"));
  }
  body_ += bytes;
  return absl::OkStatus();
}

absl::Status ChatReader::Finish() {
  if (form_ == Form::kObject) {
    if (absl::Status status = TakeObject(body_); !status.ok()) return status;
  } else if (const std::string rest = events_.TakeRest(); !rest.empty()) {
    // A last event whose empty line is missing; half an event means that the stream was cut.
    if (absl::Status status = TakeEvent(rest); !status.ok()) {
      return Broken("was cut inside an event");
    }
  }
  if (!done_ && reply_.finish_reason.empty()) {
    return Broken(Concat("was cut after ", reply_.text.size(), " bytes of text"));
  }
  if (reply_.text.empty() && reply_.refusal.empty()) return Broken("has no text");
  return absl::OkStatus();
}

}  // namespace vouch
