#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "index/payload/filter.h"

namespace vouch {

// Filters for people: `year >= 2020 and lang in ('en','de') and not archived`.
//
//   or    := and ("or" and)*            and := unary ("and" unary)*
//   unary := "not" unary | "(" or ")" | predicate
//   predicate := path (("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") literal
//                     | ["not"] "in" "(" literal ("," literal)* ")"
//                     | "exists")?      -- a path alone means path = true; the path `id` names the point's id
//   literal := number | 'text' | "text" | true | false
//
// Keywords in any case; a quote inside a text is doubled; a path with other characters stands in backquotes.
// INVALID_ARGUMENT: what was expected, what stands there, its column (from 1), and the line with a caret under it.
absl::StatusOr<Filter> ParseFilter(std::string_view text);

// The canonical text; ParseFilter of it gives the same filter.
std::string FormatFilter(const Filter& filter);

// The same as JSON, for API and files: {"and": [...]}, {"not": …}, {"path": "year", "op": ">=", "value": 2020},
// {"path": "lang", "op": "in", "values": ["en"]}, {"path": "x", "op": "exists"}.
absl::StatusOr<Filter> FilterFromJson(std::string_view json);
std::string FilterToJson(const Filter& filter);

}  // namespace vouch
