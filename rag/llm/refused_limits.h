#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/catalog.h"

namespace vouch {

// Whose limits have refused a call on a day (UTC, "YYYY-MM-DD"): pipelines, and "" for the tenant as
// a whole. A tenant's setting `spend-refused/DAY`, JSON, format 1: {format, limits: [names]}.
absl::StatusOr<std::vector<std::string>> ReadRefusedLimits(const Catalog& catalog,
                                                           std::string_view tenant,
                                                           std::string_view day);
// Durable on return; nothing is written where it is noted already. One caller at a time.
absl::Status NoteRefusedLimit(Catalog& catalog, std::string_view tenant, std::string_view day,
                              std::string_view pipeline);

}  // namespace vouch
