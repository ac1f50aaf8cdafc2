#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vouch {

// Service objectives by burn rates over several windows (Google, The Site Reliability Workbook,
// chapter 5), with what naive ones get wrong: few events, and objectives that cannot burn so fast.

enum class BurnAction : uint8_t { kTicket, kPage };

struct BurnRule {
  double burn = 0;         // times the rate that spends the budget in the period exactly
  int64_t long_s = 0;      // both windows must burn: the long one that it matters,
  int64_t short_s = 0;     // the short one that it still goes on
  BurnAction action = BurnAction::kTicket;
};

// The burn that spends `budget_fraction` of the budget of `period_s` within `window_s`.
double BurnThreshold(double budget_fraction, int64_t period_s, int64_t window_s);
// The greatest burn there can be: 1 / (1 - objective), where all is bad.
double GreatestBurn(double objective);
// Of a 30-day period: 14.4 over 1 h and 5 min and 6 over 6 h and 30 min page, 1 over 3 d and 6 h is a
// ticket. For objectives of 93 % and less, which cannot burn at 14.4: 6 over 1 h, 3 over 6 h, 1 over 3 d.
std::vector<BurnRule> RulesFor(double objective);

// Events of a window by the time of the answer, however late they were judged.
struct EventCounts {
  uint64_t bad = 0;
  uint64_t all = 0;
};
struct BurnOptions {
  double confidence = 0.95;  // of the lower bound of the bad share, one-sided
  uint64_t min_events = 10;  // of each window; below, nothing is said
};
struct BurnState {
  double burn = 0;        // of the long window, as it was seen; 0 without events
  double sure_burn = 0;   // by the lower bound
  bool fires = false;
};
// Whether a rule fires: in both windows even the exact lower bound of the bad share burns that fast.
BurnState CheckBurn(double objective, const BurnRule& rule, const EventCounts& long_window,
                    const EventCounts& short_window, const BurnOptions& options = {});

// The share of the period's budget that is spent, above 1 where it is overdrawn; 0 without events.
double BudgetSpent(double objective, const EventCounts& period);

// The true share behind what a judge with errors observes (Rogan, Gladen, 1978), within [0, 1]; NaN
// where the judge is no better than chance.
double CorrectedShare(double observed, double sensitivity, double specificity);

}  // namespace vouch
