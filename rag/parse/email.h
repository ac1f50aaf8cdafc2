#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

struct EmailLimits {
  static constexpr int kMaxDepth = 16;       // parts in parts, messages in messages
  static constexpr size_t kMaxParts = 1'000;  // of one message, all levels
  static constexpr size_t kMaxHeaderBytes = size_t{1} << 20;
  static constexpr size_t kMaxTextBytes = size_t{64} << 20;
};

// An e-mail (RFC 5322 with MIME, RFC 2045 to 2047 and 2231): the subject as a heading, who wrote to whom and when, the text
// (of alternatives the plain one, where it has any), and each attachment by name, type and size; attachments whose kind is
// known (text, Markdown, HTML, CSV, PDF, DOCX, messages) with their text. `metadata`: {"from", "to", "cc", "date"} as the
// header has them, encoded words decoded.
//
// What is broken inside (an unknown charset, a bad transfer encoding, a part that never ends) is read as well as can be;
// what cannot be read of an attachment is said in its place. INVALID_ARGUMENT: no header. RESOURCE_EXHAUSTED: a limit, by number.
absl::StatusOr<ParsedDocument> ParseEmail(std::string_view bytes);

}  // namespace vouch
