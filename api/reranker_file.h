#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "api/config.h"
#include "api/route_file.h"
#include "query/cross_encoder.h"

namespace vouch {

// Cross-encoders from YAML (docs/query.md shows one), at most kMaxRerankers. INVALID_ARGUMENT names
// file, line, key, value and what it takes. API keys come from the variables and files that it
// names; NOT_FOUND where there is none.
absl::StatusOr<CrossEncoders> ParseRerankerFile(const std::string& file_name,
                                                const std::string& text,
                                                const Environment& environment);
inline constexpr size_t kMaxRerankers = 32;

// Those of the file that the settings name; none where they name none.
absl::StatusOr<CrossEncoders> RerankersOf(const Config& config, const Environment& environment);

}  // namespace vouch
