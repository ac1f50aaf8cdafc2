#include "api/cli/ingest_run.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/cli/ingest_client.h"
#include "api/cli/text_output.h"
#include "rag/file_walker.h"
#include "rag/parse/parser.h"

namespace vouch {
namespace {

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
  IngestRun(const IngestCommandOptions& options, const Sources& sources, Progress& progress,
            const std::function<bool()>& stop)
      : options_(options), sources_(sources), progress_(progress), stop_(stop) {}

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
      if (stop_ && stop_()) return absl::CancelledError("stopped by a signal");
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
  const std::function<bool()>& stop_;
  std::atomic<size_t> files_read_ = 0;
};

// Nothing was found that is, or was, a document.
bool IsEmpty(const v1::IngestReport& report) {
  return report.documents_added() + report.documents_changed() + report.documents_unchanged() +
             report.documents_deleted() ==
         0;
}

}  // namespace

absl::Status CheckIngestPaths(const std::vector<std::string>& paths) { return FindSources(paths).status(); }

absl::StatusOr<v1::IngestReport> RunIngestOnce(Invocation& invocation, Connection& connection,
                                               const IngestCommandOptions& options,
                                               const std::function<bool()>& stop) {
  absl::StatusOr<Sources> sources = FindSources(options.paths);
  if (!sources.ok()) return sources.status();
  v1::IngestOptions message;
  message.set_collection(options.collection);
  message.set_embedder(options.embedder);
  message.set_chunk_target_bytes(options.chunk_target);
  message.set_chunker(options.chunker);
  message.set_strict(options.strict);
  message.set_retrain(options.retrain);
  for (const std::string& scope : sources->scopes) message.add_scopes(scope);
  // Without a file there is nothing to make a collection for; one that is there may lose documents.
  message.set_no_create(sources->files.empty());

  Progress progress = invocation.MakeProgress();
  IngestRun run(options, *sources, progress, stop);
  grpc::ClientContext context;
  invocation.Prepare(context);
  std::unique_ptr<IngestClient> client =
      IngestClient::Start(connection.channel(), context, message,
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
    return connection.Explain(status);
  }
  return report;
}

std::string FormatIngestReport(const std::string& collection, const v1::IngestReport& report) {
  constexpr int kShown = 20;
  std::string out;
  if (IsEmpty(report)) {
    absl::StrAppend(&out, collection, ": no documents\n");
  } else if (report.commits() == 0) {
    absl::StrAppend(&out, collection, " at version ", report.version(), ": nothing changed, ",
                       FormatCounted(report.documents_unchanged(), "document"), " as before\n");
  } else {
    absl::StrAppend(&out, collection, " at version ", report.version(), ": ",
                       FormatCounted(report.documents_added(), "document"), " added, ",
                       FormatCount(report.documents_changed()), " changed, ",
                       FormatCount(report.documents_unchanged()), " unchanged, ",
                       FormatCount(report.documents_deleted()), " deleted\n",
                       FormatCounted(report.chunks_added(), "chunk"), " added, ",
                       FormatCount(report.chunks_kept()), " kept, ",
                       FormatCount(report.chunks_retired()), " retired, in ",
                       FormatCounted(report.commits(), "commit"), "\n");
  }
  if (!report.embedder().empty()) absl::StrAppend(&out, "embedder ", report.embedder(), "\n");
  if (report.skipped_count() == 0) return out;
  absl::StrAppend(&out, FormatCount(report.skipped_count()), " skipped:\n");
  for (int i = 0; i < std::min(report.skipped_size(), kShown); ++i) {
    absl::StrAppend(&out, "  ", report.skipped(i).document(), ": ", report.skipped(i).reason(), "\n");
  }
  if (report.skipped_count() > kShown) {
    absl::StrAppend(&out, "  and ", FormatCount(report.skipped_count() - kShown),
                       " more (--json lists up to 1,000)\n");
  }
  return out;
}

}  // namespace vouch
