#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// A CSV file (RFC 4180) as rows of cells set apart by " | "; the first row names the columns. Which of comma, semicolon and
// tab sets fields apart is the one that the first row has most of. Quoted fields may hold line breaks, which become spaces,
// and doubled quotes. Rows may have fewer or more fields than the first. Linear in the size.
//
// INVALID_ARGUMENT: a quoted field that never ends, with the line that it begins in.
absl::StatusOr<ParsedDocument> ParseCsv(std::string_view bytes);

}  // namespace vouch
