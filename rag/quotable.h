#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "rag/document.h"

namespace vouch {

// The sentences of a chunk's text that may be quoted, in reading order: whole sentences of its
// paragraphs and list items, never headings, code, table rows or parts of a sentence.
//
// `blocks` says what stands in the text; nullopt where that is not known (rows that users wrote,
// chunks before structure/2): then paragraphs are what empty lines set apart. Where the text has
// one paragraph, headings apart, and no stop in it, that counts as a sentence: notes and records
// are often written so. Blocks that do not lie in the text are passed over.
std::vector<ByteSpan> QuotableSentences(std::string_view text,
                                        const std::optional<std::vector<Block>>& blocks);

// Whether a sentence stands for itself: ends in a stop (not in an ellipsis), has three words or
// more (or is of a script without spaces), is mostly letters, closes what brackets it opens, and
// has at most 600 bytes.
bool IsWholeSentence(std::string_view sentence);

// Of what is no space, 0 to 1; bytes outside of ASCII count as letters.
double ShareOfLetters(std::string_view text);

}  // namespace vouch
