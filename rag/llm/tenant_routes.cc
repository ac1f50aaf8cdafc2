#include "rag/llm/tenant_routes.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kRouteKey[] = "route";
constexpr char kPricesKey[] = "price_tables";
constexpr uint64_t kRoutesFormat = 1;

}  // namespace

absl::StatusOr<std::string> TenantRoutes::Encoded(std::string_view tenant) const {
  const absl::StatusOr<std::optional<std::string>> kept =
      catalog_.GetTenantSetting(tenant, kRouteKey);
  if (!kept.ok()) return kept.status();
  return kept->value_or("");
}

absl::StatusOr<std::optional<RouteOverride>> TenantRoutes::Get(std::string_view tenant) const {
  const absl::StatusOr<std::string> encoded = Encoded(tenant);
  if (!encoded.ok()) return encoded.status();
  if (encoded->empty()) return std::optional<RouteOverride>();
  absl::StatusOr<RouteOverride> change = DecodeRouteOverride(*encoded);
  if (!change.ok()) return change.status();
  return std::optional<RouteOverride>(*std::move(change));
}

absl::StatusOr<std::shared_ptr<ModelRoute>> TenantRoutes::For(std::string_view tenant) {
  if (base_ == nullptr) return std::shared_ptr<ModelRoute>();
  const absl::StatusOr<std::string> encoded = Encoded(tenant);
  if (!encoded.ok()) return encoded.status();
  // The server's own outlives every question.
  if (encoded->empty()) return std::shared_ptr<ModelRoute>(base_, [](ModelRoute*) {});
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = made_.find(tenant);
  if (found != made_.end() && found->second.encoded == *encoded) return found->second.route;
  const absl::StatusOr<RouteOverride> change = DecodeRouteOverride(*encoded);
  if (!change.ok()) return change.status();
  absl::StatusOr<RouteSpec> spec = Overridden(base_->spec(), *change);
  if (!spec.ok()) {
    return absl::FailedPreconditionError(
        Concat("the route that was applied does not fit the server: ",
               ToStd(spec.status().message()), "; apply another one"));
  }
  absl::StatusOr<std::unique_ptr<ModelRoute>> route = base_->With(*std::move(spec));
  if (!route.ok()) return route.status();
  Made& made = made_[std::string(tenant)];
  made = {.encoded = *encoded, .route = *std::move(route)};
  return made.route;
}

absl::Status TenantRoutes::NotePrices(std::string_view tenant, const PriceTable& prices,
                                      bool dry_run) {
  const absl::StatusOr<std::optional<std::string>> kept =
      catalog_.GetTenantSetting(tenant, kPricesKey);
  if (!kept.ok()) return kept.status();
  Json json = Json::parse(kept->value_or(R"({"format":1,"tables":{}})"), nullptr,
                          /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("tables") || !json["tables"].is_object())
    return absl::DataLossError("the tenant's price tables are damaged");
  if (json.value("format", Json()) != Json(kRoutesFormat))
    return absl::FailedPreconditionError("the tenant's price tables are of a newer program");
  Json& tables = json["tables"];
  const std::string wanted = PriceTableToJson(prices);
  std::string there;
  if (base_->spec().prices.version == prices.version) there = PriceTableToJson(base_->spec().prices);
  if (tables.contains(prices.version) && tables[prices.version].is_string())
    there = tables[prices.version].get<std::string>();
  if (there == wanted) return absl::OkStatus();
  if (!there.empty()) {
    return absl::InvalidArgumentError(
        Concat("prices.version is \"", Escape(prices.version),
               "\", which has other prices already; give changed prices a version of their own"));
  }
  if (tables.size() >= kMaxPriceTables) {
    return absl::ResourceExhaustedError(
        Concat("there are ", kMaxPriceTables, " price tables, which is the limit"));
  }
  if (dry_run) return absl::OkStatus();
  tables[prices.version] = wanted;
  return catalog_.PutTenantSetting(tenant, kPricesKey,
                                   json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

absl::StatusOr<TenantRoutes::Applied> TenantRoutes::Apply(std::string_view tenant,
                                                          const RouteOverride& change,
                                                          bool dry_run) {
  if (base_ == nullptr) {
    return absl::FailedPreconditionError(
        "the server has no models to route to: set generator.route or generator.model in its "
        "configuration");
  }
  const absl::StatusOr<RouteSpec> spec = Overridden(base_->spec(), change);
  if (!spec.ok()) return spec.status();
  const absl::StatusOr<std::string> before = Encoded(tenant);
  if (!before.ok()) return before.status();
  Applied applied{.previous = RouteToJson(base_->spec()), .now = RouteToJson(*spec)};
  if (!before->empty()) {
    const absl::StatusOr<RouteOverride> old = DecodeRouteOverride(*before);
    if (!old.ok()) return old.status();
    const absl::StatusOr<RouteSpec> held = Overridden(base_->spec(), *old);
    applied.previous = held.ok() ? RouteToJson(*held) : "";
  }
  const std::string encoded = EncodeRouteOverride(change);
  if (encoded == *before) return applied;
  applied.changed = true;
  const std::lock_guard<std::mutex> lock(mu_);
  if (change.prices) {
    if (absl::Status status = NotePrices(tenant, *change.prices, dry_run); !status.ok())
      return status;
  }
  if (dry_run) return applied;
  if (absl::Status status = catalog_.PutTenantSetting(tenant, kRouteKey, encoded); !status.ok())
    return status;
  return applied;
}

absl::Status TenantRoutes::Remove(std::string_view tenant, bool dry_run) {
  const absl::StatusOr<std::string> encoded = Encoded(tenant);
  if (!encoded.ok()) return encoded.status();
  if (encoded->empty()) return absl::NotFoundError("no route was applied; the server's own holds");
  return dry_run ? absl::OkStatus() : catalog_.PutTenantSetting(tenant, kRouteKey, "");
}

}  // namespace vouch
