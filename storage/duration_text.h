#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace vouch {

// Spans of time as people write them: a whole number and one unit of us, ms, s, m, h, d ("30d", "12h"), in microseconds.
//
// Above 0 and at most kMaxDurationUs. INVALID_ARGUMENT names the text and what it takes.
inline constexpr int64_t kMaxDurationUs = int64_t{36'500} * 24 * 3600 * 1'000'000;  // a hundred years
absl::StatusOr<int64_t> ParseDurationText(std::string_view text);
// By the largest unit that leaves a whole number.
std::string FormatDurationText(int64_t us);

}  // namespace vouch
