#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/export/tar.h"
#include "rag/kept_answers.h"

namespace vouch {

struct BundleRequest {
  TimeRange range = {};
  Principal principal = {};
  CancelToken cancel = {};
};

struct BundleSummary {
  uint64_t answers = 0;
  uint64_t entries = 0;  // of the audit log
  uint64_t evaluations = 0;
  uint64_t commits = 0;
  uint64_t feedback = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::string seal = {};  // SHA-256 of SHA256SUMS, and with it of every file
};

// All that a tenant's answers of a range can be vouched for with, as one archive: the records with their links of the chain and the
// feedback on them, the audit log of the range, the commits from the oldest version that they were asked at, and the versions of
// pipelines, gates and datasets, the evaluations and the forgotten sources that these speak of (README.md of this folder has the files).
// Nothing of it depends on the clock: the same range of the same store is the same archive, byte for byte. Records are as they are kept,
// so that covered places are covered and erased texts erased.
//
// RESOURCE_EXHAUSTED: more than kMaxBundleAnswers. ABORTED: what was written has been changed since, as a text of it was erased or an
// evaluation judged; another export has it whole. Errors of the sink are passed on.
inline constexpr size_t kMaxBundleAnswers = 100'000;
absl::StatusOr<BundleSummary> WriteBundle(Database& database, const BundleRequest& request,
                                          const TarWriter::Sink& sink);

}  // namespace vouch
