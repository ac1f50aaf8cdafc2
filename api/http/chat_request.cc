#include "api/http/chat_request.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/limits.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using RequestJson = nlohmann::json;

constexpr std::string_view kCollectionPrefix = "collection:";

// Takes values of objects; the first mistake is kept.
class ChatReader {
 public:
  explicit ChatReader(std::string* param) : param_(*param) {}

  const absl::Status& status() const { return status_; }

  void Wrong(const std::string& param, const std::string& what) {
    if (!status_.ok()) return;
    param_ = param;
    status_ = absl::InvalidArgumentError(absl::StrCat(param, " ", what));
  }

  void TakeBool(const RequestJson& json, const char* key, const std::string& param, bool* value) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return;
    if (!found->is_boolean()) return Wrong(param, "takes true or false");
    *value = found->get<bool>();
  }

  void TakeText(const RequestJson& json, const char* key, const std::string& param, std::string* value) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return;
    if (!found->is_string()) return Wrong(param, "takes a text");
    *value = found->get<std::string>();
  }

  // A text, or a list of parts of kind "text".
  std::string TakeContent(const RequestJson& message, const std::string& param) {
    const auto found = message.find("content");
    if (found == message.end() || found->is_null()) return "";
    if (found->is_string()) return found->get<std::string>();
    if (!found->is_array()) {
      Wrong(param, "takes a text or a list of parts");
      return "";
    }
    std::string text;
    for (size_t i = 0; i < found->size() && status_.ok(); ++i) {
      const RequestJson& part = (*found)[i];
      const std::string place = absl::StrCat(param, "[", i, "]");
      std::string type;
      if (part.is_object()) TakeText(part, "type", place + ".type", &type);
      if (type != "text") {
        Wrong(place, "is no part of type text, and no other is read");
        return "";
      }
      std::string piece;
      TakeText(part, "text", place + ".text", &piece);
      text += (text.empty() ? "" : "\n") + piece;
    }
    return text;
  }

  void TakeMessages(const RequestJson& json, v1::AskRequest* ask) {
    const auto found = json.find("messages");
    if (found == json.end() || !found->is_array() || found->empty())
      return Wrong("messages", "takes a list with at least one message");
    for (size_t i = 0; i < found->size() && status_.ok(); ++i) {
      const RequestJson& message = (*found)[i];
      const std::string place = absl::StrCat("messages[", i, "]");
      if (!message.is_object()) return Wrong(place, "takes an object with role and content");
      std::string role;
      TakeText(message, "role", place + ".role", &role);
      static constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user",
                                                                 "assistant", "tool"};
      if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
        return Wrong(place + ".role", "takes system, developer, user, assistant or tool");
      }
      const std::string content = TakeContent(message, place + ".content");
      if (i + 1 == found->size()) {
        if (role != "user") return Wrong(place + ".role", "of the last message takes user");
        ask->set_question(content);
      } else if ((role == "user" || role == "assistant") && !content.empty()) {
        v1::ChatMessage* turn = ask->add_conversation();
        turn->set_role(role);
        turn->set_content(content);
      }
    }
  }

  // Our own field: {"vouch": {"at": "v3", "filter": "year > 2000"}}.
  void TakeExtension(const RequestJson& json, v1::AskRequest* ask) {
    const auto found = json.find("vouch");
    if (found == json.end() || found->is_null()) return;
    if (!found->is_object()) return Wrong("vouch", "takes an object");
    for (const auto& [key, value] : found->items()) {
      if (key != "at" && key != "filter") return Wrong("vouch." + key, "is unknown; there are at, filter");
    }
    TakeText(*found, "at", "vouch.at", ask->mutable_at());
    std::string filter;
    TakeText(*found, "filter", "vouch.filter", &filter);
    if (!filter.empty()) ask->mutable_filter()->set_expression(filter);
  }

 private:
  std::string& param_;
  absl::Status status_;
};

}  // namespace

absl::Status ParseChatRequest(const std::string& body, ChatRequest* request, std::string* param) {
  const RequestJson json = RequestJson::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body is no JSON object");
  ChatReader reader(param);
  reader.TakeText(json, "model", "model", &request->model);
  if (request->model.empty()) reader.Wrong("model", "takes a pipeline's name, or collection:NAME");
  reader.TakeBool(json, "stream", "stream", &request->stream);
  const auto options = json.find("stream_options");
  if (options != json.end() && options->is_object()) {
    reader.TakeBool(*options, "include_usage", "stream_options.include_usage",
                    &request->include_usage);
  }
  const auto n = json.find("n");
  if (n != json.end() && !n->is_null() && *n != 1) {
    reader.Wrong("n", "takes 1: there is one answer to a question");
  }
  reader.TakeText(json, "user", "user", request->ask.mutable_caller());
  if (request->ask.caller().size() > ApiLimits::kMaxCallerBytes) {
    reader.Wrong("user", absl::StrCat("has ", request->ask.caller().size(), " bytes; the limit is ",
                                      ApiLimits::kMaxCallerBytes));
  }
  reader.TakeMessages(json, &request->ask);
  reader.TakeExtension(json, &request->ask);
  if (request->model.starts_with(kCollectionPrefix)) {
    request->ask.set_collection(request->model.substr(kCollectionPrefix.size()));
  } else {
    request->ask.set_pipeline(request->model);
  }
  return reader.status();
}

}  // namespace vouch
