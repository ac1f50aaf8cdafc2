#include "storage/erasure.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <utility>
#include <vector>

#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/retention_table.h"
#include "storage/rocks_store.h"
#include "storage/row_codec.h"

namespace vouch {

Erasure& Erasure::Of(Store& store) {
  return static_cast<RocksStore&>(store);  // the only kind of store there is
}

absl::Status RocksStore::EraseRows(CollectionId collection, std::span<const RowErasure> rows) {
  if (rows.size() > Erasure::kMaxRows) {
    return absl::InvalidArgumentError(
        Concat(rows.size(), " rows are to be erased at once; the limit is ", Erasure::kMaxRows));
  }
  return log_.RunExclusive([&]() -> absl::Status {
    auto entry = directory_.Find(collection);
    if (!entry.ok()) return entry.status();
    const std::string& prefix = (*entry)->prefix;
    rocksdb::WriteBatch batch;
    for (const RowErasure& erasure : rows) {
      const std::string key = RowKey(prefix, erasure.row);
      auto value = rocks_->Get(Family::kRows, key);
      if (!value.ok()) return value.status();
      if (!value->has_value()) {
        const absl::StatusOr<bool> purged = RetentionTable(*rocks_).IsPurged(**entry, erasure.row);
        if (!purged.ok()) return purged.status();
        if (*purged) continue;  // retention was quicker
        return absl::NotFoundError(Concat("row ", erasure.row.value, " of collection ", collection.value, " is not there"));
      }
      if (IsRowStub(**value)) continue;  // likewise; what leads on to older rows has no content
      absl::StatusOr<DecodedRow> decoded = DecodeRow(collection, erasure.row, **value);
      if (!decoded.ok()) return decoded.status();
      for (size_t field = 0; field < decoded->has_vector.size(); ++field) {
        if (decoded->has_vector[field])
          batch.Delete(rocks_->handle(Family::kVectors), VectorKey(prefix, erasure.row, static_cast<uint16_t>(field)));
      }
      for (size_t field = 0; field < decoded->has_sparse.size(); ++field) {
        if (decoded->has_sparse[field])
          batch.Delete(rocks_->handle(Family::kVectors), SparseKey(prefix, erasure.row, field));
      }
      for (size_t field = 0; field < decoded->has_multi_vector.size(); ++field) {
        if (decoded->has_multi_vector[field])
          batch.Delete(rocks_->handle(Family::kVectors), MultiVectorKey(prefix, erasure.row, field));
      }
      RowRecord& record = decoded->record;
      RowInput input;
      input.id = std::move(record.id);
      input.vectors = std::move(record.vectors);  // empty ones: which fields there are
      input.sparse = std::move(record.sparse);
      input.multi_vectors = std::move(record.multi_vectors);
      input.payload = erasure.payload;
      input.provenance = erasure.provenance;
      input.access = std::move(record.access);
      std::string erased = EncodeRow(input, input.id.Encode());
      FinishRow(erased, collection, erasure.row, record.previous);
      batch.Put(rocks_->handle(Family::kRows), key, erased);
    }
    return rocks_->Write(batch);
  });
}

absl::Status RocksStore::EraseArtifact(CollectionId collection, std::string_view hash) {
  return log_.RunExclusive([&]() -> absl::Status {
    auto entry = directory_.Find(collection);
    if (!entry.ok()) return entry.status();
    rocksdb::WriteBatch batch;
    batch.Delete(rocks_->handle(Family::kArtifacts), NamedKey((*entry)->prefix, hash));
    return rocks_->Write(batch);
  });
}

absl::Status RocksStore::CompactErased() {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  for (size_t family = 0; family < kFamilyNames.size(); ++family)
    handles.push_back(rocks_->handle(static_cast<Family>(family)));
  // All of them: the log of a write lives as long as any family has not flushed what stands in it.
  if (auto s = rocks_->db().Flush(rocksdb::FlushOptions(), handles); !s.ok()) return FromRocks(s, "flush failed");
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.exclusive_manual_compaction = false;
  for (const Family family :
       {Family::kRows, Family::kVectors, Family::kDocuments, Family::kArtifacts, Family::kAnswers, Family::kEvaluations}) {
    if (auto s = rocks_->db().CompactRange(options, rocks_->handle(family), nullptr, nullptr); !s.ok())
      return FromRocks(s, Concat("compaction of ", kFamilyNames[static_cast<size_t>(family)], " failed"));
  }
  return absl::OkStatus();
}

}  // namespace vouch
