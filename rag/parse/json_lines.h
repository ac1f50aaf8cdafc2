#pragma once

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// A record {_id, title, text, metadata}: the text is the value of `text`, its spans point into the record's bytes.
// INVALID_ARGUMENT where it is not a JSON object with a text or a title.
absl::StatusOr<ParsedDocument> ParseJsonRecord(std::string_view line);

}  // namespace vouch
