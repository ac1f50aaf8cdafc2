#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "storage/ids.h"

namespace vouch {

class Store;

// What stands in place of a row's content.
struct RowErasure {
  RowId row = {};
  std::string payload = {};
  std::string provenance = {};
};

// Takes content out of a store for good: the one exception to "rows never change". Numbers, ids, access lists and headers
// stay, so that every version keeps its points and all invariants of the store hold. Thread safe; lives as long as the
// store. What rows held lies in the store's files until these are compacted (CompactErased).
class Erasure {
 public:
  static constexpr size_t kMaxRows = 1'000;  // of one call

  static Erasure& Of(Store& store);
  virtual ~Erasure() = default;

  // Replaces payload and provenance of the rows and removes their vectors, all at once and durably. NOT_FOUND: a row that
  // was never there, or is gone.
  virtual absl::Status EraseRows(CollectionId collection, std::span<const RowErasure> rows) = 0;
  // One that is not there is no error.
  virtual absl::Status EraseArtifact(CollectionId collection, std::string_view hash) = 0;
  // Flushes and compacts what may hold erased bytes: afterwards the store's own files do not have them any more (backups and
  // the disk's free blocks are another matter). Long for large stores; reads and writes go on.
  virtual absl::Status CompactErased() = 0;
};

}  // namespace vouch
