#include "api/version.h"

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "vouch/v1/admin.grpc.pb.h"

namespace vouch {
namespace {

absl::Status RunVersion(Invocation& invocation) {
  nlohmann::ordered_json json = {
      {"version", kProgramVersion}, {"api", kApiVersion}, {"compiler", kCompiler}};
  std::string text =
      absl::StrCat("vouch ", kProgramVersion, " (API ", kApiVersion, ", ", kCompiler, ")\n");
  // Only an explicit server is asked: the command must work where nothing else does.
  if (invocation.flags.count("server") > 0) {
    absl::StatusOr<Connection*> connection = invocation.Connect();
    if (!connection.ok()) return connection.status();
    const auto stub = v1::Admin::NewStub((*connection)->channel());
    grpc::ClientContext context;
    invocation.Prepare(context);
    v1::VersionReply reply;
    if (grpc::Status status = stub->GetVersion(&context, v1::GetVersionRequest(), &reply);
        !status.ok()) {
      return (*connection)->Explain(status);
    }
    json["server"] = MessageToJson(reply);
    absl::StrAppend(&text, "server ", reply.version(), " (API ", reply.api(), ", ",
                    reply.compiler(), ")\n");
  }
  Print(invocation.json ? FormatJson(json) : text);
  return absl::OkStatus();
}

}  // namespace

void AddVersionCommand(CLI::App& app, Invocation& invocation) {
  AddCommand(app, invocation, CommandKind::kClient,
             {"version", "The program's version, and with --server the server's",
              "  vouch version --server 127.0.0.1:7700"},
             [&invocation] { return RunVersion(invocation); });
}

}  // namespace vouch
