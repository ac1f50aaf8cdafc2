#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/record_commands.h"
#include "api/cli/text_output.h"
#include "vouch/v1/records.grpc.pb.h"

namespace vouch {
namespace {

struct ForgetOptions {
  std::string collection;
  std::string document;
  std::string reason;
  bool dry_run = false;
  bool compact = false;
  bool list = false;
};

void PrintReply(const v1::ForgetReply& reply, bool dry_run) {
  const v1::Forgotten& what = reply.forgotten();
  std::string text = absl::StrCat(dry_run ? "would forget " : "forgot ", what.document(), ": ",
                                  FormatCounted(what.points(), "point"), " and ",
                                  FormatCounted(what.rows(), "row"), " of all versions, ",
                                  FormatCounted(static_cast<uint64_t>(what.sources_size()), "kept source"), ", ",
                                  FormatCounted(what.texts(), "text"), " in ", FormatCounted(what.answers(), "answer"),
                                  ", ", FormatCounted(what.results(), "evaluation result"),
                                  what.reference_rows() == 0
                                      ? ""
                                      : absl::StrCat(", ", FormatCounted(what.reference_rows(), "drift reference vector")),
                                  "\n");
  if (!dry_run) absl::StrAppend(&text, "its points are gone since version ", what.version(), "\n");
  for (const std::string& sentence : reply.remains()) absl::StrAppend(&text, "note: ", sentence, "\n");
  if (dry_run) absl::StrAppend(&text, "nothing was changed; without --dry-run it cannot be taken back\n");
  Print(text);
}

absl::Status RunList(Invocation& invocation, const ForgetOptions& options) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Records::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListForgottenRequest request;
  request.set_collection(options.collection);
  v1::ListForgottenReply reply;
  if (grpc::Status status = stub->ListForgotten(&context, request, &reply); !status.ok())
    return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Forgotten& what : reply.forgotten()) {
    rows.push_back({what.document(), what.finished_us() == 0 ? "begun, not done" : FormatTime(what.finished_us()),
                    what.subject(), FormatCount(what.rows()), FormatCount(what.answers()), what.reason()});
  }
  Print(rows.empty() ? "nothing was forgotten\n"
                     : FormatTable({"document", "when", "by", "rows", "answers", "reason"}, rows));
  return absl::OkStatus();
}

absl::Status RunForget(Invocation& invocation, const ForgetOptions& options) {
  if (options.list != options.document.empty()) {
    return UsageError(options.list ? "--list takes a collection, and no source"
                                   : "forget takes a collection and a source: the document's id");
  }
  if (options.list) return RunList(invocation, options);
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Records::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ForgetRequest request;
  request.set_collection(options.collection);
  request.set_document(options.document);
  request.set_reason(options.reason);
  request.set_dry_run(options.dry_run);
  request.set_compact(options.compact);
  v1::ForgetReply reply;
  if (grpc::Status status = stub->Forget(&context, request, &reply); !status.ok())
    return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else {
    PrintReply(reply, options.dry_run);
  }
  return absl::OkStatus();
}

}  // namespace

void AddForgetCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ForgetOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"forget", "Erase a document everywhere: rows of all versions, kept bytes, index, answers",
       "  vouch forget docs people/jane.md --dry-run\n"
       "  vouch forget docs people/jane.md --reason \"request 4711\" --compact\n"
       "  vouch forget docs --list\n"
       "In answers that used it, its hash takes the place of each text; the chain of answers holds on.\n"
       "Cannot be taken back. Interrupted, it goes on when called again, or when a server starts."},
      [&invocation, options] { return RunForget(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command->add_option("source", options->document, "the document's id, as `vouch query` shows it");
  command->add_option("--reason", options->reason, "why, for whoever asks later; kept");
  command->add_flag("--dry-run", options->dry_run, "say what would be erased, and change nothing");
  command->add_flag("--compact", options->compact, "compact the store's files, so that no erased byte is left in them");
  command->add_flag("--list", options->list, "what was forgotten in the collection");
}

}  // namespace vouch
