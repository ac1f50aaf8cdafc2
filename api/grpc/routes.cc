#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/decimal.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "vouch/v1/routes.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kPriceDecimals = 3;  // a thousandth for a million tokens is a billionth for one

absl::Status TakePrices(const v1::RoutePrices& message, PriceTable* prices) {
  prices->version = message.version();
  if (!message.currency().empty()) prices->currency = message.currency();
  if (prices->version.empty())
    return absl::InvalidArgumentError("prices.version is missing, as 2026-11");
  for (const v1::RoutePrice& price : message.models()) {
    ModelPrice& model = prices->models[price.model()];
    for (const auto& [field, text, value] :
         {std::tuple("input_per_million", &price.input_per_million(), &model.input_nano),
          std::tuple("output_per_million", &price.output_per_million(), &model.output_nano)}) {
      if (ParseDecimal(*text, kPriceDecimals, value)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("prices: ", field, " of '", price.model(), "' is '", *text,
                       "'; it takes an amount with at most 3 decimals, as 0.15"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RouteOverride> OverrideOf(const v1::RouteSpec& message) {
  RouteOverride change;
  for (const v1::RouteTier& tier : message.tiers()) {
    TierOverride& added = change.tiers.emplace_back();
    added.name = tier.name();
    added.max_tokens = tier.max_tokens();
    if (tier.has_temperature()) added.temperature = tier.temperature();
  }
  if (message.has_prices()) {
    absl::Status status = TakePrices(message.prices(), &change.prices.emplace());
    if (!status.ok()) return status;
  }
  if (message.has_escalate()) {
    EscalationRules& rules = change.escalate.emplace();
    rules.below_grounding = message.escalate().below_grounding();
    rules.on_refusal = !message.escalate().keep_refusals();
    if (message.escalate().most() != 0) rules.most = message.escalate().most();
    rules.explore = message.escalate().explore();
  }
  if (message.has_hedge()) {
    HedgeRules& rules = change.hedge.emplace();
    if (message.hedge().quantile() != 0) rules.quantile = message.hedge().quantile();
    if (message.hedge().share() != 0) rules.share = message.hedge().share();
    if (message.hedge().min_delay_ms() != 0) rules.min_delay_ms = message.hedge().min_delay_ms();
  }
  if (message.has_retries()) change.retries = message.retries();
  if (message.has_max_prompt_tokens()) change.max_prompt_tokens = message.max_prompt_tokens();
  return change;
}

void FillSpec(const RouteOverride& change, v1::RouteSpec* message) {
  for (const TierOverride& tier : change.tiers) {
    v1::RouteTier* added = message->add_tiers();
    added->set_name(tier.name);
    added->set_max_tokens(tier.max_tokens);
    if (tier.temperature) added->set_temperature(*tier.temperature);
  }
  if (change.prices) {
    message->mutable_prices()->set_version(change.prices->version);
    message->mutable_prices()->set_currency(change.prices->currency);
    for (const auto& [model, price] : change.prices->models) {
      v1::RoutePrice* added = message->mutable_prices()->add_models();
      added->set_model(model);
      added->set_input_per_million(FormatDecimal(price.input_nano, kPriceDecimals));
      added->set_output_per_million(FormatDecimal(price.output_nano, kPriceDecimals));
    }
  }
  if (change.escalate) {
    v1::RouteEscalation* escalate = message->mutable_escalate();
    escalate->set_below_grounding(change.escalate->below_grounding);
    escalate->set_keep_refusals(!change.escalate->on_refusal);
    escalate->set_most(change.escalate->most);
    escalate->set_explore(change.escalate->explore);
  }
  if (change.hedge) {
    message->mutable_hedge()->set_quantile(change.hedge->quantile);
    message->mutable_hedge()->set_share(change.hedge->share);
    message->mutable_hedge()->set_min_delay_ms(static_cast<uint32_t>(change.hedge->min_delay_ms));
  }
  if (change.retries) message->set_retries(*change.retries);
  if (change.max_prompt_tokens) message->set_max_prompt_tokens(*change.max_prompt_tokens);
}

class RoutesService final : public v1::Routes::Service {
 public:
  explicit RoutesService(const ServiceContext& context) : services_(context) {}

  grpc::Status GetRoute(grpc::ServerContext* context, const v1::GetRouteRequest*,
                        v1::RouteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const std::string tenant = PrincipalOf(*context).tenant;
      const absl::StatusOr<std::optional<RouteOverride>> applied = services_.routes->Get(tenant);
      if (!applied.ok()) return applied.status();
      if (applied->has_value()) FillSpec(**applied, reply->mutable_applied());
      if (services_.routes->base() == nullptr) return absl::OkStatus();
      for (const ModelTier& tier : services_.routes->base()->spec().tiers)
        reply->add_tiers(tier.name);
      const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(tenant);
      if (!route.ok()) return route.status();
      reply->set_canonical(RouteToJson((*route)->spec()));
      return absl::OkStatus();
    });
  }

  grpc::Status ApplyRoute(grpc::ServerContext* context, const v1::ApplyRouteRequest* request,
                          v1::ApplyRouteResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<RouteOverride> change = OverrideOf(request->spec());
      if (!change.ok()) return change.status();
      absl::StatusOr<TenantRoutes::Applied> applied =
          services_.routes->Apply(PrincipalOf(*context).tenant, *change, request->dry_run());
      if (!applied.ok()) return applied.status();
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      reply->set_canonical(std::move(applied->now));
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveRoute(grpc::ServerContext* context, const v1::RemoveRouteRequest* request,
                           v1::RemoveRouteResponse*) override {
    return Serve(services_, *context, [&] {
      return services_.routes->Remove(PrincipalOf(*context).tenant, request->dry_run());
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewRoutesService(const ServiceContext& context) {
  return std::make_unique<RoutesService>(context);
}

}  // namespace vouch
