#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "index/multi/token_column.h"

namespace vouch {

// Reads the tokens of one column's rows for one search or merge, always as they were written: those
// in private memory where they lie, mapped ones through a checked copy, and damaged ones from the
// store.
//
// Not thread safe. The column must outlive it.
class TokenReader {
 public:
  explicit TokenReader(const TokenColumn& column) : column_(column) {}
  TokenReader(const TokenReader&) = delete;
  TokenReader& operator=(const TokenReader&) = delete;

  // The row's tokens, TokensOf(row) * dim floats; good until the next read. Zeros where status() is
  // not OK.
  std::span<const float> Read(uint32_t row);
  // The same as they are kept.
  std::string_view ReadBytes(uint32_t row);
  // As Read and ReadBytes, where rows are read in order, most of them: the file is read ahead.
  std::span<const float> ReadNext(uint32_t row) {
    if (column_.mapped() && row >= asked_) AskAhead(row);
    return Read(row);
  }
  std::string_view ReadNextBytes(uint32_t row) {
    if (column_.mapped() && row >= asked_) AskAhead(row);
    return ReadBytes(row);
  }
  // OK, or why some tokens could neither be had from the file nor from the store. Then nothing
  // computed from any may be used.
  const absl::Status& status() const { return status_; }

 private:
  void AskAhead(uint32_t row);
  // The bytes of a mapped row, checked, to `out`.
  void ReadMapped(uint32_t row, char* out);
  void ReadTruth(uint32_t row, char* out);
  void FillBlock(uint32_t begin);

  const TokenColumn& column_;
  std::vector<char> bytes_;    // of a mapped row
  std::vector<float> values_;  // of a row that is not f32 where it lies
  uint32_t asked_ = 0;         // rows below it were asked for ahead
  absl::Status status_;

  // Rows that were read from the store: damaged rows asked for in order come in growing blocks.
  uint32_t block_begin_ = 0;
  uint32_t block_end_ = 0;
  std::vector<std::vector<float>> block_;
};

}  // namespace vouch
