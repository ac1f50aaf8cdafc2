#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "vouch/v1/collections.grpc.pb.h"

namespace vouch {
namespace {

struct TagOptions {
  std::string collection;
  std::string name;
  std::string at;
};

absl::Status RunCreate(Invocation& invocation, const TagOptions& options) {
  invocation.uses_hooks = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::CreateTagRequest request;
  request.set_collection(options.collection);
  request.set_name(options.name);
  request.set_at(options.at);
  v1::Tag tag;
  if (grpc::Status status = stub->CreateTag(&context, request, &tag); !status.ok()) {
    return (*connection)->Explain(status);
  }
  Print(invocation.json ? FormatJson(MessageToJson(tag))
                        : absl::StrCat("tag ", tag.name(), " names version ", tag.version(), " of ",
                                       options.collection, "\n"));
  return absl::OkStatus();
}

absl::Status RunListTags(Invocation& invocation, const TagOptions& options) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListTagsRequest request;
  request.set_collection(options.collection);
  v1::ListTagsResponse response;
  if (grpc::Status status = stub->ListTags(&context, request, &response); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Tag& tag : response.tags()) {
    rows.push_back({tag.name(), absl::StrCat("v", tag.version()), FormatTime(tag.created_us())});
  }
  Print(rows.empty() ? "no tags\n" : FormatTable({"tag", "version", "created"}, rows));
  return absl::OkStatus();
}

absl::Status RunDelete(Invocation& invocation, const TagOptions& options) {
  invocation.uses_hooks = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::DeleteTagRequest request;
  request.set_collection(options.collection);
  request.set_name(options.name);
  v1::DeleteTagResponse response;
  if (grpc::Status status = stub->DeleteTag(&context, request, &response); !status.ok()) {
    return (*connection)->Explain(status);
  }
  Print(invocation.json ? FormatJson({{"deleted", options.name}})
                        : absl::StrCat("tag ", options.name, " deleted\n"));
  return absl::OkStatus();
}

}  // namespace

void AddTagCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "tag", "Names for versions of a collection");
  auto options = std::make_shared<TagOptions>();
  CLI::App* create = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"create", "Name a version; a tag never moves", "  vouch tag create docs baseline --at v12"},
      [&invocation, options] { return RunCreate(invocation, *options); });
  create->add_option("collection", options->collection, "the collection")->required();
  create->add_option("tag", options->name, "the name")->required();
  AddAtOption(*create, &options->at);
  CLI::App* list = AddCommand(*group, invocation, CommandKind::kClient,
                              {"list", "The tags of a collection", "  vouch tag list docs"},
                              [&invocation, options] { return RunListTags(invocation, *options); });
  list->add_option("collection", options->collection, "the collection")->required();
  CLI::App* remove =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"delete", "Remove a tag; its version stays as long as the history does",
                  "  vouch tag delete docs baseline"},
                 [&invocation, options] { return RunDelete(invocation, *options); });
  remove->add_option("collection", options->collection, "the collection")->required();
  remove->add_option("tag", options->name, "the name")->required();
}

}  // namespace vouch
