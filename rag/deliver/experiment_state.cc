#include "rag/deliver/experiment_state.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/eval/sequential_test.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr double kQuantile = 0.95;
constexpr double kBucketRatio = 1.05;
// The champion's quantile is itself an estimate: the limit is taken from its upper end.
constexpr double kQuantileSigmas = 2.5;
constexpr uint64_t kMinAnswers = 10;  // of a guardrail
constexpr uint64_t kMinCallers = 20;  // of the signal

std::vector<TwoArms> Strata(const ExperimentState& state, FigureSums ArmTally::*figure) {
  std::vector<TwoArms> strata;
  for (const StepTally& step : state.steps)
    strata.push_back({step.champion.*figure, step.challenger.*figure});
  return strata;
}

FigureSums Total(const ExperimentState& state, ArmTally StepTally::*arm,
                 FigureSums ArmTally::*figure) {
  FigureSums total;
  for (const StepTally& step : state.steps) {
    const FigureSums& sums = step.*arm.*figure;
    total.count += sums.count;
    total.sum += sums.sum;
    total.squares += sums.squares;
  }
  return total;
}

std::optional<double> MeanOf(const FigureSums& figure) {
  return figure.count == 0 ? std::nullopt : std::optional<double>(figure.mean());
}

FigureSums ArmTally::*FigureOf(GuardrailMetric metric) {
  switch (metric) {
    case GuardrailMetric::kCost:
      return &ArmTally::cost;
    case GuardrailMetric::kAbstained:
      return &ArmTally::abstained;
    case GuardrailMetric::kErrors:
      return &ArmTally::errors;
    case GuardrailMetric::kLatencyP95:
      break;
  }
  return nullptr;
}

// In ms; nullopt: the champion has too few answers to say.
std::optional<double> LatencyLimit(const ExperimentGuardrail& guardrail,
                                   const LatencyCounts& champion) {
  if (guardrail.max) return guardrail.max;
  const std::optional<double> quantile = champion.Quantile(kQuantile, kQuantileSigmas);
  if (!quantile) return std::nullopt;
  return *quantile * (1 + guardrail.share.value_or(0)) + guardrail.margin.value_or(0);
}

bool IsViolated(const ExperimentGuardrail& guardrail, const ExperimentState& state, double alpha) {
  FigureSums ArmTally::*figure = FigureOf(guardrail.metric);
  const bool unit_range = guardrail.metric != GuardrailMetric::kCost;
  AlwaysValidOptions options{.alpha = alpha, .min_count = kMinAnswers, .unit_range = unit_range};
  if (guardrail.max) {
    const FigureSums seen = Total(state, &StepTally::challenger, figure);
    if (!unit_range) {
      const AlwaysValidEstimate mean = MeanAtAnyTime(seen, options);
      return mean.known && mean.interval.low > *guardrail.max;
    }
    return seen.count >= kMinAnswers &&
           LogEvidenceOfMore(static_cast<uint64_t>(seen.sum), seen.count, *guardrail.max) >
               -std::log(alpha);
  }
  options.champion_scale = 1 + guardrail.share.value_or(0);
  const AlwaysValidEstimate difference = DifferenceOfArms(Strata(state, figure), options);
  return difference.known && difference.interval.low > guardrail.margin.value_or(0);
}

// Where hits are interleaved.
bool FailsTooOften(const FigureSums& errors, double alpha) {
  return errors.count >= kMinAnswers &&
         LogEvidenceOfMore(static_cast<uint64_t>(errors.sum), errors.count, kMostInterleaveErrors) > -std::log(alpha);
}

std::string Shown(const std::optional<double>& value) {
  return value ? absl::StrFormat("%.4g", *value) : "unknown";
}

std::string Shown(const AlwaysValidEstimate& estimate) {
  return absl::StrFormat("%.3f [%.3f, %.3f]", estimate.value, estimate.interval.low,
                         estimate.interval.high);
}

}  // namespace

void LatencyCounts::Add(double ms) {
  const double us = std::max(1.0, ms * 1'000);
  const auto bucket = std::min(static_cast<size_t>(std::log(us) / std::log(kBucketRatio)), kBuckets - 1);
  (void)Set(bucket, (bucket < buckets_.size() ? buckets_[bucket] : 0) + 1);
}

bool LatencyCounts::Set(size_t bucket, uint64_t count) {
  if (bucket >= kBuckets) return false;
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  count_ += count - buckets_[bucket];
  buckets_[bucket] = count;
  return true;
}

std::optional<double> LatencyCounts::Quantile(double share, double sigmas) const {
  const auto n = static_cast<double>(count_);
  const double rank =
      std::max(1.0, std::ceil(share * n + sigmas * std::sqrt(n * share * (1 - share))));
  if (rank > n) return std::nullopt;
  double below = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    below += static_cast<double>(buckets_[i]);
    if (below >= rank) return std::pow(kBucketRatio, static_cast<double>(i + 1)) / 1'000;
  }
  return std::nullopt;
}

std::string_view ExperimentStatusName(ExperimentStatus status) {
  switch (status) {
    case ExperimentStatus::kRunning:
      return "running";
    case ExperimentStatus::kWon:
      return "won";
    case ExperimentStatus::kStopped:
      return "stopped";
    case ExperimentStatus::kRolledBack:
      return "rolled back";
    case ExperimentStatus::kMismatch:
      return "mismatch";
    case ExperimentStatus::kFinished:
      return "finished";
  }
  return "";
}

ExperimentState NewRun(const ExperimentSpec& spec, uint64_t version, uint64_t run) {
  ExperimentState state;
  state.version = version;
  state.run = run;
  state.steps.resize(StepsOf(spec));
  state.limits.resize(spec.guardrails.size());
  return state;
}

void TakeOutcome(const ExperimentSpec& spec, const ExperimentOutcome& outcome,
                 ExperimentState* state) {
  if (outcome.run != state->run || outcome.step >= state->steps.size()) return;
  StepTally& step = state->steps[outcome.step];
  ArmTally& arm = outcome.challenger ? step.challenger : step.champion;
  if (outcome.asked) {
    ++arm.answers;
    if (outcome.first_of_caller) {
      ++arm.callers;
      if (!IsPaired(spec.mode))
        state->sample.Add(outcome.challenger, outcome.share);
    }
  }
  if (outcome.signal && outcome.first_signal_of_caller) arm.signal.Add(*outcome.signal);
  if (outcome.pair && outcome.first_signal_of_caller) state->pairs.Add((*outcome.pair + 1) / 2);
  if (outcome.abstained) arm.abstained.Add(*outcome.abstained ? 1 : 0);
  if (outcome.cost) arm.cost.Add(*outcome.cost);
  if (outcome.error) arm.errors.Add(*outcome.error ? 1 : 0);
  if (outcome.challenger_error) step.challenger.errors.Add(*outcome.challenger_error ? 1 : 0);
  if (!outcome.latency_ms) return;
  if (!outcome.challenger) return state->champion_ms.Add(*outcome.latency_ms);
  // Against the limit as it was before, so that this answer does not move it.
  for (size_t i = 0; i < spec.guardrails.size() && i < state->limits.size(); ++i) {
    if (spec.guardrails[i].metric != GuardrailMetric::kLatencyP95) continue;
    const std::optional<double> limit = LatencyLimit(spec.guardrails[i], state->champion_ms);
    if (!limit) continue;
    ++state->limits[i].all;
    if (*outcome.latency_ms > *limit) ++state->limits[i].over;
  }
  state->challenger_ms.Add(*outcome.latency_ms);
}

ExperimentFindings Examine(const ExperimentSpec& spec, const ExperimentState& state) {
  ExperimentFindings findings;
  const AlwaysValidOptions options{.alpha = spec.alpha, .min_count = kMinCallers};
  if (IsPaired(spec.mode)) {
    findings.difference = MeanAtAnyTime(state.pairs, options);
    AlwaysValidEstimate& difference = findings.difference;
    difference.value = 2 * difference.value - 1;
    difference.interval = {2 * difference.interval.low - 1, 2 * difference.interval.high - 1};
  } else {
    findings.difference = DifferenceOfArms(Strata(state, &ArmTally::signal), options);
  }
  findings.sample_p = state.sample.p();
  const double alpha = spec.alpha / static_cast<double>(std::max<size_t>(1, spec.guardrails.size()));
  for (size_t i = 0; i < spec.guardrails.size(); ++i) {
    const ExperimentGuardrail& guardrail = spec.guardrails[i];
    GuardrailFinding& finding = findings.guardrails.emplace_back();
    if (guardrail.metric == GuardrailMetric::kLatencyP95) {
      finding.champion = state.champion_ms.Quantile(kQuantile);
      finding.challenger = state.challenger_ms.Quantile(kQuantile);
      const LimitCounts counts = i < state.limits.size() ? state.limits[i] : LimitCounts();
      finding.violated = counts.all >= kMinAnswers &&
                         LogEvidenceOfMore(counts.over, counts.all, 1 - kQuantile) > -std::log(alpha);
      continue;
    }
    FigureSums ArmTally::*figure = FigureOf(guardrail.metric);
    finding.champion = MeanOf(Total(state, &StepTally::champion, figure));
    finding.challenger = MeanOf(Total(state, &StepTally::challenger, figure));
    finding.violated = IsViolated(guardrail, state, alpha);
  }
  return findings;
}

std::optional<ExperimentVerdict> Judge(const ExperimentSpec& spec, const ExperimentState& state) {
  if (!IsActive(state.status)) return std::nullopt;
  const ExperimentFindings findings = Examine(spec, state);
  if (findings.sample_p < kSampleRatioAlpha) {
    return ExperimentVerdict{
        ExperimentStatus::kMismatch,
        Concat("callers do not come to the arms in their shares (p ",
               absl::StrFormat("%.2g", findings.sample_p), " after ", state.sample.callers,
               " callers): what is lost on the way, and on which arm?")};
  }
  for (size_t i = 0; i < findings.guardrails.size(); ++i) {
    const GuardrailFinding& finding = findings.guardrails[i];
    if (!finding.violated) continue;
    return ExperimentVerdict{ExperimentStatus::kRolledBack,
                             Concat("guardrail ", DescribeGuardrail(spec.guardrails[i]), ": it is ",
                                    Shown(finding.challenger), ", the champion's is ",
                                    Shown(finding.champion))};
  }
  const FigureSums errors = Total(state, &StepTally::challenger, &ArmTally::errors);
  if (spec.mode == ExperimentMode::kInterleave && FailsTooOften(errors, spec.alpha)) {
    return ExperimentVerdict{
        ExperimentStatus::kRolledBack,
        Concat("the challenger's search failed for ", static_cast<uint64_t>(errors.sum), " of ", errors.count,
               " questions, which were answered from the champion's hits alone")};
  }
  if (state.status != ExperimentStatus::kRunning || !findings.difference.known) return std::nullopt;
  const Interval& interval = findings.difference.interval;
  const std::string difference =
      Concat(ExperimentSignalName(spec.signal), " of the challenger less the champion's is ",
             Shown(findings.difference), ", valid at any time");
  if (interval.high < 0) {
    return ExperimentVerdict{ExperimentStatus::kRolledBack,
                             Concat("the challenger is worse: ", difference)};
  }
  if (interval.low > 0) {
    return ExperimentVerdict{ExperimentStatus::kWon,
                             Concat("the challenger is better: ", difference)};
  }
  return std::nullopt;
}

}  // namespace vouch
