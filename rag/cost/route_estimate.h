#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/llm/price_table.h"

namespace vouch {

// A route as far as it decides what questions cost.
struct RoutePlan {
  std::vector<std::string> models = {};  // of the tiers in their order; at least one
  PriceTable prices = {};                // with all of them
  uint32_t escalations = 0;              // of one question, at most; 0: the route does not escalate
};
// INVALID_ARGUMENT: no tier, or one without a price.
absl::Status CheckPlan(const RoutePlan& plan);

// What the calls that answers' records name would have cost by another route, from their tokens.
//
// It assumes: the first tier is asked first, and each call takes as many tokens as it did. Calls that were made again (retries,
// hedges) are made again, at the tier of the call that they stand for. An answer that escalated does so as often, as far as the route
// allows and has tiers. An answer of a route that could not escalate would have done so never (`low_nano`) or as often as the route
// allows, each time with as many tokens (`high_nano`): its record cannot tell. Whether the answers would have been as good nobody knows
// before an evaluation.
class RouteEstimate {
 public:
  // Checked.
  explicit RouteEstimate(const RoutePlan& plan) : plan_(plan) {}

  void Add(const Answer& answer);

  uint64_t answers() const { return answers_; }  // that made a call
  uint64_t calls() const { return calls_; }
  uint64_t low_nano() const { return low_nano_; }
  uint64_t high_nano() const { return high_nano_; }
  // Currency → what the records say; "" without prices.
  const std::map<std::string, uint64_t>& recorded() const { return recorded_; }

 private:
  uint64_t CostAt(size_t tier, const TokenUsage& usage) const;

  const RoutePlan plan_;
  uint64_t answers_ = 0;
  uint64_t calls_ = 0;
  uint64_t low_nano_ = 0;
  uint64_t high_nano_ = 0;
  std::map<std::string, uint64_t> recorded_;
};

}  // namespace vouch
