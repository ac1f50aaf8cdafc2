#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/purged_rows.h"
#include "storage/retention.h"
#include "storage/row_codec.h"

namespace rocksdb {
class WriteBatch;
}

namespace vouch {

class Rocks;

// Deletes the rows of one collection that no readable version shows, in steps of one write batch each.
//
// A row is needed where a readable version shows it: one from the horizon on, one that is kept below it, or one that is being
// read. Rows are gone through in ascending order, so that a row is looked at after all older ones of its point.
//
// Invariants:
// 1. A step is all or nothing: that a row has gone and that it is marked as gone is one write.
// 2. From the latest row of a point `previous` leads to every row of it that is there. Where a row goes and an older one of
//    its point stays, a stub takes the row's place; a stub that follows a stub takes its place, too. So there are no more stubs
//    than rows that a pin keeps, and a stub goes when nothing older is left.
// 3. A point's entry goes with its last row or stub.
//
// Used by the one writer: between a step's reads and its write nothing else is written. Thread compatible.
class Purger {
 public:
  static constexpr size_t kRowsAStep = 1'000;
  static constexpr size_t kVisitsAStep = 50'000;
  static constexpr size_t kBytesAStep = size_t{16} << 20;  // of rows that are read

  Purger(const Rocks& rocks, const CollectionEntry& entry, const RetentionState& state)
      : rocks_(rocks), entry_(entry), state_(state) {}

  // Sets which versions below the horizon keep rows: `state.kept` and `held`. DATA_LOSS where a header is missing.
  absl::Status Load(std::span<const Version> held, Version latest);
  // Adds a step from row `from` on to the batch.
  absl::StatusOr<PurgeStep> Step(RowId from, rocksdb::WriteBatch& batch);
  // How many rows a purge would let go.
  absl::StatusOr<uint64_t> Count() const;

 private:
  struct Keeper {
    Version version;
    RowId rows_end;
  };
  // What the step has made of a row of `rows`; nullopt: deleted.
  using Overlay = std::map<RowId, std::optional<RowStub>>;

  bool IsNeeded(RowId row, Version retired) const;
  absl::Status Visit(RowId row, rocksdb::WriteBatch& batch);
  absl::Status PurgeRow(RowId row, std::string_view value, rocksdb::WriteBatch& batch);
  absl::Status PurgeStub(RowId row, std::string_view value, rocksdb::WriteBatch& batch);
  // The stub that takes the row's place; nullopt where nothing older of the point is kept.
  absl::StatusOr<std::optional<RowStub>> StubFor(RowId previous, const std::string& encoded_id, rocksdb::WriteBatch& batch);
  absl::StatusOr<bool> IsThere(RowId row) const;
  void DeleteRow(RowId row, rocksdb::WriteBatch& batch);
  absl::Status DeletePoint(RowId row, const std::string& encoded_id, rocksdb::WriteBatch& batch);
  absl::Status WriteChunks(rocksdb::WriteBatch& batch);

  const Rocks& rocks_;
  const CollectionEntry& entry_;
  const RetentionState& state_;
  std::vector<Keeper> keepers_;  // ascending
  Overlay overlay_;              // of this step
  PurgedRows purged_;            // of this step
  size_t bytes_ = 0;             // read in this step
};

}  // namespace vouch
