#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "api/config.h"
#include "rag/llm/model_route.h"

namespace vouch {

using Environment = std::function<std::optional<std::string>(const std::string& variable)>;

// A route from YAML (docs/rag.md shows one). INVALID_ARGUMENT names file, line, key, value and what
// it takes. Keys of models come from the variables and files that it names; NOT_FOUND where there
// is none.
absl::StatusOr<RouteSpec> ParseRouteFile(const std::string& file_name, const std::string& text,
                                         const Environment& environment);

// The route of the settings: the file `generator.route`, or one tier of `generator.model`; nullopt
// where neither is set.
absl::StatusOr<std::optional<RouteSpec>> RouteOf(const Config& config,
                                                 const Environment& environment);

}  // namespace vouch
