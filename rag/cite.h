#pragma once

#include <string>
#include <string_view>

#include "rag/document.h"

namespace vouch {

// Runs of white space as one space, none at the ends: how a quote stands in an answer.
std::string CollapseSpace(std::string_view text);

// Whether a document's bytes hold a quote: bytes [text.begin, text.end) of a chunk's text, whose
// origin `spans` gives.
//
// True only where all of this holds:
// 1. the quote is that text, white space collapsed;
// 2. each exact piece of the map under it is the same bytes in the source;
// 3. each other piece is, in the source, the same after decoding what stands there (an HTML
// character reference, a JSON
//    escape, a Markdown backslash) and collapsing white space;
// 4. what no piece covers is white space in the text, and at least one byte is covered;
// 5. pieces lie inside the source and ascend, so that only markup and white space can stand between
// them.
bool VerifyQuote(std::string_view quote, std::string_view chunk_text, ByteSpan text,
                 const SpanMap& spans, std::string_view source);

}  // namespace vouch
