#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/ids.h"

namespace vouch {

// The rows that the approximate searches of a request gave, in the order in which they ran. Which rows a graph gives depends on how
// it was built, and merges build it anew; all that follows (exact scores, fusion, feedback, reranking) does not. So who keeps these
// rows can have the same answer again to the last bit, whatever became of the index.
//
// One that is made from lists gives these in place of what the searches find, and counts how much of them was found again.
// For one request at a time, on one thread.
class CandidateLog {
 public:
  CandidateLog() = default;
  explicit CandidateLog(std::vector<std::vector<RowId>> lists) : gives_(true), lists_(std::move(lists)) {}

  bool gives() const { return gives_; }
  // Each in ascending order.
  const std::vector<std::vector<RowId>>& lists() const { return lists_; }
  uint64_t rows() const;
  // Rows of the given lists that the searches found too.
  uint64_t found_again() const { return found_again_; }

  // One search's rows, in any order. Of a log that gives: returns the list for this search in their place; FAILED_PRECONDITION where
  // it has none, for then it is of another query.
  absl::StatusOr<std::vector<RowId>> Pass(std::vector<RowId> rows);

 private:
  bool gives_ = false;
  std::vector<std::vector<RowId>> lists_;
  size_t next_ = 0;
  uint64_t found_again_ = 0;
};

}  // namespace vouch
