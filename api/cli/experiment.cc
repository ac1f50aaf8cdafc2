// `vouch experiment list`, `show`, `start`, `stop` and `remove`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/experiment_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/experiments.grpc.pb.h"

namespace vouch {
namespace {

std::string Number(double value) { return absl::StrFormat("%.4g", value); }

std::string StatusOf(const v1::Experiment& experiment) {
  if (!experiment.not_started().empty()) return "not started";
  return experiment.status().empty() ? "new" : experiment.status();
}

std::string DifferenceOf(const v1::Experiment& experiment) {
  if (!experiment.has_difference()) return "too few callers to say";
  return absl::StrFormat("%.3f [%.3f, %.3f]", experiment.difference(), experiment.low(),
                         experiment.high());
}

std::string Promote(const v1::Experiment& experiment) {
  return absl::StrCat("vouch promote ", experiment.spec().pipeline(), "@",
                      experiment.arms(1).version(), " --to ", experiment.spec().champion());
}

std::string ArmTable(const v1::Experiment& experiment) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::ExperimentArm& arm : experiment.arms()) {
    rows.push_back({arm.arm(), absl::StrCat(experiment.spec().pipeline(), "@", arm.version()),
                    absl::StrCat(arm.callers()), absl::StrCat(arm.answers()),
                    arm.signals() == 0
                        ? "none"
                        : absl::StrCat(Number(arm.mean()), " of ", arm.signals()),
                    Number(arm.abstained()), Number(arm.errors()), Number(arm.cost()),
                    arm.has_latency_p95_ms() ? absl::StrFormat("%.1f", arm.latency_p95_ms()) : "none"});
  }
  return FormatTable({"arm", "version", "callers", "answers", experiment.spec().signal(), "abstained",
                      "errors", "cost", "p95 ms"},
                     rows);
}

std::string ShowRun(const v1::Experiment& experiment) {
  const v1::ExperimentSpec& spec = experiment.spec();
  std::string text = absl::StrCat("run ", experiment.run(), " is ", experiment.status());
  if (!experiment.reason().empty()) absl::StrAppend(&text, ": ", experiment.reason());
  absl::StrAppend(&text, "\n");
  if (spec.ramp_size() > 1)
    absl::StrAppend(&text, "step ", experiment.step(), " of ", spec.ramp_size(), "\n");
  absl::StrAppend(&text, "the challenger gets ", Number(100 * experiment.share()), " % of the ",
                  spec.mode() == "shadow"       ? "questions, unseen"
                  : spec.mode() == "interleave" ? "questions, its hits among the champion's"
                                                : "callers",
                  "\n",
                  ArmTable(experiment), spec.signal(), ", challenger less champion: ",
                  DifferenceOf(experiment), "\n");
  for (const v1::ExperimentCheck& check : experiment.guardrails()) {
    absl::StrAppend(&text, "guardrail ", check.guardrail(), ": ",
                    check.violated() ? "violated" : "holds", "\n");
  }
  if (spec.mode() != "shadow" && spec.mode() != "interleave")
    absl::StrAppend(&text, "callers come in their shares: p ", absl::StrFormat("%.2g", experiment.sample_p()), "\n");
  if (experiment.dropped() > 0)
    absl::StrAppend(&text, experiment.dropped(), " questions were not asked of the shadow\n");
  if (!experiment.promotion().empty())
    absl::StrAppend(&text, "promotion: ", experiment.promotion(), "\n");
  if (experiment.status() == "won" && experiment.promotion().empty())
    absl::StrAppend(&text, "the alias moves by: ", Promote(experiment), "\n");
  return text;
}

void PrintExperiment(const Invocation& invocation, const v1::Experiment& experiment) {
  if (invocation.json) return Print(FormatJson(MessageToJson(experiment)));
  const v1::ExperimentSpec& spec = experiment.spec();
  std::string text =
      absl::StrCat("experiment ", spec.name(), ", version ", experiment.number(), ": ", spec.mode(),
                   " of ", spec.pipeline(), "@", spec.champion(), " against ", spec.challenger(), "\n");
  if (!experiment.not_started().empty()) {
    absl::StrAppend(&text, "not started: ", experiment.not_started(), "\n");
  } else if (!experiment.status().empty()) {
    absl::StrAppend(&text, ShowRun(experiment));
  }
  Print(text);
}

absl::Status RunListExperiments(Invocation& invocation) {
  invocation.uses_hooks = true;  // a look may end a run, or ask for a promotion
  v1::ListExperimentsResponse reply;
  absl::Status status = CallService<v1::Experiments>(invocation, [&](auto& stub, auto& context) {
    return stub.ListExperiments(&context, v1::ListExperimentsRequest(), &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Experiment& experiment : reply.experiments()) {
    const v1::ExperimentSpec& spec = experiment.spec();
    rows.push_back({spec.name(), absl::StrCat(spec.pipeline(), "@", spec.champion()),
                    spec.challenger(), spec.mode(), StatusOf(experiment),
                    absl::StrCat(Number(100 * experiment.share()), " %"), spec.signal(),
                    DifferenceOf(experiment)});
  }
  Print(rows.empty() ? "no experiments; `vouch apply -f FILE` makes some\n"
                     : FormatTable({"experiment", "champion", "challenger", "mode", "status", "share",
                                    "signal", "difference"},
                                   rows));
  return absl::OkStatus();
}

// One call that gives the experiment.
template <class Request, class Method>
absl::Status RunOne(Invocation& invocation, const Request& request, Method method) {
  invocation.uses_hooks = true;  // a look may end a run, or ask for a promotion
  v1::Experiment experiment;
  absl::Status status = CallService<v1::Experiments>(invocation, [&](auto& stub, auto& context) {
    return (stub.*method)(&context, request, &experiment);
  });
  if (status.ok()) PrintExperiment(invocation, experiment);
  return status;
}

template <class Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

absl::Status RunRemoveExperiment(Invocation& invocation, const std::string& name) {
  invocation.uses_hooks = true;  // a look may end a run, or ask for a promotion
  v1::RemoveExperimentResponse reply;
  absl::Status status = CallService<v1::Experiments>(invocation, [&](auto& stub, auto& context) {
    return stub.RemoveExperiment(&context, Named<v1::RemoveExperimentRequest>(name), &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("experiment ", name, " removed\n"));
  return absl::OkStatus();
}

}  // namespace

void AddExperimentCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "experiment", "Champion and challenger on live questions");
  auto name = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All experiments and how they stand", "  vouch experiment list"},
             [&invocation] { return RunListExperiments(invocation); });
  using Stub = v1::Experiments::Stub;
  CLI::App* show = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"show", "One experiment with its arms and guardrails", "  vouch experiment show cheaper"},
      [&invocation, name] {
        return RunOne(invocation, Named<v1::GetExperimentRequest>(*name), &Stub::GetExperiment);
      });
  CLI::App* start = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"start", "Start one that has ended anew, from nothing", "  vouch experiment start cheaper"},
      [&invocation, name] {
        return RunOne(invocation, Named<v1::StartExperimentRequest>(*name), &Stub::StartExperiment);
      });
  CLI::App* stop =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"stop", "Give all questions to the champion again",
                  "  vouch experiment stop cheaper --reason 'the fair begins'"},
                 [&invocation, name, reason] {
                   auto request = Named<v1::StopExperimentRequest>(*name);
                   request.set_reason(*reason);
                   return RunOne(invocation, request, &Stub::StopExperiment);
                 });
  stop->add_option("--reason", *reason, "for the audit log")->type_name("TEXT");
  CLI::App* remove =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"remove", "Stop and remove an experiment; the audit log says so",
                  "  vouch experiment remove cheaper"},
                 [&invocation, name] { return RunRemoveExperiment(invocation, *name); });
  for (CLI::App* command : {show, start, stop, remove})
    command->add_option("experiment", *name, "its name")->required();
}

}  // namespace vouch
