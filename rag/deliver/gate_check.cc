#include "rag/deliver/gate_check.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/eval/compare.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kLookedAt = 10'000;  // evaluations, newest first

std::string Figure(double value) { return absl::StrFormat("%.4g", value); }

std::string Reference(const PipelineVersion& version) {
  return Concat(version.spec.name, "@", version.number);
}

std::string RunCommand(const PipelineVersion& version, const std::string& dataset,
                       std::string_view more = "") {
  return Concat("run: vouch eval run --pipeline ", Reference(version), " --dataset ", dataset,
                more);
}

const std::vector<MetricSummary>* MetricsOf(const EvaluationRecord& record,
                                            const std::string& slice) {
  if (slice.empty()) return &record.metrics;
  for (const SliceSummary& summary : record.slices) {
    if (summary.tag == slice) return &summary.metrics;
  }
  return nullptr;
}

const MetricSummary* FindMetric(const std::vector<MetricSummary>& metrics,
                                const std::string& name) {
  for (const MetricSummary& metric : metrics) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

bool IsOfAnswers(const std::string& metric) {
  const MeasureInfo* const measure = FindMeasure(metric);
  return measure != nullptr && measure->of_answers;
}

bool AsksForAnswers(const GateSpec& gate) {
  bool answers = false;
  for (const GateThreshold& threshold : gate.thresholds)
    answers = answers || IsOfAnswers(threshold.metric);
  for (const auto* list : {&gate.no_worse, &gate.guardrails}) {
    for (const GateComparison& check : *list) answers = answers || IsOfAnswers(check.metric);
  }
  return answers;
}

std::string Describe(const GateThreshold& threshold) {
  std::string text = threshold.metric;
  if (!threshold.slice.empty()) text += Concat(" of ", threshold.slice);
  if (threshold.min) text += Concat(" >= ", Figure(*threshold.min));
  if (threshold.max) text += Concat(threshold.min ? " and <= " : " <= ", Figure(*threshold.max));
  if (threshold.sure) text += ", surely";
  return text;
}

GateCheck CheckThreshold(const GateThreshold& threshold, const EvaluationRecord& record) {
  GateCheck check{.what = Describe(threshold)};
  const std::vector<MetricSummary>* const metrics = MetricsOf(record, threshold.slice);
  const MetricSummary* const metric =
      metrics == nullptr ? nullptr : FindMetric(*metrics, threshold.metric);
  if (metric == nullptr || metric->count == 0) {
    check.says = metrics == nullptr
                     ? Concat("the dataset has no question with the tag ", threshold.slice)
                     : Concat("no question has a figure of it; give the dataset ",
                              IsOfAnswers(threshold.metric) ? "answers" : "judgements");
    return check;
  }
  check.value = metric->mean;
  check.low = metric->interval.low;
  check.high = metric->interval.high;
  const double least = threshold.sure ? metric->interval.low : metric->mean;
  const double most = threshold.sure ? metric->interval.high : metric->mean;
  const std::string seen = Concat("it is ", Figure(metric->mean), " [", Figure(check.low), ", ",
                                  Figure(check.high), "] over ", metric->count, " questions");
  if ((threshold.min && !std::isfinite(least)) || (threshold.max && !std::isfinite(most))) {
    check.verdict = GateVerdict::kCannotTell;
    check.says = Concat(seen, ", and so few say nothing of the spread; add questions");
    return check;
  }
  const bool fits =
      (!threshold.min || least >= *threshold.min) && (!threshold.max || most <= *threshold.max);
  const bool mean_fits = (!threshold.min || metric->mean >= *threshold.min) &&
                         (!threshold.max || metric->mean <= *threshold.max);
  check.verdict = fits        ? GateVerdict::kPass
                  : mean_fits ? GateVerdict::kCannotTell
                              : GateVerdict::kFail;
  check.says = fits || !mean_fits
                   ? seen
                   : Concat(seen, ", and the interval reaches past the limit; add questions");
  return check;
}

std::string Describe(const GateComparison& wanted) {
  if (wanted.better) return Concat(wanted.metric, " better than the champion's");
  if (wanted.share)
    return Concat(wanted.metric, " no worse by ", Figure(100 * *wanted.share), " %");
  return Concat(wanted.metric, " no worse by ", Figure(wanted.margin));
}

// In terms of what is better: the interval of the candidate's gain.
Interval GainOf(const MetricComparison& metric) {
  const Interval& seen = metric.result.interval;
  return metric.less_is_better ? Interval{-seen.high, -seen.low} : seen;
}

GateCheck JudgeComparison(const GateComparison& wanted, const MetricComparison& metric,
                          double alpha) {
  const PairedResult& result = metric.result;
  GateCheck check{.what = Describe(wanted)};
  check.value = result.mean_b;
  check.champion = result.mean_a;
  check.low = result.interval.low;
  check.high = result.interval.high;
  const std::string seen = Concat("the candidate has ", Figure(result.mean_b), ", the champion ",
                                  Figure(result.mean_a), ", difference ",
                                  absl::StrFormat("%+.4g [%+.4g, %+.4g]", result.difference,
                                                  result.interval.low, result.interval.high),
                                  " over ", result.pairs, " questions");
  const Interval gain = GainOf(metric);
  if (result.pairs < 2 || !std::isfinite(gain.low)) {
    check.verdict = GateVerdict::kCannotTell;
    check.says = Concat(result.pairs, " questions have figures on both sides; two are the least");
    return check;
  }
  const double margin = wanted.share ? *wanted.share * std::abs(result.mean_a) : wanted.margin;
  const bool gains = result.p <= alpha && gain.low > 0;
  const bool loses = gain.high < -margin;
  const bool passes = wanted.better ? gains : gain.low >= -margin;
  check.verdict = passes                                       ? GateVerdict::kPass
                  : loses || (wanted.better && gain.high <= 0) ? GateVerdict::kFail
                                                               : GateVerdict::kCannotTell;
  check.says = seen;
  if (check.verdict == GateVerdict::kFail) {
    check.says += wanted.better ? ": it is not better"
                                : Concat(": it is worse by more than ", Figure(margin));
  } else if (check.verdict == GateVerdict::kCannotTell) {
    check.says +=
        Concat("; cannot tell",
               wanted.better ? "" : Concat(" whether it loses more than ", Figure(margin)));
    if (result.detectable > 0) {
      check.says += Concat(": so many questions find a difference of ", Figure(result.detectable),
                           "; add questions", wanted.better ? "" : ", or allow a larger margin");
    }
  }
  return check;
}

GateCheck Missing(std::string what, std::string says) {
  return {.what = std::move(what), .says = std::move(says)};
}

}  // namespace

std::string_view GateVerdictName(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kPass:
      return "pass";
    case GateVerdict::kFail:
      return "fail";
    case GateVerdict::kCannotTell:
      return "cannot tell";
    case GateVerdict::kMissing:
      return "missing";
  }
  return "";
}

bool GateOutcome::passed() const {
  return std::all_of(checks.begin(), checks.end(),
                     [](const GateCheck& check) { return check.verdict == GateVerdict::kPass; });
}

struct GateChecker::Found {
  std::string dataset = {};  // "support@1"; empty: there is none, and `missing` says so
  std::optional<EvaluationRecord> candidate = {};
  std::optional<EvaluationRecord> champion = {};
  std::optional<GateCheck> missing = {};
};

absl::StatusOr<GateChecker::Found> GateChecker::Find(const GateSpec& gate,
                                                     const PipelineVersion& candidate,
                                                     const PipelineVersion* champion) const {
  Found found;
  const absl::StatusOr<DatasetRef> ref = ParseDatasetRef(gate.dataset);
  if (!ref.ok()) return ref.status();
  const absl::StatusOr<DatasetInfo> info = datasets_.GetInfo(*ref);
  if (absl::IsNotFound(info.status())) {
    found.missing =
        Missing("a dataset", Concat(ToStd(info.status().message()),
                                    "; import it: vouch dataset import ", ref->name, " FILE"));
    return found;
  }
  if (!info.ok()) return info.status();
  found.dataset = Concat(info->name, "@", info->version);
  const absl::StatusOr<std::vector<EvaluationRecord>> records = evaluations_.List(kLookedAt);
  if (!records.ok()) return records.status();
  const bool answers = AsksForAnswers(gate);
  const auto is_of = [&](const EvaluationRecord& record, const PipelineVersion& version) {
    return record.finished && record.pipeline_hash == version.hash &&
           record.dataset == info->name && record.dataset_version == info->version &&
           (!answers || record.answers != "none");
  };
  const char* const with = answers ? " with answers" : "";
  for (const EvaluationRecord& record : *records) {
    if (!is_of(record, candidate)) continue;
    found.candidate = record;
    break;
  }
  if (!found.candidate) {
    found.missing = Missing(
        "an evaluation", Concat(Reference(candidate), " has no finished evaluation of dataset ",
                                found.dataset, with, "; ", RunCommand(candidate, found.dataset)));
    return found;
  }
  if (champion == nullptr || (gate.no_worse.empty() && gate.guardrails.empty())) return found;
  const EvaluationRecord& mine = *found.candidate;
  for (const EvaluationRecord& record : *records) {
    const bool same_data = record.collection != mine.collection || record.version == mine.version;
    if (!is_of(record, *champion) || !same_data || record.answers != mine.answers) continue;
    found.champion = record;
    break;
  }
  if (!found.champion) {
    const bool same = champion->spec.collection == mine.collection;
    const std::string at = same ? Concat(" --at ", mine.version) : "";
    found.missing = Missing(
        "an evaluation of the champion",
        Concat(Reference(*champion), " has no finished evaluation of dataset ", found.dataset, with,
               same ? Concat(" at version ", mine.version, " of ", mine.collection) : "",
               " to compare with; ",
               RunCommand(*champion, found.dataset,
                          mine.answers == "none" ? Concat(at, " --answers none") : at)));
  }
  return found;
}

absl::StatusOr<GateOutcome> GateChecker::Check(const GateSpec& gate,
                                               const PipelineVersion& candidate,
                                               const PipelineVersion* champion) const {
  GateOutcome outcome;
  if (gate.dataset.empty()) return outcome;
  const absl::StatusOr<Found> found = Find(gate, candidate, champion);
  if (!found.ok()) return found.status();
  outcome.dataset = found->dataset;
  if (found->candidate) {
    const EvaluationRecord& record = *found->candidate;
    outcome.evaluation = record.id;
    if (record.errors > gate.max_errors) {
      outcome.checks.push_back(
          {.what = Concat("at most ", gate.max_errors, " questions without a result"),
           .verdict = GateVerdict::kFail,
           .says = Concat(record.errors, " of ", record.questions,
                          " questions could not be run; see: vouch eval show ", record.id)});
    }
    for (const GateThreshold& threshold : gate.thresholds)
      outcome.checks.push_back(CheckThreshold(threshold, record));
  }
  if (found->missing) outcome.checks.push_back(*found->missing);
  if (found->missing || champion == nullptr || !found->champion) {
    if (champion != nullptr || found->missing) return outcome;
    for (const auto* list : {&gate.no_worse, &gate.guardrails}) {
      for (const GateComparison& wanted : *list) {
        outcome.checks.push_back({.what = Describe(wanted),
                                  .verdict = GateVerdict::kPass,
                                  .says = "there is no champion yet to compare with"});
      }
    }
    return outcome;
  }
  outcome.champion_evaluation = found->champion->id;
  CompareOptions options;
  options.paired.alpha = gate.alpha;
  for (const auto* list : {&gate.no_worse, &gate.guardrails}) {
    for (const GateComparison& wanted : *list) options.metrics.push_back(wanted.metric);
  }
  const absl::StatusOr<Comparison> comparison = CompareEvaluations(
      evaluations_, datasets_, found->champion->id, found->candidate->id, options);
  if (absl::IsInvalidArgument(comparison.status())) {
    outcome.checks.push_back(Missing("a comparison", std::string(comparison.status().message())));
    return outcome;
  }
  if (!comparison.ok()) return comparison.status();
  size_t at = 0;
  for (const auto* list : {&gate.no_worse, &gate.guardrails}) {
    for (const GateComparison& wanted : *list)
      outcome.checks.push_back(JudgeComparison(wanted, comparison->metrics[at++], gate.alpha));
  }
  return outcome;
}

}  // namespace vouch
