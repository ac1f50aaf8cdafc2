#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/document.h"

std::vector<std::string> FuzzSeeds() { return {"0,12,400,412;13,20,430,437;20,21,437,442~", "0,1,0,1"}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::SpanMap map;
  if (!vouch::SpanMap::Decode(std::string_view(reinterpret_cast<const char*>(data), size), &map)) return 0;
  vouch::SpanMap again;
  if (!vouch::SpanMap::Decode(map.Encode(), &again) || again.pieces() != map.pieces()) std::abort();
  const uint64_t end = map.pieces().empty() ? 0 : map.pieces().back().text_end;
  const vouch::ByteSpan whole = map.ToSource(0, end);
  if (map.Slice(0, end).ToSource(0, end) != whole || whole.begin > whole.end) std::abort();
  return 0;
}
