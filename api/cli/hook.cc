// `vouch hook list`, `show`, `test`, `deadletters`, `redeliver` and `remove`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/hooks.grpc.pb.h"

namespace vouch {
namespace {

absl::Status GetAll(Invocation& invocation, v1::ListHooksResponse* reply) {
  invocation.uses_hooks = true;
  return CallService<v1::Hooks>(invocation, [&](auto& stub, auto& context) {
    return stub.ListHooks(&context, v1::ListHooksRequest(), reply);
  });
}

// Whose it is: the operator's file, or the version that was applied.
std::string OriginOf(const v1::Hook& hook) {
  return hook.version() == 0 ? hook.origin() : absl::StrCat(hook.origin(), "@", hook.version());
}

absl::Status RunListHooks(Invocation& invocation) {
  v1::ListHooksResponse reply;
  if (absl::Status status = GetAll(invocation, &reply); !status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Hook& hook : reply.hooks()) {
    rows.push_back({hook.name(), OriginOf(hook), absl::StrJoin(hook.events(), ","), absl::StrCat(hook.pending()),
                    absl::StrCat(hook.delivered()), absl::StrCat(hook.dead_letters()),
                    absl::StrCat(hook.target(), hook.problem().empty() ? "" : " (not called)")});
  }
  Print(rows.empty()
            ? "no hooks; the process that has the store open is given them by --hooks FILE, or they are applied\n"
            : FormatTable({"hook", "from", "events", "pending", "delivered", "dead letters", "target"},
                          rows));
  return absl::OkStatus();
}

absl::Status RunShowHook(Invocation& invocation, const std::string& name) {
  v1::ListHooksResponse reply;
  if (absl::Status status = GetAll(invocation, &reply); !status.ok()) return status;
  std::vector<std::string> names;
  for (const v1::Hook& hook : reply.hooks()) {
    names.push_back(hook.name());
    if (hook.name() != name) continue;
    if (invocation.json) {
      Print(FormatJson(MessageToJson(hook)));
      return absl::OkStatus();
    }
    Print(absl::StrCat(
        "hook ", hook.name(), "\n  from        ", OriginOf(hook), "\n",
        hook.problem().empty() ? "" : absl::StrCat("  not called  ", hook.problem(), "\n"), "  target      ", hook.target(),
        hook.is_signed() ? " (signed)" : "", "\n  events      ", absl::StrJoin(hook.events(), ", "),
        "\n  on failure  ", hook.on_failure().empty() ? "-" : hook.on_failure(), "\n  timeout     ",
        hook.timeout_ms(), " ms\n  attempts    ", hook.attempts(), "\n  delivered   ",
        hook.delivered(), "\n  pending     ", hook.pending(), "\n  failed      ", hook.failed(),
        "\n  dead        ", hook.dead_letters(), "\n",
        hook.last_error().empty() ? "" : absl::StrCat("  last error  ", hook.last_error(), "\n")));
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no hook '", name, "'; ",
      names.empty() ? "there are none" : absl::StrCat("there are ", absl::StrJoin(names, ", "))));
}

absl::Status RunTest(Invocation& invocation, const std::string& name) {
  v1::TestHookRequest request;
  request.set_hook(name);
  v1::TestHookResponse reply;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Hooks>(invocation, [&](auto& stub, auto& context) {
    return stub.TestHook(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("hook ", name, " took a test event\n"));
  return absl::OkStatus();
}

absl::Status RunDeadLetters(Invocation& invocation, const v1::ListDeadLettersRequest& request) {
  v1::ListDeadLettersResponse reply;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Hooks>(invocation, [&](auto& stub, auto& context) {
    return stub.ListDeadLetters(&context, request, &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::DeadLetter& letter : reply.letters()) {
    rows.push_back({letter.hook(), letter.id(), FormatTime(letter.time_us()),
                    absl::StrCat(letter.attempts()), letter.error()});
  }
  Print(rows.empty() ? "no dead letters\n"
                     : FormatTable({"hook", "event", "given up", "attempts", "error"}, rows));
  return absl::OkStatus();
}

absl::Status RunRedeliver(Invocation& invocation, const v1::RedeliverRequest& request) {
  v1::RedeliverResponse reply;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Hooks>(invocation, [&](auto& stub, auto& context) {
    return stub.Redeliver(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json
            ? FormatJson(MessageToJson(reply))
            : absl::StrCat("hook ", request.hook(), " took event ", request.id(), "\n"));
  return absl::OkStatus();
}

absl::Status RunRemoveHook(Invocation& invocation, const std::string& name) {
  v1::RemoveHookRequest request;
  request.set_name(name);
  v1::RemoveHookResponse reply;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Hooks>(invocation, [&](auto& stub, auto& context) {
    return stub.RemoveHook(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : absl::StrCat("hook ", name, " removed\n"));
  return absl::OkStatus();
}

}  // namespace

void AddHookCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(
      app, "hook", "Programs and addresses that are told of changes, or asked before them");
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All hooks of the process that has the store open", "  vouch hook list"},
             [&invocation] { return RunListHooks(invocation); });
  auto name = std::make_shared<std::string>();
  CLI::App* show =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"show", "One hook, and how its calls went", "  vouch hook show audit-desk"},
                 [&invocation, name] { return RunShowHook(invocation, *name); });
  show->add_option("hook", *name, "its name")->required();
  CLI::App* test = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"test", "Send a hook an event of the type vouch.test, once", "  vouch hook test audit-desk"},
      [&invocation, name] { return RunTest(invocation, *name); });
  test->add_option("hook", *name, "its name")->required();
  auto of = std::make_shared<std::string>();
  auto limit = std::make_shared<uint32_t>(50);
  CLI::App* dead = AddCommand(*group, invocation, CommandKind::kClient,
                              {"deadletters", "Events that were given up, oldest first",
                               "  vouch hook deadletters audit-desk"},
                              [&invocation, of, limit] {
                                v1::ListDeadLettersRequest request;
                                request.set_hook(*of);
                                request.set_limit(*limit);
                                return RunDeadLetters(invocation, request);
                              });
  dead->add_option("hook", *of, "of this one (default: of all)");
  dead->add_option("--limit", *limit, "how many, 1 to 1000 (default 50)")
      ->check(CLI::Range(1, 1'000));
  auto id = std::make_shared<std::string>();
  CLI::App* redeliver = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"redeliver",
       "Send an event that was given up once more; it leaves the dead letters where that succeeds",
       "  vouch hook redeliver audit-desk 9f86d081884c7d659a2feaa0c55ad015"},
      [&invocation, name, id] {
        v1::RedeliverRequest request;
        request.set_hook(*name);
        request.set_id(*id);
        return RunRedeliver(invocation, request);
      });
  redeliver->add_option("hook", *name, "its name")->required();
  redeliver->add_option("event", *id, "the event's id")->required();
  CLI::App* remove = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"remove", "Remove a hook that was applied; its versions and its dead letters stay", "  vouch hook remove audit-desk"},
      [&invocation, name] { return RunRemoveHook(invocation, *name); });
  remove->add_option("hook", *name, "its name")->required();
}

}  // namespace vouch
