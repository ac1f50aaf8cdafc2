#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/llm/model_route.h"

namespace vouch {

// A tier of the server's own route, named in another order or with other parameters.
struct TierOverride {
  std::string name = {};
  uint32_t max_tokens = 0;  // 0: the server's
  std::optional<double> temperature = {};
  friend bool operator==(const TierOverride&, const TierOverride&) = default;
};

// What of the server's route is another one for a tenant; what is nothing is the server's. It names
// no address and no key: who may set it can only choose among what the server's settings offer.
struct RouteOverride {
  std::vector<TierOverride> tiers = {};
  std::optional<PriceTable> prices = {};
  std::optional<EscalationRules> escalate = {};
  std::optional<HedgeRules> hedge = {};
  std::optional<uint32_t> retries = {};
  std::optional<uint32_t> max_prompt_tokens = {};
};

// The server's route with the override, checked. INVALID_ARGUMENT names the tier that the server does
// not have, with those that it has, or what CheckRoute says.
absl::StatusOr<RouteSpec> Overridden(const RouteSpec& base, const RouteOverride& change);

// Format 1, JSON: all fields in one order, null where there is nothing. Equal overrides give equal
// bytes. DATA_LOSS: damaged; FAILED_PRECONDITION: a newer program wrote it.
std::string EncodeRouteOverride(const RouteOverride& change);
absl::StatusOr<RouteOverride> DecodeRouteOverride(std::string_view json);

// A table's prices as JSON, and what holds of a route, for people and for comparison: JSON without
// addresses and keys.
std::string PriceTableToJson(const PriceTable& prices);
std::string RouteToJson(const RouteSpec& spec);

}  // namespace vouch
