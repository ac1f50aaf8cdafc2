#include "rag/eval/burn_rate.h"

#include <algorithm>
#include <limits>

#include "rag/eval/interval.h"

namespace vouch {
namespace {

constexpr int64_t kMinute = 60;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr double kLowObjective = 0.93;

double Share(const EventCounts& counts) {
  return counts.all == 0 ? 0 : static_cast<double>(counts.bad) / static_cast<double>(counts.all);
}

// One-sided: the two-sided interval of twice the doubt.
double LowerBound(const EventCounts& counts, double confidence) {
  return ExactInterval(counts.bad, counts.all, 2 * confidence - 1).low;
}

}  // namespace

double BurnThreshold(double budget_fraction, int64_t period_s, int64_t window_s) {
  return budget_fraction * static_cast<double>(period_s) / static_cast<double>(window_s);
}

double GreatestBurn(double objective) { return 1 / (1 - objective); }

std::vector<BurnRule> RulesFor(double objective) {
  const bool low = objective <= kLowObjective;
  return {{low ? 6 : 14.4, kHour, 5 * kMinute, BurnAction::kPage},
          {low ? 3.0 : 6.0, 6 * kHour, 30 * kMinute, BurnAction::kPage},
          {1, 3 * kDay, 6 * kHour, BurnAction::kTicket}};
}

BurnState CheckBurn(double objective, const BurnRule& rule, const EventCounts& long_window,
                    const EventCounts& short_window, const BurnOptions& options) {
  BurnState state;
  const double budget = 1 - objective;
  if (!(budget > 0)) return state;
  state.burn = Share(long_window) / budget;
  state.sure_burn = LowerBound(long_window, options.confidence) / budget;
  if (std::min(long_window.all, short_window.all) < options.min_events) return state;
  state.fires = state.sure_burn >= rule.burn &&
                LowerBound(short_window, options.confidence) / budget >= rule.burn;
  return state;
}

double BudgetSpent(double objective, const EventCounts& period) {
  return objective < 1 ? Share(period) / (1 - objective) : (period.bad > 0 ? std::numeric_limits<double>::infinity() : 0);
}

double CorrectedShare(double observed, double sensitivity, double specificity) {
  const double skill = sensitivity + specificity - 1;
  if (!(skill > 0)) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp((observed + specificity - 1) / skill, 0.0, 1.0);
}

}  // namespace vouch
