// `vouch drift list`, `show`, `check`, `reference` and `remove`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "api/cli/command.h"
#include "api/cli/drift_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/drift.grpc.pb.h"

namespace vouch {
namespace {

std::string TimeText(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixMicros(time_us),
                          absl::UTCTimeZone());
}

std::string Watched(const v1::DriftSpec& spec) {
  return absl::StrCat(spec.pipeline().empty() ? spec.collection()
                                              : absl::StrCat("pipeline ", spec.pipeline()),
                      ": ", absl::StrJoin(spec.watch(), ", "));
}

std::string ReferenceText(const v1::DriftReference& reference) {
  std::string text = absl::StrCat(
      "reference ", reference.number(), ", of ", reference.collection(), " at version ",
      reference.version(), ": ", reference.questions(), " questions, ", reference.documents(),
      " documents, ", reference.sentinels(), " sentinel texts");
  if (reference.recall_questions() > 0)
    absl::StrAppend(&text, absl::StrFormat(", recall@10 %.4f", reference.recall()));
  return absl::StrCat(text, "; hash ", reference.hash(), "\n");
}

std::string LookText(const v1::DriftLook& look) {
  std::string text = absl::StrCat(look.kind(), ": ", look.verdict(), "\n    ", look.says(), "\n");
  for (const v1::DriftTest& test : look.tests()) {
    absl::StrAppend(&text, absl::StrFormat("    %-12s p %-8.2g moved %5.1f %%%s\n", test.what(),
                                           test.p(), 100 * test.moved(),
                                           test.alarms() ? "  alarm" : ""));
  }
  if (look.verdict() != "drift") return text;
  for (const v1::DriftExample& example : look.examples()) {
    const std::string& words = example.text().empty() ? example.id() : example.text();
    absl::StrAppend(&text, absl::StrFormat("    %.3f  %s\n", example.distance(), words));
  }
  return text;
}

std::string AlarmText(const v1::DriftAlarm& alarm) {
  std::vector<std::string> kinds;
  for (const v1::DriftLook& look : alarm.kinds()) kinds.push_back(look.kind());
  std::string text = absl::StrCat("alarm ", alarm.number(), ", ", TimeText(alarm.time_us()), ": ",
                                  absl::StrJoin(kinds, ", "), " against reference ",
                                  alarm.reference(), "\n");
  for (const v1::DriftAction& action : alarm.actions()) {
    absl::StrAppend(&text, "    ", action.what(), ": ", action.state(),
                    action.says().empty() ? "" : absl::StrCat(" (", action.says(), ")"), "\n");
  }
  return text;
}

std::string StateText(const v1::DriftMonitor& monitor) {
  std::string text;
  if (monitor.reference().number() == 0) {
    absl::StrAppend(&text, "no reference yet; `vouch drift reference ", monitor.spec().name(),
                    "` makes one\n");
  } else {
    absl::StrAppend(&text, ReferenceText(monitor.reference()));
  }
  for (const v1::DriftLook& look : monitor.kinds()) absl::StrAppend(&text, LookText(look));
  for (const v1::DriftAlarm& alarm : monitor.alarms()) absl::StrAppend(&text, AlarmText(alarm));
  return text;
}

absl::Status RunListDrift(Invocation& invocation) {
  v1::ListDriftMonitorsResponse reply;
  absl::Status status = CallService<v1::Drift>(invocation, [&](auto& stub, auto& context) {
    return stub.ListDriftMonitors(&context, v1::ListDriftMonitorsRequest(), &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::DriftMonitor& monitor : reply.monitors()) {
    const uint64_t reference = monitor.reference().number();
    rows.push_back({monitor.spec().name(), Watched(monitor.spec()),
                    reference == 0 ? "none" : absl::StrCat(reference),
                    monitor.looked_us() == 0 ? "never" : TimeText(monitor.looked_us()),
                    monitor.drifting().empty() ? "no" : absl::StrJoin(monitor.drifting(), ", "),
                    absl::StrCat(monitor.alarms_ever())});
  }
  Print(rows.empty() ? "no drift monitors; `vouch apply -f FILE` makes some\n"
                     : FormatTable({"monitor", "watches", "reference", "last look", "drifts", "alarms"},
                                   rows));
  return absl::OkStatus();
}

absl::Status RunShowDrift(Invocation& invocation, const std::string& name) {
  v1::GetDriftMonitorRequest request;
  request.set_name(name);
  v1::DriftMonitor monitor;
  absl::Status status = CallService<v1::Drift>(invocation, [&](auto& stub, auto& context) {
    return stub.GetDriftMonitor(&context, request, &monitor);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(monitor)));
    return absl::OkStatus();
  }
  const v1::DriftSpec& spec = monitor.spec();
  Print(absl::StrCat(
      "monitor ", spec.name(), ", version ", monitor.number(), ", of ", Watched(spec), "\n",
      absl::StrFormat("windows of %u, at most %g %% false alarms a window, looked at every %u min\n",
                      spec.window(), 100 * spec.false_alarms(), spec.every_minutes()),
      StateText(monitor)));
  return absl::OkStatus();
}

absl::Status RunCheck(Invocation& invocation, const std::string& name) {
  v1::CheckDriftRequest request;
  request.set_monitor(name);
  v1::DriftMonitor monitor;
  invocation.uses_hooks = true;
  invocation.uses_models = true;  // an alarm may start an evaluation
  absl::Status status = CallService<v1::Drift>(invocation, [&](auto& stub, auto& context) {
    return stub.CheckDrift(&context, request, &monitor);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(monitor)) : StateText(monitor));
  return absl::OkStatus();
}

absl::Status RunReference(Invocation& invocation, const std::string& name) {
  v1::MakeDriftReferenceRequest request;
  request.set_monitor(name);
  v1::DriftReference reference;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Drift>(invocation, [&](auto& stub, auto& context) {
    return stub.MakeDriftReference(&context, request, &reference);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reference)) : ReferenceText(reference));
  return absl::OkStatus();
}

absl::Status RunRemoveDrift(Invocation& invocation, const std::string& name) {
  v1::RemoveDriftMonitorRequest request;
  request.set_name(name);
  v1::RemoveDriftMonitorResponse reply;
  invocation.uses_hooks = true;
  absl::Status status = CallService<v1::Drift>(invocation, [&](auto& stub, auto& context) {
    return stub.RemoveDriftMonitor(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("monitor ", name, " removed; its references stay\n"));
  return absl::OkStatus();
}

void AddNamed(CLI::App& group, Invocation& invocation, const CommandText& text,
              absl::Status (*run)(Invocation&, const std::string&)) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = AddCommand(group, invocation, CommandKind::kClient, text,
                                 [&invocation, name, run] { return run(invocation, *name); });
  command->add_option("monitor", *name, "its name")->required();
}

}  // namespace

void AddDriftCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group =
      AddGroup(app, "drift", "Whether questions, documents, embedder or index have drifted");
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All drift monitors and how they stand", "  vouch drift list"},
             [&invocation] { return RunListDrift(invocation); });
  AddNamed(*group, invocation,
           {"show", "One monitor with its last look and its alarms", "  vouch drift show support"},
           RunShowDrift);
  AddNamed(*group, invocation,
           {"check", "Look now, at what has come since the reference",
            "  vouch drift check support\n"
            "An alarm is told to hooks once, when it begins, and starts what the monitor says."},
           RunCheck);
  AddNamed(*group, invocation,
           {"reference", "Make the latest questions and the documents of now the reference",
            "  vouch drift reference support"},
           RunReference);
  AddNamed(*group, invocation,
           {"remove", "Remove a monitor; the audit log says so", "  vouch drift remove support"},
           RunRemoveDrift);
}

}  // namespace vouch
