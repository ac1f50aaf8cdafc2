#include "storage/row_table.h"

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/retention_table.h"
#include "storage/rocks.h"
#include "storage/rocks_slice.h"
#include "storage/row_codec.h"

namespace vouch {

namespace {

absl::Status NoRow(const CollectionEntry& entry, uint64_t row, uint64_t row_count) {
  return absl::NotFoundError(Concat("collection ", entry.id.value, " has no row ", row,
                                          "; it has rows 0 to ", row_count, " (exclusive)"));
}

absl::Status MissingRow(const CollectionEntry& entry, RowId row) {
  return absl::DataLossError(
      Concat("row ", row.value, " of collection ", entry.id.value, " is missing"));
}

absl::Status LetGo(const CollectionEntry& entry, RowId row) {
  return absl::OutOfRangeError(Concat("row ", row.value, " of collection ", entry.id.value,
                                      " was let go by the collection's retention"));
}

absl::Status MissingVector(const CollectionEntry& entry, RowId row, uint16_t number) {
  return absl::DataLossError(
      Concat(VectorName(row, number), " of collection ", entry.id.value, " is missing"));
}

absl::Status CheckDim(const CollectionEntry& entry, RowId row, size_t field, VectorType type,
                      size_t dim) {
  if (field < entry.dims.size() && entry.dims[field] == dim && entry.types[field] == type) {
    return absl::OkStatus();
  }
  return absl::DataLossError(Concat("vector ", field, " of row ", row.value,
                                          " of collection ", entry.id.value, " has ", dim,
                                          " dimensions of ", VectorTypeName(type), ", unlike its field"));
}

absl::Status CheckMultiVectorField(const CollectionEntry& entry, RowId row, uint16_t number,
                                   VectorType type, size_t dim) {
  const size_t field = number - kFirstMultiVectorField;
  const auto& fields = entry.multi_vector_fields;
  if (field < fields.size() && fields[field].dim == dim && fields[field].type == type) {
    return absl::OkStatus();
  }
  return absl::DataLossError(Concat(VectorName(row, number), " of collection ", entry.id.value,
                                    " has ", dim, " dimensions of ", VectorTypeName(type),
                                    ", unlike its field"));
}

// The numbers in `vectors` of what the row says that it has, ascending: dense fields, then sparse
// ones, then multi-vector ones.
std::vector<uint16_t> VectorNumbers(const DecodedRow& row) {
  std::vector<uint16_t> numbers;
  for (size_t field = 0; field < row.has_vector.size(); ++field) {
    if (row.has_vector[field]) numbers.push_back(static_cast<uint16_t>(field));
  }
  for (size_t field = 0; field < row.has_sparse.size(); ++field) {
    if (row.has_sparse[field]) numbers.push_back(static_cast<uint16_t>(kFirstSparseField + field));
  }
  for (size_t field = 0; field < row.has_multi_vector.size(); ++field) {
    if (!row.has_multi_vector[field]) continue;
    numbers.push_back(static_cast<uint16_t>(kFirstMultiVectorField + field));
  }
  return numbers;
}

// Decodes the value of one of a row's vectors into its place.
absl::Status PutVector(const CollectionEntry& entry, uint16_t number, std::string_view value,
                       RowRecord& record) {
  if (number >= kFirstMultiVectorField) {
    const size_t field = number - kFirstMultiVectorField;
    MultiVector& vector = record.multi_vectors[field];
    VectorType type = VectorType::kF32;
    if (auto s = DecodeMultiVector(record.row, number, value, type, vector); !s.ok()) return s;
    return CheckMultiVectorField(entry, record.row, number, type, vector.dim);
  }
  if (number >= kFirstSparseField) {
    SparseVector& vector = record.sparse[number - kFirstSparseField];
    return DecodeSparseVector(record.row, number, value, vector);
  }
  std::vector<float>& vector = record.vectors[number];
  VectorType type = VectorType::kF32;
  if (auto s = DecodeVector(record.row, number, value, type, vector); !s.ok()) return s;
  return CheckDim(entry, record.row, number, type, vector.size());
}

// An iterator over [begin, end) of a family, with the bound's bytes kept alive.
class RangeIterator {
 public:
  RangeIterator(const Rocks& rocks, Family family, std::string begin, std::string end)
      : end_(std::move(end)), upper_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_;
    // A scan reads each block once; hot blocks of point reads stay in the cache.
    options.fill_cache = false;
    it_.reset(rocks.db().NewIterator(options, rocks.handle(family)));
    it_->Seek(begin);
  }
  bool Valid() const { return it_->Valid(); }
  void Next() { it_->Next(); }
  std::string_view key() const { return ToView(it_->key()); }
  std::string_view value() const { return ToView(it_->value()); }
  absl::Status status() const { return FromRocks(it_->status(), "cannot scan"); }

 private:
  const std::string end_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

// Takes the vectors of one row from an iterator that stands at or before them.
absl::Status TakeVectors(const CollectionEntry& entry, RangeIterator& it, DecodedRow& row) {
  for (const uint16_t number : VectorNumbers(row)) {
    const std::string key = VectorKey(entry.prefix, row.record.row, number);
    while (it.Valid() && it.key() < key) it.Next();
    if (!it.Valid() || it.key() != key) {
      if (auto s = it.status(); !s.ok()) return s;
      return MissingVector(entry, row.record.row, number);
    }
    if (auto s = PutVector(entry, number, it.value(), row.record); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// For fields that were added after the row.
void MakeRoom(const CollectionEntry& entry, RowRecord& record) {
  record.vectors.resize(std::max(record.vectors.size(), entry.dims.size()));
  record.sparse.resize(std::max(record.sparse.size(), entry.sparse_fields.size()));
  record.multi_vectors.resize(std::max(record.multi_vectors.size(), entry.multi_vector_fields.size()));
}

void DropVectors(RowRecord& record) {
  record.vectors.clear();
  record.sparse.clear();
  record.multi_vectors.clear();
}

}  // namespace

absl::StatusOr<std::vector<RowRecord>> RowTable::ReadRows(const CollectionEntry& entry,
                                                          uint64_t row_count,
                                                          std::span<const RowId> rows,
                                                          bool with_vectors) const {
  std::vector<std::string> keys;
  keys.reserve(rows.size());
  for (const RowId row : rows) {
    if (row.value >= row_count) return NoRow(entry, row.value, row_count);
    keys.push_back(RowKey(entry.prefix, row));
  }
  auto values = rocks_.MultiGet(Family::kRows, {keys.begin(), keys.end()});
  if (!values.ok()) return values.status();
  std::vector<RowRecord> records;
  records.reserve(rows.size());
  struct VectorPlace {
    size_t record;
    uint16_t number;
  };
  std::vector<VectorPlace> places;
  std::vector<std::string> vector_keys;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!(*values)[i].has_value()) return NotThere(entry, rows[i]);
    if (IsRowStub(*(*values)[i])) return LetGo(entry, rows[i]);
    absl::StatusOr<DecodedRow> row = DecodeRow(entry.id, rows[i], *(*values)[i]);
    if (!row.ok()) return row.status();
    if (with_vectors) {
      for (const uint16_t number : VectorNumbers(*row)) {
        places.push_back({i, number});
        vector_keys.push_back(VectorKey(entry.prefix, rows[i], number));
      }
      MakeRoom(entry, row->record);
    } else {
      DropVectors(row->record);
    }
    records.push_back(std::move(row->record));
  }
  auto vectors = rocks_.MultiGet(Family::kVectors, {vector_keys.begin(), vector_keys.end()});
  if (!vectors.ok()) return vectors.status();
  for (size_t i = 0; i < places.size(); ++i) {
    RowRecord& record = records[places[i].record];
    if (!(*vectors)[i].has_value()) {
      // It may have gone between the two reads.
      const absl::Status status = NotThere(entry, record.row);
      return absl::IsOutOfRange(status) ? status : MissingVector(entry, record.row, places[i].number);
    }
    if (auto s = PutVector(entry, places[i].number, *(*vectors)[i], record); !s.ok()) return s;
  }
  return records;
}

absl::Status RowTable::ScanRows(const CollectionEntry& entry, uint64_t row_count, RowRange range,
                                bool with_vectors,
                                const std::function<absl::Status(RowRecord&&)>& visit) const {
  if (range.begin > range.end || range.end.value > row_count) {
    return NoRow(entry, range.end.value, row_count);
  }
  if (range.empty()) return absl::OkStatus();
  RangeIterator rows(rocks_, Family::kRows, RowKey(entry.prefix, range.begin),
                     RowKey(entry.prefix, range.end));
  std::optional<RangeIterator> vectors;
  if (with_vectors) {
    vectors.emplace(rocks_, Family::kVectors, RowKey(entry.prefix, range.begin),
                    RowKey(entry.prefix, range.end));
  }
  // Read where the first row is missing, which is rare.
  std::optional<PurgedRows> purged;
  for (RowId row = range.begin; row < range.end; ++row.value) {
    if (!rows.Valid() || rows.key() != RowKey(entry.prefix, row)) {
      if (auto s = rows.status(); !s.ok()) return s;
      if (!purged.has_value()) {
        absl::StatusOr<PurgedRows> read = RetentionTable(rocks_).LoadPurged(entry, range);
        if (!read.ok()) return read.status();
        purged = *std::move(read);
      }
      if (!purged->Contains(row)) return MissingRow(entry, row);
      continue;
    }
    if (IsRowStub(rows.value())) {
      rows.Next();
      continue;
    }
    absl::StatusOr<DecodedRow> decoded = DecodeRow(entry.id, row, rows.value());
    if (!decoded.ok()) return decoded.status();
    if (with_vectors) {
      if (auto s = TakeVectors(entry, *vectors, *decoded); !s.ok()) {
        // The row may have been let go between the making of the two iterators.
        if (!absl::IsOutOfRange(NotThere(entry, row))) return s;
        rows.Next();
        continue;
      }
      MakeRoom(entry, decoded->record);
    } else {
      DropVectors(decoded->record);
    }
    if (auto s = visit(std::move(decoded->record)); !s.ok()) return s;
    rows.Next();
  }
  return absl::OkStatus();
}

absl::Status RowTable::NotThere(const CollectionEntry& entry, RowId row) const {
  const absl::StatusOr<bool> purged = RetentionTable(rocks_).IsPurged(entry, row);
  if (!purged.ok()) return purged.status();
  return *purged ? LetGo(entry, row) : MissingRow(entry, row);
}

absl::Status RowTable::ScanRetired(const CollectionEntry& entry, RowRange range,
                                   const std::function<void(RowId, Version)>& visit) const {
  if (range.begin >= range.end) return absl::OkStatus();
  absl::Status status;
  const absl::Status scanned = rocks_.Scan(
      Family::kRetired, RowKey(entry.prefix, range.begin), RowKey(entry.prefix, range.end),
      [&](std::string_view key, std::string_view value) {
        absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
        absl::StatusOr<Version> version = DecodeVersion(value);
        if (!parts.ok() || !version.ok()) {
          status = parts.ok() ? version.status() : parts.status();
          return false;
        }
        visit(parts->row, *version);
        return true;
      });
  return status.ok() ? scanned : status;
}

absl::StatusOr<std::optional<RowId>> RowTable::ReadPrevious(const CollectionEntry& entry, RowId row,
                                                            std::optional<RowId>& gone) const {
  auto value = rocks_.Get(Family::kRows, RowKey(entry.prefix, row));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    const absl::Status status = NotThere(entry, row);
    if (!absl::IsOutOfRange(status)) return status;
    gone = row;
    return std::nullopt;
  }
  absl::StatusOr<RowId> previous = DecodeRowPrevious(entry.id, row, **value);
  if (!previous.ok()) return previous.status();
  // Rows of a point only point back: so the walk ends.
  if (*previous != kNoRow && *previous >= row) {
    return absl::DataLossError(Concat("row ", row.value, " of collection ", entry.id.value,
                                            " follows row ", previous->value));
  }
  if (*previous == kNoRow) return std::nullopt;
  return *previous;
}

absl::StatusOr<std::optional<RowId>> RowTable::FindPoint(const CollectionEntry& entry,
                                                         const PointId& id, Version at,
                                                         RowId rows_end) const {
  // A purge may move what leads on between two reads; what leads to the same gap twice leads nowhere.
  for (std::optional<RowId> before;;) {
    std::optional<RowId> gone;
    absl::StatusOr<std::optional<RowId>> found = WalkBack(entry, id, at, rows_end, gone);
    if (!found.ok() || found->has_value() || !gone || gone == before) return found;
    before = gone;
  }
}

absl::StatusOr<std::optional<RowId>> RowTable::WalkBack(const CollectionEntry& entry, const PointId& id,
                                                        Version at, RowId rows_end,
                                                        std::optional<RowId>& gone) const {
  auto value = rocks_.Get(Family::kPoints, NamedKey(entry.prefix, id.Encode()));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  absl::StatusOr<PointState> point = DecodePoint(**value);
  if (!point.ok()) return point.status();
  RowId row = point->row;
  // A live latest row of this version or an older one is not retired: `points` is at least as new as `at`.
  if (row < rows_end && !point->deleted) return row;
  while (row >= rows_end) {
    absl::StatusOr<std::optional<RowId>> previous = ReadPrevious(entry, row, gone);
    if (!previous.ok()) return previous.status();
    if (!previous->has_value()) return std::nullopt;
    row = **previous;
  }
  auto retired = rocks_.Get(Family::kRetired, RowKey(entry.prefix, row));
  if (!retired.ok()) return retired.status();
  if (!retired->has_value()) {
    // What was let go no readable version shows.
    const absl::StatusOr<bool> purged = RetentionTable(rocks_).IsPurged(entry, row);
    if (!purged.ok()) return purged.status();
    if (*purged) return std::nullopt;
    return absl::DataLossError(Concat("row ", row.value, " of collection ", entry.id.value,
                                            " was replaced or deleted, but is not retired"));
  }
  absl::StatusOr<Version> version = DecodeVersion(**retired);
  if (!version.ok()) return version.status();
  if (*version > at) return row;
  return std::nullopt;
}

}  // namespace vouch
