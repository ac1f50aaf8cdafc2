#include "rag/eval/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "storage/concat.h"

namespace vouch {
namespace {

struct Side {
  EvaluationRecord record = {};
  std::map<std::string, std::string> texts = {};  // by question id
  std::map<std::string, QuestionResult> results = {};
};

absl::StatusOr<Side> ReadSide(const EvaluationStore& evaluations, const DatasetStore& datasets,
                              std::string_view id) {
  absl::StatusOr<EvaluationRecord> record = evaluations.Get(id);
  if (!record.ok()) return record.status();
  if (!record->finished) {
    return absl::FailedPreconditionError(
        Concat("evaluation ", record->id, " is not finished: ", record->done, " of ",
               record->questions, " questions; go on by: vouch eval run --resume ", record->id));
  }
  absl::StatusOr<Dataset> dataset = datasets.Get({record->dataset, record->dataset_version});
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<std::vector<QuestionResult>> results = evaluations.Results(record->id);
  if (!results.ok()) return results.status();
  Side side{.record = *std::move(record)};
  for (DatasetQuestion& question : dataset->questions) {
    side.texts.emplace(question.id, std::move(question.text));
  }
  for (QuestionResult& result : *results) {
    std::string key = result.id;
    side.results.emplace(std::move(key), std::move(result));
  }
  return side;
}

bool Has(const EvaluationRecord& record, std::string_view name) {
  return std::any_of(record.metrics.begin(), record.metrics.end(),
                     [&](const MetricSummary& metric) { return metric.name == name; });
}

absl::StatusOr<std::vector<std::string>> ChooseMetrics(const Side& a, const Side& b,
                                                       const CompareOptions& options) {
  if (options.metrics.empty()) {
    std::vector<std::string> chosen;
    for (const char* name : {"token_f1", "exact_match", "rouge_l", "grounding"}) {
      if (Has(a.record, name) && Has(b.record, name)) chosen.emplace_back(name);
    }
    chosen.insert(chosen.end(), {"ndcg_cut_10", "map", "recip_rank_cut_10", "recall_100"});
    return chosen;
  }
  for (const std::string& name : options.metrics) {
    if (FindMeasure(name) == nullptr) {
      std::string known;
      for (const MeasureInfo& measure : EvaluationMeasures()) {
        known += Concat(known.empty() ? "" : ", ", measure.name);
      }
      return absl::InvalidArgumentError(
          Concat("there is no metric \"", Escape(name), "\"; there are: ", known));
    }
    if (!Has(a.record, name) || !Has(b.record, name)) {
      return absl::InvalidArgumentError(Concat("the metric ", name, " is not in both evaluations"));
    }
  }
  return options.metrics;
}

// In terms of what is better: figures of which less is better change their sign.
MetricComparison CompareMetric(const std::string& name, const std::vector<std::string>& ids,
                               const Side& a, const Side& b, const PairedOptions& options) {
  MetricComparison comparison{.name = name, .less_is_better = FindMeasure(name)->less_is_better};
  const double sign = comparison.less_is_better ? -1 : 1;
  std::vector<double> left;
  std::vector<double> right;
  for (const std::string& id : ids) {
    left.push_back(sign * FigureOf(a.results.at(id), name));
    right.push_back(sign * FigureOf(b.results.at(id), name));
  }
  comparison.result = ComparePaired(left, right, options);
  return comparison;
}

void Unsign(MetricComparison* comparison) {
  if (!comparison->less_is_better) return;
  PairedResult& result = comparison->result;
  result.mean_a = -result.mean_a;
  result.mean_b = -result.mean_b;
  result.difference = -result.difference;
  result.t = -result.t;
  result.interval = {-result.interval.high, -result.interval.low};
}

void FillChanges(const std::vector<std::string>& ids, const Side& a, const Side& b,
                 size_t examples, Comparison* comparison) {
  const MetricComparison& first = comparison->metrics.front();
  const double sign = first.less_is_better ? -1 : 1;
  std::vector<std::pair<double, QuestionChange>> changes;
  for (const std::string& id : ids) {
    QuestionChange change{id, FigureOf(a.results.at(id), first.name),
                          FigureOf(b.results.at(id), first.name)};
    if (!std::isfinite(change.b - change.a)) continue;
    const double gain = sign * (change.b - change.a);
    changes.emplace_back(gain, std::move(change));
    comparison->differences.push_back(gain);
  }
  std::sort(comparison->differences.begin(), comparison->differences.end());
  std::stable_sort(changes.begin(), changes.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  for (const auto& [gain, change] : changes) {
    if (gain >= 0 || comparison->losses.size() == examples) break;
    comparison->losses.push_back(change);
  }
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (change->first <= 0 || comparison->gains.size() == examples) break;
    comparison->gains.push_back(change->second);
  }
}

}  // namespace

double FigureOf(const QuestionResult& result, const std::string& name) {
  const auto found = result.metrics.find(name);
  return found == result.metrics.end() ? kNotANumber : found->second;
}

absl::StatusOr<Comparison> CompareEvaluations(const EvaluationStore& evaluations,
                                              const DatasetStore& datasets, std::string_view a_id,
                                              std::string_view b_id,
                                              const CompareOptions& options) {
  const PairedOptions& paired = options.paired;
  if (!(paired.alpha > 0 && paired.alpha < 1) || !(paired.margin >= 0) ||
      !(paired.power > 0 && paired.power < 1)) {
    return absl::InvalidArgumentError(Concat("alpha is ", paired.alpha, ", power ", paired.power,
                                             ", margin ", paired.margin,
                                             "; alpha and power lie between 0 and 1, and a margin "
                                             "is not negative"));
  }
  absl::StatusOr<Side> a = ReadSide(evaluations, datasets, a_id);
  if (!a.ok()) return a.status();
  absl::StatusOr<Side> b = ReadSide(evaluations, datasets, b_id);
  if (!b.ok()) return b.status();
  absl::StatusOr<std::vector<std::string>> names = ChooseMetrics(*a, *b, options);
  if (!names.ok()) return names.status();
  Comparison comparison{.a = a->record, .b = b->record, .paired = paired};
  std::vector<std::string> ids;
  for (const auto& [id, text] : a->texts) {
    const auto other = b->texts.find(id);
    if (other != b->texts.end() && other->second == text) ids.push_back(id);
  }
  if (ids.empty()) {
    return absl::FailedPreconditionError(Concat("evaluations ", a->record.id, " and ",
                                                b->record.id, " have no question in common"));
  }
  comparison.only_a = a->texts.size() - ids.size();
  comparison.only_b = b->texts.size() - ids.size();
  std::vector<double> p_values;
  for (const std::string& name : *names) {
    comparison.metrics.push_back(CompareMetric(name, ids, *a, *b, paired));
    p_values.push_back(comparison.metrics.back().result.p);
  }
  const std::vector<double> adjusted = HolmAdjust(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) {
    MetricComparison& metric = comparison.metrics[i];
    metric.result.adjusted_p = adjusted[i];
    metric.result.verdict = Judge(metric.result, paired);
    Unsign(&metric);
  }
  FillChanges(ids, *a, *b, options.examples, &comparison);
  return comparison;
}

std::string DescribeVerdict(const Comparison& comparison) {
  const MetricComparison& metric = comparison.metrics.front();
  const PairedResult& result = metric.result;
  if (result.pairs < 2) {
    return Concat("Cannot tell: ", result.pairs, " questions have ", metric.name,
                  " on both sides; two are the least.");
  }
  if (result.ties == result.pairs) {
    return Concat("Cannot tell: ", metric.name, " is the same for all ", result.pairs,
                  " questions.");
  }
  const std::string seen =
      absl::StrFormat("%s %+.4f [%+.4f, %+.4f], p = %.2g over %u questions", metric.name,
                      result.difference, result.interval.low, result.interval.high,
                      result.adjusted_p, result.pairs);
  switch (result.verdict) {
    case Verdict::kBetter:
      return Concat("B is better: ", seen, ".");
    case Verdict::kWorse:
      return Concat("B is worse: ", seen, ".");
    case Verdict::kNoWorse:
      return Concat("B is no worse by more than ",
                    absl::StrFormat("%g", comparison.paired.margin), ": ", seen, ".");
    case Verdict::kCannotTell:
      break;
  }
  if (!(result.detectable > 0)) return Concat("Cannot tell: ", seen, ".");  // no spread to go by
  std::string text = Concat("Cannot tell: ", seen, ". So many questions find a difference of ",
                            absl::StrFormat("%.4f", result.detectable), " at ",
                            absl::StrFormat("%.0f", 100 * comparison.paired.power), " % power");
  if (result.pairs_needed > result.pairs) {
    text += Concat("; for one as it was seen it takes ", result.pairs_needed);
  }
  return text + ".";
}

}  // namespace vouch
