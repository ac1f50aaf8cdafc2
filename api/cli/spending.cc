// `vouch budget`: what models may cost a day, and what they cost.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/decimal.h"
#include "vouch/v1/spending.grpc.pb.h"

namespace vouch {
namespace {

std::string Amount(uint64_t nano) { return FormatDecimal(nano, 9); }

std::vector<std::string> RowOf(const v1::PipelineSpending& spending, const std::string& name) {
  const uint64_t held = spending.reserved_nano() + spending.lapsed_nano();
  return {name,
          FormatCount(spending.calls()),
          absl::StrCat(FormatCount(spending.prompt_tokens()), " + ",
                       FormatCount(spending.completion_tokens())),
          Amount(spending.spent_nano()),
          held == 0 ? "" : Amount(held),
          spending.has_limit_nano() ? Amount(spending.limit_nano()) : "none"};
}

std::string FormatSpending(const v1::SpendingReply& reply) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::PipelineSpending& pipeline : reply.pipelines())
    rows.push_back(RowOf(pipeline, pipeline.pipeline()));
  rows.push_back(RowOf(reply.total(), "all together"));
  return absl::StrCat(
      reply.day(), " (UTC)",
      reply.price_table().empty()
          ? ", no price table: calls cost 0"
          : absl::StrCat(", ", reply.currency(), ", prices ", reply.price_table()),
      "\n", FormatTable({"pipeline", "calls", "tokens", "spent", "held", "limit a day"}, rows));
}

absl::Status RunShow(Invocation& invocation, const v1::GetSpendingRequest& request) {
  invocation.uses_models = true;  // whose prices and limits are shown
  v1::SpendingReply reply;
  absl::Status status = CallService<v1::Spending>(
      invocation, [&](v1::Spending::Stub& stub, grpc::ClientContext& context) {
        return stub.GetSpending(&context, request, &reply);
      });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatSpending(reply));
  return absl::OkStatus();
}

std::string WhoseIs(const std::string& pipeline) {
  return pipeline.empty() ? "all pipelines together" : absl::StrCat("pipeline ", pipeline);
}

absl::Status RunSet(Invocation& invocation, const v1::SetBudgetRequest& request) {
  v1::SetBudgetResponse reply;
  absl::Status status = CallService<v1::Spending>(
      invocation, Invocation::Store::kCreate,
      [&](v1::Spending::Stub& stub, grpc::ClientContext& context) {
        return stub.SetBudget(&context, request, &reply);
      });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat(WhoseIs(request.budget().pipeline()), " may spend ",
                                       request.budget().day(), " a day",
                                       reply.changed() ? "" : ", as before", "\n"));
  return absl::OkStatus();
}

absl::Status RunRemove(Invocation& invocation, const v1::RemoveBudgetRequest& request) {
  v1::RemoveBudgetResponse reply;
  absl::Status status = CallService<v1::Spending>(
      invocation, [&](v1::Spending::Stub& stub, grpc::ClientContext& context) {
        return stub.RemoveBudget(&context, request, &reply);
      });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat(WhoseIs(request.pipeline()), ": no budget any more\n"));
  return absl::OkStatus();
}

}  // namespace

void AddBudgetCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "budget", "What models may cost a day, and what they cost");
  auto day = std::make_shared<v1::GetSpendingRequest>();
  CLI::App* show = AddCommand(*group, invocation, CommandKind::kClient,
                              {"show", "What a day has spent, pipeline by pipeline, and may",
                               "  vouch budget show\n  vouch budget show --day 2026-11-25"},
                              [&invocation, day] { return RunShow(invocation, *day); });
  show->add_option_function<std::string>(
          "--day", [day](const std::string& value) { day->set_day(value); },
          "the day in UTC, as 2026-11-25 (default: today)")
      ->type_name("DAY");
  auto set_request = std::make_shared<v1::SetBudgetRequest>();
  CLI::App* set = AddCommand(*group, invocation, CommandKind::kClient,
                             {"set", "Limit a day of one pipeline, or of all together",
                              "  vouch budget set 5.00\n  vouch budget set 1.50 --pipeline support"},
                             [&invocation, set_request] { return RunSet(invocation, *set_request); });
  set->add_option_function<std::string>(
         "amount",
         [set_request](const std::string& value) { set_request->mutable_budget()->set_day(value); },
         "in the currency of the server's prices, as 1.50")
      ->required();
  set->add_option_function<std::string>(
      "--pipeline",
      [set_request](const std::string& value) {
        set_request->mutable_budget()->set_pipeline(value);
      },
      "the pipeline's name (default: all together)");
  auto remove_request = std::make_shared<v1::RemoveBudgetRequest>();
  CLI::App* remove =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"remove", "Take a limit away", "  vouch budget remove --pipeline support"},
                 [&invocation, remove_request] { return RunRemove(invocation, *remove_request); });
  remove->add_option_function<std::string>(
      "--pipeline",
      [remove_request](const std::string& value) { remove_request->set_pipeline(value); },
      "the pipeline's name (default: all together)");
}

}  // namespace vouch
