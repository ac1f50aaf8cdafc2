#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/ids.h"
#include "storage/purged_rows.h"
#include "storage/retention.h"

namespace vouch {

class Rocks;

// The value under a collection's RetentionKey; grammar in README.md. DATA_LOSS naming the collection.
std::string EncodeRetention(CollectionId collection, const RetentionState& state);
absl::StatusOr<RetentionState> DecodeRetention(CollectionId collection, std::string_view value);

// Reads of what retention has let go. Thread safe.
class RetentionTable {
 public:
  explicit RetentionTable(const Rocks& rocks) : rocks_(rocks) {}

  // As at the start where nothing was ever let go.
  absl::StatusOr<RetentionState> Load(const CollectionEntry& entry) const;
  // Those of the chunks that hold rows of the range.
  absl::StatusOr<PurgedRows> LoadPurged(const CollectionEntry& entry, RowRange range) const;
  absl::StatusOr<bool> IsPurged(const CollectionEntry& entry, RowId row) const;

 private:
  const Rocks& rocks_;
};

}  // namespace vouch
