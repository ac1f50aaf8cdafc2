#include "rag/llm/model_route.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/http/http_error.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr int64_t kMaxPauseMs = 4'000;
constexpr size_t kMaxNameBytes = 128;

uint64_t SystemRandom() { return std::random_device()(); }

absl::Status InTier(const ModelTier& tier, std::string_view what) {
  return absl::InvalidArgumentError(Concat("model tier \"", Escape(tier.name), "\": ", what));
}

absl::Status CheckTier(ModelTier* tier, const PriceTable& prices) {
  if (tier->name.empty() || tier->name.size() > kMaxNameBytes) {
    return InTier(
        *tier, Concat("its name has ", tier->name.size(), " bytes; it takes 1 to ", kMaxNameBytes));
  }
  if (absl::Status status = CheckChatEndpoint(&tier->endpoint); !status.ok()) {
    return InTier(*tier, ToStd(status.message()));
  }
  const uint32_t max_tokens = tier->parameters.max_tokens;
  if (max_tokens == 0 || max_tokens > ChatParameters::kMaxTokens) {
    return InTier(*tier, Concat("max_tokens is ", max_tokens, "; it takes 1 to ",
                                ChatParameters::kMaxTokens));
  }
  if (tier->parameters.temperature &&
      !(*tier->parameters.temperature >= 0 && *tier->parameters.temperature <= 2)) {
    return InTier(*tier,
                  Concat("temperature is ", *tier->parameters.temperature, "; it takes 0 to 2"));
  }
  if (tier->parameters.top_p && !(*tier->parameters.top_p > 0 && *tier->parameters.top_p <= 1)) {
    return InTier(*tier,
                  Concat("top_p is ", *tier->parameters.top_p, "; it takes more than 0, up to 1"));
  }
  if (!prices.version.empty() && !prices.models.contains(tier->endpoint.model)) {
    return InTier(*tier, Concat("its model \"", Escape(tier->endpoint.model),
                                "\" has no price in table ", prices.version));
  }
  return absl::OkStatus();
}

absl::Status CheckRules(const RouteSpec& spec) {
  const auto wrong = [](std::string_view field, double value, std::string_view takes) {
    return absl::InvalidArgumentError(
        Concat("route: ", field, " is ", value, "; it takes ", takes));
  };
  if (spec.escalate) {
    const EscalationRules& rules = *spec.escalate;
    if (!(rules.below_grounding >= 0 && rules.below_grounding <= 1))
      return wrong("escalate.below_grounding", rules.below_grounding, "0 to 1");
    if (rules.most == 0 || rules.most > EscalationRules::kMaxEscalations)
      return wrong("escalate.most", rules.most, "1 to 15");
    if (!(rules.explore >= 0 && rules.explore <= EscalationRules::kMaxExplore))
      return wrong("escalate.explore", rules.explore, "0 to 0.5");
  }
  if (spec.hedge) {
    const HedgeRules& rules = *spec.hedge;
    if (!(rules.quantile >= 0.5 && rules.quantile <= 0.999))
      return wrong("hedge.quantile", rules.quantile, "0.5 to 0.999");
    if (!(rules.share > 0 && rules.share <= 0.5))
      return wrong("hedge.share", rules.share, "more than 0, up to 0.5");
    if (rules.min_delay_ms < 1 || rules.min_delay_ms > 60'000)
      return wrong("hedge.min_delay_ms", static_cast<double>(rules.min_delay_ms), "1 to 60000");
  }
  return absl::OkStatus();
}

ModelPrice PriceOf(const RouteSpec& spec, const ModelTier& tier) {
  const auto found = spec.prices.models.find(tier.endpoint.model);
  return found == spec.prices.models.end() ? ModelPrice() : found->second;
}

uint64_t EstimatePrompt(const std::vector<ChatMessage>& messages) {
  constexpr uint64_t kTokensAMessage = 4;  // role and borders, in the usual templates
  uint64_t tokens = 0;
  for (const ChatMessage& message : messages) {
    tokens += kTokensAMessage + EstimateTokens(message.content);
  }
  return std::min(tokens, TokenUsage::kMaxTokens);
}

// What the server says, unless it said so before the last text: then it may not know of that, and
// the larger number counts.
TokenUsage UsageOf(const ChatReply& reply, uint64_t prompt_tokens) {
  const uint64_t completion_tokens =
      EstimateTokens(reply.text) + EstimateTokens(reply.refusal) + reply.unseen_tokens;
  if (!reply.usage) {
    return {
        .prompt_tokens = prompt_tokens, .completion_tokens = completion_tokens, .estimated = true};
  }
  if (!reply.text_after_usage || reply.usage->completion_tokens >= completion_tokens) {
    return *reply.usage;
  }
  return {.prompt_tokens = reply.usage->prompt_tokens,
          .completion_tokens = completion_tokens,
          .estimated = true};
}

std::string Describe(const absl::Status& status) {
  if (status.ok()) return "ok";
  return Concat(ToStd(absl::StatusCodeToString(status.code())), ": ", ToStd(status.message()));
}

}  // namespace

absl::Status CheckRoute(RouteSpec* spec) {
  const auto bad = [](const std::string& what) {
    return absl::InvalidArgumentError(Concat("route: ", what));
  };
  if (spec->name.empty() || spec->name.size() > kMaxNameBytes) {
    return bad(Concat("its name has ", spec->name.size(), " bytes; it takes 1 to ", kMaxNameBytes));
  }
  if (spec->tiers.empty() || spec->tiers.size() > RouteSpec::kMaxTiers) {
    return bad(
        Concat("it has ", spec->tiers.size(), " tiers; it takes 1 to ", RouteSpec::kMaxTiers));
  }
  if (spec->retries > RouteSpec::kMaxRetries) {
    return bad(Concat("retries is ", spec->retries, "; it takes 0 to ", RouteSpec::kMaxRetries));
  }
  if (spec->max_prompt_tokens < 100 || spec->max_prompt_tokens > RouteSpec::kMaxPromptTokens) {
    return bad(Concat("max_prompt_tokens is ", spec->max_prompt_tokens, "; it takes 100 to ",
                      RouteSpec::kMaxPromptTokens));
  }
  for (const auto& [model, price] : spec->prices.models) {
    if (price.input_nano > ModelPrice::kMaxNano || price.output_nano > ModelPrice::kMaxNano) {
      return bad(Concat("the price of \"", Escape(model), "\" is over ", ModelPrice::kMaxNano,
                        " billionths a token"));
    }
  }
  if (spec->prices.version.empty() &&
      (spec->limits.tenant_day_nano || spec->limits.pipeline_day_nano)) {
    return bad("a limit of spending needs a price table");
  }
  if (absl::Status status = CheckRules(*spec); !status.ok()) return status;
  std::set<std::string> names;
  for (ModelTier& tier : spec->tiers) {
    if (absl::Status status = CheckTier(&tier, spec->prices); !status.ok()) return status;
    if (!names.insert(tier.name).second) return InTier(tier, "its name stands twice");
  }
  return absl::OkStatus();
}

// What one Generate carries along.
struct ModelRoute::Call {
  const std::vector<ChatMessage>& messages;
  std::string_view tenant;
  std::string_view pipeline;
  const CancelToken& cancel;
  const TextSink& text;
  uint64_t prompt_tokens = 0;  // estimate
  RouteOutcome outcome = {};
  int64_t retry_after_ms = -1;
  size_t reported = 0;     // attempts that were told of
  size_t over_limits = 0;  // tiers that were skipped for money
};

ModelRoute::ModelRoute(RouteSpec spec, Dependencies dependencies)
    : spec_(std::move(spec)),
      dependencies_(std::move(dependencies)),
      hedge_budget_(spec_.hedge.value_or(HedgeRules()).share, /*at_start=*/1) {
  for (size_t i = 0; i < spec_.tiers.size(); ++i) {
    breakers_.push_back(std::make_unique<CircuitBreaker>(spec_.breaker, dependencies_.clock));
    latencies_.push_back(std::make_unique<LatencyWindow>());
  }
}

absl::StatusOr<std::unique_ptr<ModelRoute>> ModelRoute::Create(RouteSpec spec,
                                                               Dependencies dependencies) {
  if (absl::Status status = CheckRoute(&spec); !status.ok()) return status;
  if (!dependencies.random) dependencies.random = SystemRandom;
  return std::unique_ptr<ModelRoute>(new ModelRoute(std::move(spec), std::move(dependencies)));
}

absl::StatusOr<SpendLedger::Ticket> ModelRoute::Reserve(const ModelTier& tier, const Call& call) {
  const TokenUsage most{.prompt_tokens = call.prompt_tokens,
                        .completion_tokens = tier.parameters.max_tokens};
  return dependencies_.ledger.Reserve(call.tenant, call.pipeline,
                                      CostNano(PriceOf(spec_, tier), most), spec_.limits,
                                      2 * tier.endpoint.timeout_ms);
}

absl::Status ModelRoute::Settle(const ModelTier& tier, const SpendLedger::Ticket& ticket,
                                const ChatTry& result, bool lost, ModelAttempt* attempt,
                                Call* call) {
  attempt->ended_us = dependencies_.clock.NowMicros();
  attempt->outcome = lost ? "CANCELLED: the other request was faster" : Describe(result.status);
  std::optional<TokenUsage> usage;
  if (result.started) {
    usage = UsageOf(result.reply, call->prompt_tokens);
  } else if (lost) {
    usage = {.prompt_tokens = call->prompt_tokens, .estimated = true};
  }
  if (usage) {
    attempt->usage = *usage;
    attempt->cost_nano = CostNano(PriceOf(spec_, tier), *usage);
    call->outcome.cost_nano = AddNano(call->outcome.cost_nano, attempt->cost_nano);
  }
  return dependencies_.ledger.Settle(ticket, usage, attempt->cost_nano);
}

HedgedTry ModelRoute::Try(size_t index, const TextSink& sink, const Call& call,
                          ModelAttempt* second,
                          std::optional<SpendLedger::Ticket>* second_ticket) {
  const ModelTier& tier = spec_.tiers[index];
  if (!spec_.hedge) {
    HedgedTry once;
    once.first =
        TryChat(http_, tier.endpoint, call.messages, tier.parameters, call.cancel, sink);
    return once;
  }
  const HedgeRules& rules = *spec_.hedge;
  hedge_budget_.OnRequest();
  const std::optional<int64_t> usual_us =
      latencies_[index]->Quantile(rules.quantile, rules.min_samples);
  HedgeTiming timing;
  if (usual_us) {
    timing.delay_ms = std::max(rules.min_delay_ms, *usual_us / 1'000);
    timing.start = [&] {
      if (!hedge_budget_.TakeRetry()) return false;
      absl::StatusOr<SpendLedger::Ticket> ticket = Reserve(tier, call);
      if (!ticket.ok()) return false;
      *second_ticket = *std::move(ticket);
      second->started_us = dependencies_.clock.NowMicros();
      return true;
    };
  }
  const std::string key =
      absl::StrFormat("%016x%016x", dependencies_.random(), dependencies_.random());
  HedgedTry tries = TryChatHedged(http_, tier.endpoint, call.messages, tier.parameters, call.cancel,
                                  sink, timing, key);
  // Also where it lost: else only fast ones would be known, and more and more would be hedged.
  if (tries.first_text_us >= 0) latencies_[index]->Add(tries.first_text_us);
  return tries;
}

ModelRoute::Next ModelRoute::TryTier(size_t index, uint32_t retry, Call* call) {
  const ModelTier& tier = spec_.tiers[index];
  RouteOutcome& outcome = call->outcome;
  CircuitBreaker& breaker = *breakers_[index];
  const int64_t now_us = dependencies_.clock.NowMicros();
  outcome.attempts.push_back({.tier = tier.name,
                              .model = tier.endpoint.model,
                              .endpoint = UrlWithoutSecrets(tier.endpoint.base_url),
                              .started_us = now_us,
                              .ended_us = now_us});
  if (!breaker.Allow()) {
    outcome.attempts.back().outcome = "skipped: the server failed too often of late";
    outcome.status = absl::UnavailableError(
        Concat("model tier ", tier.name, ": the server failed too often of late"));
    return Next::kNextTier;
  }
  const absl::StatusOr<SpendLedger::Ticket> ticket = Reserve(tier, *call);
  if (!ticket.ok()) {
    breaker.Abandon();
    outcome.status = ticket.status();
    outcome.attempts.back().outcome = Concat("skipped: ", ToStd(ticket.status().message()));
    if (!absl::IsResourceExhausted(ticket.status())) return Next::kDone;
    ++call->over_limits;
    return Next::kNextTier;
  }
  TextSink sink;
  if (call->text) {
    sink = [call](std::string_view piece) {
      call->outcome.delivered = true;
      return call->text(piece);
    };
  }
  ModelAttempt second = outcome.attempts.back();
  second.hedge = true;
  std::optional<SpendLedger::Ticket> second_ticket;
  HedgedTry tries = Try(index, sink, *call, &second, &second_ticket);
  // One that the server had refused by then did not lose, and costs nothing.
  const bool first_lost = tries.second_won && absl::IsCancelled(tries.first.status);
  absl::Status settled = Settle(tier, *ticket, tries.first, first_lost, &outcome.attempts.back(), call);
  outcome.usage = outcome.attempts.back().usage;
  if (tries.second && second_ticket) {
    const bool lost = !tries.second_won && absl::IsCancelled(tries.second->status);
    settled.Update(Settle(tier, *second_ticket, *tries.second, lost, &second, call));
    if (tries.second_won) outcome.usage = second.usage;
    outcome.attempts.push_back(std::move(second));
  }
  ChatTry& result = tries.second_won ? *tries.second : tries.first;
  const bool own_end = result.stopped || !call->cancel.Check().ok();
  if (result.status.ok() || !own_end) {
    breaker.Record(!IsWorthRetrying(result.status));
  } else {
    breaker.Abandon();
  }
  outcome.tier = index;
  outcome.reply = std::move(result.reply);
  outcome.status = result.status.ok() ? settled : result.status;
  call->retry_after_ms = result.retry_after_ms;
  if (result.status.ok() || !settled.ok() || own_end || outcome.delivered) return Next::kDone;
  const bool again = IsWorthRetrying(result.status) && retry < spec_.retries &&
                     result.retry_after_ms <= spec_.max_retry_after_ms && retry_budget_.TakeRetry();
  return again ? Next::kSameTier : Next::kNextTier;
}

void ModelRoute::Report(Call* call) const {
  const std::vector<ModelAttempt>& attempts = call->outcome.attempts;
  for (; call->reported < attempts.size(); ++call->reported) {
    if (dependencies_.on_attempt) dependencies_.on_attempt(attempts[call->reported], spec_);
  }
}

absl::Status ModelRoute::PauseBeforeRetry(uint32_t retry, int64_t retry_after_ms,
                                          const CancelToken& cancel) {
  const int64_t pause_ms =
      std::min(spec_.first_pause_ms << std::min<uint32_t>(retry, 10), kMaxPauseMs);
  // Between half of it and all, so that callers who failed together do not come together again.
  const int64_t half_ms = pause_ms / 2;
  const int64_t jittered_ms =
      half_ms +
      static_cast<int64_t>(dependencies_.random() % static_cast<uint64_t>(pause_ms - half_ms + 1));
  return dependencies_.wait(std::max(jittered_ms, retry_after_ms), cancel);
}

RouteOutcome ModelRoute::Generate(const std::vector<ChatMessage>& messages,
                                  const RouteCall& whose, const CancelToken& cancel,
                                  const TextSink& text) {
  Call call{.messages = messages,
            .tenant = whose.tenant,
            .pipeline = whose.pipeline.empty() ? std::string_view(spec_.name) : whose.pipeline,
            .cancel = cancel,
            .text = text,
            .prompt_tokens = EstimatePrompt(messages)};
  retry_budget_.OnRequest();
  for (size_t tier = whose.first_tier; tier < spec_.tiers.size(); ++tier) {
    for (uint32_t retry = 0;; ++retry) {
      if (absl::Status status = cancel.Check(); !status.ok()) {
        call.outcome.status = status;
        return std::move(call.outcome);
      }
      const Next next = TryTier(tier, retry, &call);
      Report(&call);
      if (next == Next::kDone) return std::move(call.outcome);
      if (next == Next::kNextTier) break;
      if (absl::Status status = PauseBeforeRetry(retry, call.retry_after_ms, cancel);
          !status.ok()) {
        call.outcome.status = status;
        return std::move(call.outcome);
      }
    }
  }
  call.outcome.unpaid =
      call.over_limits > 0 && call.over_limits == call.outcome.attempts.size();
  return std::move(call.outcome);
}

}  // namespace vouch
