#include "rag/migrate/comparison.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "rag/answer.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr size_t kAnswersLookedAt = 1'000;
constexpr size_t kMaxSampled = 200;
constexpr uint32_t kNdcgDepth = 10;

std::vector<std::string_view> Best(uint32_t k, const std::map<std::string, double>& documents) {
  std::vector<std::string_view> best = RankDocuments(documents);
  if (best.size() > k) best.resize(k);
  return best;
}

}  // namespace

double OverlapAt(uint32_t k, const std::map<std::string, double>& a,
                 const std::map<std::string, double>& b) {
  const std::vector<std::string_view> one = Best(k, a);
  const std::vector<std::string_view> other = Best(k, b);
  const size_t of = std::max(one.size(), other.size());
  if (of == 0) return 1;
  const absl::flat_hash_set<std::string_view> found(one.begin(), one.end());
  const auto common = std::count_if(other.begin(), other.end(),
                                    [&](std::string_view name) { return found.contains(name); });
  return static_cast<double>(common) / static_cast<double>(of);
}

double RankAgreement(const std::map<std::string, double>& a,
                     const std::map<std::string, double>& b) {
  absl::flat_hash_map<std::string_view, size_t> places;
  const std::vector<std::string_view> other = RankDocuments(b);
  for (size_t i = 0; i < other.size(); ++i) places.emplace(other[i], i);
  std::vector<size_t> order;  // the places in b of the common documents, as a ranks them
  for (const std::string_view name : RankDocuments(a)) {
    if (const auto place = places.find(name); place != places.end()) order.push_back(place->second);
  }
  if (order.size() < 2) return 1;
  int64_t agreed = 0;
  int64_t pairs = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      agreed += order[i] < order[j] ? 1 : -1;
      ++pairs;
    }
  }
  return static_cast<double>(agreed) / static_cast<double>(pairs);
}

absl::StatusOr<std::vector<EvaluationQuery>> SampleQuestions(Store& store, const Collection& collection,
                                                             const Principal& principal, size_t limit) {
  const auto records = store.ListAnswers(principal.tenant, kAnswersLookedAt);
  if (!records.ok()) return records.status();
  std::vector<EvaluationQuery> questions;
  absl::flat_hash_set<std::string> seen;
  for (const std::string& record : *records) {
    if (questions.size() >= limit) break;
    const absl::StatusOr<Answer> answer = AnswerFromJson(record);
    if (!answer.ok()) return answer.status();
    if (answer->collection != collection.info().name || answer->question.empty()) continue;
    if (seen.insert(answer->question).second) {
      questions.push_back({Concat("answer-", questions.size() + 1), answer->question});
    }
  }
  return questions;
}

absl::StatusOr<SpaceComparison> CompareSpaces(Collection& old_space, Collection& new_space,
                                              EmbedderRegistry& embedders,
                                              const ComparisonRequest& request,
                                              const std::function<void(double)>& progress) {
  if (request.k == 0 || request.k > ComparisonRequest::kMaxK) {
    return absl::InvalidArgumentError(
        Concat("k is ", request.k, "; it takes 1 to ", ComparisonRequest::kMaxK));
  }
  RetrievalEvaluationRequest retrieval{.queries = request.queries,
                                       .mode = request.mode,
                                       .depth = std::max(request.k, kNdcgDepth),
                                       .at = {},
                                       .principal = request.principal,
                                       .cancel = request.cancel};
  SpaceComparison found{.questions = 0, .origin = "given", .k = request.k};
  if (retrieval.queries.empty()) {
    auto sampled = SampleQuestions(old_space.store(), old_space, request.principal, kMaxSampled);
    if (!sampled.ok()) return sampled.status();
    retrieval.queries = *std::move(sampled);
    found.origin = "answers";
  }
  found.questions = retrieval.queries.size();
  if (found.questions == 0) return found;
  const auto half = [&](double done) {
    return [&progress, done](double fraction) {
      if (progress) progress(done + fraction / 2);
    };
  };
  const absl::StatusOr<RetrievalRun> before = RunQueries(old_space, embedders, retrieval, half(0));
  if (!before.ok()) return before.status();
  const absl::StatusOr<RetrievalRun> after = RunQueries(new_space, embedders, retrieval, half(0.5));
  if (!after.ok()) return after.status();
  for (const auto& [query, documents] : before->run) {
    const auto& others = after->run.at(query);
    found.overlap += OverlapAt(request.k, documents, others);
    found.rank_agreement += RankAgreement(documents, others);
  }
  found.overlap /= static_cast<double>(found.questions);
  found.rank_agreement /= static_cast<double>(found.questions);
  Qrels judged;
  for (const EvaluationQuery& query : retrieval.queries) {
    const auto judgements = request.qrels.find(query.id);
    if (judgements != request.qrels.end()) judged.insert(*judgements);
  }
  found.judged = judged.size();
  if (judged.empty()) return found;
  const EvaluationResult one = Evaluate(judged, before->run, /*complete=*/true);
  const EvaluationResult other = Evaluate(judged, after->run, /*complete=*/true);
  const auto value = [](const EvaluationResult& result) {
    const auto metric = result.all.find("ndcg_cut_10");
    return metric == result.all.end() ? 0 : metric->second;
  };
  found.ndcg_old = value(one);
  found.ndcg_new = value(other);
  return found;
}

}  // namespace vouch
