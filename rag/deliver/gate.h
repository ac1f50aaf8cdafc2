#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// What the candidate's mean of a measure must be, whatever the champion does.
struct GateThreshold {
  std::string metric = {};
  std::optional<double> min = {};
  std::optional<double> max = {};
  std::string slice = {};  // of the questions with this tag; empty: of all
  bool sure = false;       // the 95 % interval's worse end must keep the limit, not only the mean
};

// What the candidate may lose against the champion on the same questions: it passes where the
// interval of the difference lies above -margin (non-inferiority).
struct GateComparison {
  std::string metric = {};
  double margin = 0;                 // in the measure's unit, >= 0
  std::optional<double> share = {};  // or of the champion's mean: 0.1 is a tenth of it
  bool better = false;               // it must be better, by the randomisation test
};

// What a version of a pipeline must show before an alias is moved to it. All must pass; so each
// comparison is tested at alpha as it is (an intersection-union test needs no adjustment).
struct GateSpec {
  static constexpr size_t kMaxChecks = 50;  // of each kind

  std::string name = {};
  std::string description = {};
  std::string pipeline = {};
  std::string alias = {};
  std::string dataset = {};  // NAME (the latest) or NAME@VERSION; empty: no figures are asked for
  std::vector<GateThreshold> thresholds = {};
  std::vector<GateComparison> no_worse = {};
  std::vector<GateComparison> guardrails = {};  // of latency_ms, cost, answered
  std::vector<std::string> hooks = {};  // that must be there and let it pass (before.promote)
  double alpha = 0.05;
  uint64_t max_errors = 0;  // questions that the evaluation could not run
};

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckGate(const GateSpec& spec);
// The canonical form: all fields in one order, defaults filled in.
std::string GateToJson(const GateSpec& spec);
// DATA_LOSS.
absl::StatusOr<GateSpec> GateFromJson(std::string_view json);

}  // namespace vouch
