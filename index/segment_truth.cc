#include "index/segment_truth.h"

#include "absl/strings/str_cat.h"

namespace vouch {

absl::Status SegmentTruth::Read(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) {
  return Scan(begin, end, [&](uint32_t row, const RowRecord& record) {
    visit(row, field < record.vectors.size() ? std::span<const float>(record.vectors[field])
                                             : std::span<const float>());
  });
}

absl::Status SegmentTruth::ReadTokens(uint32_t field, uint32_t begin, uint32_t end,
                                      const Visit& visit) {
  return Scan(begin, end, [&](uint32_t row, const RowRecord& record) {
    visit(row, field < record.multi_vectors.size()
                   ? std::span<const float>(record.multi_vectors[field].values)
                   : std::span<const float>());
  });
}

absl::Status SegmentTruth::Scan(
    uint32_t begin, uint32_t end,
    const std::function<void(uint32_t row, const RowRecord&)>& visit) const {
  const uint64_t first = range_.begin.value;
  const absl::Status status =
      rows_->Scan({RowId(first + begin), RowId(first + end)}, [&](RowRecord&& record) {
        visit(static_cast<uint32_t>(record.row.value - first), record);
        return absl::OkStatus();
      });
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("index file '", file_name_,
                                   "' is damaged, and its vectors cannot be had from the store: ",
                                   status.message()));
}

}  // namespace vouch
