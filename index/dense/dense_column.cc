#include "index/dense/dense_column.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/dense/vector_reader.h"

namespace vouch {
namespace {

// A buffer for `nodes` vectors and, where some rows have none, the nodes' rows behind them.
struct ColumnBuffer {
  std::shared_ptr<AlignedBuffer> bytes;
  char* vectors = nullptr;
  uint32_t* rows = nullptr;  // null where every row has a vector
};

absl::StatusOr<ColumnBuffer> Allocate(const DenseField& field, uint64_t nodes, uint64_t segment_rows) {
  const size_t vector_bytes = AlignUp(nodes * VectorBytes(field.type, field.dim));
  const size_t row_bytes = nodes == segment_rows ? 0 : nodes * sizeof(uint32_t);
  ColumnBuffer buffer;
  buffer.bytes = std::make_shared<AlignedBuffer>(vector_bytes + row_bytes);
  if (buffer.bytes->data() == nullptr && vector_bytes + row_bytes > 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the vectors of field '", field.name, "': ", vector_bytes + row_bytes, " bytes"));
  }
  buffer.vectors = buffer.bytes->data();
  if (row_bytes > 0) buffer.rows = reinterpret_cast<uint32_t*>(buffer.bytes->data() + vector_bytes);
  return buffer;
}

DenseColumn Finish(const DenseField& field, uint64_t nodes, uint64_t segment_rows, ColumnBuffer buffer) {
  const std::string_view vectors(buffer.vectors, nodes * VectorBytes(field.type, field.dim));
  std::span<const uint32_t> rows;
  if (buffer.rows != nullptr) rows = {buffer.rows, nodes};
  return DenseColumn(field, static_cast<uint32_t>(segment_rows), vectors, rows, std::move(buffer.bytes));
}

// All vectors of the column to `out`, which has room for them.
absl::Status CopyVectors(const DenseColumn& column, char* out) {
  if (column.mapped() == nullptr) {
    if (column.nodes() > 0) std::memcpy(out, column.vectors().data(), column.vectors().size());
    return absl::OkStatus();
  }
  VectorReader reader(column);
  for (uint32_t node = 0; node < column.nodes() && reader.status().ok(); ++node) {
    std::memcpy(out + node * column.vector_bytes(), reader.ReadNextBytes(node), column.vector_bytes());
  }
  return reader.status();
}

}  // namespace

std::optional<uint32_t> DenseColumn::NodeOf(uint32_t row) const {
  if (row >= segment_rows_) return std::nullopt;
  if (dense_rows()) return row;
  const auto found = std::lower_bound(rows_.begin(), rows_.end(), row);
  if (found == rows_.end() || *found != row) return std::nullopt;
  return static_cast<uint32_t>(found - rows_.begin());
}

absl::StatusOr<DenseColumn> DenseColumn::Build(const DenseField& field,
                                               std::span<const std::span<const float>> rows) {
  uint64_t nodes = 0;
  for (const std::span<const float>& row : rows) {
    if (row.empty()) continue;
    if (row.size() != field.dim) {
      return absl::InvalidArgumentError(absl::StrCat("field '", field.name, "' has dimension ", field.dim,
                                                     "; a vector has ", row.size(), " values"));
    }
    ++nodes;
  }
  absl::StatusOr<ColumnBuffer> buffer = Allocate(field, nodes, rows.size());
  if (!buffer.ok()) return buffer.status();
  uint32_t node = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].empty()) continue;
    EncodeVector(field.type, rows[row], buffer->vectors + node * VectorBytes(field.type, field.dim));
    if (buffer->rows != nullptr) buffer->rows[node] = static_cast<uint32_t>(row);
    ++node;
  }
  return Finish(field, nodes, rows.size(), *std::move(buffer));
}

absl::StatusOr<DenseColumn> DenseColumn::Merge(const DenseField& field, std::span<const DenseColumn* const> parts) {
  uint64_t nodes = 0;
  uint64_t segment_rows = 0;
  for (const DenseColumn* part : parts) {
    nodes += part->nodes();
    segment_rows += part->segment_rows();
  }
  absl::StatusOr<ColumnBuffer> buffer = Allocate(field, nodes, segment_rows);
  if (!buffer.ok()) return buffer.status();
  uint64_t node = 0;
  uint64_t first_row = 0;
  for (const DenseColumn* part : parts) {
    if (absl::Status status = CopyVectors(*part, buffer->vectors + node * VectorBytes(field.type, field.dim)); !status.ok()) return status;
    if (buffer->rows != nullptr) {
      for (uint32_t i = 0; i < part->nodes(); ++i) {
        buffer->rows[node + i] = static_cast<uint32_t>(first_row + part->RowOf(i));
      }
    }
    node += part->nodes();
    first_row += part->segment_rows();
  }
  return Finish(field, nodes, segment_rows, *std::move(buffer));
}

}  // namespace vouch
