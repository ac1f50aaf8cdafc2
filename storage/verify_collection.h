#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "storage/catalog.h"
#include "storage/collection_directory.h"
#include "storage/commit.h"
#include "storage/ids.h"
#include "storage/row_codec.h"
#include "storage/store.h"

namespace vouch {

class Rocks;

// The findings of one verification: at most kMaxProblems are kept.
class VerifyFindings {
 public:
  static constexpr size_t kMaxProblems = 1000;

  explicit VerifyFindings(VerifyReport& report) : report_(report) {}
  // Each names the collection, the thing and the broken invariant.
  void Add(std::string problem) {
    if (report_.problems.size() < kMaxProblems) report_.problems.push_back(std::move(problem));
  }
  VerifyReport& report() { return report_; }

 private:
  VerifyReport& report_;
};

// Checks that the order of answers and the answers themselves name each other.
absl::Status VerifyAnswers(const Rocks& rocks, VerifyFindings& findings);

// Checks one collection's stored bytes against the invariants of store.h: reads each family once, in order.
// Thread compatible; takes about 17 bytes of memory a row.
class CollectionVerifier {
 public:
  CollectionVerifier(const Rocks& rocks, const CollectionInfo& info, const CollectionEntry& entry,
                     VerifyFindings& findings);
  // An error is one of reading, not of what was read.
  absl::Status Run();

 private:
  absl::Status CheckCommits();
  void CheckHeader(const CommitHeader& header, const CommitHeader& before);
  absl::Status CheckRequests();
  absl::Status CheckRetired();
  absl::Status CheckRows();
  void CheckRow(const DecodedRow& row, Version version);
  absl::Status CheckVectors();
  void CheckVector(RowId row, uint16_t field, std::string_view value);
  absl::Status CheckPoints();
  void CheckPoint(std::string_view encoded_id, std::string_view value);
  absl::Status CheckArtifacts();
  absl::Status CheckTags();

  void Problem(std::string_view what);
  bool HasRow(RowId row) const { return row.value < rows_; }

  const Rocks& rocks_;
  const CollectionEntry& entry_;
  const std::string label_;
  VerifyFindings& findings_;

  uint64_t latest_ = 0;
  uint64_t rows_ = 0;       // as the last header says
  uint64_t live_rows_ = 0;  // as the last header says
  std::vector<uint64_t> rows_end_;     // of version i + 1
  std::vector<uint64_t> retired_at_;   // by row, as the headers say; 0: not
  std::vector<uint64_t> id_hash_;      // by row, of the encoded point id; 0: the row does not read
  std::vector<bool> superseded_;       // by row: another row follows it
  std::vector<uint64_t> vector_bits_;  // by row: fields whose vectors are still to be seen
};

}  // namespace vouch
