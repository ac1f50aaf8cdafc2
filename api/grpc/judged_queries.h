#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "api/limits.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"

namespace vouch {

// The queries and judgements of a request that has both, as they are: whether there may be none is the caller's matter.
template <class Request>
absl::StatusOr<Qrels> JudgementsOf(const Request& request) {
  Qrels qrels;
  for (const auto& judgement : request.judgements()) {
    if (judgement.query_id().empty() || judgement.document_id().empty()) {
      return absl::InvalidArgumentError("judgements: one has no query_id or no document_id");
    }
    if (!qrels[judgement.query_id()]
             .emplace(judgement.document_id(), judgement.relevance())
             .second) {
      return absl::InvalidArgumentError(
          absl::StrCat("judgements: document '", judgement.document_id(),
                       "' stands twice for query '", judgement.query_id(), "'"));
    }
  }
  return qrels;
}

template <class Request>
absl::StatusOr<std::vector<EvaluationQuery>> AskedQueriesOf(const Request& request) {
  if (static_cast<uint32_t>(request.queries_size()) > ApiLimits::kMaxEvaluationQueries) {
    return absl::InvalidArgumentError(absl::StrCat("queries: ", request.queries_size(),
                                                   ", at most ", ApiLimits::kMaxEvaluationQueries));
  }
  std::vector<EvaluationQuery> queries;
  std::set<std::string> seen;
  for (const auto& query : request.queries()) {
    if (!seen.insert(query.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("queries: id '", query.id(), "' stands twice"));
    }
    queries.push_back({query.id(), query.text()});
  }
  return queries;
}

}  // namespace vouch
