#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

std::vector<std::string> FuzzSeeds() {
  return {"one\ntwo\r\n\r\nthree\n\n- four", "\xEF\xBB\xBF" "A line that is long enough to be taken as a wrapped one\nand goes on"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::Document document;
  document.media_type = vouch::MediaType::kText;
  document.bytes.assign(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::ParsedDocument> parsed = vouch::ParseDocument(document);
  if (!parsed.ok()) return 0;
  if (!vouch::DocumentIsSound(document.bytes, *parsed)) std::abort();
  const vouch::Chunker chunker({.target_bytes = 20, .max_bytes = 40});
  for (const vouch::Chunk& chunk : chunker.Split(*parsed, document.media_type)) {
    if (!vouch::SpansAreExact(document.bytes, chunk.text, chunk.spans)) std::abort();
    vouch::SplitSentences(chunk.text);
  }
  return 0;
}
