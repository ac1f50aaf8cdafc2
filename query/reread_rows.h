#pragma once

#include <span>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "query/collection.h"
#include "storage/ids.h"

namespace vouch {

// RereadRows of the collection's index (index/reread_rows.h): after Erasure::EraseRows.
absl::Status RereadRows(Collection& collection, std::span<const RowId> rows, const CancelToken& cancel);

}  // namespace vouch
