#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// What makes an answer a good one.
enum class SloSignal : uint8_t {
  kGrounding,  // supported by its sources: grounding at or above the limit, and every citation
               // holds
  kLatency,    // retrieved and written within the limit, in ms
  kCost,       // for at most the limit, in the currency of the price table
  kAnswered,   // it did not abstain
};
std::string_view SloSignalName(SloSignal signal);  // "grounding", "latency_ms", "cost", "answered"
absl::StatusOr<SloSignal> ParseSloSignal(std::string_view text);

// A service objective of the answers that an alias gave: at least `objective` of them are good over
// the period. What is bad beyond that is the error budget; while it is spent, the alias does not
// move.
struct SloSpec {
  std::string name = {};
  std::string description = {};
  std::string pipeline = {};
  std::string alias = {};
  SloSignal signal = SloSignal::kGrounding;
  double limit = 0;           // of the signal; none for kAnswered
  double objective = 0.95;    // in (0, 1)
  uint32_t period_days = 30;  // 1 … 90
  uint64_t min_events = 10;   // of a window; below, nothing is said of it
};

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckSlo(const SloSpec& spec);
std::string SloToJson(const SloSpec& spec);                  // the canonical form
absl::StatusOr<SloSpec> SloFromJson(std::string_view json);  // DATA_LOSS

}  // namespace vouch
