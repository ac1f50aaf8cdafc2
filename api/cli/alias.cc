#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "vouch/v1/collections.grpc.pb.h"

namespace vouch {
namespace {

struct AliasOptions {
  std::vector<std::string> moves;
  std::vector<std::string> names;
};

absl::Status Move(Invocation& invocation, const v1::MoveAliasesRequest& request,
                  v1::ListAliasesResponse* response) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  return (*connection)->Explain(stub->MoveAliases(&context, request, response));
}

absl::Status RunSet(Invocation& invocation, const AliasOptions& options) {
  v1::MoveAliasesRequest request;
  for (const std::string& word : options.moves) {
    const size_t at = word.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == word.size()) {
      return UsageError(absl::StrCat("'", word, "' is not ALIAS=COLLECTION"));
    }
    v1::AliasMove* move = request.add_moves();
    move->set_alias(word.substr(0, at));
    move->set_collection(word.substr(at + 1));
  }
  v1::ListAliasesResponse response;
  if (absl::Status s = Move(invocation, request, &response); !s.ok()) return s;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  for (const v1::AliasMove& move : request.moves()) {
    Print(absl::StrCat("alias ", move.alias(), " leads to ", move.collection(), "\n"));
  }
  return absl::OkStatus();
}

absl::Status RunListAliases(Invocation& invocation) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListAliasesResponse response;
  const grpc::Status status = stub->ListAliases(&context, v1::ListAliasesRequest(), &response);
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Alias& alias : response.aliases()) {
    rows.push_back({alias.alias(), alias.collection(), FormatTime(alias.moved_us())});
  }
  Print(rows.empty() ? "no aliases\n" : FormatTable({"alias", "collection", "moved"}, rows));
  return absl::OkStatus();
}

absl::Status RunDelete(Invocation& invocation, const AliasOptions& options) {
  v1::MoveAliasesRequest request;
  for (const std::string& name : options.names) request.add_moves()->set_alias(name);
  v1::ListAliasesResponse response;
  if (absl::Status s = Move(invocation, request, &response); !s.ok()) return s;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  for (const std::string& name : options.names) Print(absl::StrCat("alias ", name, " deleted\n"));
  return absl::OkStatus();
}

}  // namespace

void AddAliasCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "alias", "Second names of collections, which can be moved");
  auto options = std::make_shared<AliasOptions>();
  CLI::App* set =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"set", "Let aliases lead to collections: all of them in one step",
                  "  vouch alias set docs=docs-2026-11 notes=notes-2026-11"},
                 [&invocation, options] { return RunSet(invocation, *options); });
  set->add_option("move", options->moves, "where each leads")
      ->type_name("ALIAS=COLLECTION")
      ->required();
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All aliases", "  vouch alias list"},
             [&invocation] { return RunListAliases(invocation); });
  CLI::App* remove = AddCommand(*group, invocation, CommandKind::kClient,
                                {"delete", "Remove aliases; their collections stay",
                                 "  vouch alias delete docs"},
                                [&invocation, options] { return RunDelete(invocation, *options); });
  remove->add_option("alias", options->names, "the aliases")->required();
}

}  // namespace vouch
