#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/line_reader.h"
#include "api/cli/message_json.h"
#include "api/cli/point_json.h"
#include "api/cli/text_output.h"
#include "api/cli/vector_file.h"
#include "storage/store.h"
#include "vouch/v1/points.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kMaxBatchBytes = size_t{16} << 20;
constexpr size_t kMaxJobBytes = 80;  // so that job, line and hash fit a request id

struct PointImport {
  std::string collection;
  std::string file;
  std::string format;
  std::string field;
  std::string points;  // beside vectors
  uint64_t first_id = 0;
  uint32_t batch = 1'000;
  uint64_t from = 1;  // line or vector
  std::string job;
};

// The points of the input, one after the other: lines, or vectors with or without lines beside.
class PointSource {
 public:
  static absl::StatusOr<PointSource> Open(const PointImport& options) {
    PointSource source;
    std::string format = options.format;
    for (const char* known : {"npy", "fvecs"}) {
      if (format.empty() && options.file.ends_with(absl::StrCat(".", known))) format = known;
    }
    source.first_id_ = options.first_id;
    source.field_ = options.field;
    std::string lines = options.file;
    if (format == "npy" || format == "fvecs") {
      if (options.field.empty()) return UsageError("say by --field which dense field the vectors are for");
      auto vectors = VectorFileReader::Open(options.file, format == "npy" ? VectorFormat::kNpy
                                                                          : VectorFormat::kFvecs);
      if (!vectors.ok()) return vectors.status();
      source.vectors_.emplace(*std::move(vectors));
      lines = options.points;
    } else if (!options.field.empty() || !options.points.empty()) {
      return UsageError("--field and --points go with vectors, as .npy and .fvecs");
    }
    if (!lines.empty()) {
      auto reader = LineReader::Open(lines);
      if (!reader.ok()) return reader.status();
      source.lines_.emplace(*std::move(reader));
    }
    return source;
  }

  // False at the end. `bytes` is about the point's size.
  absl::StatusOr<bool> Next(v1::Point* point, size_t* bytes) {
    absl::StatusOr<bool> line = NextLine();
    if (!line.ok()) return line;
    if (vectors_.has_value()) {
      const absl::StatusOr<bool> vector = vectors_->Next(&vector_);
      if (!vector.ok()) return vector;
      if (lines_.has_value() && *line != *vector) {
        return absl::InvalidArgumentError(
            absl::StrCat("after ", position_, " points ", *vector ? "the lines" : "the vectors",
                         " end, and the ", *vector ? "vectors" : "lines", " do not"));
      }
      line = *vector;
    }
    if (!*line) return false;
    ++position_;
    *bytes = text_.size() + vector_.size() * sizeof(float);
    if (absl::Status status = Fill(point); !status.ok()) return status;
    return true;
  }
  // Of the point that was read last, from 1 on.
  uint64_t position() const { return position_; }

 private:
  absl::StatusOr<bool> NextLine() {
    text_.clear();
    return lines_.has_value() ? lines_->Next(&text_) : absl::StatusOr<bool>(false);
  }

  absl::Status Fill(v1::Point* point) {
    point->Clear();
    if (lines_.has_value()) {
      absl::StatusOr<v1::Point> parsed = PointFromJson(text_);
      if (!parsed.ok()) {
        return absl::Status(parsed.status().code(),
                            absl::StrCat(lines_->Place(), ": ", parsed.status().message()));
      }
      *point = *std::move(parsed);
    } else {
      point->mutable_id()->set_number(first_id_ + position_ - 1);
    }
    if (vectors_.has_value()) {
      (*point->mutable_vectors())[field_].mutable_values()->Assign(vector_.begin(), vector_.end());
    }
    return absl::OkStatus();
  }

  std::optional<LineReader> lines_;
  std::optional<VectorFileReader> vectors_;
  std::string field_;
  uint64_t first_id_ = 0;
  uint64_t position_ = 0;
  std::string text_;
  std::vector<float> vector_;
};

struct Report {
  uint64_t points = 0;
  uint64_t commits = 0;
  uint64_t replayed = 0;  // commits that an earlier run of the job made
  uint64_t replaced = 0;
  uint64_t version = 0;
  uint64_t done = 0;  // the place of the last point that is imported
};

class Importer {
 public:
  Importer(Invocation& invocation, Connection& connection, const PointImport& options)
      : invocation_(invocation),
        connection_(connection),
        stub_(v1::Points::NewStub(connection.channel())),
        options_(options) {}

  absl::Status Run(PointSource& source) {
    Progress progress = invocation_.MakeProgress();
    absl::Status status = Read(source, progress);
    progress.Clear();
    return status;
  }
  const Report& report() const { return report_; }

 private:
  absl::Status Read(PointSource& source, Progress& progress) {
    v1::UpsertRequest request;
    size_t bytes = 0;
    uint64_t last = 0;  // the place of the request's last point
    while (true) {
      v1::Point point;
      size_t point_bytes = 0;
      const absl::StatusOr<bool> more = source.Next(&point, &point_bytes);
      if (!more.ok()) {
        // What is before the mistake is imported: the message says where to go on.
        absl::Status sent = Send(request, last);
        return sent.ok() ? more.status() : sent;
      }
      if (!*more) return Send(request, last);
      if (source.position() < options_.from) continue;
      if (static_cast<uint32_t>(request.points_size()) >= options_.batch ||
          bytes + point_bytes > kMaxBatchBytes) {
        if (absl::Status s = Send(request, last); !s.ok()) return s;
        progress.Update(absl::StrCat("imported ", FormatCounted(report_.points, "point")), -1);
        bytes = 0;
      }
      bytes += point_bytes;
      *request.add_points() = std::move(point);
      last = source.position();
    }
  }

  // `last` is the place of the last point of the request, which is empty afterwards.
  absl::Status Send(v1::UpsertRequest& request, uint64_t last) {
    const auto points = static_cast<uint64_t>(request.points_size());
    if (points == 0) return absl::OkStatus();
    request.set_collection(options_.collection);
    request.set_keep_provenance(true);
    if (!options_.job.empty()) {
      std::string content;
      for (const v1::Point& point : request.points()) content += PointToJson(point) + "\n";
      request.set_request_id(
          absl::StrCat(options_.job, ":", last - points + 1, ":", ContentHash(content).substr(0, 16)));
    }
    v1::WriteReply reply;
    grpc::ClientContext context;
    invocation_.Prepare(context);
    const grpc::Status status = stub_->Upsert(&context, request, &reply);
    if (!status.ok()) {
      const absl::Status explained = connection_.Explain(status);
      return absl::Status(explained.code(), absl::StrCat("points ", last - points + 1, " to ", last,
                                                         ": ", explained.message()));
    }
    report_.points += points;
    ++report_.commits;
    report_.replayed += reply.replayed() ? 1 : 0;
    report_.replaced += reply.retired();
    report_.version = reply.version();
    report_.done = last;
    request.Clear();
    return absl::OkStatus();
  }

  Invocation& invocation_;
  Connection& connection_;
  const std::unique_ptr<v1::Points::Stub> stub_;
  const PointImport& options_;
  Report report_;
};

absl::Status RunPointImport(Invocation& invocation, const PointImport& options) {
  if (options.job.size() > kMaxJobBytes) {
    return UsageError(absl::StrCat("--job has ", options.job.size(), " bytes, over ", kMaxJobBytes));
  }
  absl::StatusOr<PointSource> source = PointSource::Open(options);
  if (!source.ok()) return source.status();
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  Importer importer(invocation, **connection, options);
  const absl::Status status = importer.Run(*source);
  const Report& report = importer.report();
  if (!status.ok()) {
    std::string message(status.message());
    if (report.done > 0) {
      absl::StrAppend(&message, "\n  points up to ", report.done, " are imported (version ",
                      report.version, "); go on with --from ", report.done + 1);
    }
    return absl::Status(status.code(), message);
  }
  if (invocation.json) {
    Print(FormatJson({{"points", report.points},
                      {"commits", report.commits},
                      {"commits_replayed", report.replayed},
                      {"replaced", report.replaced},
                      {"version", report.version}}));
    return absl::OkStatus();
  }
  if (report.points == 0) {
    Print("no points\n");
    return absl::OkStatus();
  }
  Print(absl::StrCat(FormatCounted(report.points, "point"), " imported into ", options.collection,
                     " in ", FormatCounted(report.commits, "commit"), ", ",
                     FormatCount(report.replaced), " of them replaced; version ", report.version,
                     "\n"));
  if (report.replayed > 0) {
    Print(absl::StrCat(FormatCounted(report.replayed, "commit"), " of job ", options.job,
                       " had been made before, and changed nothing\n"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddImportCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<PointImport>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"import", "Write the points of a file into a collection",
       "  vouch import films films.jsonl --job nightly-2026-11-25\n"
       "  vouch import films vectors.npy --field embedding --points vectors.npy.jsonl"},
      [&invocation, options] { return RunPointImport(invocation, *options); });
  command->add_option("collection", options->collection, "the collection, or an alias")->required();
  command
      ->add_option("file", options->file,
                   "points as `vouch export` writes them, one a line (- is standard input); or "
                   "vectors: .npy or .fvecs")
      ->required();
  command
      ->add_option("--format", options->format,
                   "jsonl, npy or fvecs (default: by the file's name, else jsonl)")
      ->check(CLI::IsMember({"jsonl", "npy", "fvecs"}))
      ->type_name("FORMAT");
  command->add_option("--field", options->field, "with vectors: the dense field that they are for");
  command
      ->add_option("--points", options->points,
                   "with vectors: file of the rest of each point, one a line; without it the ids "
                   "are numbers from --first-id on")
      ->type_name("FILE");
  command->add_option("--first-id", options->first_id, "id of the first vector (default 0)");
  command->add_option("--batch", options->batch, "points in one commit, 1 to 100000 (default 1000)")
      ->check(CLI::Range(1, 100'000));
  command->add_option("--from", options->from, "leave out the points before this one (from 1 on)");
  command->add_option("--job", options->job,
                      "a name for this import: run again under it, what is imported already is "
                      "not written again");
}

}  // namespace vouch
