#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/parser_child.h"

std::vector<std::string> FuzzSeeds() {
  return {"ok 1 7 2 16 16 5\nTHead\n\nx{}0 2 0 4\n1 0 6 7\n0,4@1:-1,2,30,40pdf/1", "error 3\nwhy"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::ParsedDocument> document = vouch::DecodeOutcome(bytes);
  if (!document.ok()) return 0;
  // What was taken is written again as the same document.
  const absl::StatusOr<vouch::ParsedDocument> again = vouch::DecodeOutcome(vouch::EncodeOutcome(document));
  if (!again.ok() || again->text != document->text || again->blocks != document->blocks) std::abort();
  if (again->places != document->places || again->title != document->title) std::abort();
  return 0;
}
