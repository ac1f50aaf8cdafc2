#pragma once

#include <cstdint>

namespace vouch {

// When the next tier is asked though one gave a whole answer (a cascade: Chen et al., "FrugalGPT",
// 2023, with the check of grounding as its judge).
struct EscalationRules {
  static constexpr uint32_t kMaxEscalations = 15;
  static constexpr double kMaxExplore = 0.5;

  double below_grounding = 0.5;  // a smaller share of supported sentences escalates, 0 … 1
  bool on_refusal = true;        // so does a model that says that it does not know
  uint32_t most = 1;             // escalations of one question, 1 … kMaxEscalations
  // Share of the answers that would do which are escalated all the same, 0 … kMaxExplore: with the
  // propensities of the record one can tell from them what escalating more would give. More: known
  // sooner, and dearer.
  double explore = 0;
};

// When a second request goes out beside a slow one (Dean and Barroso, "The Tail at Scale", 2013).
struct HedgeRules {
  double quantile = 0.95;      // of the tier's times to a first text; lower: more hedges, 0.5 … 0.999
  double share = 0.05;         // of the requests, at most, above 0 … 0.5: what hedging may cost more
  int64_t min_delay_ms = 100;  // never earlier, 1 … 60,000
  uint32_t min_samples = 20;   // times that must be known before anything is hedged
};

}  // namespace vouch
