#include "rag/deliver/slo_status.h"

#include <algorithm>
#include <optional>

#include "rag/answer_cost.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;
constexpr int64_t kLongestAnswer = 3'600 * kSecond;

// Counts the events of one objective, answer by answer.
class Counter {
 public:
  Counter(const SloSpec& spec, PipelineStore::AliasState alias, int64_t now_us)
      : spec_(spec),
        alias_(std::move(alias)),
        now_us_(now_us),
        prefix_(Concat(spec.pipeline, "@")) {
    for (const BurnRule& rule : RulesFor(spec.objective)) alarms_.push_back({.rule = rule});
  }

  int64_t since_us() const { return now_us_ - spec_.period_days * kDay; }

  void Take(const Answer& answer) {
    if (answer.time_us < since_us() || !IsOfAlias(answer)) return;
    const bool bad = !IsGood(spec_, answer);
    Count(bad, &period_);
    const int64_t age_us = now_us_ - answer.time_us;
    for (BurnAlarm& alarm : alarms_) {
      if (age_us <= alarm.rule.long_s * kSecond) Count(bad, &alarm.long_window);
      if (age_us <= alarm.rule.short_s * kSecond) Count(bad, &alarm.short_window);
    }
  }

  SloStatus Finish(uint64_t scanned, bool complete) {
    SloStatus status{.spec = spec_, .period = period_, .scanned = scanned, .complete = complete};
    status.budget_spent = BudgetSpent(spec_.objective, period_);
    status.frozen = period_.all >= spec_.min_events && status.budget_spent >= 1;
    for (BurnAlarm& alarm : alarms_) {
      alarm.state = CheckBurn(spec_.objective, alarm.rule, alarm.long_window, alarm.short_window,
                              {.min_events = spec_.min_events});
    }
    status.alarms = std::move(alarms_);
    return status;
  }

 private:
  static void Count(bool bad, EventCounts* counts) {
    ++counts->all;
    counts->bad += bad ? 1 : 0;
  }

  // An alias that an earlier program moved has no steps: it counts as it stands.
  bool IsOfAlias(const Answer& answer) const {
    if (answer.evaluation || !answer.pipeline.starts_with(prefix_)) return false;
    if (answer.experiment && !answer.experiment->shadow_of.empty()) return false;  // nobody got it
    uint64_t led_to = alias_.steps.empty() ? alias_.number : 0;
    for (const PipelineStore::AliasStep& step : alias_.steps) {
      if (step.since_us <= answer.time_us) led_to = step.number;
    }
    return led_to != 0 && answer.pipeline == Concat(prefix_, led_to);
  }

  const SloSpec& spec_;
  const PipelineStore::AliasState alias_;
  const int64_t now_us_;
  const std::string prefix_;
  EventCounts period_;
  std::vector<BurnAlarm> alarms_;
};

}  // namespace

bool IsGood(const SloSpec& spec, const Answer& answer) {
  switch (spec.signal) {
    case SloSignal::kAnswered:
      return !answer.abstained;
    case SloSignal::kLatency:
      return static_cast<double>(answer.retrieve_us + answer.generate_us) <= spec.limit * 1'000;
    case SloSignal::kCost:
      return static_cast<double>(CostNanoOf(answer)) <= spec.limit * 1e9;
    case SloSignal::kGrounding:
      break;
  }
  // To abstain is no claim, and so none that is not supported.
  if (answer.abstained) return true;
  if (answer.generation && !answer.generation->tier.empty() &&
      answer.generation->grounding < spec.limit)
    return false;
  return std::all_of(answer.citations.begin(), answer.citations.end(),
                     [](const Citation& citation) { return citation.verified; });
}

absl::StatusOr<std::vector<SloStatus>> SloReader::Read(std::string_view tenant,
                                                       const std::vector<SloSpec>& specs,
                                                       const CancelToken& cancel) const {
  const int64_t now_us = clock_.NowMicros();
  const PipelineStore pipelines(store_, clock_);
  std::vector<Counter> counters;
  int64_t since_us = now_us;
  for (const SloSpec& spec : specs) {
    absl::StatusOr<PipelineStore::AliasState> alias =
        pipelines.GetAlias(tenant, spec.pipeline, spec.alias);
    // Nothing is answered by a pipeline that is not there.
    if (!alias.ok() && !absl::IsNotFound(alias.status())) return alias.status();
    counters.emplace_back(spec, alias.ok() ? *std::move(alias) : PipelineStore::AliasState(),
                          now_us);
    since_us = std::min(since_us, counters.back().since_us());
  }
  uint64_t scanned = 0;
  bool complete = true;
  std::optional<absl::Status> failed;
  const absl::Status status =
      store_.ScanAnswers(tenant, [&](std::string_view, std::string_view record) {
        if (absl::Status stopped = cancel.Check(); !stopped.ok()) {
          failed = std::move(stopped);
          return false;
        }
        const absl::StatusOr<Answer> answer = AnswerFromJson(record);
        if (!answer.ok()) {
          failed = answer.status();
          return false;
        }
        // So are all that follow: answers are kept in the order of their ends, some time after they
        // began.
        if (answer->time_us < since_us - kLongestAnswer) return false;
        if (++scanned > kMaxAnswers) {
          complete = false;
          return false;
        }
        for (Counter& counter : counters) counter.Take(*answer);
        return true;
      });
  if (failed) return *failed;
  if (!status.ok()) return status;
  std::vector<SloStatus> all;
  for (Counter& counter : counters)
    all.push_back(counter.Finish(std::min(scanned, kMaxAnswers), complete));
  return all;
}

}  // namespace vouch
