// `vouch cost`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/cost_command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/cli/time_range.h"
#include "api/decimal.h"
#include "api/route_file.h"
#include "rag/file_walker.h"
#include "vouch/v1/spending.grpc.pb.h"

namespace vouch {
namespace {

struct CostOptions {
  TimeRangeOptions range;
  std::string by = "pipeline";
  std::string route;
};

std::string Money(uint64_t nano, const std::string& currency) {
  return absl::StrCat(FormatDecimal(nano, 9), currency.empty() ? "" : " ", currency);
}

std::vector<std::string> RowOf(const v1::CostLine& line, const std::string& name) {
  return {name,
          FormatCount(line.answers()),
          FormatCount(line.calls()),
          absl::StrCat(FormatCount(line.prompt_tokens()), " + ", FormatCount(line.completion_tokens())),
          // A question that was rewritten by a model and answered without one has a cost, and no record of its currency.
          line.currency().empty() && line.cost_nano() == 0 ? "no prices" : Money(line.cost_nano(), line.currency()),
          line.evaluation_nano() == 0 ? "" : Money(line.evaluation_nano(), line.currency())};
}

std::string RangeText(int64_t from_us, int64_t to_us) {
  return absl::StrCat("from ", FormatTime(from_us), " to ", FormatTime(to_us));
}

std::string FormatForecast(const v1::CostForecast& forecast, const std::string& currency) {
  std::string text = absl::StrCat(forecast.pipeline().empty() ? "all together" : absl::StrCat("pipeline ", forecast.pipeline()),
                                  " in ", forecast.month(), ": ", Money(forecast.spent_nano(), currency), " so far");
  if (forecast.has_expected_nano()) {
    absl::StrAppend(&text, ", about ", Money(forecast.expected_nano(), currency), " by its end");
    if (forecast.has_low_nano())
      absl::StrAppend(&text, " [", Money(forecast.low_nano(), ""), ", ", Money(forecast.high_nano(), ""), "]");
    absl::StrAppend(&text, ", by ", FormatCounted(forecast.days_known(), "whole day"));
  } else {
    absl::StrAppend(&text, "; no whole day to go by yet");
  }
  if (forecast.has_limit_nano())
    absl::StrAppend(&text, "; the limit is ", Money(forecast.limit_nano(), currency));
  return text + "\n";
}

std::string FormatCost(const v1::CostReply& reply, const std::string& by) {
  std::vector<std::string> header = {by, "answers", "calls", "tokens", "cost", "of evaluations"};
  std::vector<std::vector<std::string>> rows;
  bool evaluations = false;
  for (const v1::CostLine& line : reply.lines()) {
    rows.push_back(RowOf(line, line.key().empty() ? "(none)" : line.key()));
    evaluations = evaluations || line.evaluation_nano() > 0;
  }
  for (const v1::CostLine& line : reply.totals()) rows.push_back(RowOf(line, "all together"));
  if (!evaluations) {
    header.pop_back();
    for (std::vector<std::string>& row : rows) row.pop_back();
  }
  std::string text = absl::StrCat(FormatCounted(reply.answers(), "answer"), " ", RangeText(reply.from_us(), reply.to_us()), "\n");
  if (rows.empty()) {
    absl::StrAppend(&text, "no answer asked a model\n");
  } else {
    absl::StrAppend(&text, FormatTable(header, rows));
  }
  if (reply.has_booked_nano())
    absl::StrAppend(&text, "in the books of these days: ", Money(reply.booked_nano(), ""),
                    ", with calls that no answer came of\n");
  for (const v1::CostForecast& forecast : reply.forecasts()) absl::StrAppend(&text, FormatForecast(forecast, reply.currency()));
  return text;
}

std::string FormatEstimate(const v1::RouteEstimateReply& reply) {
  std::string text = absl::StrCat(FormatCounted(reply.answers(), "answer"), " with ", FormatCounted(reply.calls(), "call"), " ",
                                  RangeText(reply.from_us(), reply.to_us()), "\n");
  for (const v1::RecordedCost& recorded : reply.recorded())
    absl::StrAppend(&text, "it was      ",
                    recorded.currency().empty() && recorded.cost_nano() == 0 ? "without prices"
                                                                             : Money(recorded.cost_nano(), recorded.currency()),
                    "\n");
  absl::StrAppend(&text, "it would be ", Money(reply.low_nano(), reply.currency()));
  if (reply.high_nano() != reply.low_nano()) absl::StrAppend(&text, " to ", Money(reply.high_nano(), reply.currency()));
  absl::StrAppend(&text, "\nassumed:\n");
  for (const std::string& assumption : reply.assumptions()) absl::StrAppend(&text, "  ", assumption, "\n");
  return text;
}

// Nothing is asked of the models: a key that is not there is none that is missed.
absl::StatusOr<RouteSpec> ReadRoute(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadSource(path);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat("--route: ", text.status().message()));
  return ParseRouteFile(path, *text, [](const std::string&) { return std::optional<std::string>("unused"); });
}

absl::Status RunEstimate(Invocation& invocation, const CostOptions& options, int64_t from_us, int64_t to_us) {
  const absl::StatusOr<RouteSpec> route = ReadRoute(options.route);
  if (!route.ok()) return route.status();
  if (route->prices.version.empty())
    return absl::InvalidArgumentError(absl::StrCat(options.route, ": the route has no prices, so that nothing can be said of its cost"));
  v1::EstimateRouteRequest request;
  for (const ModelTier& tier : route->tiers) request.add_models(tier.endpoint.model);
  request.set_currency(route->prices.currency);
  for (const auto& [model, price] : route->prices.models) {
    v1::ModelTokenPrice* message = request.add_prices();
    message->set_model(model);
    message->set_input_nano(price.input_nano);
    message->set_output_nano(price.output_nano);
  }
  if (route->escalate) request.set_escalations(route->escalate->most);
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  v1::RouteEstimateReply reply;
  const absl::Status status = CallService<v1::Spending>(
      invocation, [&](auto& stub, auto& context) { return stub.EstimateRoute(&context, request, &reply); });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatEstimate(reply));
  return absl::OkStatus();
}

absl::Status RunCost(Invocation& invocation, const CostOptions& options) {
  int64_t from_us = 0;
  int64_t to_us = 0;
  if (absl::Status status = ReadTimeRange(options.range, &from_us, &to_us); !status.ok()) return status;
  if (!options.route.empty()) return RunEstimate(invocation, options, from_us, to_us);
  invocation.uses_models = true;  // whose prices and limits are shown
  v1::GetCostRequest request;
  request.set_by(options.by);
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  v1::CostReply reply;
  const absl::Status status = CallService<v1::Spending>(
      invocation, [&](auto& stub, auto& context) { return stub.GetCost(&context, request, &reply); });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatCost(reply, options.by));
  return absl::OkStatus();
}

}  // namespace

void AddCostCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<CostOptions>();
  CLI::App* cost =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"cost", "What models cost, what the month will come to, and what another route would have cost",
                  "  vouch cost --by tier --from 2026-11-01\n"
                  "  vouch cost --route cheaper.yaml --from 2026-11-01"},
                 [&invocation, options] { return RunCost(invocation, *options); });
  cost->add_option("--by", options->by, "pipeline (default), tier, day or tenant")
      ->check(CLI::IsMember({"pipeline", "tier", "day", "tenant"}))
      ->type_name("WHAT");
  AddTimeRangeOptions(*cost, "calls of answers", &options->range);
  cost->add_option("--route", options->route, "what the calls would have cost by the models and prices of this file")
      ->type_name("FILE");
}

}  // namespace vouch
