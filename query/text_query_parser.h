#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "query/text_clause.h"

namespace vouch {

// What people type:
//
//   query  := part*
//   part   := ["+" | "-"] [field ":"] (word | prefix | fuzzy | phrase | "(" query ")") ["^" number]
//   prefix := word "*"       fuzzy := word "~" ["0" | "1" | "2"]
//   phrase := '"' words '"' ["~" slop]
//
// "+" must be there, "-" must not, and of parts without a sign one, where nothing must. A field is a
// text field of the collection. A backslash makes the next character, if it is no space, part of a word. A query of
// plain words alone is one TextMatch. INVALID_ARGUMENT gives the column, in bytes from 1, and shows
// it under the text where that is short.
absl::StatusOr<TextClause> ParseTextQuery(std::string_view text, const CollectionSchema& schema);

}  // namespace vouch
