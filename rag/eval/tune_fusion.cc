#include "rag/eval/tune_fusion.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "rag/retriever.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr char kMeasure[] = "ndcg_cut_10";
constexpr uint32_t kDepth = 10;
constexpr size_t kText = 0;  // of FusionCandidates
constexpr size_t kDense = 1;
constexpr size_t kStandard = 2;

// nDCG@10 of each judged query under each candidate.
using Figures = std::vector<std::vector<double>>;  // [query][candidate]

std::string HashJudgements(const FusionTuningRequest& request) {
  std::string bytes;
  const auto add = [&bytes](std::string_view text) { bytes += Concat(text.size(), ":", text); };
  for (const EvaluationQuery& query : request.queries) {
    add(query.id);
    add(query.text);
  }
  for (const auto& [query, documents] : request.qrels) {
    for (const auto& [document, relevance] : documents) {
      add(query);
      add(document);
      add(Concat(relevance));
    }
  }
  return ContentHash(bytes);
}

bool HasRelevant(const Qrels& qrels, const std::string& query) {
  const auto found = qrels.find(query);
  return found != qrels.end() && std::any_of(found->second.begin(), found->second.end(),
                                             [](const auto& judged) { return judged.second > 0; });
}

// The fold of a query: by its id alone.
size_t FoldOf(const std::string& id, uint32_t folds) {
  uint64_t hash = 0;
  static_cast<void>(absl::SimpleHexAtoi(ContentHash(id).substr(0, 15), &hash));  // always digits
  return static_cast<size_t>(hash % folds);
}

class Tuner {
 public:
  Tuner(Collection& collection, EmbedderRegistry& embedders, const FusionTuningRequest& request)
      : collection_(collection), embedders_(embedders), request_(request) {}

  absl::Status Run(Version at, const std::function<void(double)>& progress) {
    for (const EvaluationQuery& query : request_.queries) {
      if (HasRelevant(request_.qrels, query.id)) judged_.push_back(&query);
    }
    if (judged_.size() < request_.folds) {
      return absl::InvalidArgumentError(Concat("tuning: ", judged_.size(),
                                               " queries have a relevant document, fewer than the ",
                                               request_.folds, " folds"));
    }
    for (size_t i = 0; i < judged_.size(); ++i) {
      if (absl::Status status = RunQuery(*judged_[i], at); !status.ok()) return status;
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(judged_.size()));
    }
    return absl::OkStatus();
  }

  FusionTuning Choose() const {
    FusionTuning tuning;
    double tuned = 0;
    for (uint32_t f = 0; f < request_.folds; ++f) {
      std::vector<size_t> inside;
      std::vector<size_t> outside;
      for (size_t q = 0; q < judged_.size(); ++q) {
        (FoldOf(judged_[q]->id, request_.folds) == f ? inside : outside).push_back(q);
      }
      const size_t chosen = Best(outside);
      tuning.folds.push_back({.queries = inside.size(),
                              .chosen = candidates_[chosen],
                              .tuned = Mean(inside, chosen),
                              .text = Mean(inside, kText),
                              .dense = Mean(inside, kDense),
                              .standard = Mean(inside, kStandard)});
      tuned += tuning.folds.back().tuned * static_cast<double>(inside.size());
    }
    std::vector<size_t> all(judged_.size());
    for (size_t q = 0; q < all.size(); ++q) all[q] = q;
    TunedFusion& result = tuning.result;
    result.settings = candidates_[Best(all)];
    result.judgements = HashJudgements(request_);
    result.queries = judged_.size();
    result.folds = request_.folds;
    result.embedder = embedder_;
    result.tuned = tuned / static_cast<double>(all.size());
    result.text = Mean(all, kText);
    result.dense = Mean(all, kDense);
    result.standard = Mean(all, kStandard);
    return tuning;
  }

 private:
  absl::Status RunQuery(const EvaluationQuery& query, Version at) {
    absl::StatusOr<TextLegs> legs = BuildTextLegs(collection_, embedders_, query.text,
                                                  RetrievalMode::kHybrid, at, request_.cancel);
    if (!legs.ok()) return legs.status();
    embedder_ = legs->embedder;
    std::vector<double>& figures = figures_.emplace_back();
    const Qrels qrels = {{query.id, request_.qrels.at(query.id)}};
    for (const FusionSettings& candidate : candidates_) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      absl::StatusOr<std::map<std::string, double>> documents = RunTree(
          collection_, FuseLegs(legs->legs, candidate),
          {.depth = kDepth, .at = at, .principal = request_.principal, .cancel = request_.cancel},
          names_);
      if (!documents.ok()) return documents.status();
      figures.push_back(
          Evaluate(qrels, {{query.id, *std::move(documents)}}, true).all.at(kMeasure));
    }
    return absl::OkStatus();
  }

  double Mean(const std::vector<size_t>& queries, size_t candidate) const {
    double sum = 0;
    for (size_t q : queries) sum += figures_[q][candidate];
    return queries.empty() ? 0 : sum / static_cast<double>(queries.size());
  }

  size_t Best(const std::vector<size_t>& queries) const {
    size_t start = Mean(queries, kDense) > Mean(queries, kText) ? kDense : kText;
    if (Mean(queries, kStandard) > Mean(queries, start)) start = kStandard;
    size_t best = start;
    double most = 0;
    for (size_t c = 0; c < candidates_.size(); ++c) {
      std::vector<double> gains;
      for (size_t q : queries) gains.push_back(figures_[q][c] - figures_[q][start]);
      if (const double gain = ShrunkGain(gains); gain > most) {
        most = gain;
        best = c;
      }
    }
    return best;
  }

  Collection& collection_;
  EmbedderRegistry& embedders_;
  const FusionTuningRequest& request_;
  const std::vector<FusionSettings> candidates_ = FusionCandidates();
  std::vector<const EvaluationQuery*> judged_;
  ChunkNames names_;
  Figures figures_;
  std::string embedder_;
};

absl::StatusOr<std::vector<FusionEntry>> ReadHistory(Collection& collection) {
  const absl::StatusOr<std::optional<std::string>> kept =
      collection.store().GetDocument(collection.id(), kFusionHistoryKey);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return std::vector<FusionEntry>();
  return DecodeFusionHistory(**kept);
}

// Adds the entry by compare and swap.
absl::StatusOr<Version> Append(Collection& collection, FusionEntry entry,
                               const Principal& principal) {
  const absl::StatusOr<Version> latest = collection.Resolve(ReadAt());
  if (!latest.ok()) return latest.status();
  absl::StatusOr<std::vector<FusionEntry>> history = ReadHistory(collection);
  if (!history.ok()) return history.status();
  if (entry.removed && FindFusionAt(*history, *latest) == nullptr) {
    return absl::NotFoundError(
        Concat("collection ", collection.info().name, " has no tuned fusion"));
  }
  entry.from_version = Version(latest->value + 1);
  history->push_back(std::move(entry));
  WriteRequest write;
  write.principal = principal;
  write.expected_version = *latest;
  write.documents.push_back({std::string(kFusionHistoryKey), EncodeFusionHistory(*history)});
  const absl::StatusOr<WriteResult> written = collection.Write(std::move(write));
  if (!written.ok()) return written.status();
  return written->version;
}

}  // namespace

std::vector<FusionSettings> FusionCandidates() {
  const FusionSettings standard;
  std::vector<FusionSettings> candidates;
  const auto add = [&](FusionMethod method, double text, double dense, bool by_reliability,
                       double feedback) {
    const FusionSettings settings{method, text, dense, by_reliability, feedback};
    if (settings == standard && candidates.size() > kStandard) return;
    candidates.push_back(settings);
  };
  add(FusionMethod::kZScore, 1, 0, false, 0);
  add(FusionMethod::kZScore, 0, 1, false, 0);
  candidates.push_back(standard);
  add(FusionMethod::kZScore, 1, 0, false, 1);
  add(FusionMethod::kZScore, 0, 1, false, 1);
  constexpr std::pair<double, double> kMixtures[] = {
      {1, 1}, {1, 0.5}, {0.5, 1}, {1, 0.2}, {0.2, 1}};
  for (FusionMethod method : {FusionMethod::kZScore, FusionMethod::kRrf}) {
    for (const auto& [text, dense] : kMixtures) {
      for (const bool by_reliability : {true, false}) {
        for (const double feedback : {0.0, 1.0}) {
          add(method, text, dense, by_reliability, feedback);
        }
      }
    }
  }
  return candidates;
}

double ShrunkGain(const std::vector<double>& gains) {
  if (gains.empty()) return 0;
  const auto count = static_cast<double>(gains.size());
  double mean = 0;
  for (double gain : gains) mean += gain;
  mean /= count;
  double squares = 0;
  for (double gain : gains) squares += (gain - mean) * (gain - mean);
  return mean - std::sqrt(squares / count / count);
}

absl::StatusOr<FusionTuning> TuneFusion(Collection& collection, EmbedderRegistry& embedders,
                                        const FusionTuningRequest& request,
                                        const std::function<void(double)>& progress) {
  if (request.folds < FusionTuningRequest::kMinFolds ||
      request.folds > FusionTuningRequest::kMaxFolds) {
    return absl::InvalidArgumentError(Concat("folds is ", request.folds, "; it takes ",
                                             FusionTuningRequest::kMinFolds, " to ",
                                             FusionTuningRequest::kMaxFolds));
  }
  const absl::StatusOr<Version> at = collection.Resolve(request.at);
  if (!at.ok()) return at.status();
  Tuner tuner(collection, embedders, request);
  if (absl::Status status = tuner.Run(*at, progress); !status.ok()) return status;
  FusionTuning tuning = tuner.Choose();
  tuning.result.tuned_at = *at;
  return tuning;
}

absl::StatusOr<Version> StoreFusion(Collection& collection, const TunedFusion& tuned,
                                    const Principal& principal) {
  return Append(collection, {.from_version = {}, .removed = false, .tuned = tuned}, principal);
}

absl::StatusOr<Version> RemoveFusion(Collection& collection, const Principal& principal) {
  return Append(collection, {.from_version = {}, .removed = true, .tuned = {}}, principal);
}

}  // namespace vouch
