#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/commit.h"
#include "storage/ids.h"
#include "storage/point_id.h"

namespace vouch {

class Rocks;

// Reads of rows, vectors, points and retired rows. Thread safe: it holds nothing of its own, and rows do not change, but that
// retention lets go those that no readable version shows.
class RowTable {
 public:
  explicit RowTable(const Rocks& rocks) : rocks_(rocks) {}

  // `rows` of the collection is how many it has. As Store's methods of the same names.
  absl::StatusOr<std::vector<RowRecord>> ReadRows(const CollectionEntry& entry, uint64_t row_count,
                                                  std::span<const RowId> rows, bool with_vectors) const;
  absl::Status ScanRows(const CollectionEntry& entry, uint64_t row_count, RowRange range, bool with_vectors,
                        const std::function<absl::Status(RowRecord&&)>& visit) const;
  absl::Status ScanRetired(const CollectionEntry& entry, RowRange range,
                           const std::function<void(RowId, Version)>& visit) const;
  // `rows_end` is that of version `at`.
  absl::StatusOr<std::optional<RowId>> FindPoint(const CollectionEntry& entry, const PointId& id, Version at,
                                                 RowId rows_end) const;

 private:
  // The row of the same point before it; nullopt where the row was let go, and nothing older is kept.
  // `gone`: is set to the row where it was let go.
  absl::StatusOr<std::optional<RowId>> ReadPrevious(const CollectionEntry& entry, RowId row,
                                                    std::optional<RowId>& gone) const;
  // FindPoint by one walk back; `gone`: the row at which it ended since it was let go.
  absl::StatusOr<std::optional<RowId>> WalkBack(const CollectionEntry& entry, const PointId& id, Version at,
                                                RowId rows_end, std::optional<RowId>& gone) const;
  // OUT_OF_RANGE where retention has let the row go, else DATA_LOSS.
  absl::Status NotThere(const CollectionEntry& entry, RowId row) const;

  const Rocks& rocks_;
};

}  // namespace vouch
