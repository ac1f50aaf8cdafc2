#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/eval/evaluation_record.h"
#include "rag/kept_answers.h"
#include "storage/commit.h"

namespace vouch {

// Events of OpenLineage 2-0-2 (openlineage.io), JSON, each of one line. A run has a START and, once it is over, one COMPLETE or
// FAIL with the same runId; the same thing exported again has the same events, so that who takes them twice has them once.
struct OpenLineageNames {
  std::string jobs = {};      // namespace of the jobs: "rag.answer", "eval.DATASET", "ingest.COLLECTION"
  std::string datasets = {};  // namespace of "collection/NAME", "answers/TENANT" and "dataset/NAME"
};
// "TENANT" and "vouchdb://TENANT".
OpenLineageNames OpenLineageNamesOf(const std::string& tenant);

// An answer: its collection at its version to the tenant's answers.
std::vector<std::string> OpenLineageOfAnswer(const Answer& answer, const OpenLineageNames& names);
// An evaluation: a collection and a dataset, each at a version, to figures. START alone until it has finished; FAIL where not one
// question could be run.
std::vector<std::string> OpenLineageOfEvaluation(const EvaluationRecord& record, const std::string& tenant,
                                                 const OpenLineageNames& names);

struct LineageCommit {
  static constexpr size_t kMaxSources = 1'000;

  std::string tenant = {};
  std::string collection = {};
  CommitHeader header = {};
  // Where its rows came from: place and content hash, ascending; at most kMaxSources of `sources_all`.
  std::vector<std::pair<std::string, std::string>> sources = {};
  uint64_t sources_all = 0;
};
// A commit: source files to the collection at its new version.
std::vector<std::string> OpenLineageOfCommit(const LineageCommit& commit, const OpenLineageNames& names);

struct OpenLineageRequest {
  TimeRange range = {};
  std::string job_namespace = {};  // empty: the tenant
  Principal principal = {};
  CancelToken cancel = {};
};
// All of a tenant's answers, evaluations and commits that began in the range, by the times at which they began.
// RESOURCE_EXHAUSTED: more than kMaxLineageRuns. Errors of the sink are passed on.
inline constexpr size_t kMaxLineageRuns = 1'000'000;
absl::Status ExportOpenLineage(Database& database, const OpenLineageRequest& request,
                               const std::function<absl::Status(std::string&& event)>& sink);

}  // namespace vouch
