// `vouch slo list`, `show` and `remove`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/delivery.grpc.pb.h"

namespace vouch {
namespace {

std::string Seconds(int64_t seconds) {
  if (seconds % 86'400 == 0) return absl::StrCat(seconds / 86'400, " d");
  if (seconds % 3'600 == 0) return absl::StrCat(seconds / 3'600, " h");
  return absl::StrCat(seconds / 60, " min");
}

std::string Goal(const v1::SloSpec& spec) {
  std::string what = spec.signal();
  if (spec.signal() == "grounding")
    absl::StrAppend(&what, " >= ", absl::StrFormat("%g", spec.limit()));
  if (spec.signal() == "latency_ms" || spec.signal() == "cost")
    absl::StrAppend(&what, " <= ", absl::StrFormat("%g", spec.limit()));
  return absl::StrFormat("%g %% %s in %u d", 100 * spec.objective(), what, spec.period_days());
}

std::string Burning(const v1::Slo& slo) {
  std::string text;
  for (const v1::BurnAlarm& alarm : slo.alarms()) {
    if (!alarm.fires()) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", alarm.action(), " over ",
                    Seconds(alarm.long_s()));
  }
  return text.empty() ? "no" : text;
}

absl::Status RunSloList(Invocation& invocation) {
  v1::ListSlosResponse reply;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.ListSlos(&context, v1::ListSlosRequest(), &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Slo& slo : reply.slos()) {
    rows.push_back({slo.spec().name(), absl::StrCat(slo.spec().pipeline(), "@", slo.spec().alias()),
                    Goal(slo.spec()), absl::StrCat(slo.all() - slo.bad(), " of ", slo.all()),
                    absl::StrFormat("%.0f %%", 100 * slo.budget_spent()), Burning(slo),
                    slo.frozen() ? "yes" : "no"});
  }
  Print(rows.empty()
            ? "no objectives; `vouch apply -f FILE` makes some\n"
            : FormatTable({"slo", "alias", "objective", "good", "budget spent", "burns", "frozen"},
                          rows));
  return absl::OkStatus();
}

absl::Status RunSloShow(Invocation& invocation, const std::string& name) {
  v1::GetSloRequest request;
  request.set_name(name);
  v1::Slo slo;
  absl::Status status = CallService<v1::Delivery>(
      invocation, [&](auto& stub, auto& context) { return stub.GetSlo(&context, request, &slo); });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(slo)));
    return absl::OkStatus();
  }
  std::string text = absl::StrCat(
      "slo ", slo.spec().name(), ", version ", slo.number(), ", of ", slo.spec().pipeline(), "@",
      slo.spec().alias(), "\n", Goal(slo.spec()), "\n", slo.all() - slo.bad(), " of ", slo.all(),
      " answers were good", slo.complete() ? "" : " (of the latest; more lie in the period)", "; ",
      absl::StrFormat("%.0f %%", 100 * slo.budget_spent()), " of the error budget is spent\n",
      slo.frozen() ? "promotions are frozen\n" : "");
  std::vector<std::vector<std::string>> rows;
  for (const v1::BurnAlarm& alarm : slo.alarms()) {
    rows.push_back({alarm.action(),
                    absl::StrCat(Seconds(alarm.long_s()), " and ", Seconds(alarm.short_s())),
                    absl::StrFormat("%g", alarm.threshold()), absl::StrFormat("%.2f", alarm.burn()),
                    absl::StrFormat("%.2f", alarm.sure_burn()), alarm.fires() ? "yes" : "no"});
  }
  absl::StrAppend(&text,
                  FormatTable({"alarm", "windows", "at burn", "seen", "surely", "fires"}, rows));
  Print(text);
  return absl::OkStatus();
}

absl::Status RunRemove(Invocation& invocation, const std::string& name) {
  v1::RemoveSloRequest request;
  request.set_name(name);
  v1::RemoveSloResponse reply;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.RemoveSlo(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("slo ", name, " removed\n"));
  return absl::OkStatus();
}

}  // namespace

void AddSloCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "slo", "Service objectives of the answers that an alias gives");
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All objectives and how they stand", "  vouch slo list"},
             [&invocation] { return RunSloList(invocation); });
  auto name = std::make_shared<std::string>();
  CLI::App* show =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"show", "One objective with its burn rates", "  vouch slo show grounded"},
                 [&invocation, name] { return RunSloShow(invocation, *name); });
  show->add_option("slo", *name, "its name")->required();
  CLI::App* remove = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"remove", "Remove an objective; the audit log says so", "  vouch slo remove grounded"},
      [&invocation, name] { return RunRemove(invocation, *name); });
  remove->add_option("slo", *name, "its name")->required();
}

}  // namespace vouch
