// `vouch export openlineage`, `prov` and `bundle`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/export_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/output_file.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/cli/time_range.h"
#include "rag/http/http_client.h"
#include "rag/http/post_with_retries.h"
#include "vouch/v1/exports.grpc.pb.h"

namespace vouch {
namespace {

struct RecordExportOptions {
  TimeRangeOptions range;
  std::string file = "-";
  std::string answer;
  std::string url;
  std::string job_namespace;
};

// Where events go: a file, or an address that takes one at a time.
class EventSink {
 public:
  static absl::StatusOr<std::unique_ptr<EventSink>> Create(const RecordExportOptions& options, std::string token) {
    auto sink = std::make_unique<EventSink>();
    sink->url_ = options.url;
    sink->token_ = std::move(token);
    if (!options.url.empty()) return sink;
    absl::StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(options.file);
    if (!file.ok()) return file.status();
    sink->file_ = *std::move(file);
    return sink;
  }

  absl::Status Take(const std::string& event) {
    ++events_;
    if (file_ != nullptr) return file_->WriteLine(event);
    HttpRequest request{.url = url_, .body = event};
    request.headers.emplace_back("Content-Type", "application/json");
    if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
    const absl::StatusOr<std::string> reply = PostWithRetries(http_, request, {}, CancelToken());
    if (reply.ok()) return absl::OkStatus();
    return absl::Status(reply.status().code(), absl::StrCat(reply.status().message(), "; ", events_ - 1,
                                                            " events were taken: sent again, each has the same runId"));
  }
  absl::Status Finish() { return file_ != nullptr ? file_->Finish() : absl::OkStatus(); }
  uint64_t events() const { return events_; }

 private:
  std::string url_;
  std::string token_;
  std::unique_ptr<OutputFile> file_;  // null: they are posted
  const HttpClient http_;
  uint64_t events_ = 0;
};

absl::Status RunOpenLineage(Invocation& invocation, const RecordExportOptions& options) {
  v1::ExportOpenLineageRequest request;
  int64_t from_us = 0;
  int64_t to_us = 0;
  if (absl::Status status = ReadTimeRange(options.range, &from_us, &to_us); !status.ok()) return status;
  if (!options.url.empty() && options.file != "-") return UsageError("openlineage takes a file or --url, not both");
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  request.set_job_namespace(options.job_namespace);
  auto sink = EventSink::Create(options, invocation.Variable("OPENLINEAGE_API_KEY").value_or(""));
  if (!sink.ok()) return sink.status();
  absl::Status failed;
  const absl::Status status = CallService<v1::Exports>(invocation, [&](auto& stub, auto& context) {
    const auto reader = stub.ExportOpenLineage(&context, request);
    v1::OpenLineageEvents reply;
    while (failed.ok() && reader->Read(&reply)) {
      for (const std::string& event : reply.events())
        if (failed.ok()) failed = (*sink)->Take(event);
    }
    if (!failed.ok()) context.TryCancel();
    return reader->Finish();
  });
  if (!failed.ok()) return failed;
  if (!status.ok()) return status;
  if (absl::Status finished = (*sink)->Finish(); !finished.ok()) return finished;
  if (options.url.empty() && options.file == "-") return absl::OkStatus();  // the events are the output
  Print(invocation.json ? FormatJson({{"events", (*sink)->events()}})
                        : absl::StrCat(FormatCounted((*sink)->events(), "event"), options.url.empty() ? " written to " : " sent to ",
                                       options.url.empty() ? options.file : options.url, "\n"));
  return absl::OkStatus();
}

absl::Status RunProv(Invocation& invocation, const RecordExportOptions& options) {
  v1::ExportProvRequest request;
  int64_t from_us = 0;
  int64_t to_us = 0;
  if (absl::Status status = ReadTimeRange(options.range, &from_us, &to_us); !status.ok()) return status;
  if (!options.answer.empty() && (from_us != 0 || to_us != 0))
    return UsageError("prov takes --answer, or a range, not both");
  request.set_answer(options.answer);
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  v1::ProvReply reply;
  const absl::Status status = CallService<v1::Exports>(
      invocation, [&](auto& stub, auto& context) { return stub.ExportProv(&context, request, &reply); });
  if (!status.ok()) return status;
  auto file = OutputFile::Create(options.file);
  if (!file.ok()) return file.status();
  if (absl::Status written = (*file)->Write(reply.json()); !written.ok()) return written;
  return (*file)->Finish();
}

absl::Status RunBundle(Invocation& invocation, const RecordExportOptions& options) {
  v1::ExportBundleRequest request;
  int64_t from_us = 0;
  int64_t to_us = 0;
  if (absl::Status status = ReadTimeRange(options.range, &from_us, &to_us); !status.ok()) return status;
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  auto file = OutputFile::Create(options.file);
  if (!file.ok()) return file.status();
  v1::BundleSummary summary;
  absl::Status failed;
  const absl::Status status = CallService<v1::Exports>(invocation, [&](auto& stub, auto& context) {
    const auto reader = stub.ExportBundle(&context, request);
    v1::BundlePart part;
    while (failed.ok() && reader->Read(&part)) {
      if (part.has_summary()) {
        summary = part.summary();
      } else {
        failed = (*file)->Write(part.data());
      }
    }
    if (!failed.ok()) context.TryCancel();
    return reader->Finish();
  });
  if (!failed.ok()) return failed;
  if (!status.ok()) return status;
  if (absl::Status finished = (*file)->Finish(); !finished.ok()) return finished;
  // Where the bundle is the output, what is said of it goes beside it.
  const auto say = [&options](const std::string& text) {
    if (options.file == "-") {
      std::fwrite(text.data(), 1, text.size(), stderr);
    } else {
      Print(text);
    }
  };
  if (invocation.json) {
    say(FormatJson(MessageToJson(summary)));
    return absl::OkStatus();
  }
  say(absl::StrCat(options.file == "-" ? "standard output" : options.file, ": ", FormatCounted(summary.answers(), "answer"), ", ",
                     FormatCount(summary.entries()), summary.entries() == 1 ? " entry" : " entries", " of the audit log, ",
                     FormatCounted(summary.evaluations(), "evaluation"), ", ", FormatCounted(summary.commits(), "commit"),
                     summary.feedback() > 0 ? absl::StrCat(", feedback ", FormatCounted(summary.feedback(), "time")) : "", " in ",
                     FormatCounted(summary.files(), "file"), ", ",
                     FormatBytes(summary.bytes()), "\nseal ", summary.seal(),
                     "\nkeep it elsewhere: with `vouch audit verify --bundle FILE --seal SEAL` it shows that nothing was changed\n"));
  return absl::OkStatus();
}

}  // namespace

void AddRecordExportCommands(CLI::App& group, Invocation& invocation) {
  auto lineage = std::make_shared<RecordExportOptions>();
  CLI::App* open_lineage =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"openlineage", "Answers, evaluations and commits as OpenLineage events, a line each",
                  "  vouch export openlineage events.jsonl --from 2026-11-01\n"
                  "  vouch export openlineage --url http://127.0.0.1:5000/api/v1/lineage\n"
                  "The environment variable OPENLINEAGE_API_KEY goes along as a bearer token."},
                 [&invocation, lineage] { return RunOpenLineage(invocation, *lineage); });
  open_lineage->add_option("file", lineage->file, "where to; - (default) is standard output");
  open_lineage->add_option("--url", lineage->url, "POST each event to this address instead")->type_name("URL");
  open_lineage->add_option("--namespace", lineage->job_namespace, "of the jobs (default: the tenant)")->type_name("NAME");
  AddTimeRangeOptions(*open_lineage, "what began", &lineage->range);

  auto prov = std::make_shared<RecordExportOptions>();
  CLI::App* prov_command =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"prov", "What answers came of, as W3C PROV-JSON",
                  "  vouch export prov answer.json --answer 0193590c-2a7e-7c33-a5b8-1e4a60cd2f11\n"
                  "  vouch export prov november.json --from 2026-11-01 --to 2026-12-01"},
                 [&invocation, prov] { return RunProv(invocation, *prov); });
  prov_command->add_option("file", prov->file, "where to; - (default) is standard output");
  prov_command->add_option("--answer", prov->answer, "one answer alone, by its id")->type_name("ID");
  AddTimeRangeOptions(*prov_command, "answers", &prov->range);

  auto bundle = std::make_shared<RecordExportOptions>();
  CLI::App* bundle_command =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"bundle", "All that the answers of a range can be vouched for with, as one archive",
                  "  vouch export bundle november.tar --from 2026-11-01 --to 2026-12-01\n"
                  "Any tar opens it; `vouch audit verify --bundle FILE` checks it without a store."},
                 [&invocation, bundle] { return RunBundle(invocation, *bundle); });
  bundle_command->add_option("file", bundle->file, "where to; - is standard output")->required();
  AddTimeRangeOptions(*bundle_command, "answers", &bundle->range);
}

}  // namespace vouch
