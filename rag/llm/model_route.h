#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/http/wait.h"
#include "rag/llm/chat_client.h"
#include "rag/llm/circuit_breaker.h"
#include "rag/llm/hedged_chat.h"
#include "rag/llm/latency_window.h"
#include "rag/llm/price_table.h"
#include "rag/llm/retry_budget.h"
#include "rag/llm/route_rules.h"
#include "rag/llm/spend_ledger.h"

namespace vouch {

// One model that a route may ask.
struct ModelTier {
  std::string name = {};
  ChatEndpoint endpoint = {};
  ChatParameters parameters = {};
};

// Which models are asked in which order, and what that may cost.
struct RouteSpec {
  static constexpr size_t kMaxTiers = 16;
  static constexpr uint32_t kMaxRetries = 10;
  static constexpr uint32_t kMaxPromptTokens = 1'000'000;

  std::string name = "default";  // what is spent without a pipeline counts to it
  std::vector<ModelTier> tiers = {};
  PriceTable prices = {};
  SpendLimits limits = {};
  uint32_t max_prompt_tokens = 6'000;  // by estimate; what does not fit is left out of the prompt
  uint32_t retries = 2;                // of one tier, within the budget of all
  int64_t first_pause_ms = 250;        // before a retry, doubled each time up to 4 s, and jittered
  int64_t max_retry_after_ms =
      10'000;  // a server that asks for a longer pause is left for the next
  BreakerOptions breaker = {};
  std::optional<EscalationRules> escalate = {};  // nothing: never
  std::optional<HedgeRules> hedge = {};          // nothing: never
};

// INVALID_ARGUMENT names the tier, the value and the limit. A price table that is there must name
// every tier's model.
absl::Status CheckRoute(RouteSpec* spec);

// One try at a tier, or why there was none.
struct ModelAttempt {
  std::string tier = {};
  std::string model = {};
  std::string endpoint = {};  // without secrets
  std::string outcome = {};   // "ok", "skipped: …" or "UNAVAILABLE: …"
  int64_t started_us = 0;
  int64_t ended_us = 0;
  TokenUsage usage = {};  // 0 where the server did not take the request
  uint64_t cost_nano = 0;
  bool hedge = false;  // a second request, sent since the first one was slow
};

struct RouteOutcome {
  absl::Status status = {};
  size_t tier = 0;  // whose reply it is
  ChatReply reply = {};
  TokenUsage usage = {};        // of that try
  uint64_t cost_nano = 0;  // of all tries
  std::vector<ModelAttempt> attempts = {};
  bool delivered = false;  // some text had reached the sink
  bool unpaid = false;     // no tier was tried, since each would pass a limit of spending
};

// Whose money a call spends, and where in the route it begins.
struct RouteCall {
  std::string_view tenant = {};
  std::string_view pipeline = {};  // empty: the route's name
  size_t first_tier = 0;
};

// Asks models in order: a tier is tried up to 1 + retries times, then the next one. Once a byte of
// text has reached the caller, nothing is tried again: the caller gets the rest or an error. A try
// that is slow may get a second request beside it (HedgeRules). Thread safe.
//
// Books: every try that a server took is settled with what the server says it used, else with an
// estimate of the prompt and of the text that came, whether it ended well, was cut, or was
// cancelled. A hedged request that lost is settled with the prompt at least, although nothing of it
// came: the server may have read it.
class ModelRoute {
 public:
  struct Dependencies {
    SpendLedger& ledger;
    const Clock& clock = Clock::System();
    std::function<uint64_t()> random = nullptr;  // null: the system's
    Waiter wait = WaitFor;
    // Hears of every attempt as it stands at its end, on the caller's thread; may be null.
    std::function<void(const ModelAttempt& attempt, const RouteSpec& route)> on_attempt = nullptr;
  };
  // Checked by CheckRoute.
  static absl::StatusOr<std::unique_ptr<ModelRoute>> Create(RouteSpec spec,
                                                            Dependencies dependencies);

  // `text` may be null: then a reply that is cut is tried again like any other. The status: OK;
  // that of the caller's end or of its sink; that of the store; else that of the last try
  // (UNAVAILABLE where every tier was skipped, RESOURCE_EXHAUSTED where the last skipped one was
  // for money).
  RouteOutcome Generate(const std::vector<ChatMessage>& messages, const RouteCall& call,
                        const CancelToken& cancel, const TextSink& text);
  RouteOutcome Generate(const std::vector<ChatMessage>& messages, std::string_view tenant,
                        const CancelToken& cancel, const TextSink& text) {
    return Generate(messages, RouteCall{.tenant = tenant}, cancel, text);
  }

  const RouteSpec& spec() const { return spec_; }
  // Another route with the same ledger, clock and listener, and breakers of its own.
  absl::StatusOr<std::unique_ptr<ModelRoute>> With(RouteSpec spec) const {
    return Create(std::move(spec), dependencies_);
  }

 private:
  struct Call;
  ModelRoute(RouteSpec spec, Dependencies dependencies);
  enum class Next { kDone, kSameTier, kNextTier };
  Next TryTier(size_t tier, uint32_t retry, Call* call);
  absl::StatusOr<SpendLedger::Ticket> Reserve(const ModelTier& tier, const Call& call);
  // `second`: of a second request, where there is one.
  HedgedTry Try(size_t tier, const TextSink& sink, const Call& call, ModelAttempt* second,
                std::optional<SpendLedger::Ticket>* second_ticket);
  absl::Status Settle(const ModelTier& tier, const SpendLedger::Ticket& ticket,
                      const ChatTry& result, bool lost, ModelAttempt* attempt, Call* call);
  void Report(Call* call) const;
  absl::Status PauseBeforeRetry(uint32_t retry, int64_t retry_after_ms, const CancelToken& cancel);

  const RouteSpec spec_;
  const Dependencies dependencies_;
  const HttpClient http_;
  std::vector<std::unique_ptr<CircuitBreaker>> breakers_;  // one a tier
  std::vector<std::unique_ptr<LatencyWindow>> latencies_;  // one a tier
  RetryBudget retry_budget_;
  RetryBudget hedge_budget_;
};

}  // namespace vouch
