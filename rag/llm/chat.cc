#include "rag/llm/chat.h"

#include <nlohmann/json.hpp>

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

Json ParametersOf(std::string_view model, const ChatParameters& parameters) {
  Json json = {{"model", model}, {"max_tokens", parameters.max_tokens}};
  if (parameters.temperature) json["temperature"] = *parameters.temperature;
  if (parameters.top_p) json["top_p"] = *parameters.top_p;
  if (parameters.seed) json["seed"] = *parameters.seed;
  return json;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string EncodeChatRequest(std::string_view model, const std::vector<ChatMessage>& messages,
                              const ChatParameters& parameters, bool stream) {
  Json json = ParametersOf(model, parameters);
  json["messages"] = Json::array();
  for (const ChatMessage& message : messages) {
    json["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  json["stream"] = stream;
  if (stream) json["stream_options"] = {{"include_usage", true}};
  return Dump(json);
}

std::string EncodeChatParameters(std::string_view model, const ChatParameters& parameters) {
  return Dump(ParametersOf(model, parameters));
}

}  // namespace vouch
