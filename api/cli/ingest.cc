#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/ingest_run.h"
#include "api/cli/message_json.h"
#include "rag/chunk/chunker.h"
#include "rag/file_walker.h"

namespace vouch {
namespace {

absl::Status RunIngest(Invocation& invocation, const IngestCommandOptions& options) {
  // Before a store is opened, or a server asked: a mistake is told at once.
  if (!options.chunker.empty()) {
    if (const auto chunking = ParseChunkOptions(options.chunker); !chunking.ok()) {
      return UsageError(std::string(chunking.status().message()));
    }
  }
  if (absl::Status status = CheckIngestPaths(options.paths); !status.ok()) return status;
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::StatusOr<Connection*> connection = invocation.Connect(Invocation::Store::kCreate);
  if (!connection.ok()) return connection.status();
  if (options.watch) return WatchAndIngest(invocation, **connection, options);
  const absl::StatusOr<v1::IngestReport> report = RunIngestOnce(invocation, **connection, options, nullptr);
  if (!report.ok()) return report.status();
  if (invocation.json) {
    Print(FormatJson(MessageToJson(*report)));
  } else {
    Print(FormatIngestReport(options.collection, *report));
  }
  const uint64_t taken =
      report->documents_added() + report->documents_changed() + report->documents_unchanged();
  if (taken == 0 && report->skipped_count() > 0) {
    return absl::InvalidArgumentError("no document could be taken in");
  }
  if (taken + report->documents_deleted() > 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there are no documents in ",
                                          absl::StrJoin(options.paths, ", "), "; they are ",
                                          "files of these kinds: ", kKnownEndings));
}

}  // namespace

void AddIngestCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<IngestCommandOptions>();
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"ingest", "Take documents into a collection; it is made where there is none",
                  "  vouch ingest docs ~/project/docs ~/project/README.md\n"
                  "  vouch ingest docs ~/project/docs --watch\n"
                  "Text, Markdown, HTML, PDF, DOCX, CSV, e-mail (.eml) and JSONL ({_id, title, text, "
                  "metadata} a line).\n"
                  "Run again at any time: only what changed is taken in, and what is gone from the "
                  "paths is removed."},
                 [&invocation, options] { return RunIngest(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command->add_option("path", options->paths, "files and folders")->required();
  command->add_option(
      "--embedder", options->embedder,
      "of a new collection: builtin/lsa (default), builtin/hash?dim=N, openai/MODEL?dim=N");
  CLI::Option* keep_going =
      command->add_flag("--keep-going", options->keep_going,
                        "skip what cannot be read or parsed, and report it (the default)");
  command
      ->add_flag("--strict", options->strict,
                 "stop at the first document that cannot be read or parsed")
      ->excludes(keep_going);
  command->add_flag("--retrain", options->retrain,
                    "train builtin/lsa anew on all texts and embed them again");
  CLI::Option* target =
      command
          ->add_option("--chunk-target", options->chunk_target,
                       "bytes of a chunk, 100 to 100000 (default 1200)")
          ->check(CLI::Range(100, 100'000));
  command
      ->add_option("--chunker", options->chunker,
                   "how documents are cut: structure (default), structure?tokens=300, "
                   "fixed?tokens=256&overlap=32, sentence?tokens=256&overlap=1, "
                   "parent_child?child=128&parent=512 (search small, give large)")
      ->excludes(target);
  command->add_flag("--watch", options->watch,
                    "then follow the paths and take in what changes, until Ctrl-C or SIGTERM");
}

}  // namespace vouch
