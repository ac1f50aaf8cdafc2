#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/ingest_client.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "rag/file_walker.h"
#include "rag/parse/parser.h"

namespace vouch {
namespace {

struct IngestCommandOptions {
  std::string collection;
  std::vector<std::string> paths;
  std::string embedder;  // empty: the collection's, or builtin/lsa for a new one
  bool keep_going = false;
  bool strict = false;
  bool retrain = false;
  uint32_t chunk_target = 0;
};

// What lies under the paths.
struct Sources {
  std::vector<SourceFile> files;
  std::vector<SkippedSource> skipped;
  std::vector<std::string> scopes;
};

absl::StatusOr<Sources> FindSources(const std::vector<std::string>& paths) {
  Sources sources;
  for (const std::string& path : paths) {
    if (absl::Status status = WalkFiles(path, &sources.files, &sources.skipped); !status.ok())
      return status;
    const std::string scope = ScopeOf(path);
    for (const std::string& other : sources.scopes) {
      if (other == scope) {
        return UsageError(absl::StrCat(
            "two of the paths are called '", scope,
            "', so that their documents would get the same names; ingest them one by one into "
            "collections of their own, or the folder above them"));
      }
    }
    sources.scopes.push_back(scope);
  }
  return sources;
}

// One run: reads files and sends documents, and shows how far it is.
class IngestRun {
 public:
  IngestRun(const IngestCommandOptions& options, const Sources& sources, Progress& progress)
      : options_(options), sources_(sources), progress_(progress) {}

  void OnProgress(const v1::IngestProgress& progress) {
    const bool reading = progress.phase() == "reading";
    const size_t total = std::max<size_t>(sources_.files.size(), 1);
    progress_.Update(
        absl::StrCat(progress.phase(), ": ", FormatCounted(progress.documents(), "document"), ", ",
                     FormatCounted(progress.chunks(), "chunk")),
        reading ? static_cast<double>(files_read_.load()) / total : progress.fraction());
  }

  // Sends everything. A status that is not OK ended the run on this side; where the call itself
  // ended, OK is returned and its status says why.
  absl::Status SendAll(IngestClient& client) {
    for (const SkippedSource& skipped : sources_.skipped) {
      // Files of other kinds and links to what is read anyway are no mistakes.
      const bool harmless =
          absl::IsUnimplemented(skipped.reason) || absl::IsAlreadyExists(skipped.reason);
      if (options_.strict && !harmless) {
        return absl::Status(skipped.reason.code(),
                            absl::StrCat(skipped.id, ": ", skipped.reason.message()));
      }
      if (!client.AddSkipped(skipped.id, std::string(skipped.reason.message())))
        return absl::OkStatus();
    }
    for (const SourceFile& file : sources_.files) {
      bool going = true;
      if (absl::Status status = SendFile(file, client, &going); !status.ok()) return status;
      ++files_read_;
      if (!going) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status SendFile(const SourceFile& file, IngestClient& client, bool* going) {
    absl::StatusOr<std::string> bytes = ReadSource(file.path);
    if (!bytes.ok()) {
      if (options_.strict) return bytes.status();
      *going = client.AddSkipped(file.id, std::string(bytes.status().message()));
      return absl::OkStatus();
    }
    if (file.media_type == MediaType::kJsonLines) return SendRecords(file, *bytes, client, going);
    Document document;
    document.id = file.id;
    document.uri = file.path;
    document.media_type = file.media_type;
    document.bytes = *std::move(bytes);
    document.external_id = file.id;
    *going = client.Add(std::move(document));
    return absl::OkStatus();
  }

  absl::Status SendRecords(const SourceFile& file, const std::string& bytes, IngestClient& client,
                           bool* going) {
    absl::Status bad_line;
    const absl::Status status = SplitJsonLines(
        file.id, bytes,
        [&](Document&& document) -> absl::Status {
          if (!bad_line.ok()) return bad_line;
          *going = client.Add(std::move(document));
          return *going ? absl::OkStatus() : absl::CancelledError("the call has ended");
        },
        [&](uint64_t line, const absl::Status& error) {
          const std::string reason = absl::StrCat("line ", line, ": ", error.message());
          if (options_.strict) {
            if (bad_line.ok())
              bad_line = absl::InvalidArgumentError(absl::StrCat(file.path, ": ", reason));
          } else if (*going) {
            *going = client.AddSkipped(file.id, reason);
          }
        });
    if (!bad_line.ok()) return bad_line;
    return *going ? status : absl::OkStatus();
  }

  const IngestCommandOptions& options_;
  const Sources& sources_;
  Progress& progress_;
  std::atomic<size_t> files_read_ = 0;
};

// Nothing was found that is, or was, a document.
bool IsEmpty(const v1::IngestReport& report) {
  return report.documents_added() + report.documents_changed() + report.documents_unchanged() +
             report.documents_deleted() ==
         0;
}

void PrintReport(const std::string& collection, const v1::IngestReport& report) {
  constexpr int kShown = 20;
  if (IsEmpty(report)) {
    Print(absl::StrCat(collection, ": no documents\n"));
  } else if (report.commits() == 0) {
    Print(absl::StrCat(collection, " at version ", report.version(), ": nothing changed, ",
                       FormatCounted(report.documents_unchanged(), "document"), " as before\n"));
  } else {
    Print(absl::StrCat(collection, " at version ", report.version(), ": ",
                       FormatCounted(report.documents_added(), "document"), " added, ",
                       FormatCount(report.documents_changed()), " changed, ",
                       FormatCount(report.documents_unchanged()), " unchanged, ",
                       FormatCount(report.documents_deleted()), " deleted\n",
                       FormatCounted(report.chunks_added(), "chunk"), " added, ",
                       FormatCount(report.chunks_kept()), " kept, ",
                       FormatCount(report.chunks_retired()), " retired, in ",
                       FormatCounted(report.commits(), "commit"), "\n"));
  }
  if (!report.embedder().empty()) Print(absl::StrCat("embedder ", report.embedder(), "\n"));
  if (report.skipped_count() == 0) return;
  Print(absl::StrCat(FormatCount(report.skipped_count()), " skipped:\n"));
  for (int i = 0; i < std::min(report.skipped_size(), kShown); ++i) {
    Print(absl::StrCat("  ", report.skipped(i).document(), ": ", report.skipped(i).reason(), "\n"));
  }
  if (report.skipped_count() > kShown) {
    Print(absl::StrCat("  and ", FormatCount(report.skipped_count() - kShown),
                       " more (--json lists up to 1,000)\n"));
  }
}

absl::Status RunIngest(Invocation& invocation, const IngestCommandOptions& options) {
  absl::StatusOr<Sources> sources = FindSources(options.paths);
  if (!sources.ok()) return sources.status();
  absl::StatusOr<Connection*> connection = invocation.Connect(Invocation::Store::kCreate);
  if (!connection.ok()) return connection.status();
  v1::IngestOptions message;
  message.set_collection(options.collection);
  message.set_embedder(options.embedder);
  message.set_chunk_target_bytes(options.chunk_target);
  message.set_strict(options.strict);
  message.set_retrain(options.retrain);
  for (const std::string& scope : sources->scopes) message.add_scopes(scope);
  // Without a file there is nothing to make a collection for; one that is there may lose documents.
  message.set_no_create(sources->files.empty());

  Progress progress = invocation.MakeProgress();
  IngestRun run(options, *sources, progress);
  grpc::ClientContext context;
  invocation.Prepare(context);
  std::unique_ptr<IngestClient> client =
      IngestClient::Start((*connection)->channel(), context, message,
                          [&run](const v1::IngestProgress& update) { run.OnProgress(update); });
  absl::Status sent = run.SendAll(*client);
  if (!sent.ok()) {
    client.reset();
    progress.Clear();
    return sent;
  }
  v1::IngestReport report;
  const grpc::Status status = client->Finish(&report);
  client.reset();
  progress.Clear();
  if (status.error_code() == grpc::StatusCode::NOT_FOUND && message.no_create()) {
    for (const SkippedSource& skipped : sources->skipped) {
      v1::SkippedDocument* entry = report.add_skipped();
      entry->set_document(skipped.id);
      entry->set_reason(std::string(skipped.reason.message()));
    }
    report.set_skipped_count(report.skipped_size());
  } else if (!status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(report)));
  } else {
    PrintReport(options.collection, report);
  }
  const uint64_t taken =
      report.documents_added() + report.documents_changed() + report.documents_unchanged();
  if (taken == 0 && report.skipped_count() > 0) {
    return absl::InvalidArgumentError("no document could be taken in");
  }
  if (taken + report.documents_deleted() > 0) return absl::OkStatus();
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
                  "Text, Markdown, HTML and JSONL ({_id, title, text, metadata} a line). Run again "
                  "at any time: only what\n"
                  "changed is taken in, and what is gone from the paths is removed."},
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
  command
      ->add_option("--chunk-target", options->chunk_target,
                   "bytes of a chunk, 100 to 100000 (default 1200)")
      ->check(CLI::Range(100, 100'000));
}

}  // namespace vouch
