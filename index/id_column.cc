#include "index/id_column.h"

#include <charconv>
#include <cstring>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "index/aligned_buffer.h"

namespace vouch {
namespace {

constexpr size_t OffsetBytes(uint64_t rows) { return (rows + 1) * sizeof(uint64_t); }

// Adds the encoded forms of the ids that `value` may name.
void AddEncodings(const FilterValue& value, absl::flat_hash_set<std::string>& wanted) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (*number >= 0) wanted.insert(PointId(static_cast<uint64_t>(*number)).Encode());
    return;
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc() && end == text->data() + text->size()) {
    const PointId id(number);
    if (id.ToString() == *text) wanted.insert(id.Encode());  // "007" is no number's text form
  }
  if (absl::StatusOr<PointId> id = PointId::FromString(*text); id.ok()) wanted.insert(id->Encode());
}

}  // namespace

IdColumn::IdColumn(std::string_view bytes, uint32_t rows, std::shared_ptr<const void> owner)
    : rows_(rows),
      offsets_(reinterpret_cast<const uint64_t*>(bytes.data())),
      ids_(bytes.data() + OffsetBytes(rows)),
      bytes_(bytes),
      owner_(std::move(owner)) {}

std::shared_ptr<const IdColumn> IdColumn::Build(std::span<const PointId* const> ids) {
  std::vector<uint64_t> offsets = {0};
  std::string encoded;
  for (const PointId* id : ids) {
    if (id != nullptr) encoded += id->Encode();
    offsets.push_back(encoded.size());
  }
  auto buffer = std::make_shared<AlignedBuffer>(OffsetBytes(ids.size()) + encoded.size());
  std::memcpy(buffer->data(), offsets.data(), OffsetBytes(ids.size()));
  if (!encoded.empty()) std::memcpy(buffer->data() + OffsetBytes(ids.size()), encoded.data(), encoded.size());
  std::shared_ptr<IdColumn> column(new IdColumn(buffer->view(), static_cast<uint32_t>(ids.size()), buffer));
  for (const PointId* id : ids) column->dropped_rows_ += id == nullptr ? 1 : 0;
  return column;
}

std::shared_ptr<const IdColumn> IdColumn::Merge(std::span<const IdColumn* const> parts) {
  uint64_t rows = 0;
  uint64_t id_bytes = 0;
  for (const IdColumn* part : parts) {
    rows += part->rows_;
    id_bytes += part->offsets_[part->rows_];
  }
  auto buffer = std::make_shared<AlignedBuffer>(OffsetBytes(rows) + id_bytes);
  auto* offsets = reinterpret_cast<uint64_t*>(buffer->data());
  char* ids = buffer->data() + OffsetBytes(rows);
  uint64_t begin = 0;
  for (const IdColumn* part : parts) {
    for (uint32_t row = 0; row < part->rows_; ++row) *offsets++ = begin + part->offsets_[row];
    const uint64_t size = part->offsets_[part->rows_];
    if (size > 0) std::memcpy(ids + begin, part->ids_, size);
    begin += size;
  }
  *offsets = begin;
  std::shared_ptr<IdColumn> column(new IdColumn(buffer->view(), static_cast<uint32_t>(rows), buffer));
  for (const IdColumn* part : parts) column->dropped_rows_ += part->dropped_rows_;
  return column;
}

absl::StatusOr<std::shared_ptr<const IdColumn>> IdColumn::Parse(std::string_view bytes, uint32_t rows,
                                                                std::shared_ptr<const void> owner) {
  if (bytes.size() < OffsetBytes(rows)) return absl::DataLossError("ids: shorter than their offsets");
  std::shared_ptr<IdColumn> column(new IdColumn(bytes, rows, std::move(owner)));
  const uint64_t id_bytes = bytes.size() - OffsetBytes(rows);
  if (column->offsets_[0] != 0 || column->offsets_[rows] != id_bytes) {
    return absl::DataLossError("ids: the offsets do not fit the bytes");
  }
  for (uint32_t row = 0; row < rows; ++row) {
    if (column->offsets_[row] > column->offsets_[row + 1] || column->offsets_[row + 1] > id_bytes) {
      return absl::DataLossError("ids: the offsets do not ascend");
    }
    if (column->IsDropped(row)) {
      ++column->dropped_rows_;
      continue;
    }
    if (absl::StatusOr<PointId> id = PointId::Decode(column->EncodedIdOf(row)); !id.ok()) {
      return absl::DataLossError(absl::StrCat("ids: row ", row, ": ", id.status().message()));
    }
  }
  return column;
}

PointId IdColumn::IdOf(uint32_t row) const {
  absl::StatusOr<PointId> id = PointId::Decode(EncodedIdOf(row));
  return id.ok() ? *std::move(id) : PointId();
}

Bitmap IdColumn::Find(std::span<const FilterValue> ids) const {
  absl::flat_hash_set<std::string> wanted;
  for (const FilterValue& value : ids) AddEncodings(value, wanted);
  Bitmap found(rows_);
  for (uint32_t row = 0; row < rows_; ++row) {
    const std::string_view id = EncodedIdOf(row);
    if (wanted.contains(absl::string_view(id.data(), id.size()))) found.Set(row);
  }
  return found;
}

}  // namespace vouch
