#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/llm/budget_store.h"
#include "rag/llm/route_override.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto change = vouch::DecodeRouteOverride(bytes); change.ok()) {
    const std::string once = vouch::EncodeRouteOverride(*change);
    const auto again = vouch::DecodeRouteOverride(once);
    if (!again.ok() || vouch::EncodeRouteOverride(*again) != once) std::abort();
  }
  if (const auto budgets = vouch::DecodeBudgets(bytes); budgets.ok()) {
    const auto again = vouch::DecodeBudgets(vouch::EncodeBudgets(*budgets));
    if (!again.ok() || *again != *budgets) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::RouteOverride change;
  change.tiers = {{.name = "dear", .max_tokens = 100, .temperature = 0.5}};
  change.prices = {.version = "p", .currency = "EUR", .models = {{"m", {1, 2}}}};
  change.escalate.emplace();
  change.hedge.emplace();
  change.retries = 1;
  change.max_prompt_tokens = 1'000;
  return {vouch::EncodeRouteOverride(change), vouch::EncodeRouteOverride({}),
          vouch::EncodeBudgets({{"", 5}, {"support", 7}})};
}
