#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"
#include "vouch/v1/pipelines.grpc.pb.h"

namespace vouch {
namespace {

std::string AliasesOf(const v1::Pipeline& pipeline) {
  return absl::StrJoin(pipeline.aliases(), ", ",
                       [](std::string* out, const v1::PipelineAlias& alias) {
                         absl::StrAppend(out, alias.name(), "=", alias.number());
                       });
}

absl::Status RunList(Invocation& invocation) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Pipelines::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListPipelinesResponse response;
  grpc::Status status = stub->ListPipelines(&context, v1::ListPipelinesRequest(), &response);
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Pipeline& pipeline : response.pipelines()) {
    rows.push_back({pipeline.spec().name(), absl::StrCat(pipeline.number()),
                    pipeline.spec().collection(), AliasesOf(pipeline),
                    FormatTime(pipeline.created_us())});
  }
  Print(rows.empty() ? "no pipelines; `vouch apply -f FILE` makes some\n"
                     : FormatTable({"pipeline", "version", "collection", "aliases", "applied"}, rows));
  return absl::OkStatus();
}

absl::Status RunShow(Invocation& invocation, const std::string& name) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Pipelines::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::GetPipelineRequest request;
  request.set_name(name);
  v1::Pipeline pipeline;
  if (grpc::Status status = stub->GetPipeline(&context, request, &pipeline); !status.ok())
    return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(pipeline)));
    return absl::OkStatus();
  }
  const auto canonical =
      nlohmann::ordered_json::parse(pipeline.canonical(), nullptr, /*allow_exceptions=*/false);
  Print(absl::StrCat("pipeline ", pipeline.spec().name(), ", version ", pipeline.number(), ", of ",
                     FormatTime(pipeline.created_us()), "\nhash ", pipeline.hash(),
                     pipeline.aliases().empty() ? "" : "\naliases " + AliasesOf(pipeline), "\n",
                     canonical.dump(2), "\n"));
  return absl::OkStatus();
}

absl::Status RunAlias(Invocation& invocation, const v1::SetPipelineAliasRequest& request) {
  invocation.uses_hooks = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Pipelines::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::Pipeline pipeline;
  if (grpc::Status status = stub->SetPipelineAlias(&context, request, &pipeline); !status.ok())
    return (*connection)->Explain(status);
  Print(invocation.json ? FormatJson(MessageToJson(pipeline))
                        : absl::StrCat(request.name(), "@", request.alias(), " is version ",
                                       pipeline.number(), "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddPipelineCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "pipeline", "How questions are answered, version by version");
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "The latest version of each pipeline", "  vouch pipeline list"},
             [&invocation] { return RunList(invocation); });
  auto name = std::make_shared<std::string>();
  CLI::App* show = AddCommand(*group, invocation, CommandKind::kClient,
                              {"show", "One version, in its canonical form",
                               "  vouch pipeline show support\n"
                               "  vouch pipeline show support@2\n"
                               "  vouch pipeline show support@champion"},
                              [&invocation, name] { return RunShow(invocation, *name); });
  show->add_option("pipeline", *name, "NAME, NAME@NUMBER or NAME@ALIAS")->required();
  auto request = std::make_shared<v1::SetPipelineAliasRequest>();
  auto number = std::make_shared<uint64_t>(0);
  CLI::App* alias = AddCommand(*group, invocation, CommandKind::kClient,
                               {"alias", "Make an alias name a version, or move it there",
                                "  vouch pipeline alias support champion --number 2"},
                               [&invocation, request, name, number] {
                                 request->set_number(*number);
                                 return RunAlias(invocation, *request);
                               });
  alias->add_option_function<std::string>(
           "pipeline", [request](const std::string& value) { request->set_name(value); },
           "the pipeline's name")
      ->required();
  alias->add_option_function<std::string>(
           "alias", [request](const std::string& value) { request->set_alias(value); },
           "the alias, as champion")
      ->required();
  alias->add_option("--number", *number, "the version (default: the latest)");
}

}  // namespace vouch
