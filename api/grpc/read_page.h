#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "storage/ids.h"

namespace vouch {

// The version that a read of `at` takes; an empty `at` is the latest. With a cursor it is the
// cursor's, so that all pages of one read are of one version while writes go on; `at` must then be
// empty, "latest", or name that version.
absl::StatusOr<Version> ResolveRead(const Collection& collection, const std::string& at,
                                    const std::string& cursor = "");
// As ReadAt::Parse; an empty text is the latest.
absl::StatusOr<ReadAt> ReadAtOf(const std::string& at);

}  // namespace vouch
