#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/llm/model_route.h"
#include "rag/llm/route_override.h"
#include "storage/catalog.h"

namespace vouch {

// The route that each tenant's questions take: the server's, or that with the tenant's override. An
// override is the tenant's setting `route`; `price_tables` ({format, tables: {VERSION: JSON}}) holds
// the prices of every version that was ever applied. Thread safe; a change is durable on return.
//
// Invariants:
// 1. A version of a price table never gets other prices: records name it by its version.
// 2. A route lives as long as somebody asks by it, also after another one was applied.
class TenantRoutes {
 public:
  static constexpr size_t kMaxPriceTables = 1'000;  // of a tenant

  // `base` may be null: there are no models, whatever is applied. Borrows both.
  TenantRoutes(ModelRoute* base, Catalog& catalog) : base_(base), catalog_(catalog) {}

  // Null where there are no models. FAILED_PRECONDITION: what was applied does not fit the server's
  // tiers any more; says which.
  absl::StatusOr<std::shared_ptr<ModelRoute>> For(std::string_view tenant);

  struct Applied {
    bool changed = false;
    std::string previous = {};  // RouteToJson of what held before, and of what holds now
    std::string now = {};
  };
  // FAILED_PRECONDITION: there are no models. INVALID_ARGUMENT: as Overridden; or the price table has
  // the version of another one.
  absl::StatusOr<Applied> Apply(std::string_view tenant, const RouteOverride& change, bool dry_run);
  absl::StatusOr<std::optional<RouteOverride>> Get(std::string_view tenant) const;
  // Back to the server's. NOT_FOUND: nothing was applied.
  absl::Status Remove(std::string_view tenant, bool dry_run);

  const ModelRoute* base() const { return base_; }

 private:
  struct Made {
    std::string encoded;
    std::shared_ptr<ModelRoute> route;
  };
  absl::StatusOr<std::string> Encoded(std::string_view tenant) const;  // empty: nothing is applied
  absl::Status NotePrices(std::string_view tenant, const PriceTable& prices, bool dry_run);

  ModelRoute* const base_;
  Catalog& catalog_;
  std::mutex mu_;
  std::map<std::string, Made, std::less<>> made_;  // guarded by mu_; by tenant
};

}  // namespace vouch
