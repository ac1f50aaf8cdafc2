// Bodies of chats, and the files that `vouch apply` reads.
#include <cstdint>
#include <string>
#include <vector>

#include "api/cli/manifest.h"
#include "api/http/chat_request.h"

std::vector<std::string> FuzzSeeds() {
  return {R"({"model":"m@1","messages":[{"role":"user","content":[{"type":"text","text":"q"}]}]})",
          R"({"model":"collection:d","stream":true,"stream_options":{"include_usage":true},"n":1,)"
          R"("messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}],)"
          R"("vouch":{"at":"v3","filter":"a = 1"}})",
          "---\npipeline:\n  name: a\n  prompt: {variables: {x: y}}\n---\nalias: {name: a}\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  vouch::ChatRequest request;
  std::string param;
  if (vouch::ParseChatRequest(text, &request, &param).ok() && !param.empty()) __builtin_trap();
  (void)vouch::ParseManifests("fuzz.yaml", text);
  return 0;
}
