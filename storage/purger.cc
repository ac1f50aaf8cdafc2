#include "storage/purger.h"

#include <rocksdb/slice.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

#include "storage/commit_table.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/retention_table.h"
#include "storage/rocks.h"

namespace vouch {

absl::Status Purger::Load(std::span<const Version> held, Version latest) {
  std::vector<Version> versions = state_.kept;
  for (const Version version : held) {
    if (version < state_.horizon && version != Version(0)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
  keepers_.clear();
  const CommitTable commits(rocks_);
  for (const Version version : versions) {
    const absl::StatusOr<CommitHeader> header = commits.Get(entry_, latest, version);
    if (!header.ok()) return header.status();
    keepers_.push_back({version, header->rows_end()});
  }
  return absl::OkStatus();
}

bool Purger::IsNeeded(RowId row, Version retired) const {
  if (retired > state_.horizon) return true;
  // The last one that may show the row: those before it have no more rows.
  const auto after = std::lower_bound(keepers_.begin(), keepers_.end(), retired,
                                      [](const Keeper& keeper, Version version) { return keeper.version < version; });
  return after != keepers_.begin() && row < std::prev(after)->rows_end;
}

absl::StatusOr<PurgeStep> Purger::Step(RowId from, rocksdb::WriteBatch& batch) {
  overlay_.clear();
  purged_ = PurgedRows();
  bytes_ = 0;
  PurgeStep step{.next = from, .done = true};
  size_t visits = 0;
  absl::Status status;
  const absl::Status scanned = rocks_.Scan(
      Family::kRetired, RowKey(entry_.prefix, from), PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
        const absl::StatusOr<Version> retired = DecodeVersion(value);
        status = parts.ok() ? retired.status() : parts.status();
        if (!status.ok()) return false;
        step.next = parts->row;
        if (++visits > kVisitsAStep || purged_.count() >= kRowsAStep || bytes_ >= kBytesAStep) {
          step.done = false;
          return false;
        }
        if (!IsNeeded(parts->row, *retired)) status = Visit(parts->row, batch);
        return status.ok();
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  if (status = WriteChunks(batch); !status.ok()) return status;
  purged_.ForEachRange([&](RowRange rows) { step.purged.push_back(rows); });
  return step;
}

absl::StatusOr<uint64_t> Purger::Count() const {
  uint64_t count = 0;
  absl::Status status;
  const absl::StatusOr<PurgedRows> gone = RetentionTable(rocks_).LoadPurged(entry_, {RowId(0), RowId(kNoRow.value)});
  if (!gone.ok()) return gone.status();
  const absl::Status scanned = rocks_.Scan(
      Family::kRetired, RowKey(entry_.prefix, RowId(0)), PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
        const absl::StatusOr<Version> retired = DecodeVersion(value);
        status = parts.ok() ? retired.status() : parts.status();
        // A stub's row has gone.
        if (status.ok() && !IsNeeded(parts->row, *retired) && !gone->Contains(parts->row)) ++count;
        return status.ok();
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  return count;
}

absl::Status Purger::Visit(RowId row, rocksdb::WriteBatch& batch) {
  const auto value = rocks_.Get(Family::kRows, RowKey(entry_.prefix, row));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::DataLossError(Concat("row ", row.value, " of collection ", entry_.id.value,
                                      " is retired and missing"));
  }
  bytes_ += (*value)->size();
  return IsRowStub(**value) ? PurgeStub(row, **value, batch) : PurgeRow(row, **value, batch);
}

absl::Status Purger::PurgeRow(RowId row, std::string_view value, rocksdb::WriteBatch& batch) {
  const absl::StatusOr<DecodedRow> decoded = DecodeRow(entry_.id, row, value);
  if (!decoded.ok()) return decoded.status();
  // All that is kept of its vectors, whatever the schema is now.
  absl::Status status = rocks_.Scan(Family::kVectors, RowKey(entry_.prefix, row), RowKey(entry_.prefix, RowId(row.value + 1)),
                                    [&](std::string_view key, std::string_view) {
                                      batch.Delete(rocks_.handle(Family::kVectors), {key.data(), key.size()});
                                      return true;
                                    });
  if (!status.ok()) return status;
  purged_.Add({row, RowId(row.value + 1)});
  const std::string encoded_id = decoded->record.id.Encode();
  absl::StatusOr<std::optional<RowStub>> stub = StubFor(decoded->record.previous, encoded_id, batch);
  if (!stub.ok()) return stub.status();
  if (!stub->has_value()) {
    DeleteRow(row, batch);
    return DeletePoint(row, encoded_id, batch);
  }
  batch.Put(rocks_.handle(Family::kRows), RowKey(entry_.prefix, row), EncodeRowStub(entry_.id, row, **stub));
  overlay_[row] = *std::move(stub);
  return absl::OkStatus();
}

absl::Status Purger::PurgeStub(RowId row, std::string_view value, rocksdb::WriteBatch& batch) {
  const absl::StatusOr<RowStub> stub = DecodeRowStub(entry_.id, row, value);
  if (!stub.ok()) return stub.status();
  const absl::StatusOr<bool> kept = IsThere(stub->previous);
  if (!kept.ok()) return kept.status();
  if (*kept) return absl::OkStatus();
  DeleteRow(row, batch);
  return DeletePoint(row, stub->encoded_id, batch);
}

absl::StatusOr<std::optional<RowStub>> Purger::StubFor(RowId previous, const std::string& encoded_id,
                                                       rocksdb::WriteBatch& batch) {
  if (previous == kNoRow) return std::nullopt;
  if (const auto made = overlay_.find(previous); made != overlay_.end()) {
    if (!made->second.has_value()) return std::nullopt;
    RowStub stub = *std::move(made->second);
    DeleteRow(previous, batch);
    return stub;
  }
  const auto value = rocks_.Get(Family::kRows, RowKey(entry_.prefix, previous));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  if (!IsRowStub(**value)) return RowStub{previous, encoded_id};
  absl::StatusOr<RowStub> stub = DecodeRowStub(entry_.id, previous, **value);
  if (!stub.ok()) return stub.status();
  DeleteRow(previous, batch);
  return *std::move(stub);
}

absl::StatusOr<bool> Purger::IsThere(RowId row) const {
  if (const auto made = overlay_.find(row); made != overlay_.end()) return made->second.has_value();
  const auto value = rocks_.Get(Family::kRows, RowKey(entry_.prefix, row));
  if (!value.ok()) return value.status();
  return value->has_value();
}

void Purger::DeleteRow(RowId row, rocksdb::WriteBatch& batch) {
  const std::string key = RowKey(entry_.prefix, row);
  batch.Delete(rocks_.handle(Family::kRows), key);
  batch.Delete(rocks_.handle(Family::kRetired), key);
  overlay_[row] = std::nullopt;
}

absl::Status Purger::DeletePoint(RowId row, const std::string& encoded_id, rocksdb::WriteBatch& batch) {
  const std::string key = NamedKey(entry_.prefix, encoded_id);
  const auto value = rocks_.Get(Family::kPoints, key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::OkStatus();
  const absl::StatusOr<PointState> point = DecodePoint(**value);
  if (!point.ok()) return point.status();
  if (point->row == row) batch.Delete(rocks_.handle(Family::kPoints), key);
  return absl::OkStatus();
}

absl::Status Purger::WriteChunks(rocksdb::WriteBatch& batch) {
  // Rows come in order, so those of a step lie in few chunks.
  std::vector<uint64_t> numbers;
  purged_.ForEachRange([&](RowRange rows) {
    const uint64_t last = (rows.end.value - 1) / PurgedRows::kChunkRows;
    for (uint64_t number = rows.begin.value / PurgedRows::kChunkRows; number <= last; ++number) {
      if (numbers.empty() || numbers.back() != number) numbers.push_back(number);
    }
  });
  for (const uint64_t number : numbers) {
    const RowRange chunk{RowId(number * PurgedRows::kChunkRows), RowId((number + 1) * PurgedRows::kChunkRows)};
    absl::StatusOr<PurgedRows> rows = RetentionTable(rocks_).LoadPurged(entry_, chunk);
    if (!rows.ok()) return rows.status();
    rows->Add(purged_);
    batch.Put(rocks_.handle(Family::kCatalog), PurgedKey(entry_.prefix, number), rows->EncodeChunk(entry_.id, number));
  }
  return absl::OkStatus();
}

}  // namespace vouch
