#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/search.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

struct DiffRequest {
  ReadAt from = {};
  ReadAt to = {};
  size_t limit = 100;       // entries a page, at most kMaxLimit; 0: the summary alone
  std::string cursor = {};  // of the page before; `from` and `to` are then to be the same versions
  Principal principal = {};
  CancelToken cancel = {};

  static constexpr size_t kMaxLimit = 10'000;
};

enum class DiffKind : uint8_t { kAdded = 1, kReplaced = 2, kRetired = 3 };
std::string_view DiffKindName(DiffKind kind);  // "added", "replaced", "retired"

struct DiffEntry {
  PointId id = {};
  DiffKind kind = DiffKind::kAdded;
  RowId old_row = kNoRow;  // kNoRow where it was added
  RowId new_row = kNoRow;  // kNoRow where it was retired
  // Of a replaced point: top-level keys of the payload ("payload.title"), fields ("vector
  // embedding", "sparse terms", "multi-vector tokens"), "access" and "provenance" that are not the same; none where it was
  // written again as it was.
  std::vector<std::string> changed = {};
};

struct DiffResponse {
  Version from = {};
  Version to = {};
  uint64_t points_from = 0;  // that the principal sees
  uint64_t points_to = 0;
  uint64_t added = 0;
  uint64_t replaced = 0;
  uint64_t retired = 0;
  // Added and replaced points by their new rows, then retired ones by their old rows.
  std::vector<DiffEntry> entries = {};
  std::string next_cursor = {};  // empty: that was all
};

// What a principal sees of the difference of two versions of a collection, `from` not after `to`.
// Costs a look at each row that changed between them. INVALID_ARGUMENT: a bad cursor or limit.
absl::StatusOr<DiffResponse> MakeDiff(const Store& store, const CollectionInfo& info,
                                      const DiffRequest& request, const IndexReader& from,
                                      uint64_t from_rows, const IndexReader& to);

}  // namespace vouch
