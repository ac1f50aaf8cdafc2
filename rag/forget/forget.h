#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/forget/forget_record.h"

namespace vouch {

struct ForgetRequest {
  static constexpr size_t kMaxReasonBytes = 1'000;

  std::string collection = {};
  std::string document = {};  // its id; of a point that was not ingested, the point's id
  std::string reason = {};
  bool dry_run = false;  // say what there is, and change nothing
  // Compact the store's files afterwards, so that no erased byte is left in them.
  bool compact = false;
  Principal principal = {};
  CancelToken cancel = {};
  // Test only: called before each step by its name; an error ends the run there, as a kill would.
  std::function<absl::Status(std::string_view step)> at_step = {};
};

struct ForgetReport {
  ForgetRecord record = {};
  std::vector<std::string> remains = {};  // sentences: where something of the source may still be
};

// Forgets a document everywhere in its collection and in the tenant's answers and evaluations: its points are retired, the
// content and vectors of its rows in all versions, its kept bytes and texts and its entry are erased, the index is built
// anew where it stood, in answers each text that holds something of it is replaced by its hash (their chain holds on), and its
// vectors in drift references go.
// Ids, places, scores and the provenance without spans stay: lineage still says which answers used it.
//
// It goes step by step, each of which may be done twice: what was interrupted is gone on with by the same call, or by
// ResumeForgetting. While it runs, readers may see some of it gone and some not.
//
// NOT_FOUND: the collection has no such document and never had. INVALID_ARGUMENT: the request's texts.
// FAILED_PRECONDITION: the collection takes no writes.
absl::StatusOr<ForgetReport> Forget(Database& database, const ForgetRequest& request);

// Ends what was begun and not ended, in all collections of all tenants. The first error, after the others were tried.
absl::Status ResumeForgetting(Database& database);

// What was forgotten in a collection, by document.
absl::StatusOr<std::vector<ForgetRecord>> ListForgotten(Database& database, const Principal& principal,
                                                        std::string_view collection);

}  // namespace vouch
