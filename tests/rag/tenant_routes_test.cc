#include "rag/llm/tenant_routes.h"

#include <gmock/gmock.h>

#include "tests/rag/route_fixture.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

TEST(RouteOverride, GoldenBytes) {
  RouteOverride change;
  EXPECT_EQ(EncodeRouteOverride(change),
            R"({"format":1,"tiers":[],"prices":null,"escalate":null,"hedge":null,"retries":null,)"
            R"("max_prompt_tokens":null})");
  change.tiers = {{.name = "dear", .max_tokens = 100, .temperature = 0.5}, {.name = "cheap"}};
  change.prices = {.version = "p2", .currency = "EUR", .models = {{"m", {1, 2}}}};
  change.escalate = EscalationRules{.below_grounding = 0.75};
  change.hedge = HedgeRules{.share = 0.125};
  change.retries = 1;
  const std::string bytes =
      R"({"format":1,"tiers":[{"name":"dear","max_tokens":100,"temperature":0.5},)"
      R"({"name":"cheap","max_tokens":0,"temperature":null}],)"
      R"("prices":{"version":"p2","currency":"EUR","models":[{"model":"m","input_nano":1,"output_nano":2}]},)"
      R"("escalate":{"below_grounding":0.75,"on_refusal":true,"most":1,"explore":0.0},)"
      R"("hedge":{"quantile":0.95,"share":0.125,"min_delay_ms":100},"retries":1,)"
      R"("max_prompt_tokens":null})";
  EXPECT_EQ(EncodeRouteOverride(change), bytes);
  const absl::StatusOr<RouteOverride> read = DecodeRouteOverride(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EncodeRouteOverride(*read), bytes);
  EXPECT_EQ(DecodeRouteOverride(R"({"format":2})").status().code(),
            absl::StatusCode::kFailedPrecondition);
  for (const char* damaged : {"", "[]", "{}", R"({"format":1})", R"({"format":1,"tiers":[1]})"})
    EXPECT_EQ(DecodeRouteOverride(damaged).status().code(), absl::StatusCode::kDataLoss) << damaged;
}

class TenantRoutesTest : public RouteTest {
 protected:
  TenantRoutesTest() : server_([](size_t, const auto&) { return ChatStream("A tag.", 12, 6); }) {
    spec_.tiers = {Tier("cheap", server_), Tier("dear", server_)};
  }
  static std::string FirstTier(TenantRoutes& routes, const std::string& tenant) {
    return routes.For(tenant).value()->spec().tiers.front().name;
  }

  ModelServer server_;
};

TEST_F(TenantRoutesTest, EachTenantHasItsOwnAndOldOnesLiveOn) {
  TenantRoutes routes(&Route(), store_->catalog());
  EXPECT_EQ(FirstTier(routes, "t"), "cheap");
  ASSERT_TRUE(routes.Apply("t", {.tiers = {{.name = "dear", .max_tokens = 7}}}, false)->changed);
  EXPECT_EQ(FirstTier(routes, "t"), "dear");
  EXPECT_EQ(FirstTier(routes, "u"), "cheap");
  const std::shared_ptr<ModelRoute> held = routes.For("t").value();
  EXPECT_EQ(held.get(), routes.For("t").value().get()) << "made once, with one breaker";
  EXPECT_EQ(held->spec().tiers.front().parameters.max_tokens, 7u);
  EXPECT_EQ(held->spec().tiers.front().endpoint.api_key, "sk-secret");
  ASSERT_TRUE(routes.Remove("t", false).ok());
  EXPECT_EQ(FirstTier(routes, "t"), "cheap");
  EXPECT_TRUE(held->Generate(messages_, "t", CancelToken(), nullptr).status.ok());
  EXPECT_EQ(routes.Remove("t", false).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(routes.For("u").value().get(), &Route());
  TenantRoutes none(nullptr, store_->catalog());
  EXPECT_EQ(none.For("t").value(), nullptr);
  EXPECT_EQ(none.Apply("t", {}, false).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TenantRoutesTest, WhatDoesNotFitIsToldAndNothingIsKept) {
  TenantRoutes routes(&Route(), store_->catalog());
  EXPECT_THAT(routes.Apply("t", {.tiers = {{.name = "free"}}}, false).status().message(),
              HasSubstr("the server has no tier \"free\"; it has cheap, dear"));
  PriceTable prices = spec_.prices;
  prices.models["m"].input_nano = 11;
  EXPECT_THAT(routes.Apply("t", {.prices = prices}, false).status().message(),
              HasSubstr("prices.version is \"test-1\", which has other prices already"));
  prices.version = "test-2";
  EXPECT_TRUE(routes.Apply("t", {.prices = prices}, true)->changed);
  EXPECT_FALSE(routes.Get("t")->has_value()) << "a dry run";
  EXPECT_TRUE(routes.Apply("t", {.prices = prices}, false)->changed);
  EXPECT_FALSE(routes.Apply("t", {.prices = prices}, false)->changed);
  prices.models["m"].input_nano = 12;
  EXPECT_THAT(routes.Apply("t", {.prices = prices}, false).status().message(),
              HasSubstr("which has other prices already"));
  EXPECT_EQ(routes.For("t").value()->spec().prices.models.at("m").input_nano, 11u);
  // The server's tiers have changed since.
  spec_.tiers.pop_back();
  ASSERT_TRUE(routes.Apply("t", {.tiers = {{.name = "dear"}}}, false)->changed);
  route_ = nullptr;
  TenantRoutes later(&Route(), store_->catalog());
  EXPECT_THAT(later.For("t").status().message(), HasSubstr("does not fit the server"));
}

}  // namespace
}  // namespace vouch
