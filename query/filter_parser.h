#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "index/payload/filter.h"

namespace vouch {

inline constexpr size_t kMaxFilterTextBytes = 1 << 20;

// Filters for people: `year >= 2020 and lang in ('en','de') and not archived`.
//
//   or    := and ("or" and)*            and := unary ("and" unary)*
//   unary := "not" unary | "(" or ")" | predicate
//   predicate := path (("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") literal
//                     | ["not"] "in" "(" [literal ("," literal)*] ")"
//                     | "exists"
//                     | "within" (number ("m" | "km" | "mi") "of" point | "box" "(" point "," point ")"
//                                 | "polygon" "(" point ("," point)* ")")
//                     | "match" ["all" | "any" | "phrase"] text)?      -- a path alone means path = true
//              | "true" | "false"       -- all rows, no row
//   point := "(" number "," number ")"    -- latitude, longitude; a box has its south-western corner first
//   literal := number | 'text' | "text" | true | false
//   path := [A-Za-z_][A-Za-z0-9_.]* | `any text`
//
// Keywords in any case; within, match and the words after them are none, and may name fields; a quote inside a text and a backquote inside a path are doubled. A number with a point or an
// exponent is a float, any other an integer. The bare path id names the point's id and takes =, !=, in and not in with
// ids as numbers or texts; a payload field of that name, or of a keyword's, stands in backquotes. `x not in (…)` is
// `not x in (…)`: rows without a value meet it, unlike `x != …`.
// INVALID_ARGUMENT: what was expected, what stands there, its column (from 1), and the line with a caret under it; more
// than kMaxFilterTextBytes or FilterLimits.
absl::StatusOr<Filter> ParseFilter(std::string_view text);

// The canonical text of a filter that is at most FilterLimits deep; ParseFilter of it gives the same filter, save that
// an `and` or `or` of one child is written as that child.
std::string FormatFilter(const Filter& filter);
// Whether the filter language takes `path` without backquotes.
bool IsBareFilterPath(std::string_view path);

// The same as JSON, for API and files: {"and": [...]}, {"not": …}, {"path": "year", "op": ">=", "value": 2020},
// {"path": "lang", "op": "in", "values": ["en"]}, {"path": "x", "op": "exists"},
// {"has_id": ["guide.md#3", 42]}, {"path": "body", "op": "match", "value": "red fox"} (also "match_any", "match_phrase"),
// {"path": "place", "op": "within_radius", "center": {"lat": 52.52, "lon": 13.405}, "radius": 5000} (metres),
// {"path": "place", "op": "within_box", "south_west": {…}, "north_east": {…}},
// {"path": "place", "op": "within_polygon", "points": [{…}, {…}, {…}]}. INVALID_ARGUMENT names the place ("filter.and[1].op") and unknown keys.
absl::StatusOr<Filter> FilterFromJson(std::string_view json);
std::string FilterToJson(const Filter& filter);

}  // namespace vouch
