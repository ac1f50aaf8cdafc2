#include "rag/eval/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

constexpr std::array<size_t, 9> kCutoffs = {5, 10, 15, 20, 30, 100, 200, 500, 1000};
constexpr std::array<size_t, 3> kSuccessCutoffs = {1, 5, 10};
constexpr double kRbpPersistence = 0.9;
constexpr double kMinGeometric = 0.00001;
constexpr size_t kReciprocalCutoff = 10;

// One query's judgements, counted.
struct Judged {
  Judged(const std::map<std::string, int>& levels, int relevant_level) {
    for (const auto& [document, level] : levels) {
      if (level > 0) gains.push_back(level);
      if (level >= relevant_level) {
        ++relevant_count;
      } else if (level >= 0) {
        ++nonrelevant;
      }
    }
    std::sort(gains.rbegin(), gains.rend());
  }
  size_t relevant() const { return relevant_count; }

  std::vector<int> gains;  // above 0, descending: the ideal ranking
  size_t relevant_count = 0;
  size_t nonrelevant = 0;
};

double Discount(size_t rank) { return std::log2(static_cast<double>(rank) + 1.0); }

double Ratio(double numerator, double denominator) {
  return denominator > 0 ? numerator / denominator : 0.0;
}

// What has been counted after each rank; index 0 is before the first.
struct Cumulated {
  std::vector<double> relevant = {0};
  std::vector<double> precision_sum = {0};  // Σ precision at the relevant ranks
  std::vector<double> gain = {0};           // DCG

  template <typename Values>
  static double At(const Values& values, size_t rank) {
    return values[std::min(rank, values.size() - 1)];
  }
};

std::vector<double> IdealGain(const std::vector<int>& gains) {
  std::vector<double> ideal = {0};
  for (size_t i = 0; i < gains.size(); ++i)
    ideal.push_back(ideal.back() + gains[i] / Discount(i + 1));
  return ideal;
}

// A judged document that is not relevant and ranks above a relevant one costs that one a share
// (Buckley and Voorhees, 2004, in trec_eval's form, which bounds the judged nonrelevant by R).
class Bpref {
 public:
  explicit Bpref(const Judged& judged)
      : relevant_(static_cast<double>(judged.relevant())),
        nonrelevant_(static_cast<double>(judged.nonrelevant)) {}
  void AddNonrelevant() { ++above_; }
  void AddRelevant() {
    sum_ +=
        above_ == 0 ? 1.0 : 1.0 - std::min(above_, relevant_) / std::min(nonrelevant_, relevant_);
  }
  double value() const { return Ratio(sum_, relevant_); }

 private:
  double relevant_ = 0;
  double nonrelevant_ = 0;
  double above_ = 0;
  double sum_ = 0;
};

void AddCutoffs(const Cumulated& cumulated, const Judged& judged, MetricValues* values) {
  const std::vector<double> ideal = IdealGain(judged.gains);
  const double relevant = static_cast<double>(judged.relevant());
  for (size_t k : kCutoffs) {
    const double found = Cumulated::At(cumulated.relevant, k);
    (*values)[Concat("P_", k)] = found / static_cast<double>(k);
    (*values)[Concat("recall_", k)] = Ratio(found, relevant);
    (*values)[Concat("map_cut_", k)] = Ratio(Cumulated::At(cumulated.precision_sum, k), relevant);
    (*values)[Concat("ndcg_cut_", k)] =
        Ratio(Cumulated::At(cumulated.gain, k), Cumulated::At(ideal, k));
  }
  for (size_t k : kSuccessCutoffs) {
    (*values)[Concat("success_", k)] = Cumulated::At(cumulated.relevant, k) > 0 ? 1.0 : 0.0;
  }
  (*values)["map"] = Ratio(cumulated.precision_sum.back(), relevant);
  (*values)["ndcg"] = Ratio(cumulated.gain.back(), ideal.back());
  (*values)["Rprec"] = Ratio(Cumulated::At(cumulated.relevant, judged.relevant()), relevant);
  (*values)["num_ret"] = static_cast<double>(cumulated.relevant.size() - 1);
  (*values)["num_rel"] = relevant;
  (*values)["num_rel_ret"] = cumulated.relevant.back();
}

MetricValues EvaluateQuery(const std::map<std::string, int>& levels,
                           const std::map<std::string, double>& documents, int relevant) {
  const Judged judged(levels, relevant);
  Cumulated cumulated;
  Bpref bpref(judged);
  double reciprocal_rank = 0;
  double reciprocal_rank_cut = 0;
  double rbp = 0;
  double patience = 1.0 - kRbpPersistence;
  size_t rank = 0;
  for (const std::string_view document : RankDocuments(documents)) {
    ++rank;
    double found = cumulated.relevant.back();
    double precision_sum = cumulated.precision_sum.back();
    double gain = cumulated.gain.back();
    const auto level = levels.find(std::string(document));
    // Whatever is relevant.
    if (level != levels.end() && level->second > 0) {
      gain += level->second / Discount(rank);
      rbp += patience;
    }
    if (level != levels.end() && level->second >= relevant) {
      ++found;
      precision_sum += found / static_cast<double>(rank);
      if (reciprocal_rank == 0) {
        reciprocal_rank = 1.0 / static_cast<double>(rank);
        if (rank <= kReciprocalCutoff) reciprocal_rank_cut = reciprocal_rank;
      }
      bpref.AddRelevant();
    } else if (level != levels.end() && level->second >= 0) {
      bpref.AddNonrelevant();
    }
    patience *= kRbpPersistence;
    cumulated.relevant.push_back(found);
    cumulated.precision_sum.push_back(precision_sum);
    cumulated.gain.push_back(gain);
  }
  MetricValues values;
  AddCutoffs(cumulated, judged, &values);
  values["recip_rank"] = reciprocal_rank;
  values["recip_rank_cut_10"] = reciprocal_rank_cut;
  values["rbp"] = rbp;
  values["bpref"] = bpref.value();
  return values;
}

}  // namespace

std::vector<std::string_view> RankDocuments(const std::map<std::string, double>& documents) {
  std::vector<std::pair<float, std::string_view>> ranked;
  ranked.reserve(documents.size());
  for (const auto& [document, score] : documents)
    ranked.emplace_back(static_cast<float>(score), document);
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a > b; });
  std::vector<std::string_view> names;
  names.reserve(ranked.size());
  for (const auto& entry : ranked) names.push_back(entry.second);
  return names;
}

EvaluationResult Evaluate(const Qrels& qrels, const Run& run, bool complete, int relevant) {
  static const std::map<std::string, double> kNothing;
  EvaluationResult result;
  double log_map = 0;
  // A run or judgements without a query still name every measure.
  if (qrels.empty() || !complete) {
    for (const auto& [name, value] : EvaluateQuery({}, {}, relevant)) result.all[name] = 0;
  }
  for (const auto& [query, levels] : qrels) {
    const auto documents = run.find(query);
    if (documents == run.end() && !complete) continue;
    MetricValues values =
        EvaluateQuery(levels, documents == run.end() ? kNothing : documents->second, relevant);
    log_map += std::log(std::max(values["map"], kMinGeometric));
    for (const auto& [name, value] : values) result.all[name] += value;
    result.queries.emplace(query, std::move(values));
  }
  const double queries = static_cast<double>(result.queries.size());
  for (auto& [name, value] : result.all) {
    if (!name.starts_with("num_")) value = Ratio(value, queries);
  }
  result.all["num_q"] = queries;
  result.all["gm_map"] = queries > 0 ? std::exp(log_map / queries) : 0;
  return result;
}

}  // namespace vouch
