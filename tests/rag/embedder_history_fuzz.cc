#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/embed/embedder_history.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto entries = vouch::DecodeEmbedderHistory({reinterpret_cast<const char*>(data), size});
  if (!entries.ok()) return 0;
  const auto again = vouch::DecodeEmbedderHistory(vouch::EncodeEmbedderHistory(*entries));
  if (!again.ok() || *again != *entries) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  const std::vector<vouch::EmbedderHistoryEntry> entries = {
      {vouch::Version(1), "builtin/lsa?dim=2#a", "a"},
      {vouch::Version(7), "builtin/lsa?dim=2#b", "b"}};
  return {"[]", vouch::EncodeEmbedderHistory(entries)};
}
