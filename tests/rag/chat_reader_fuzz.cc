// The body of a chat completion, in pieces whose sizes the first byte chooses: whatever the pieces,
// the result is the same, and all text is UTF-8.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/llm/chat_reader.h"
#include "storage/utf8.h"

namespace {

std::string Read(std::string_view body, size_t step) {
  std::string text;
  vouch::ChatReader reader([&](std::string_view piece) {
    if (!vouch::IsValidUtf8(piece)) std::abort();
    text += piece;
    return absl::OkStatus();
  });
  absl::Status status;
  for (size_t at = 0; at < body.size() && status.ok(); at += step) {
    status = reader.Feed(body.substr(at, step));
  }
  if (status.ok()) status = reader.Finish();
  if (text != reader.reply().text) std::abort();
  return status.ToString() + "\n" + text + "\n" + reader.reply().refusal + "\n" +
         reader.reply().finish_reason + "\n" + reader.reply().model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (Read(body, 1 + data[0] % 16) != Read(body, size)) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {
      "\x01: ping\n\ndata: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}],\"model\":\"m\"}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\r\n\r\ndata: [DONE]\n\n",
      "\x03{\"choices\":[{\"message\":{\"content\":\"Hello\",\"refusal\":null},\"finish_reason\":"
      "\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}",
      "\x02"
      "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"};
}
