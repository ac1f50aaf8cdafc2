#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/migrate/migration_record.h"

namespace vouch {

struct ComparisonRequest {
  static constexpr uint32_t kMaxK = 100;

  std::vector<EvaluationQuery> queries = {};  // none: questions of kept answers
  Qrels qrels = {};
  uint32_t k = 10;  // 1 … kMaxK
  RetrievalMode mode = RetrievalMode::kHybrid;
  Principal principal = {};
  CancelToken cancel = {};
};

// Asks both collections, each at its latest version, the same questions. No question at all gives a comparison of 0
// questions.
absl::StatusOr<SpaceComparison> CompareSpaces(Collection& old_space, Collection& new_space,
                                              EmbedderRegistry& embedders,
                                              const ComparisonRequest& request,
                                              const std::function<void(double)>& progress);

// The share of the k best of `a` that are among the k best of `b`; 1 where both are empty. By the shorter of both lists
// where one has less than k, so that it is symmetric.
double OverlapAt(uint32_t k, const std::map<std::string, double>& a,
                 const std::map<std::string, double>& b);
// Kendall's tau over the documents that both have, in the order that each ranks them in: 1 the same order, -1 the reverse,
// 1 where there are fewer than two.
double RankAgreement(const std::map<std::string, double>& a, const std::map<std::string, double>& b);

// The questions of the newest answers over a collection, each once, at most `limit`.
absl::StatusOr<std::vector<EvaluationQuery>> SampleQuestions(Store& store, const Collection& collection,
                                                             const Principal& principal, size_t limit);

}  // namespace vouch
