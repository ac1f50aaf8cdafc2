// `vouch gate list`, `show` and `remove`.
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
#include "nlohmann/json.hpp"
#include "vouch/v1/delivery.grpc.pb.h"

namespace vouch {
namespace {

absl::Status RunListGates(Invocation& invocation) {
  v1::ListGatesResponse reply;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.ListGates(&context, v1::ListGatesRequest(), &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Gate& gate : reply.gates()) {
    const v1::GateSpec& spec = gate.spec();
    const int checks =
        spec.thresholds_size() + spec.no_worse_size() + spec.guardrails_size() + spec.hooks_size();
    rows.push_back({spec.name(), absl::StrCat(gate.number()),
                    absl::StrCat(spec.pipeline(), "@", spec.alias()), spec.dataset(),
                    absl::StrCat(checks), FormatTime(gate.created_us())});
  }
  Print(rows.empty()
            ? "no gates; `vouch apply -f FILE` makes some\n"
            : FormatTable({"gate", "version", "alias", "dataset", "checks", "applied"}, rows));
  return absl::OkStatus();
}

absl::Status RunShowGate(Invocation& invocation, const std::string& name) {
  v1::GetGateRequest request;
  request.set_name(name);
  v1::Gate gate;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.GetGate(&context, request, &gate);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(gate)));
    return absl::OkStatus();
  }
  const auto canonical =
      nlohmann::ordered_json::parse(gate.canonical(), nullptr, /*allow_exceptions=*/false);
  Print(absl::StrCat("gate ", gate.spec().name(), ", version ", gate.number(), ", of ",
                     FormatTime(gate.created_us()), "\nhash ", gate.hash(), "\n", canonical.dump(2),
                     "\n"));
  return absl::OkStatus();
}

absl::Status RunRemoveGate(Invocation& invocation, const std::string& name) {
  v1::RemoveGateRequest request;
  request.set_name(name);
  v1::RemoveGateResponse reply;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.RemoveGate(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("gate ", name, " removed\n"));
  return absl::OkStatus();
}

}  // namespace

void AddGateCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "gate", "What a pipeline must show before an alias moves to it");
  AddCommand(*group, invocation, CommandKind::kClient, {"list", "All gates", "  vouch gate list"},
             [&invocation] { return RunListGates(invocation); });
  auto name = std::make_shared<std::string>();
  CLI::App* show = AddCommand(*group, invocation, CommandKind::kClient,
                              {"show", "One gate as it is kept, with all defaults",
                               "  vouch gate show quality\n  vouch gate show quality@1"},
                              [&invocation, name] { return RunShowGate(invocation, *name); });
  show->add_option("gate", *name, "NAME (the latest version) or NAME@NUMBER")->required();
  CLI::App* remove =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"remove", "Remove a gate; its versions stay, and the audit log says so",
                  "  vouch gate remove quality"},
                 [&invocation, name] { return RunRemoveGate(invocation, *name); });
  remove->add_option("gate", *name, "its name")->required();
}

}  // namespace vouch
