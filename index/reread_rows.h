#pragma once

#include <span>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "index/collection_index.h"
#include "storage/ids.h"

namespace vouch {

// Reads rows whose content in the store was erased anew, with all others of their segments: builds these segments again and
// removes their files, so that nothing of the old content is left in the index. Waits for it. `rows` in any order; rows that
// the index has not seen yet are read as they are anyway. An error leaves the old segments in use: ask again.
absl::Status RereadRows(CollectionIndex& index, std::span<const RowId> rows, const CancelToken& cancel);

}  // namespace vouch
