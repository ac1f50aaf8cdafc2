#include "rag/cost/route_estimate.h"

#include <algorithm>

#include "rag/cost/cost_report.h"
#include "rag/llm/spend_book.h"
#include "storage/concat.h"

namespace vouch {

absl::Status CheckPlan(const RoutePlan& plan) {
  if (plan.models.empty()) return absl::InvalidArgumentError("the route has no tier");
  for (const std::string& model : plan.models) {
    if (plan.prices.models.contains(model)) continue;
    return absl::InvalidArgumentError(
        Concat("the route's prices do not name the model '", Escape(model), "', so that nothing can be said of its cost"));
  }
  return absl::OkStatus();
}

uint64_t RouteEstimate::CostAt(size_t tier, const TokenUsage& usage) const {
  return CostNano(plan_.prices.models.at(plan_.models[std::min(tier, plan_.models.size() - 1)]), usage);
}

void RouteEstimate::Add(const Answer& answer) {
  const uint64_t before = calls_;
  const std::string currency =
      answer.generation && !answer.generation->price_table.empty() ? answer.generation->currency : "";
  const auto price = [&](size_t tier, const TokenUsage& usage, bool surely) {
    if (surely) low_nano_ = AddNano(low_nano_, CostAt(tier, usage));
    high_nano_ = AddNano(high_nano_, CostAt(tier, usage));
  };
  const auto record = [&](const ModelAttempt& attempt) {
    ++calls_;
    uint64_t& sum = recorded_[currency];
    sum = AddNano(sum, attempt.cost_nano);
  };
  for (const Rewrite& rewrite : answer.rewrites) {
    for (const ModelAttempt& attempt : rewrite.attempts) {
      if (!IsCall(attempt)) continue;
      record(attempt);
      price(0, attempt.usage, true);
    }
  }
  if (answer.generation) {
    const size_t allowed = std::min<size_t>(plan_.escalations, plan_.models.size() - 1);
    size_t completions = 0;  // before the attempt
    size_t tier = 0;         // of the attempt before
    TokenUsage last;
    for (const ModelAttempt& attempt : answer.generation->attempts) {
      // A hedge races the attempt before it at the same tier, whichever of the two won.
      if (!attempt.hedge) tier = completions;
      if (!IsCall(attempt)) continue;
      record(attempt);
      if (tier <= allowed) price(tier, attempt.usage, true);
      if (attempt.outcome != "ok") continue;
      ++completions;
      last = attempt.usage;
    }
    // Where the record has no decisions, nothing says whether it would have escalated.
    const bool open = completions > 0 && answer.generation->decisions.empty();
    for (size_t next = completions; open && next <= allowed; ++next) price(next, last, false);
  }
  if (calls_ > before) ++answers_;
}

}  // namespace vouch
