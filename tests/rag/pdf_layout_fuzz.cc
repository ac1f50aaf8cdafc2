#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/pdf_layout.h"
#include "rag/chunk/chunker.h"
#include "tests/rag/span_checks.h"

std::vector<std::string> FuzzSeeds() {
  return {"<page width=\"612\">\n<block xMin=\"1\">\n<line xMin=\"1\" yMin=\"2\" xMax=\"30\" yMax=\"12\">\n<word yMin=\"2\" yMax=\"12\">a&amp;b-</word>\n</line>\n<line yMin=\"14\">\n<word yMin=\"14\" yMax=\"34\">c</word>\n<word>- 1.</word>\n</line>\n</block>\n<page >\n<block >\n<line >\n<word >d</word>\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  vouch::PdfLayout layout;
  if (!layout.Add(bytes).ok()) return 0;
  const absl::StatusOr<vouch::ParsedDocument> parsed = layout.Finish();
  if (!parsed.ok()) return 0;
  if (!vouch::DocumentIsSound(parsed->text, *parsed)) std::abort();
  const vouch::Chunker chunker({.method = vouch::ChunkOptions::Method::kParentChild, .child_tokens = 8, .parent_tokens = 20});
  for (const vouch::Chunk& chunk : chunker.Split(*parsed, vouch::MediaType::kText)) {
    if (!vouch::SpansAreExact(parsed->text, chunk.text, chunk.spans)) std::abort();
  }
  return 0;
}
