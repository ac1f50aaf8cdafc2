#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "query/ranked_row.h"
#include "query/search.h"
#include "storage/ids.h"

namespace vouch {

// Where a page ended, at which version, of which question. Opaque to users: base64url of the fields
// and a checksum (grammar in README.md).
struct Cursor {
  Version version;
  uint32_t first_page =
      0;  // offset + limit of the first page: what the planner made its choices from
  uint64_t consumed = 0;  // hits up to and with the last one
  RankedRow last;         // the last hit given
  uint64_t question = 0;  // HashQuestion of the request

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// Query, filter and principal of a request as one number. Limits of pages, projection and explain
// may change between pages and are not in it.
uint64_t HashQuestion(const SearchRequest& request);

std::string EncodeCursor(const Cursor& cursor);
// INVALID_ARGUMENT says what is wrong: not base64url, its length, its format, its checksum.
absl::StatusOr<Cursor> DecodeCursor(std::string_view text);

}  // namespace vouch
