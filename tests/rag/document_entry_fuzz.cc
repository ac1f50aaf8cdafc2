#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/ingest/document_entry.h"

std::vector<std::string> FuzzSeeds() {
  vouch::DocumentEntry entry;
  entry.hash = "0123";
  entry.uri = "docs/a.md";
  entry.media_type = vouch::MediaType::kHtml;
  entry.chunks = 7;
  return {entry.Encode()};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto entry = vouch::DocumentEntry::Decode(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!entry.ok()) return 0;
  const auto again = vouch::DocumentEntry::Decode(entry->Encode());
  if (!again.ok() || !again->SameAs(*entry) || again->chunks != entry->chunks) std::abort();
  return 0;
}
