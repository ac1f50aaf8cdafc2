#include "index/payload/payload_columns.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/payload/column.h"
#include "index/payload/compiled_filter.h"
#include "index/payload/filter_eval.h"

namespace vouch {
namespace {

// The grammar stands in README.md.
constexpr uint32_t kPayloadMagic = 0x59415056;  // "VPAY"
constexpr uint32_t kPayloadFormat = 2;

class FlatPayloadColumns final : public PayloadColumns {
 public:
  explicit FlatPayloadColumns(uint32_t rows) : rows_(rows) {}

  uint32_t rows() const override { return rows_; }

  Bitmap Evaluate(
      const CompiledFilter& filter,
      const std::function<Bitmap(std::span<const FilterValue>)>& find_ids) const override {
    return SegmentFilter(filter, columns_, rows_).Evaluate(find_ids);
  }

  RowBounds Estimate(const CompiledFilter& filter) const override {
    return SegmentFilter(filter, columns_, rows_).bounds();
  }

  size_t memory_bytes() const override {
    size_t bytes = sizeof(*this);
    for (const Column& column : columns_) bytes += column.memory_bytes();
    return bytes;
  }

  std::string Serialize() const override {
    FlatWriter writer;
    writer.Reserve(memory_bytes());
    writer.Number(kPayloadMagic);
    writer.Number(kPayloadFormat);
    writer.Number(rows_);
    writer.Number(static_cast<uint32_t>(columns_.size()));
    for (const Column& column : columns_) column.Write(&writer);
    return std::move(writer).Take();
  }

  absl::Status Read(const CollectionSchema& schema, std::string_view bytes);
  void Add(Column column) { columns_.push_back(std::move(column)); }
  const Column& column(size_t field) const override { return columns_[field]; }

 private:
  uint32_t rows_;
  std::vector<Column> columns_;
};

absl::Status FlatPayloadColumns::Read(const CollectionSchema& schema, std::string_view bytes) {
  FlatReader reader(bytes);
  uint32_t magic = 0;
  uint32_t format = 0;
  uint32_t rows = 0;
  uint32_t fields = 0;
  if (!reader.Number(&magic) || magic != kPayloadMagic) {
    return absl::DataLossError("payload columns: the magic number is missing");
  }
  if (!reader.Number(&format) || format != kPayloadFormat) {
    return absl::DataLossError(
        absl::StrCat("payload columns: format ", format, ", this program reads ", kPayloadFormat));
  }
  if (!reader.Number(&rows) || rows != rows_) {
    return absl::DataLossError(
        absl::StrCat("payload columns: hold ", rows, " rows, wanted ", rows_));
  }
  if (!reader.Number(&fields) || fields != schema.payload.size()) {
    return absl::DataLossError(absl::StrCat("payload columns: hold ", fields,
                                            " fields, the schema has ", schema.payload.size()));
  }
  for (const PayloadField& field : schema.payload) {
    Column column(field.type);
    if (absl::Status status = column.Read(&reader, rows_); !status.ok()) {
      return absl::DataLossError(absl::StrCat("field '", field.path, "': ", status.message()));
    }
    Add(std::move(column));
  }
  if (!reader.AtEnd()) return absl::DataLossError("payload columns: bytes after the last field");
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<const PayloadColumns> PayloadColumns::Build(
    const CollectionSchema& schema, std::span<const TypedPayload* const> rows) {
  auto columns = std::make_shared<FlatPayloadColumns>(static_cast<uint32_t>(rows.size()));
  for (size_t i = 0; i < schema.payload.size(); ++i) {
    columns->Add(Column::Build(schema.payload[i].type, i, rows));
  }
  return columns;
}

std::shared_ptr<const PayloadColumns> PayloadColumns::Merge(
    const CollectionSchema& schema, std::span<const PayloadColumns* const> parts) {
  uint32_t rows = 0;
  for (const PayloadColumns* part : parts) rows += part->rows();
  auto columns = std::make_shared<FlatPayloadColumns>(rows);
  for (size_t i = 0; i < schema.payload.size(); ++i) {
    std::vector<const Column*> sources;
    for (const PayloadColumns* part : parts) {
      // All columns come from this file's factories.
      sources.push_back(&static_cast<const FlatPayloadColumns*>(part)->column(i));
    }
    columns->Add(Column::Merge(schema.payload[i].type, sources));
  }
  return columns;
}

absl::StatusOr<std::shared_ptr<const PayloadColumns>> PayloadColumns::Parse(
    const CollectionSchema& schema, std::string_view bytes, uint32_t rows) {
  auto columns = std::make_shared<FlatPayloadColumns>(rows);
  if (absl::Status status = columns->Read(schema, bytes); !status.ok()) return status;
  return columns;
}

}  // namespace vouch
