#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace vouch {

// The offset of the first byte that is not part of well-formed UTF-8 (Unicode, table 3-7); nullopt where
// there is none.
std::optional<size_t> FindInvalidUtf8(std::string_view bytes);

// INVALID_ARGUMENT where the bytes are not text: bad UTF-8 or a NUL, with its byte offset and what the file seems to be.
absl::Status CheckText(std::string_view bytes);

// 3 where the bytes start with a UTF-8 byte order mark, else 0.
size_t ByteOrderMarkSize(std::string_view bytes);

}  // namespace vouch
