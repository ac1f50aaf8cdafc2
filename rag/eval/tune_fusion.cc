#include "rag/eval/tune_fusion.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
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
constexpr size_t kResamples = 40;
constexpr uint64_t kSeed = 1;

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
  Tuner(Collection& collection, EmbedderRegistry& embedders, const FusionTuningRequest& request,
        Version at, const std::function<void(double)>& progress)
      : collection_(collection),
        embedders_(embedders),
        request_(request),
        at_(at),
        progress_(progress) {}

  // Every judged query under every candidate.
  absl::Status Run() {
    for (const EvaluationQuery& query : request_.queries) {
      if (HasRelevant(request_.qrels, query.id)) judged_.push_back(&query);
    }
    if (judged_.size() < request_.folds) {
      return absl::InvalidArgumentError(Concat("tuning: ", judged_.size(),
                                               " queries have a relevant document, fewer than the ",
                                               request_.folds, " folds"));
    }
    for (const EvaluationQuery* query : judged_) {
      absl::StatusOr<TextLegs> legs = BuildTextLegs(collection_, embedders_, query->text,
                                                    RetrievalMode::kHybrid, at_, request_.cancel);
      if (!legs.ok()) return legs.status();
      absl::Status status = AddPhrases(collection_.schema(), *legs);
      if (!status.ok()) return status;
      embedder_ = legs->embedder;
      legs_.push_back(*std::move(legs));
      std::vector<double>& figures = figures_.emplace_back();
      for (const FusionSettings& candidate : candidates_) {
        const absl::StatusOr<double> figure = RunQuery(figures_.size() - 1, candidate);
        if (!figure.ok()) return figure.status();
        figures.push_back(*figure);
      }
    }
    return absl::OkStatus();
  }

  // After Run: runs each query once more, fused by what the other folds' queries chose.
  absl::StatusOr<FusionTuning> Choose() {
    FusionTuning tuning;
    double tuned = 0;
    for (uint32_t f = 0; f < request_.folds; ++f) {
      std::vector<size_t> inside;
      std::vector<size_t> outside;
      for (size_t q = 0; q < judged_.size(); ++q) {
        (FoldOf(judged_[q]->id, request_.folds) == f ? inside : outside).push_back(q);
      }
      FusionFold& fold = tuning.folds.emplace_back();
      fold = {.queries = inside.size(),
              .chosen = Learn(outside),
              .text = Mean(inside, kText),
              .dense = Mean(inside, kDense),
              .standard = Mean(inside, kStandard)};
      double sum = 0;
      for (size_t q : inside) {
        const absl::StatusOr<double> figure = RunQuery(q, fold.chosen);
        if (!figure.ok()) return figure.status();
        sum += *figure;
      }
      fold.tuned = inside.empty() ? 0 : sum / static_cast<double>(inside.size());
      tuned += sum;
    }
    std::vector<size_t> all(judged_.size());
    for (size_t q = 0; q < all.size(); ++q) all[q] = q;
    TunedFusion& result = tuning.result;
    result.settings = Learn(all);
    result.judgements = HashJudgements(request_);
    result.tuned_at = at_;
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
  // nDCG@10 of one judged query.
  absl::StatusOr<double> RunQuery(size_t query, const FusionSettings& settings) {
    if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
    const std::string& id = judged_[query]->id;
    absl::StatusOr<std::map<std::string, double>> documents = RunTree(
        collection_, FuseLegs(legs_[query], settings),
        {.depth = kDepth, .at = at_, .principal = request_.principal, .cancel = request_.cancel}, names_);
    if (!documents.ok()) return documents.status();
    const double runs = static_cast<double>(judged_.size() * (candidates_.size() + 1));
    if (progress_) progress_(static_cast<double>(++runs_) / runs);
    return Evaluate({{id, request_.qrels.at(id)}}, {{id, *std::move(documents)}}, true)
        .all.at(kMeasure);
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
    std::vector<double> gains(queries.size());
    for (size_t c = 0; c < candidates_.size(); ++c) {
      for (size_t i = 0; i < queries.size(); ++i) {
        gains[i] = figures_[queries[i]][c] - figures_[queries[i]][start];
      }
      if (const double gain = ShrunkGain(gains); gain > most) {
        most = gain;
        best = c;
      }
    }
    return best;
  }

  FusionSettings Learn(const std::vector<size_t>& queries) const {
    if (queries.empty()) return candidates_[kStandard];
    std::mt19937_64 random(kSeed);
    std::vector<FusionSettings> choices;
    std::vector<size_t> sample(queries.size());
    for (size_t i = 0; i < kResamples; ++i) {
      for (size_t& query : sample) query = queries[random() % queries.size()];
      choices.push_back(candidates_[Best(sample)]);
    }
    return MeanFusion(choices);
  }

  Collection& collection_;
  EmbedderRegistry& embedders_;
  const FusionTuningRequest& request_;
  const Version at_;
  const std::function<void(double)>& progress_;
  const std::vector<FusionSettings> candidates_ = FusionCandidates();
  std::vector<const EvaluationQuery*> judged_;
  std::vector<TextLegs> legs_;  // of each judged query
  ChunkNames names_;
  Figures figures_;
  size_t runs_ = 0;
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
  constexpr std::pair<double, double> kMixtures[] = {{1, 1},   {1, 0.5}, {0.5, 1}, {1, 0.2},
                                                     {0.2, 1}, {1, 0},   {0, 1}};
  const FusionSettings text{.dense_weight = 0, .feedback_weight = 0};
  const FusionSettings dense{.text_weight = 0, .feedback_weight = 0};
  std::vector<FusionSettings> candidates = {text, dense, FusionSettings()};
  for (const auto& [text_weight, dense_weight] : kMixtures) {
    for (const double feedback : {0.0, 1.0}) {
      for (const double phrases : {0.0, 0.25, 0.5, 1.0}) {
        if (text_weight == 0 && phrases > 0) continue;
        const FusionSettings settings{.text_weight = text_weight,
                                      .dense_weight = dense_weight,
                                      .feedback_weight = feedback,
                                      .phrase_weight = phrases};
        const auto known = candidates.begin() + 3;
        if (std::find(candidates.begin(), known, settings) == known) candidates.push_back(settings);
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

FusionSettings MeanFusion(const std::vector<FusionSettings>& choices) {
  double text = 0;
  double dense = 0;
  double feedback = 0;  // both legs
  double phrases = 0;
  for (const FusionSettings& choice : choices) {
    const double legs = choice.text_weight + choice.dense_weight;
    const double of_phrases = choice.text_weight * choice.phrase_weight;
    const double sum = legs * (1 + choice.feedback_weight) + of_phrases;
    text += choice.text_weight / sum;
    dense += choice.dense_weight / sum;
    feedback += legs * choice.feedback_weight / sum;
    phrases += of_phrases / sum;
  }
  const auto hundredths = [](double value) { return std::round(100 * value) / 100; };
  const double greater = std::max(text, dense);
  return {.text_weight = hundredths(text / greater),
          .dense_weight = hundredths(dense / greater),
          .feedback_weight = hundredths(feedback / (text + dense)),
          .phrase_weight = text > 0 ? hundredths(phrases / text) : 0};
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
  Tuner tuner(collection, embedders, request, *at, progress);
  if (absl::Status status = tuner.Run(); !status.ok()) return status;
  return tuner.Choose();
}

absl::StatusOr<Version> StoreFusion(Collection& collection, const TunedFusion& tuned,
                                    const Principal& principal) {
  return Append(collection, {.from_version = {}, .removed = false, .tuned = tuned}, principal);
}

absl::StatusOr<Version> RemoveFusion(Collection& collection, const Principal& principal) {
  return Append(collection, {.from_version = {}, .removed = true, .tuned = {}}, principal);
}

}  // namespace vouch
