#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// How live questions to a pipeline's alias are shared between its version (the champion) and another
// one (the challenger).
enum class ExperimentMode : uint8_t {
  kShadow,  // callers get the champion's answer; some questions are asked of the challenger afterwards
  kAb,      // callers are split, in one share
  kCanary,  // callers are split, in a share that rises step by step
  kInterleave,  // the champion answers from hits of both, interleaved; whose are cited wins the question
};
std::string_view ExperimentModeName(ExperimentMode mode);  // "shadow", "ab", "canary", "interleave"
// Both versions have a part in a question, and are compared within it.
inline bool IsPaired(ExperimentMode mode) {
  return mode == ExperimentMode::kShadow || mode == ExperimentMode::kInterleave;
}
absl::StatusOr<ExperimentMode> ParseExperimentMode(std::string_view text);

// By what it is decided which version is better; more is better, all are in [0, 1].
enum class ExperimentSignal : uint8_t {
  kThumbs,     // feedback: up is 1, down is 0
  kScore,      // feedback
  kGrounding,  // share of an answer's sentences that its sources support; 1 of a quoted one
  kCitations,  // share of an answer's citations that hold
  kAnswered,   // 1, or 0 where it abstained
};
std::string_view ExperimentSignalName(ExperimentSignal signal);
absl::StatusOr<ExperimentSignal> ParseExperimentSignal(std::string_view text);

enum class GuardrailMetric : uint8_t {
  kLatencyP95,  // 95 of 100 answers take no longer, in ms
  kCost,        // mean of an answer, in the currency of the price table
  kAbstained,   // share of the answers
  kErrors,      // share of the questions that got no answer
};
std::string_view GuardrailMetricName(GuardrailMetric metric);
absl::StatusOr<GuardrailMetric> ParseGuardrailMetric(std::string_view text);

// What the challenger may not exceed; one of the three.
struct ExperimentGuardrail {
  GuardrailMetric metric = GuardrailMetric::kErrors;
  std::optional<double> max = {};     // whatever the champion does
  std::optional<double> margin = {};  // above the champion
  std::optional<double> share = {};   // above the champion, of the champion's: 0.2 is a fifth
};

// A canary's step: it lasts until the challenger has given so many answers, and so long.
struct RampStep {
  double share = 0;      // of the callers who get the challenger, in (0, 1]; rises
  uint64_t answers = 0;  // at least 1
  uint64_t seconds = 0;
};

struct ExperimentSpec {
  static constexpr size_t kMaxSteps = 20;
  static constexpr size_t kMaxGuardrails = 8;

  std::string name = {};
  std::string description = {};
  std::string pipeline = {};
  std::string champion = "champion";      // an alias of it: questions to it are shared
  std::string challenger = "challenger";  // another one, or a version's number
  ExperimentMode mode = ExperimentMode::kAb;
  double share = 0.5;  // of the callers who get the challenger; of the questions, of a shadow or interleaved
  std::vector<RampStep> ramp = {};  // of a canary
  ExperimentSignal signal = ExperimentSignal::kGrounding;
  std::vector<ExperimentGuardrail> guardrails = {};
  double alpha = 0.05;    // chance of a false verdict, all looks together; of all guardrails, too
  std::string salt = {};  // callers of two experiments of one salt are split alike; empty: the name
  bool promote = false;   // where the challenger has won, its promotion is asked for
};

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckExperiment(const ExperimentSpec& spec);
std::string ExperimentToJson(const ExperimentSpec& spec);  // the canonical form
absl::StatusOr<ExperimentSpec> ExperimentFromJson(std::string_view json);  // DATA_LOSS

// "latency_p95_ms at most 1.2 of the champion's"
std::string DescribeGuardrail(const ExperimentGuardrail& guardrail);
// Share of a step; the only one where the mode has no ramp.
double ShareAt(const ExperimentSpec& spec, size_t step);
size_t StepsOf(const ExperimentSpec& spec);

}  // namespace vouch
