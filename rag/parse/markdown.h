#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// CommonMark 0.30 by libcmark, with tables as paragraphs whose second line is a delimiter row, a YAML front matter
// left out (its `title` taken), and HTML blocks read as HTML. The text is without markup: emphasis marks, link
// targets, list bullets. Where a block's markup cannot be followed byte by byte (a link definition at its start), its
// lines stand as they are, so that spans are exact in any case.
//
// INVALID_ARGUMENT: containers nested deeper than ParseLimits::kMaxDepth.
absl::StatusOr<ParsedDocument> ParseMarkdown(std::string_view bytes);

}  // namespace vouch
