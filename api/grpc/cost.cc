#include "api/grpc/cost.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rag/cost/cost_report.h"
#include "rag/cost/forecast.h"
#include "rag/cost/route_estimate.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/spend_ledger.h"

namespace vouch {
namespace {

constexpr int64_t kMaxDays = 3'660;
constexpr size_t kKnownDays = 28;

// The first moment of a month, `later` months after that of the time.
int64_t MonthStart(int64_t time_us, int later) {
  const absl::CivilMonth month(absl::ToCivilDay(absl::FromUnixMicros(time_us), absl::UTCTimeZone()));
  return absl::ToUnixMicros(absl::FromCivil(absl::CivilDay(month + later), absl::UTCTimeZone()));
}

absl::Status ResolveRange(int64_t from_us, int64_t to_us, int64_t now_us, TimeRange* range) {
  range->from_us = from_us == 0 && to_us == 0 ? MonthStart(now_us, 0) : from_us;
  range->to_us = to_us == 0 ? now_us : to_us;
  return CheckRange(*range);
}

void Fill(const CostLine& line, v1::CostLine* message) {
  message->set_key(line.key);
  message->set_currency(line.currency);
  message->set_answers(line.answers);
  message->set_calls(line.calls);
  message->set_prompt_tokens(line.prompt_tokens);
  message->set_completion_tokens(line.completion_tokens);
  message->set_cost_nano(line.cost_nano);
  message->set_evaluation_nano(line.evaluation_nano);
}

// What one day's book says, of all pipelines (an empty name) or of one.
uint64_t BookedNano(const SpendBook& book, const std::string& pipeline) {
  uint64_t nano = 0;
  for (const SpendAccount& account : book.accounts) {
    if (!pipeline.empty() && account.pipeline != pipeline) continue;
    nano = AddNano(nano, AddNano(account.spent_nano, account.lapsed_nano));
  }
  return nano;
}

class CostOfTenant {
 public:
  CostOfTenant(const ServiceContext& services, const Principal& principal, const CancelToken& cancel, int64_t now_us)
      : services_(services),
        tenant_(principal.tenant),
        cancel_(cancel),
        catalog_(services.database->store().catalog()),
        ledger_(catalog_, services.database->clock()),
        now_us_(now_us) {}

  // Where the range is one of whole days, or of days up to now.
  absl::Status AddBooks(const TimeRange& range, v1::CostReply* reply) {
    if (range.from_us % kDayUs != 0 || (range.to_us % kDayUs != 0 && range.to_us < now_us_)) return absl::OkStatus();
    if ((std::min(range.to_us, now_us_) - range.from_us) / kDayUs > kMaxDays) return absl::OkStatus();
    uint64_t booked = 0;
    for (const std::string& day : DaysOf({.from_us = range.from_us, .to_us = std::min(range.to_us, now_us_)})) {
      const absl::StatusOr<SpendBook> book = Read(day);
      if (!book.ok()) return book.status();
      booked = AddNano(booked, BookedNano(*book, ""));
    }
    reply->set_booked_nano(booked);
    return absl::OkStatus();
  }

  absl::Status AddForecasts(v1::CostReply* reply) {
    const int64_t today_us = now_us_ - now_us_ % kDayUs;
    const int64_t month_us = MonthStart(now_us_, 0);
    const int64_t first_us = std::min(month_us, today_us - static_cast<int64_t>(kKnownDays) * kDayUs);
    std::vector<SpendBook> books;  // of the days up to and with today
    for (const std::string& day : DaysOf({.from_us = first_us, .to_us = today_us + kDayUs})) {
      absl::StatusOr<SpendBook> book = Read(day);
      if (!book.ok()) return book.status();
      books.push_back(*std::move(book));
    }
    const absl::StatusOr<std::vector<Budget>> budgets = BudgetStore(catalog_).List(tenant_);
    if (!budgets.ok()) return budgets.status();
    const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(tenant_);
    if (!route.ok()) return route.status();
    const SpendLimits limits = *route == nullptr ? SpendLimits() : (*route)->spec().limits;
    if (*route != nullptr && !(*route)->spec().prices.version.empty()) reply->set_currency((*route)->spec().prices.currency);
    std::vector<std::string> names = {""};
    for (const Budget& budget : *budgets)
      if (!budget.pipeline.empty()) names.push_back(budget.pipeline);
    const auto month_days = static_cast<uint64_t>((MonthStart(now_us_, 1) - month_us) / kDayUs);
    const auto month_begin = static_cast<size_t>((month_us - first_us) / kDayUs);
    for (const std::string& name : names) {
      v1::CostForecast* message = reply->add_forecasts();
      message->set_pipeline(name);
      message->set_month(absl::FormatTime("%Y-%m", absl::FromUnixMicros(month_us), absl::UTCTimeZone()));
      Forecast(books, month_begin, month_days, name, message);
      std::optional<uint64_t> limit = LimitOf(*budgets, name);
      const std::optional<uint64_t> routes = name.empty() ? limits.tenant_day_nano : limits.pipeline_day_nano;
      if (routes && (!limit || *routes < *limit)) limit = routes;
      if (limit) message->set_limit_nano(*limit > UINT64_MAX / month_days ? UINT64_MAX : *limit * month_days);
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<SpendBook> Read(const std::string& day) {
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    absl::StatusOr<SpendBook> book = ledger_.Read(tenant_, day);
    if (book.ok()) book->LapseAt(now_us_);
    return book;
  }

  // Days before the first one that spent anything say nothing.
  static void Forecast(const std::vector<SpendBook>& books, size_t month_begin, uint64_t month_days,
                       const std::string& pipeline, v1::CostForecast* message) {
    MonthSoFar month;
    const size_t today = books.size() - 1;
    month.today_nano = BookedNano(books[today], pipeline);
    month.days_left = static_cast<uint32_t>(month_days - (today - month_begin));
    const size_t first_known = today > kKnownDays ? today - kKnownDays : 0;
    for (size_t day = 0; day < today; ++day) {
      const uint64_t nano = BookedNano(books[day], pipeline);
      if (day >= month_begin) month.before_today_nano = AddNano(month.before_today_nano, nano);
      if (day >= first_known && (nano > 0 || !month.days.empty())) month.days.push_back(nano);
    }
    const MonthForecast forecast = ForecastMonth(month);
    message->set_spent_nano(AddNano(month.before_today_nano, month.today_nano));
    message->set_days_known(static_cast<uint32_t>(month.days.size()));
    message->set_days_left(month.days_left);
    if (forecast.known) message->set_expected_nano(forecast.expected_nano);
    if (forecast.has_interval) {
      message->set_low_nano(forecast.low_nano);
      message->set_high_nano(forecast.high_nano);
    }
  }

  const ServiceContext& services_;
  const std::string tenant_;
  const CancelToken& cancel_;
  Catalog& catalog_;
  const SpendLedger ledger_;
  const int64_t now_us_;
};

}  // namespace

absl::Status FillCost(const ServiceContext& services, const Principal& principal, const CancelToken& cancel,
                      const v1::GetCostRequest& request, v1::CostReply* reply) {
  const absl::StatusOr<CostBy> by = ParseCostBy(request.by().empty() ? "pipeline" : request.by());
  if (!by.ok()) return by.status();
  TimeRange range;
  const int64_t now_us = services.database->clock().NowMicros();
  if (absl::Status status = ResolveRange(request.from_us(), request.to_us(), now_us, &range); !status.ok()) return status;
  CostSums sums(*by);
  uint64_t answers = 0;
  const absl::Status visited = VisitAnswersBetween(*services.database, principal, range, cancel, [&](const Answer& answer) {
    ++answers;
    sums.Add(answer);
  });
  if (!visited.ok()) return visited;
  for (const CostLine& line : sums.Lines()) Fill(line, reply->add_lines());
  for (const CostLine& line : sums.Totals()) Fill(line, reply->add_totals());
  reply->set_answers(answers);
  reply->set_from_us(range.from_us);
  reply->set_to_us(range.to_us);
  CostOfTenant books(services, principal, cancel, now_us);
  if (absl::Status status = books.AddBooks(range, reply); !status.ok()) return status;
  return books.AddForecasts(reply);
}

absl::Status FillRouteEstimate(const ServiceContext& services, const Principal& principal, const CancelToken& cancel,
                               const v1::EstimateRouteRequest& request, v1::RouteEstimateReply* reply) {
  RoutePlan plan{.models = {request.models().begin(), request.models().end()}, .escalations = request.escalations()};
  for (const v1::ModelTokenPrice& price : request.prices()) {
    if (std::max(price.input_nano(), price.output_nano()) > ModelPrice::kMaxNano) {
      return absl::InvalidArgumentError(absl::StrCat("the price of '", price.model(), "' is over ", ModelPrice::kMaxNano,
                                                     " billionths of the currency a token"));
    }
    plan.prices.models[price.model()] = {.input_nano = price.input_nano(), .output_nano = price.output_nano()};
  }
  if (absl::Status status = CheckPlan(plan); !status.ok()) return status;
  TimeRange range;
  const int64_t now_us = services.database->clock().NowMicros();
  if (absl::Status status = ResolveRange(request.from_us(), request.to_us(), now_us, &range); !status.ok()) return status;
  RouteEstimate estimate(plan);
  const absl::Status visited = VisitAnswersBetween(*services.database, principal, range, cancel,
                                                   [&](const Answer& answer) { estimate.Add(answer); });
  if (!visited.ok()) return visited;
  reply->set_answers(estimate.answers());
  reply->set_calls(estimate.calls());
  for (const auto& [currency, nano] : estimate.recorded()) {
    v1::RecordedCost* recorded = reply->add_recorded();
    recorded->set_currency(currency);
    recorded->set_cost_nano(nano);
  }
  reply->set_currency(request.currency());
  reply->set_low_nano(estimate.low_nano());
  reply->set_high_nano(estimate.high_nano());
  reply->set_from_us(range.from_us);
  reply->set_to_us(range.to_us);
  reply->add_assumptions("each call takes as many tokens as it did, whatever model is asked");
  reply->add_assumptions("the first tier is asked first; calls that were made again are made again");
  reply->add_assumptions("an answer that escalated does so as often, as far as the route allows");
  if (plan.escalations > 0) {
    reply->add_assumptions(
        "an answer of a route that could not escalate never does so (the low end), or as often as the route allows (the high end)");
  }
  return absl::OkStatus();
}

}  // namespace vouch
