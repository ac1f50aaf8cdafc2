#pragma once

#include "absl/status/statusor.h"
#include "query/collection.h"

namespace vouch {

// Collection::Restore, with what stands beside the points: entries of ingested documents become
// those of the restored chunks, so that the next ingest compares with them, and fields that were
// embedded by another model at that version are searched by it again. `request.documents` must be
// empty.
absl::StatusOr<WriteResult> RestoreVersion(Collection& collection, RestoreRequest request);

}  // namespace vouch
