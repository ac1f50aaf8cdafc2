#include "index/multi/token_column.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/aligned_buffer.h"
#include "index/dense/mapped_vectors.h"
#include "index/multi/token_reader.h"

namespace vouch {
namespace {

// Room for the tokens of some rows, the table of starts behind them.
struct ColumnBuffer {
  std::shared_ptr<AlignedBuffer> bytes;
  char* tokens = nullptr;
  uint64_t* starts = nullptr;
};

absl::StatusOr<ColumnBuffer> Allocate(const MultiVectorField& field, uint64_t tokens, uint64_t rows) {
  const size_t token_bytes = AlignUp(tokens * VectorBytes(field.type, field.dim));
  const size_t all = token_bytes + (rows + 1) * sizeof(uint64_t);
  ColumnBuffer buffer;
  buffer.bytes = std::make_shared<AlignedBuffer>(all);
  if (buffer.bytes->data() == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the token vectors of field '", field.name, "': ", all, " bytes"));
  }
  buffer.tokens = buffer.bytes->data();
  buffer.starts = reinterpret_cast<uint64_t*>(buffer.bytes->data() + token_bytes);
  return buffer;
}

TokenColumn Finish(const MultiVectorField& field, uint64_t rows, ColumnBuffer buffer) {
  const std::span<const uint64_t> starts(buffer.starts, rows + 1);
  const std::string_view bytes(buffer.tokens, starts.back() * VectorBytes(field.type, field.dim));
  return TokenColumn(field, starts, bytes, std::move(buffer.bytes));
}

}  // namespace

TokenColumn::TokenColumn(const MultiVectorField& field, std::span<const uint64_t> starts,
                         std::span<const uint64_t> checksums, Place place, std::shared_ptr<const void> owner)
    : TokenColumn(field, starts, std::string_view(), std::move(owner)) {
  checksums_ = checksums;
  place_ = std::move(place);
}

TokenColumn::TokenColumn(const TokenColumn& column, std::span<const uint64_t> starts,
                         std::span<const uint64_t> checksums, Place place, std::shared_ptr<const void> owner)
    : TokenColumn(column) {
  starts_ = starts;
  checksums_ = checksums;
  bytes_ = nullptr;
  place_ = std::move(place);
  owner_ = std::move(owner);
}

bool TokenColumn::Copy(uint32_t row, char* out) const {
  const size_t size = BytesOf(row);
  if (size == 0) return true;
  std::memcpy(out, place_.file->data() + place_.offset + starts_[row] * token_bytes_, size);
  return VectorChecksum({out, size}) == checksums_[row];
}

void TokenColumn::WillNeed(uint32_t begin, uint32_t end) const {
  place_.file->WillNeed(place_.offset + starts_[begin] * token_bytes_, (starts_[end] - starts_[begin]) * token_bytes_);
}

bool TokenColumn::Holds(uint32_t row, const MultiVector& vector) const {
  if (TokensOf(row) != vector.tokens()) return false;
  if (vector.empty()) return true;
  if (vector.dim != dim_) return false;
  std::string bytes(BytesOf(row), '\0');
  EncodeVector(type_, vector.values, bytes.data());
  return mapped() ? checksums_[row] == VectorChecksum(bytes) : view(row) == bytes;
}

absl::StatusOr<TokenColumn> TokenColumn::Build(const MultiVectorField& field,
                                               std::span<const MultiVector* const> rows) {
  uint64_t tokens = 0;
  for (const MultiVector* row : rows) {
    if (!row->empty() && row->dim != field.dim) {
      return absl::InvalidArgumentError(absl::StrCat("field '", field.name, "' has dimension ", field.dim,
                                                     "; token vectors have ", row->dim, " values"));
    }
    tokens += row->tokens();
  }
  absl::StatusOr<ColumnBuffer> buffer = Allocate(field, tokens, rows.size());
  if (!buffer.ok()) return buffer.status();
  uint64_t next = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    buffer->starts[row] = next;
    const std::span<const float> values(rows[row]->values.data(), rows[row]->tokens() * field.dim);
    EncodeVector(field.type, values, buffer->tokens + next * VectorBytes(field.type, field.dim));
    next += rows[row]->tokens();
  }
  buffer->starts[rows.size()] = next;
  return Finish(field, rows.size(), *std::move(buffer));
}

absl::StatusOr<TokenColumn> TokenColumn::Merge(const MultiVectorField& field,
                                               std::span<const TokenColumn* const> parts) {
  uint64_t tokens = 0;
  uint64_t rows = 0;
  for (const TokenColumn* part : parts) {
    tokens += part->tokens();
    rows += part->rows();
  }
  absl::StatusOr<ColumnBuffer> buffer = Allocate(field, tokens, rows);
  if (!buffer.ok()) return buffer.status();
  uint64_t next = 0;
  uint64_t next_row = 0;
  for (const TokenColumn* part : parts) {
    TokenReader reader(*part);
    for (uint32_t row = 0; row < part->rows(); ++row) {
      buffer->starts[next_row++] = next;
      const std::string_view bytes = reader.ReadNextBytes(row);
      if (!reader.status().ok()) return reader.status();
      if (!bytes.empty()) std::memcpy(buffer->tokens + next * part->token_bytes(), bytes.data(), bytes.size());
      next += part->TokensOf(row);
    }
  }
  buffer->starts[rows] = next;
  return Finish(field, rows, *std::move(buffer));
}

}  // namespace vouch
