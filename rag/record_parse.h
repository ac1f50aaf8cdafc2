#pragma once

#include <cstddef>
#include <string_view>

#include "rag/record_reader.h"

namespace vouch {

// Records nest a few levels. The library parses any depth, but copies and writes values by recursion: of a text that somebody else
// may have written, deeper ones would end the program.
inline constexpr size_t kMaxRecordDepth = 64;

// JSON of a record; discarded where it is none, or nested deeper than kMaxRecordDepth.
RecordJson ParseRecordJson(std::string_view text);

// The end of the object or array that begins the text, past its last brace; npos where it has none. One pass, which knows strings.
size_t EndOfJson(std::string_view text);

}  // namespace vouch
