#pragma once

#include <string>
#include <string_view>

#include "rag/document.h"

namespace vouch {

// Plain text: paragraphs are set apart by empty lines. Inside one, a line break after a long line
// that goes on without indentation, or with the same as before, is taken for wrapping and becomes a
// space; other line breaks stay.
ParsedDocument ParsePlainText(std::string_view bytes);

// The paragraphs of a text whose bytes stay as they are (a record's), as blocks over it.
std::vector<Block> FindParagraphs(std::string_view text);

}  // namespace vouch
