// Costs by the records, what a month will come to, and what another route would have cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/cost/cost_report.h"
#include "rag/cost/forecast.h"
#include "rag/cost/route_estimate.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr int64_t kNoon = 1'790'000'000'000'000;  // 2026-09-21T14:13:20Z

ModelAttempt Try(const std::string& tier, uint64_t prompt, uint64_t completion, uint64_t cost, const std::string& outcome = "ok") {
  ModelAttempt attempt;
  attempt.tier = tier;
  attempt.outcome = outcome;
  attempt.started_us = kNoon;
  attempt.usage = {.prompt_tokens = prompt, .completion_tokens = completion};
  attempt.cost_nano = cost;
  return attempt;
}

Answer Asked(const std::string& pipeline, std::vector<ModelAttempt> attempts, const std::string& currency = "USD") {
  Answer answer;
  answer.tenant = "default";
  answer.time_us = kNoon;
  answer.pipeline = pipeline;
  Generation& generation = answer.generation.emplace();
  generation.route = "default";
  generation.price_table = currency.empty() ? "" : "2026-09";
  generation.currency = currency;
  generation.attempts = std::move(attempts);
  return answer;
}

std::vector<std::string> Text(const std::vector<CostLine>& lines) {
  std::vector<std::string> text;
  for (const CostLine& line : lines) {
    text.push_back(line.key + " " + line.currency + " " + std::to_string(line.answers) + "/" + std::to_string(line.calls) + " " +
                   std::to_string(line.cost_nano));
  }
  return text;
}

TEST(Cost, CurrenciesAreKeptApartAndEachAnswerCountsOnce) {
  std::vector<Answer> answers = {
      Asked("support@1", {Try("small", 100, 10, 500), Try("large", 100, 20, 9'000)}),
      Asked("support@2", {Try("small", 100, 10, 500)}),
      Asked("support@2", {Try("small", 100, 10, 400)}, "EUR"),
      Asked("", {Try("small", 0, 0, 0, "skipped: breaker"), Try("large", 50, 5, 700, "UNAVAILABLE: cut")}),
      Asked("", {Try("small", 10, 1, 0)}, "")};
  answers[1].evaluation = true;
  answers.emplace_back();  // a quoted one
  const auto sums = [&](CostBy by) {
    CostSums sums(by);
    for (const Answer& answer : answers) sums.Add(answer);
    return sums;
  };
  EXPECT_THAT(Text(sums(CostBy::kPipeline).Lines()),
              ElementsAre("default  1/1 0", "default USD 1/1 700", "support EUR 1/1 400", "support USD 2/3 10000"));
  EXPECT_THAT(Text(sums(CostBy::kTier).Lines()),
              ElementsAre("large USD 2/2 9700", "small  1/1 0", "small EUR 1/1 400", "small USD 2/2 1000"));
  EXPECT_THAT(Text(sums(CostBy::kDay).Totals()), ElementsAre("  1/1 0", " EUR 1/1 400", " USD 3/4 10700"));
  EXPECT_EQ(sums(CostBy::kDay).Lines().front().key, "2026-09-21");
  EXPECT_EQ(sums(CostBy::kTenant).Lines().back().evaluation_nano, 500u);
  EXPECT_THAT(std::string(ParseCostBy("week").status().message()), HasSubstr("'week'; there are tenant"));
}

TEST(Cost, DaysOfARangeBeginAtMidnight) {
  EXPECT_THAT(DaysOf({.from_us = kNoon, .to_us = kNoon + kDayUs}), ElementsAre("2026-09-21", "2026-09-22"));
  EXPECT_THAT(DaysOf({.from_us = kDayUs, .to_us = 2 * kDayUs}), ElementsAre("1970-01-02"));
}

// n = 4, mean 100, s = sqrt(200/3); r = 5: 500 ± 3.18245 * 8.16497 * sqrt(5 + 25/4).
TEST(Forecast, IsTheMeanWithThePredictionIntervalOfASum) {
  const MonthForecast forecast = ForecastMonth(
      {.days = {90, 110, 100, 100}, .before_today_nano = 1'000, .today_nano = 20, .days_left = 5});
  EXPECT_TRUE(forecast.has_interval);
  EXPECT_EQ(forecast.expected_nano, 1'500u);
  EXPECT_EQ(forecast.low_nano, 1'413u);
  EXPECT_EQ(forecast.high_nano, 1'587u);
}

TEST(Forecast, SaysNothingOfWhatItCannotKnow) {
  EXPECT_FALSE(ForecastMonth({.today_nano = 5}).known);
  const MonthForecast one = ForecastMonth({.days = {7}, .before_today_nano = 7, .today_nano = 1, .days_left = 3});
  EXPECT_TRUE(one.known);
  EXPECT_FALSE(one.has_interval);
  EXPECT_EQ(one.expected_nano, 28u);
  // What is spent is spent.
  const MonthForecast dear = ForecastMonth({.days = {1, 1}, .before_today_nano = 2, .today_nano = 1'000, .days_left = 1});
  EXPECT_EQ(dear.expected_nano, 1'002u);
  EXPECT_EQ(dear.low_nano, 1'002u);
  // And the days after it cost what they cost: n = 2, mean 100, s = sqrt(200); r = 2.
  const MonthForecast on = ForecastMonth({.days = {90, 110}, .before_today_nano = 200, .today_nano = 1'000, .days_left = 3});
  EXPECT_EQ(on.expected_nano, 1'400u);
  EXPECT_EQ(on.high_nano, 1'759u);  // 1,400 + 12.7062 * 14.1421 * sqrt(2 + 4/2)
}

RoutePlan Plan(uint32_t escalations) {
  return {.models = {"s", "l"},
          .prices = {.version = "p", .models = {{"s", {.input_nano = 1, .output_nano = 2}}, {"l", {.input_nano = 10, .output_nano = 20}}}},
          .escalations = escalations};
}

TEST(RouteEstimate, TheFirstTierIsAskedFirst) {
  RouteEstimate estimate(Plan(0));
  estimate.Add(Asked("a@1", {Try("large", 100, 10, 7'000)}));
  EXPECT_EQ(estimate.low_nano(), 120u);
  EXPECT_EQ(estimate.high_nano(), 120u);
  EXPECT_THAT(estimate.recorded(), ElementsAre(Pair("USD", 7'000u)));
  // A retry is made again.
  estimate.Add(Asked("a@1", {Try("large", 100, 0, 1'000, "UNAVAILABLE: cut"), Try("large", 100, 10, 7'000)}));
  EXPECT_EQ(estimate.low_nano(), 120u + 100u + 120u);
  EXPECT_EQ(estimate.answers(), 2u);
  EXPECT_EQ(estimate.calls(), 3u);
}

TEST(RouteEstimate, EscalationsThatHappenedHappenAgainAndOthersAreBounds) {
  Answer escalated = Asked("a@1", {Try("small", 100, 10, 1), Try("large", 100, 30, 2)});
  escalated.generation->decisions.resize(2);
  RouteEstimate with(Plan(1));
  with.Add(escalated);
  EXPECT_EQ(with.low_nano(), 120u + 1'600u);
  EXPECT_EQ(with.high_nano(), with.low_nano());
  // A route that does not escalate asks once.
  RouteEstimate without(Plan(0));
  without.Add(escalated);
  EXPECT_EQ(without.high_nano(), 120u);
  // Nobody knows what an answer of such a route would have done.
  RouteEstimate unknown(Plan(1));
  unknown.Add(Asked("a@1", {Try("small", 100, 10, 1)}));
  EXPECT_EQ(unknown.low_nano(), 120u);
  EXPECT_EQ(unknown.high_nano(), 120u + 1'200u);
  Answer stayed = Asked("a@1", {Try("small", 100, 10, 1)});
  stayed.generation->decisions.resize(1);
  RouteEstimate known(Plan(1));
  known.Add(stayed);
  EXPECT_EQ(known.high_nano(), 120u);
}

// The loser of a race is of the tier of the first request, whichever of the two won.
TEST(RouteEstimate, AHedgeIsOfTheTierThatItRaces) {
  ModelAttempt hedge = Try("small", 100, 0, 0, "CANCELLED: the first request was faster");
  hedge.hedge = true;
  Answer first_won = Asked("a@1", {Try("small", 100, 10, 1), hedge, Try("large", 100, 30, 2)});
  first_won.generation->decisions.resize(2);
  RouteEstimate with(Plan(1));
  with.Add(first_won);
  EXPECT_EQ(with.low_nano(), 120u + 100u + 1'600u);
  RouteEstimate without(Plan(0));
  without.Add(first_won);
  EXPECT_EQ(without.high_nano(), 120u + 100u);
  hedge.outcome = "ok";
  hedge.usage.completion_tokens = 10;
  Answer hedge_won = Asked("a@1", {Try("small", 100, 0, 1, "CANCELLED: the second was faster"), hedge, Try("large", 100, 30, 2)});
  hedge_won.generation->decisions.resize(2);
  RouteEstimate other(Plan(1));
  other.Add(hedge_won);
  EXPECT_EQ(other.low_nano(), 100u + 120u + 1'600u);
}

TEST(RouteEstimate, ARouteEscalatesNoFurtherThanItHasTiers) {
  RoutePlan plan = Plan(1);
  plan.models.pop_back();
  Answer escalated = Asked("a@1", {Try("small", 100, 10, 1), Try("large", 100, 30, 2)});
  escalated.generation->decisions.resize(2);
  RouteEstimate estimate(plan);
  estimate.Add(escalated);
  EXPECT_EQ(estimate.low_nano(), 120u);
  EXPECT_EQ(estimate.high_nano(), 120u);
}

TEST(RouteEstimate, AModelWithoutAPriceIsNamed) {
  RoutePlan plan = Plan(0);
  plan.models.push_back("x");
  EXPECT_THAT(std::string(CheckPlan(plan).message()), HasSubstr("do not name the model 'x'"));
  EXPECT_THAT(std::string(CheckPlan({}).message()), HasSubstr("no tier"));
}

}  // namespace
}  // namespace vouch
