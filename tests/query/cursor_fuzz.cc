#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "query/cursor.h"
#include "query/search.h"

// A cursor that decodes encodes to a cursor that decodes the same; a version text never does harm.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::Cursor> cursor = vouch::DecodeCursor(text);
  if (cursor.ok()) {
    const absl::StatusOr<vouch::Cursor> again = vouch::DecodeCursor(vouch::EncodeCursor(*cursor));
    if (!again.ok() || *again != *cursor) std::abort();
  }
  vouch::ReadAt::Parse(text).IgnoreError();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {vouch::EncodeCursor({.version = vouch::Version(3),
                               .first_page = 10,
                               .consumed = 10,
                               .last = {vouch::RowId(5), 0.25},
                               .question = 99}),
          "latest",
          "v12",
          "12",
          "@2026-11-23T10:00:00Z",
          "baseline"};
}
