#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/answer.h"
#include "rag/deliver/slo.h"
#include "rag/eval/burn_rate.h"
#include "rag/pipeline_store.h"
#include "storage/store.h"

namespace vouch {

struct BurnAlarm {
  BurnRule rule = {};
  EventCounts long_window = {};
  EventCounts short_window = {};
  BurnState state = {};
};

// How an objective stands.
struct SloStatus {
  SloSpec spec = {};
  EventCounts period = {};
  double budget_spent = 0;             // share of the period's budget; above 1: overdrawn
  bool frozen = false;                 // it is spent, by enough events: the alias does not move
  std::vector<BurnAlarm> alarms = {};  // of all rules
  uint64_t scanned = 0;                // answers that were read
  bool complete = true;                // false: more answers lie in the period than are read
};

// Reads kept answers and holds them against objectives. An answer counts for an alias where its
// version was the one that the alias led to at the answer's time. Thread safe.
class SloReader {
 public:
  static constexpr uint64_t kMaxAnswers = 20'000;  // read at a time, the latest

  SloReader(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // In the order given; the answers are read once for all.
  absl::StatusOr<std::vector<SloStatus>> Read(std::string_view tenant,
                                              const std::vector<SloSpec>& specs,
                                              const CancelToken& cancel = {}) const;

 private:
  Store& store_;
  const Clock& clock_;
};

// Whether an answer is good by an objective. A record without figures of models has cost 0.
bool IsGood(const SloSpec& spec, const Answer& answer);

}  // namespace vouch
