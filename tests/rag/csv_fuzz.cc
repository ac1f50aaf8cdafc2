#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/csv.h"
#include "rag/parse/utf8.h"
#include "rag/chunk/chunker.h"
#include "tests/rag/span_checks.h"

std::vector<std::string> FuzzSeeds() {
  return {"a,b\r\n\"c \"\"d\"\"\ne\",f\n,,\n", "a;b\n1;2", "a\tb\n\"x\"y\t"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!vouch::CheckText(bytes).ok()) return 0;
  const absl::StatusOr<vouch::ParsedDocument> parsed = vouch::ParseCsv(bytes);
  if (!parsed.ok()) return 0;
  if (!vouch::DocumentIsSound(bytes, *parsed)) std::abort();
  const vouch::Chunker chunker({.target_bytes = 20, .max_bytes = 40});
  for (const vouch::Chunk& chunk : chunker.Split(*parsed, vouch::MediaType::kCsv)) {
    if (!vouch::ChunkIsSound(bytes, chunk)) std::abort();
  }
  return 0;
}
