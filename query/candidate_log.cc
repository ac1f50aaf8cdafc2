#include "query/candidate_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace vouch {

uint64_t CandidateLog::rows() const {
  uint64_t rows = 0;
  for (const std::vector<RowId>& list : lists_) rows += list.size();
  return rows;
}

absl::StatusOr<std::vector<RowId>> CandidateLog::Pass(std::vector<RowId> rows) {
  std::sort(rows.begin(), rows.end());
  if (!gives_) {
    lists_.push_back(rows);
    return rows;
  }
  if (next_ == lists_.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("candidates of ", next_, " approximate searches were kept, and the query has more"));
  }
  const std::vector<RowId>& kept = lists_[next_++];
  for (RowId row : kept) found_again_ += std::binary_search(rows.begin(), rows.end(), row) ? 1 : 0;
  return kept;
}

}  // namespace vouch
