#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/deliver/experiment.h"
#include "rag/eval/always_valid.h"

namespace vouch {

// How many answers took how long, in steps of a twentieth.
class LatencyCounts {
 public:
  static constexpr size_t kBuckets = 500;  // up to 10 hours

  void Add(double ms);
  // The time within which a share of the answers came, rounded up by at most a twentieth; nullopt where
  // there are none. `sigmas`: of the count below it, so much more are asked for, or nullopt.
  std::optional<double> Quantile(double share, double sigmas = 0) const;
  const std::vector<uint64_t>& buckets() const { return buckets_; }
  bool Set(size_t bucket, uint64_t count);  // false: there is no such bucket

 private:
  std::vector<uint64_t> buckets_ = {};
  uint64_t count_ = 0;
};

// What came of the questions that one arm got at one step.
struct ArmTally {
  uint64_t answers = 0;  // asked for, those that failed among them
  uint64_t callers = 0;  // who were first seen here
  FigureSums signal = {};  // one of each caller, the first one
  FigureSums abstained = {};
  FigureSums cost = {};
  FigureSums errors = {};
};
struct StepTally {
  ArmTally champion = {};
  ArmTally challenger = {};
};
struct LimitCounts {
  uint64_t over = 0;
  uint64_t all = 0;
};

enum class ExperimentStatus : uint8_t {
  kRunning,
  kWon,         // the challenger is better; callers are split on, and guardrails hold
  kStopped,     // by somebody
  kRolledBack,  // the challenger is worse, or over a guardrail
  kMismatch,    // callers do not come in their shares: nothing of it is to be believed
  kFinished,    // an alias leads elsewhere than when it began
};
std::string_view ExperimentStatusName(ExperimentStatus status);  // "running", "rolled back", …
// Whether questions are shared.
inline bool IsActive(ExperimentStatus status) {
  return status == ExperimentStatus::kRunning || status == ExperimentStatus::kWon;
}

// All that is known of an experiment's run. It follows from the outcomes that it was made of, in their
// order, however often it was judged between them.
struct ExperimentState {
  uint64_t version = 0;  // of the specification
  uint64_t run = 0;      // from 1, over all versions
  ExperimentStatus status = ExperimentStatus::kRunning;
  std::string reason = {};     // of the status
  std::string promotion = {};  // what came of asking for it; empty: it was not asked for
  uint64_t champion = 0;       // versions of the pipeline, as the names led to them when it began
  uint64_t challenger = 0;
  int64_t started_us = 0;
  int64_t ended_us = 0;
  uint32_t step = 0;  // of the ramp
  int64_t step_us = 0;    // that the step has lasted while somebody looked
  int64_t looked_us = 0;  // the clock at the last look
  std::string cursor = {};  // the last answer of the tenant that was looked at
  std::vector<StepTally> steps = {};
  SampleRatio sample = {};
  FigureSums pairs = {};  // where it IsPaired: (challenger - champion + 1) / 2, question by question
  LatencyCounts champion_ms = {};
  LatencyCounts challenger_ms = {};
  std::vector<LimitCounts> limits = {};  // of each guardrail of latency: the challenger's answers
  uint64_t dropped = 0;  // questions that the shadow did not get, since too many waited
};

// One question of it, or feedback on one.
struct ExperimentOutcome {
  uint64_t run = 0;
  uint32_t step = 0;
  bool challenger = false;
  double share = 0;         // with which callers got the challenger then
  std::string caller = {};  // hash
  bool asked = false;       // a question, not feedback
  bool first_of_caller = true;         // his first question
  bool first_signal_of_caller = true;  // the first outcome of his that has a signal
  std::optional<double> signal = {};
  std::optional<double> pair = {};
  std::optional<double> latency_ms = {};
  std::optional<double> cost = {};
  std::optional<bool> abstained = {};
  std::optional<bool> error = {};
  // Of a champion's answer from hits of both: whether the challenger's could not be had.
  std::optional<bool> challenger_error = {};
};

ExperimentState NewRun(const ExperimentSpec& spec, uint64_t version, uint64_t run);
// Of another run: changes nothing.
void TakeOutcome(const ExperimentSpec& spec, const ExperimentOutcome& outcome,
                 ExperimentState* state);

struct GuardrailFinding {
  std::optional<double> champion = {};
  std::optional<double> challenger = {};
  bool violated = false;
};
struct ExperimentFindings {
  AlwaysValidEstimate difference = {};  // of the signal: challenger - champion
  double sample_p = 1;
  std::vector<GuardrailFinding> guardrails = {};  // as in the specification
};
ExperimentFindings Examine(const ExperimentSpec& spec, const ExperimentState& state);

// Of a challenger whose hits are interleaved: if its searches fail more often, with confidence, the run ends. It has no
// guardrails that would say so.
inline constexpr double kMostInterleaveErrors = 0.05;

// The end that what is known leads to, if any. All looks together err with at most alpha in the signal,
// with alpha in the guardrails (or in kMostInterleaveErrors), and with kSampleRatioAlpha in the shares.
struct ExperimentVerdict {
  ExperimentStatus status = ExperimentStatus::kRunning;
  std::string reason = {};
};
std::optional<ExperimentVerdict> Judge(const ExperimentSpec& spec, const ExperimentState& state);

std::string ExperimentStateToJson(const ExperimentState& state);
absl::StatusOr<ExperimentState> ExperimentStateFromJson(std::string_view json);  // DATA_LOSS

}  // namespace vouch
