#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "index/dense/vector_truth.h"
#include "index/row_truth.h"
#include "storage/ids.h"

namespace vouch {

// One segment's rows in the store, and whether its file was found damaged while it was searched.
class SegmentTruth final : public VectorTruth {
 public:
  SegmentTruth(std::shared_ptr<const RowTruth> rows, RowRange range, std::string file_name)
      : rows_(std::move(rows)), range_(range), file_name_(std::move(file_name)) {}

  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }

  void ReportDamage() override {
    if (!damaged() && !damaged_.exchange(true)) rows_->DamageFound(file_name_);
  }
  // Leaves out rows that were let go, which no search asks for. DATA_LOSS where the store lacks another.
  absl::Status Read(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) override;
  absl::Status ReadTokens(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) override;

 private:
  // The rows [begin, end) of the segment, in order.
  absl::Status Scan(uint32_t begin, uint32_t end,
                    const std::function<void(uint32_t row, const RowRecord&)>& visit) const;

  const std::shared_ptr<const RowTruth> rows_;
  const RowRange range_;
  const std::string file_name_;
  std::atomic<bool> damaged_{false};
};

}  // namespace vouch
