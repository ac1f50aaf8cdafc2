// Files of requests: anything is refused with its place, or becomes a message.
#include <cstdint>
#include <string>
#include <vector>

#include "api/cli/message_yaml.h"
#include "vouch/v1/search.pb.h"

std::vector<std::string> FuzzSeeds() {
  return {
      "query:\n  fuse:\n    k: 10\n    children:\n      - dense: {vector: [1, 2], exact: true}\n   "
      "     filter: a = 1\n"
      "      - text_query: {text: b, mode: text}\nlimit: 3\n",
      R"({"query": {"all": {"order_by": "year"}}, "filter": {"has_id": {"ids": [1, "a"]}}})",
      "query: &q {fuse: {children: [*q, *q]}}"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::MessageFile file;
  file.name = "f";
  vouch::v1::SearchRequest request;
  const absl::Status status =
      vouch::ReadMessage(std::string(reinterpret_cast<const char*>(data), size), &request, &file);
  if (!status.ok() && status.code() != absl::StatusCode::kInvalidArgument) __builtin_trap();
  return 0;
}
