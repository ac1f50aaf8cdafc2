#include "index/multi/token_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr uint32_t kMostBlockRows = 16;
constexpr uint64_t kAheadBytes = uint64_t{1} << 20;

}  // namespace

std::string_view TokenReader::ReadBytes(uint32_t row) {
  if (!column_.mapped()) return column_.view(row);
  const size_t size = column_.BytesOf(row);
  if (bytes_.size() < size) bytes_.resize(size);
  ReadMapped(row, bytes_.data());
  return {bytes_.data(), size};
}

std::span<const float> TokenReader::Read(uint32_t row) {
  const size_t count = column_.TokensOf(row) * column_.dim();
  const bool as_kept = column_.type() == VectorType::kF32;
  if (as_kept && !column_.mapped()) return {reinterpret_cast<const float*>(column_.view(row).data()), count};
  if (values_.size() < count) values_.resize(count);
  if (as_kept) {
    ReadMapped(row, reinterpret_cast<char*>(values_.data()));
  } else {
    DecodeVector(column_.type(), ReadBytes(row).data(), {values_.data(), count});
  }
  return {values_.data(), count};
}

void TokenReader::ReadMapped(uint32_t row, char* out) {
  if (!column_.Copy(row, out)) ReadTruth(row, out);
}

void TokenReader::AskAhead(uint32_t row) {
  const uint64_t tokens = std::max<uint64_t>(1, kAheadBytes / column_.token_bytes());
  const std::span<const uint64_t> starts = column_.starts();
  const auto end = std::upper_bound(starts.begin() + row + 1, starts.end() - 1, starts[row] + tokens);
  asked_ = static_cast<uint32_t>(end - starts.begin());
  column_.WillNeed(row, asked_);
}

void TokenReader::ReadTruth(uint32_t row, char* out) {
  column_.place().truth->ReportDamage();
  if (status_.ok() && (row < block_begin_ || row >= block_end_)) FillBlock(row);
  const size_t wanted = column_.TokensOf(row) * column_.dim();
  if (status_.ok() && block_[row - block_begin_].size() != wanted) {
    status_ = absl::DataLossError(absl::StrCat("an index file is damaged, and the store has no ",
                                               column_.TokensOf(row), " token vectors of ", column_.dim(),
                                               " values for row ", row, " of its segment"));
  }
  if (!status_.ok()) {
    std::memset(out, 0, column_.BytesOf(row));
    return;
  }
  EncodeVector(column_.type(), block_[row - block_begin_], out);
}

void TokenReader::FillBlock(uint32_t begin) {
  const uint32_t last = block_end_ - block_begin_;
  const uint32_t wanted = last > 0 && begin == block_end_ ? std::min(2 * last, kMostBlockRows) : 1;
  block_begin_ = begin;
  block_end_ = begin + std::min(wanted, column_.rows() - begin);
  block_.assign(block_end_ - block_begin_, {});
  status_ = column_.place().truth->ReadTokens(
      column_.place().field, block_begin_, block_end_, [&](uint32_t row, std::span<const float> tokens) {
        if (row < block_begin_ || row >= block_end_) return;
        block_[row - block_begin_].assign(tokens.begin(), tokens.end());
      });
}

}  // namespace vouch
