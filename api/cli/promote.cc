// `vouch promote` and `vouch rollback`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/delivery.grpc.pb.h"

namespace vouch {
namespace {

struct MoveOptions {
  std::string pipeline;
  std::string alias;
  std::string reason;
  bool force = false;
  bool dry_run = false;
  uint64_t revision = 0;
  CLI::Option* has_revision = nullptr;
};

std::string FormatPromotion(const v1::Promotion& promotion) {
  std::string text;
  for (const v1::GateOutcome& gate : promotion.gates()) {
    absl::StrAppend(&text, gate.gate(), gate.passed() ? ": passed" : ": not passed");
    if (!gate.evaluation().empty()) {
      absl::StrAppend(&text, " (", gate.dataset(), ", evaluation ", gate.evaluation(),
                      gate.champion_evaluation().empty() ? "" : " against ",
                      gate.champion_evaluation(), ")");
    }
    text += "\n";
    for (const v1::GateCheck& check : gate.checks()) {
      absl::StrAppend(&text, "  ", check.verdict(), ": ", check.what(), "\n      ", check.says(),
                      "\n");
    }
  }
  if (promotion.moved() || promotion.already()) {
    absl::StrAppend(&text, promotion.says(), promotion.already() ? "\n" : "");
    if (promotion.moved()) {
      absl::StrAppend(&text,
                      promotion.from() == 0 ? "" : absl::StrCat(" (was ", promotion.from(), ")"),
                      "; audit entry ", promotion.audit_number(), "\n");
    }
  } else if (promotion.audit_number() == 0) {
    absl::StrAppend(&text, promotion.says(), "\n");
  }
  return text;
}

// A refusal is an error, whose text was printed with the reasons.
absl::Status Show(const Invocation& invocation, const v1::Promotion& promotion, bool dry_run) {
  Print(invocation.json ? FormatJson(MessageToJson(promotion)) : FormatPromotion(promotion));
  if (promotion.moved() || promotion.already() || dry_run) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      promotion.pipeline(), "@", promotion.alias(), " stays ",
      promotion.from() == 0 ? std::string("unset") : absl::StrCat("version ", promotion.from()),
      ": ", promotion.says(), " (audit entry ", promotion.audit_number(), ")"));
}

absl::Status RunPromote(Invocation& invocation, const MoveOptions& options) {
  if (options.force && options.reason.empty())
    return UsageError("--force takes --reason TEXT, which the audit log keeps");
  v1::PromoteRequest request;
  request.set_pipeline(options.pipeline);
  request.set_alias(options.alias);
  request.set_reason(options.reason);
  request.set_force(options.force);
  request.set_dry_run(options.dry_run);
  if (options.has_revision->count() > 0) request.set_expected_revision(options.revision);
  v1::Promotion promotion;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.Promote(&context, request, &promotion);
  });
  return status.ok() ? Show(invocation, promotion, options.dry_run) : status;
}

absl::Status RunRollback(Invocation& invocation, const MoveOptions& options) {
  const size_t at = options.pipeline.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == options.pipeline.size())
    return UsageError(absl::StrCat("'", options.pipeline, "' is not PIPELINE@ALIAS"));
  if (options.force && options.reason.empty())
    return UsageError("--force takes --reason TEXT, which the audit log keeps");
  v1::RollbackRequest request;
  request.set_pipeline(options.pipeline.substr(0, at));
  request.set_alias(options.pipeline.substr(at + 1));
  request.set_reason(options.reason);
  request.set_force(options.force);
  if (options.has_revision->count() > 0) request.set_expected_revision(options.revision);
  v1::Promotion promotion;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Delivery>(invocation, [&](auto& stub, auto& context) {
    return stub.Rollback(&context, request, &promotion);
  });
  return status.ok() ? Show(invocation, promotion, false) : status;
}

void AddSharedOptions(CLI::App& command, MoveOptions& options) {
  command.add_option("--reason", options.reason, "why, for the audit log")->type_name("TEXT");
  options.has_revision = command
                             .add_option("--revision", options.revision,
                                         "only where the alias is still at this revision")
                             ->type_name("N");
}

}  // namespace

void AddPromoteCommands(CLI::App& app, Invocation& invocation) {
  auto promote = std::make_shared<MoveOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"promote", "Move an alias to a version of a pipeline, where the alias's gates let it",
       "  vouch promote support@2 --to champion\n"
       "  vouch promote support@2 --to champion --force --reason 'the index was lost'\n"
       "The gates (`vouch gate list`), error budgets (`vouch slo list`) and hooks are asked; the\n"
       "evidence goes into the audit log with the move. Exit code 1: it was refused."},
      [&invocation, promote] { return RunPromote(invocation, *promote); });
  command->add_option("pipeline", promote->pipeline, "NAME (the latest version) or NAME@NUMBER")
      ->required();
  command->add_option("--to", promote->alias, "the alias")->required()->type_name("ALIAS");
  AddSharedOptions(*command, *promote);
  command->add_flag("--dry-run", promote->dry_run, "say what would come of it; no hook is asked");
  command->add_flag("--force", promote->force, "whatever is said; takes --reason");

  auto rollback = std::make_shared<MoveOptions>();
  command = AddCommand(app, invocation, CommandKind::kClient,
                       {"rollback", "Move an alias back to the version before its last promotion",
                        "  vouch rollback support@champion --reason 'wrong prices'\n"
                        "No gate is asked; hooks of before.rollback are."},
                       [&invocation, rollback] { return RunRollback(invocation, *rollback); });
  command->add_option("alias", rollback->pipeline, "PIPELINE@ALIAS")->required();
  AddSharedOptions(*command, *rollback);
  command->add_flag("--force", rollback->force, "whatever hooks say; takes --reason");
}

}  // namespace vouch
