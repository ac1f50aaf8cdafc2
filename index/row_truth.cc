#include "index/row_truth.h"

#include <mutex>

namespace vouch {

void RowTruth::Close() {
  const std::unique_lock lock(mu_);
  source_ = nullptr;
}

absl::Status RowTruth::Scan(RowRange range,
                            const std::function<absl::Status(RowRecord&&)>& visit) const {
  const std::shared_lock lock(mu_);
  if (source_ == nullptr) {
    return absl::FailedPreconditionError(
        "an index file is damaged, and the collection was closed meanwhile");
  }
  return source_->ScanRows(range, visit);
}

void RowTruth::DamageFound(const std::string& file) const {
  const std::shared_lock lock(mu_);
  if (source_ != nullptr && found_) found_(file);
}

}  // namespace vouch
