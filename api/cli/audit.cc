// `vouch audit list`, `show` and `verify`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/audit_bundle.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"
#include "vouch/v1/audit.grpc.pb.h"

namespace vouch {
namespace {

std::string PrettyEntry(const std::string& json) {
  const auto parsed = nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? json : parsed.dump(2);
}

absl::Status List(Invocation& invocation, const v1::ListAuditRequest& request,
                  v1::ListAuditResponse* reply) {
  return CallService<v1::Audit>(invocation, [&](auto& stub, auto& context) {
    return stub.ListAudit(&context, request, reply);
  });
}

absl::Status RunList(Invocation& invocation, const v1::ListAuditRequest& request) {
  v1::ListAuditResponse reply;
  if (absl::Status status = List(invocation, request, &reply); !status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::AuditEntry& entry : reply.entries()) {
    rows.push_back({absl::StrCat(entry.number()), FormatTime(entry.time_us()), entry.actor(),
                    entry.action(), entry.subject(), entry.reason()});
  }
  Print(rows.empty() ? "no entries\n"
                     : FormatTable({"entry", "time", "who", "what", "of", "why"}, rows));
  if (reply.scanned_to() > 1 && !rows.empty())
    Print(absl::StrCat("older ones: --before ", reply.scanned_to(), "\n"));
  return absl::OkStatus();
}

absl::Status RunShow(Invocation& invocation, uint64_t number) {
  v1::ListAuditRequest request;
  request.set_number(number);
  v1::ListAuditResponse reply;
  if (absl::Status status = List(invocation, request, &reply); !status.ok()) return status;
  if (reply.entries_size() != 1)
    return absl::NotFoundError(absl::StrCat("there is no entry ", number));
  const v1::AuditEntry& entry = reply.entries(0);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(entry)));
    return absl::OkStatus();
  }
  std::string text =
      absl::StrCat("entry ", entry.number(), " of ", FormatTime(entry.time_us()), "\n",
                   entry.actor(), ": ", entry.action(), " ", entry.subject(), "\n");
  if (!entry.reason().empty()) absl::StrAppend(&text, "why: ", entry.reason(), "\n");
  if (!entry.before().empty()) absl::StrAppend(&text, "before ", PrettyEntry(entry.before()), "\n");
  if (!entry.after().empty()) absl::StrAppend(&text, "after ", PrettyEntry(entry.after()), "\n");
  absl::StrAppend(&text, "hash ", entry.hash(), "\nafter the entry with ", entry.previous(), "\n");
  Print(text);
  return absl::OkStatus();
}

absl::Status RunVerify(Invocation& invocation, const v1::VerifyAuditRequest& request) {
  v1::VerifyAuditResponse reply;
  absl::Status status = CallService<v1::Audit>(invocation, [&](auto& stub, auto& context) {
    return stub.VerifyAudit(&context, request, &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else if (reply.entries() == 0) {
    Print("no entries\n");
  } else {
    Print(absl::StrCat(reply.entries(), reply.entries() == 1 ? " entry" : " entries",
                       ": each follows from the one before it\nhead ", reply.head(),
                       request.head().empty()
                           ? "\nkeep it elsewhere: with --head it shows that nothing up to there "
                             "was changed since\n"
                           : "\nnothing was changed up to the head that was given\n"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddAuditCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "audit", "What was changed, by whom and why: a chain of hashes");
  auto list_request = std::make_shared<v1::ListAuditRequest>();
  auto limit = std::make_shared<uint32_t>(50);
  auto before = std::make_shared<uint64_t>(0);
  auto action = std::make_shared<std::string>();
  auto subject = std::make_shared<std::string>();
  CLI::App* list =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"list", "Entries, newest first",
                  "  vouch audit list --action promote --of pipeline/support@champion"},
                 [&invocation, list_request, limit, before, action, subject] {
                   list_request->set_limit(*limit);
                   list_request->set_before(*before);
                   list_request->set_action(*action);
                   list_request->set_subject(*subject);
                   return RunList(invocation, *list_request);
                 });
  list->add_option("--limit", *limit, "entries to show, 1 to 1000 (default 50)")
      ->check(CLI::Range(1, 1'000));
  list->add_option("--before", *before, "only entries with smaller numbers")->type_name("NUMBER");
  list->add_option("--action", *action, "only these, as promote, or gate. for all that begin so");
  list->add_option("--of", *subject, "only those of subjects that begin so, as pipeline/support")
      ->type_name("SUBJECT");
  auto number = std::make_shared<uint64_t>(0);
  CLI::App* show = AddCommand(*group, invocation, CommandKind::kClient,
                              {"show", "One entry with all that it says", "  vouch audit show 12"},
                              [&invocation, number] { return RunShow(invocation, *number); });
  show->add_option("entry", *number, "its number")->required()->check(CLI::PositiveNumber);
  auto options = std::make_shared<BundleOptions>();
  CLI::App* verify =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"verify", "Check that every entry follows from the one before it",
                  "  vouch audit verify\n"
                  "  vouch audit verify --data /backup/vouch --head 12:9f86d081884c7d65…\n"
                  "  vouch audit verify --bundle november.tar"},
                 [&invocation, options] {
                   if (!options->path.empty()) return VerifyBundle(invocation, *options);
                   if (!options->seal.empty()) return UsageError("--seal is that of a bundle: give --bundle, too");
                   if (!options->expect.empty())
                     return UsageError("--expect is of a bundle's answers: give --bundle, too, or ask `vouch answer verify`");
                   v1::VerifyAuditRequest request;
                   request.set_head(options->head);
                   return RunVerify(invocation, request);
                 });
  verify->add_option("--head", options->head, "what an earlier verification gave: it must still stand")
      ->type_name("NUMBER:HASH");
  verify->add_option("--bundle", options->path, "check an exported bundle instead, without a store")->type_name("FILE");
  verify->add_option("--seal", options->seal, "what the export of the bundle printed: it must still be that")->type_name("HASH");
  verify->add_option("--expect", options->expect, "of a bundle's answers, what `vouch answer verify` gave: it must still stand")
      ->type_name("NUMBER:HASH");
}

}  // namespace vouch
