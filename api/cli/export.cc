#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/export_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/output_file.h"
#include "api/cli/point_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "api/cli/vector_file.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/points.grpc.pb.h"

namespace vouch {
namespace {

constexpr uint32_t kPage = 500;  // points

struct ExportOptions {
  std::string collection;
  std::string file = "-";
  std::string format;
  std::string field;
  std::string at;
  std::string filter;
};

// What is written of each point, and where to.
struct Sinks {
  std::unique_ptr<OutputFile> lines;
  std::unique_ptr<VectorWriter> vectors;  // null: the vectors stand in the lines
  std::string field;                      // of `vectors`
  uint64_t points = 0;
  uint64_t without_vector = 0;

  absl::Status Write(v1::Point& point) {
    point.clear_written_version();
    if (vectors != nullptr) {
      const auto at = point.vectors().find(field);
      if (at == point.vectors().end()) {
        ++without_vector;
        return absl::OkStatus();
      }
      const std::vector<float> vector(at->second.values().begin(), at->second.values().end());
      if (absl::Status status = vectors->Write(vector); !status.ok()) return status;
      point.mutable_vectors()->erase(field);
    }
    ++points;
    return lines->WriteLine(PointToJson(point));
  }
  absl::Status Finish() {
    if (vectors != nullptr) {
      if (absl::Status status = vectors->Finish(); !status.ok()) return status;
    }
    return lines->Finish();
  }
};

absl::StatusOr<v1::DenseField> FindField(const v1::Collection& collection,
                                         const std::string& name) {
  std::vector<std::string> names;
  for (const v1::DenseField& field : collection.schema().dense()) {
    if (field.name() == name) return field;
    names.push_back(field.name());
  }
  if (name.empty() && names.size() == 1) return collection.schema().dense(0);
  std::string list;
  for (const std::string& known : names) absl::StrAppend(&list, list.empty() ? "" : ", ", known);
  if (names.empty()) list = "none";
  return UsageError(absl::StrCat(name.empty() ? "say which dense field by --field"
                                              : absl::StrCat("there is no dense field '", name, "'"),
                                 "; there are: ", list));
}

// By the option, else by the file's name.
std::string FormatOf(const ExportOptions& options) {
  if (!options.format.empty()) return options.format;
  for (const char* format : {"npy", "fvecs"}) {
    if (options.file.ends_with(absl::StrCat(".", format))) return format;
  }
  return "jsonl";
}

absl::StatusOr<Sinks> OpenSinks(Invocation& invocation, Connection& connection,
                                const ExportOptions& options) {
  Sinks sinks;
  const std::string format = FormatOf(options);
  std::string lines = options.file;
  if (format == "jsonl") {
    if (!options.field.empty()) return UsageError("--field goes with --format npy and fvecs");
  } else {
    if (options.file == "-") return UsageError(absl::StrCat("--format ", format, " needs a file"));
    const auto stub = v1::Collections::NewStub(connection.channel());
    v1::GetCollectionRequest request;
    request.set_name(options.collection);
    v1::Collection collection;
    grpc::ClientContext context;
    invocation.Prepare(context);
    if (grpc::Status status = stub->GetCollection(&context, request, &collection); !status.ok()) {
      return connection.Explain(status);
    }
    absl::StatusOr<v1::DenseField> field = FindField(collection, options.field);
    if (!field.ok()) return field.status();
    sinks.field = field->name();
    auto vectors = VectorWriter::Create(
        options.file, format == "npy" ? VectorFormat::kNpy : VectorFormat::kFvecs, field->dim());
    if (!vectors.ok()) return vectors.status();
    sinks.vectors = *std::move(vectors);
    lines += ".jsonl";
  }
  auto writer = OutputFile::Create(lines);
  if (!writer.ok()) return writer.status();
  sinks.lines = *std::move(writer);
  return sinks;
}

absl::Status RunExport(Invocation& invocation, const ExportOptions& options) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Points::NewStub((*connection)->channel());
  v1::CountRequest count_request;
  count_request.set_collection(options.collection);
  count_request.set_at(options.at);
  if (!options.filter.empty()) count_request.mutable_filter()->set_expression(options.filter);
  v1::CountResponse count;
  {
    grpc::ClientContext context;
    invocation.Prepare(context);
    const grpc::Status status = stub->Count(&context, count_request, &count);
    if (!status.ok()) return (*connection)->Explain(status);
  }
  absl::StatusOr<Sinks> sinks = OpenSinks(invocation, **connection, options);
  if (!sinks.ok()) return sinks.status();
  v1::ScrollRequest request;
  request.set_collection(options.collection);
  // One version for all pages, whatever is written meanwhile.
  request.set_at(absl::StrCat("v", count.version()));
  *request.mutable_filter() = count_request.filter();
  if (options.filter.empty()) request.clear_filter();
  request.set_limit(kPage);
  request.mutable_projection()->set_vectors(true);
  request.mutable_projection()->set_provenance(true);
  request.mutable_projection()->set_access(true);
  Progress progress = invocation.MakeProgress();
  do {
    v1::ScrollResponse response;
    grpc::ClientContext context;
    invocation.Prepare(context);
    if (grpc::Status status = stub->Scroll(&context, request, &response); !status.ok()) {
      return (*connection)->Explain(status);
    }
    for (v1::Point& point : *response.mutable_points()) {
      if (absl::Status status = sinks->Write(point); !status.ok()) return status;
    }
    request.set_cursor(response.next_cursor());
    progress.Update("exporting", count.count() == 0 ? 1
                                                    : static_cast<double>(sinks->points) /
                                                          static_cast<double>(count.count()));
  } while (!request.cursor().empty());
  progress.Clear();
  if (absl::Status status = sinks->Finish(); !status.ok()) return status;
  if (options.file == "-") return absl::OkStatus();  // the points are the output
  if (invocation.json) {
    Print(FormatJson({{"version", count.version()},
                      {"points", sinks->points},
                      {"without_vector", sinks->without_vector}}));
    return absl::OkStatus();
  }
  Print(absl::StrCat(FormatCounted(sinks->points, "point"), " of ", options.collection,
                     " at version ", count.version(), " written to ", options.file,
                     sinks->vectors ? absl::StrCat(" and ", options.file, ".jsonl") : "", "\n"));
  if (sinks->without_vector > 0) {
    Print(absl::StrCat(FormatCounted(sinks->without_vector, "point"), " without a vector in ",
                       sinks->field, " left out\n"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddExportCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ExportOptions>();
  auto of_records = std::make_shared<CLI::App*>(nullptr);
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"export", "Write the points of a version to a file; or records as OpenLineage, PROV, MLflow or a bundle",
       "  vouch export films films.jsonl --at v12\n"
       "  vouch export films vectors.npy --field embedding --filter \"year >= 2020\"\n"
       "  vouch export bundle november.tar --from 2026-11-01 --to 2026-12-01"},
      [&invocation, options, of_records]() -> absl::Status {
        // CLI11 calls this after the command below it, whose outcome counts.
        if (!(*of_records)->get_subcommands().empty()) return invocation.outcome;
        if (options->collection.empty()) return UsageError("collection is required: vouch export COLLECTION [FILE]");
        return RunExport(invocation, *options);
      });
  *of_records = command;
  command->add_option("collection", options->collection, "the collection, or an alias");
  command->add_option("file", options->file, "where to; - (default) is standard output");
  command
      ->add_option("--format", options->format,
                   "jsonl: whole points, one a line; npy, fvecs: the vectors of a field, and the "
                   "rest of each point in FILE.jsonl, line by line (default: by the file's name)")
      ->check(CLI::IsMember({"jsonl", "npy", "fvecs"}))
      ->type_name("FORMAT");
  command->add_option("--field", options->field, "dense field of npy and fvecs");
  AddAtOption(*command, &options->at);
  AddFilterOption(*command, &options->filter);
  AddRecordExportCommands(*command, invocation);
  AddMlflowExportCommand(*command, invocation);
}

}  // namespace vouch
