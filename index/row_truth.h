#pragma once

#include <functional>
#include <shared_mutex>
#include <string>

#include "absl/status/status.h"
#include "index/row_source.h"

namespace vouch {

// A collection's rows in the store, for segments that find their file damaged, and who hears of it.
// Segments live as long as someone reads them and so longer than the store may: after Close nothing
// is read and nobody hears.
//
// Thread safe. Scan holds no lock that a writer waits for, but Close, which waits for those that
// run.
class RowTruth {
 public:
  // `source` must live until Close.
  explicit RowTruth(const RowSource& source) : source_(&source) {}

  // `found` hears of each damaged file once, by its name, on the thread that found it. Before the
  // first segment is read.
  void Listen(std::function<void(const std::string& file)> found) { found_ = std::move(found); }
  void Close();

  // FAILED_PRECONDITION after Close.
  absl::Status Scan(RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) const;
  void DamageFound(const std::string& file) const;

 private:
  mutable std::shared_mutex mu_;
  const RowSource* source_;                             // guarded by mu_; null after Close
  std::function<void(const std::string& file)> found_;  // constant once segments are read
};

}  // namespace vouch
