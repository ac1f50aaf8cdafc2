#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

struct DocxLimits {
  static constexpr size_t kMaxEntries = 10'000;
  static constexpr size_t kMaxPartBytes = size_t{64} << 20;  // of one part, unpacked
  static constexpr int kMaxDepth = 128;                      // tables in tables and the like
};

// The text of a Word document (ECMA-376, WordprocessingML): headings by style or outline level, paragraphs, list items,
// and tables as rows of cells set apart by " | ", the first row naming the columns where the document says so. Deleted text
// of tracked changes is left out, inserted text is in; headers, footers, notes and comments are left out.
//
// Memory and time are bounded by the limits and linear in the unpacked parts. INVALID_ARGUMENT: not a ZIP archive, damaged
// or encrypted, no main part, XML that is none or declares a DOCTYPE, too deep; RESOURCE_EXHAUSTED: over a limit.
absl::StatusOr<ParsedDocument> ParseDocx(std::string_view bytes);

}  // namespace vouch
