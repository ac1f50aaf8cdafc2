#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "index/dense/vector_truth.h"
#include "storage/mapped_file.h"
#include "storage/multi_vector.h"
#include "storage/schema.h"
#include "storage/vector_codec.h"

namespace vouch {

// The token vectors of one multi-vector field in one segment: those of row 0, then those of row 1, and so on, each as its
// field's type keeps it (storage/vector_codec.h). They lie in private memory, or mapped in a segment file; TokenReader reads
// both.
//
// Immutable but for a file's bytes, cheap to copy (it shares its bytes), thread safe.
//
// Invariants:
// 1. starts() has rows() + 1 numbers that begin with 0 and never fall: row r has the tokens [starts[r], starts[r + 1]), at
//    most Limits::kMaxTokens, none where it has no such value.
// 2. Mapped tokens are used only from a copy of a row's bytes that had the row's checksum, which is in private memory since
//    the file was opened or written.
// 3. Under cosine the vectors were normalised once, at write.
class TokenColumn {
 public:
  struct Place {
    std::shared_ptr<const MappedFile> file;
    size_t offset = 0;   // of the first token in `file`
    uint32_t field = 0;  // the multi-vector field's ordinal
    std::shared_ptr<VectorTruth> truth;
  };

  TokenColumn() = default;
  // Tokens in memory; `starts` and `bytes` lie in `owner`.
  TokenColumn(const MultiVectorField& field, std::span<const uint64_t> starts, std::string_view bytes,
              std::shared_ptr<const void> owner)
      : dim_(field.dim),
        metric_(field.metric),
        type_(field.type),
        token_bytes_(VectorBytes(field.type, field.dim)),
        starts_(starts),
        bytes_(bytes.data()),
        owner_(std::move(owner)) {}
  // Tokens in a file, with a checksum for each row; `starts` and `checksums` lie in `owner`.
  TokenColumn(const MultiVectorField& field, std::span<const uint64_t> starts, std::span<const uint64_t> checksums,
              Place place, std::shared_ptr<const void> owner);

  // The same column with its tokens in a file.
  TokenColumn(const TokenColumn& column, std::span<const uint64_t> starts, std::span<const uint64_t> checksums,
              Place place, std::shared_ptr<const void> owner);

  uint32_t dim() const { return dim_; }
  Metric metric() const { return metric_; }
  VectorType type() const { return type_; }
  size_t token_bytes() const { return token_bytes_; }
  uint32_t rows() const { return starts_.empty() ? 0 : static_cast<uint32_t>(starts_.size() - 1); }
  uint64_t tokens() const { return starts_.empty() ? 0 : starts_.back(); }
  uint64_t bytes() const { return tokens() * token_bytes_; }
  std::span<const uint64_t> starts() const { return starts_; }

  size_t TokensOf(uint32_t row) const { return starts_[row + 1] - starts_[row]; }
  size_t BytesOf(uint32_t row) const { return TokensOf(row) * token_bytes_; }

  bool mapped() const { return place_.file != nullptr; }
  // The row's tokens where they lie. Only of a column in private memory.
  std::string_view view(uint32_t row) const { return {bytes_ + starts_[row] * token_bytes_, BytesOf(row)}; }
  std::string_view view() const { return {bytes_, mapped() ? 0 : bytes()}; }

  // Of mapped tokens only.
  std::span<const uint64_t> checksums() const { return checksums_; }
  const Place& place() const { return place_; }
  // Copies the row's tokens to `out`; false where the copy is not what was written.
  bool Copy(uint32_t row, char* out) const;
  // Says that the rows [begin, end) are read next, in order.
  void WillNeed(uint32_t begin, uint32_t end) const;

  // Whether the row has just these tokens: by the checksum where they lie in a file, whose bytes are not looked at.
  bool Holds(uint32_t row, const MultiVector& vector) const;
  // Private memory for tables.
  size_t table_bytes() const { return starts_.size_bytes() + checksums_.size_bytes(); }

  // Copies the tokens: one entry a row, empty where it has none, else as CheckKeptMultiVector takes it.
  static absl::StatusOr<TokenColumn> Build(const MultiVectorField& field, std::span<const MultiVector* const> rows);
  // The parts' rows one after the other, in private memory; so one part alone is copied there. Where a mapped part is
  // damaged and the store cannot give its tokens, the store's error.
  static absl::StatusOr<TokenColumn> Merge(const MultiVectorField& field, std::span<const TokenColumn* const> parts);

 private:
  uint32_t dim_ = 0;
  Metric metric_ = Metric::kCosine;
  VectorType type_ = VectorType::kF32;
  size_t token_bytes_ = 0;
  std::span<const uint64_t> starts_;
  std::span<const uint64_t> checksums_;
  const char* bytes_ = nullptr;
  Place place_;
  std::shared_ptr<const void> owner_;
};

}  // namespace vouch
