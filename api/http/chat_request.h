#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "vouch/v1/answers.pb.h"

namespace vouch {

// What VouchDB takes of a body of POST /v1/chat/completions. The question is the last message,
// which is the user's; the turns before it are the conversation. Sampling, tools, and messages of
// other roles are the pipeline's affair, and what the format does not know is left alone.
struct ChatRequest {
  std::string model = {};  // "PIPELINE[@VERSION|@ALIAS]" or "collection:NAME"
  bool stream = false;
  bool include_usage = false;
  v1::AskRequest ask = {};
};

// INVALID_ARGUMENT; `param` is then the field's place, as "messages[0].content".
absl::Status ParseChatRequest(const std::string& body, ChatRequest* request, std::string* param);

}  // namespace vouch
