#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

void PrintReport(const v1::ReplayReply& reply) {
  Print(absl::StrCat("answer ", reply.id(), " at version ", reply.version(), ": ",
                     reply.level().empty() ? "not even R0" : reply.level(), "\n"));
  std::vector<std::vector<std::string>> rows;
  for (const v1::ReplayStep& step : reply.steps()) {
    rows.push_back(
        {step.level(), step.what(),
         step.identical() ? "identical" : absl::StrCat("differs: ", step.first_difference())});
  }
  Print(FormatTable({"level", "what", "result"}, rows));
}

absl::Status RunReplay(Invocation& invocation, const v1::ReplayRequest& request) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ReplayReply reply;
  if (grpc::Status status = stub->Replay(&context, request, &reply); !status.ok())
    return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else {
    PrintReport(reply);
  }
  if (reply.level() == "R3" || reply.level() == "R4") return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the answer ", reply.id(), " is not what it was"));
}

}  // namespace

void AddReplayCommand(CLI::App& app, Invocation& invocation) {
  struct Options {
    std::string id;
    std::string at;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"replay", "Take an answer's steps again, and say what is the same and what differs",
       "  vouch replay 0193590c-2a7e-7c33-a5b8-1e4a60cd2f11\n"
       "Exits with 1 where the answer is not the same any more."},
      [&invocation, options] {
        v1::ReplayRequest request;
        request.set_id(options->id);
        request.set_at(options->at);
        return RunReplay(invocation, request);
      });
  command->add_option("id", options->id, "the answer's id")->required();
  AddAtOption(*command, &options->at);
}

}  // namespace vouch
