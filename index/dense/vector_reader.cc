#include "index/dense/vector_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr size_t kLineBytes = 64;
constexpr uint32_t kMostBlockRows = 256;
constexpr size_t kAheadBytes = size_t{1} << 20;

}  // namespace

VectorReader::VectorReader(const DenseColumn& column) : column_(column), mapped_(column.mapped()) {
  if (column.type() != VectorType::kF32) decoded_.resize(kSlots * column.dim());
  if (mapped_ == nullptr) return;
  stride_ = AlignUp(column.vector_bytes());
  buffer_.resize(kSlots * stride_ + kLineBytes);
  const auto address = reinterpret_cast<uintptr_t>(buffer_.data());
  slots_ = buffer_.data() + (AlignUp(address) - address);
}

void VectorReader::AskAhead(uint32_t node) {
  const auto nodes =
      static_cast<uint32_t>(std::max<size_t>(1, kAheadBytes / column_.vector_bytes()));
  asked_ = node + std::min(nodes, column_.nodes() - node);
  mapped_->WillNeed(node, asked_);
}

void VectorReader::ReadTruth(uint32_t node, char* out) {
  mapped_->truth().ReportDamage();
  const uint32_t row = column_.RowOf(node);
  if (status_.ok() && (row < block_begin_ || row >= block_end_)) FillBlock(row);
  if (status_.ok() && !in_block_[row - block_begin_]) {
    status_ = absl::DataLossError(
        absl::StrCat("an index file is damaged, and the store has no vector of ", column_.dim(),
                     " values for row ", row, " of its segment"));
  }
  if (!status_.ok()) {
    std::fill_n(out, column_.vector_bytes(), '\0');
    return;
  }
  EncodeVector(column_.type(), {block_.data() + size_t{row - block_begin_} * column_.dim(), column_.dim()}, out);
}

void VectorReader::FillBlock(uint32_t begin) {
  const uint32_t last = block_end_ - block_begin_;
  const uint32_t wanted = last > 0 && begin == block_end_ ? std::min(2 * last, kMostBlockRows) : 1;
  block_begin_ = begin;
  block_end_ = begin + std::min(wanted, column_.segment_rows() - begin);
  block_.resize(size_t{block_end_ - block_begin_} * column_.dim());
  in_block_.assign(block_end_ - block_begin_, false);
  status_ = mapped_->truth().Read(
      mapped_->field(), block_begin_, block_end_, [&](uint32_t row, std::span<const float> vector) {
        if (row < block_begin_ || row >= block_end_ || vector.size() != column_.dim()) return;
        const uint32_t place = row - block_begin_;
        std::copy(vector.begin(), vector.end(), block_.begin() + size_t{place} * column_.dim());
        in_block_[place] = true;
      });
}

}  // namespace vouch
