#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/cli/command.h"
#include "api/cli/line_reader.h"
#include "api/cli/message_json.h"
#include "api/cli/point_json.h"
#include "api/cli/read_options.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "query/json_text.h"
#include "storage/schema.h"
#include "vouch/v1/points.grpc.pb.h"

namespace vouch {
namespace {

struct WriteOptions {
  std::string collection;
  std::vector<std::string> ids;
  std::string file;
  std::string id;
  std::string payload;
  std::vector<std::string> vector;
  std::vector<std::string> sparse;
  std::vector<std::string> multi_vector;
  std::vector<std::string> access;
  bool if_absent = false;
  bool if_present = false;
  std::optional<uint64_t> if_version;
  std::string if_matches;
  std::string request_id;
  std::optional<uint64_t> expected_version;
  // patch and delete
  std::string filter;
  std::string merge;
  std::vector<std::string> set;
  std::vector<std::string> remove;
  std::vector<std::string> remove_vectors;
  bool public_access = false;
  bool skip_missing = false;
  bool dry_run = false;
  bool yes = false;
  std::optional<uint64_t> expect;
  std::optional<uint64_t> most;
};

std::string Outcome(const v1::WriteReply& reply, const std::string& what) {
  if (reply.replayed()) {
    return absl::StrCat("the request id is known: version ", reply.version(), " made ",
                        FormatCounted(reply.upserted(), "row"), " and retired ",
                        FormatCount(reply.retired()), "; nothing is changed\n");
  }
  return absl::StrCat(what, "; version ", reply.version(), "\n");
}

template <class Request>
absl::Status FillWrite(const WriteOptions& options, Request* request) {
  request->set_collection(options.collection);
  request->set_request_id(options.request_id);
  if (options.expected_version) request->set_expected_version(*options.expected_version);
  const int given = (options.if_absent ? 1 : 0) + (options.if_present ? 1 : 0) +
                    (options.if_version.has_value() ? 1 : 0);
  if (given > 1) return UsageError("--if-absent, --if-present and --if-version exclude one another");
  if (options.if_absent && !options.if_matches.empty()) {
    return UsageError("--if-absent and --if-matches exclude one another");
  }
  if (options.if_absent) request->add_conditions()->set_absent(true);
  if (options.if_present) request->add_conditions()->set_present(true);
  if (options.if_version) request->add_conditions()->set_version(*options.if_version);
  if (!options.if_matches.empty()) {
    request->add_conditions()->mutable_matches()->set_expression(options.if_matches);
  }
  return absl::OkStatus();
}

// "FIELD=VALUE".
absl::StatusOr<std::pair<std::string, std::string>> SplitAssignment(const std::string& option,
                                                                    const std::string& word) {
  const size_t at = word.find('=');
  if (at == 0 || at == std::string::npos || at + 1 == word.size()) {
    return UsageError(absl::StrCat(option, " takes NAME=VALUE, not '", word, "'"));
  }
  return std::pair(word.substr(0, at), word.substr(at + 1));
}

template <class Message>
absl::Status FillVectors(const WriteOptions& options, Message* message) {
  for (const std::string& word : options.vector) {
    auto parts = SplitAssignment("--vector", word);
    if (!parts.ok()) return parts.status();
    auto vector = VectorFromJson(parts->second, absl::StrCat("--vector ", parts->first));
    if (!vector.ok()) return UsageError(std::string(vector.status().message()));
    (*message->mutable_vectors())[parts->first] = *std::move(vector);
  }
  for (const std::string& word : options.sparse) {
    auto parts = SplitAssignment("--sparse", word);
    if (!parts.ok()) return parts.status();
    auto vector = SparseFromJson(parts->second, absl::StrCat("--sparse ", parts->first));
    if (!vector.ok()) return UsageError(std::string(vector.status().message()));
    (*message->mutable_sparse_vectors())[parts->first] = *std::move(vector);
  }
  for (const std::string& word : options.multi_vector) {
    auto parts = SplitAssignment("--multi-vector", word);
    if (!parts.ok()) return parts.status();
    auto vector = MultiVectorFromJson(parts->second, absl::StrCat("--multi-vector ", parts->first));
    if (!vector.ok()) return UsageError(std::string(vector.status().message()));
    (*message->mutable_multi_vectors())[parts->first] = *std::move(vector);
  }
  return absl::OkStatus();
}

absl::Status ReadPoints(const std::string& path, v1::UpsertRequest* request) {
  absl::StatusOr<LineReader> reader = LineReader::Open(path);
  if (!reader.ok()) return reader.status();
  std::string line;
  size_t bytes = 0;
  while (true) {
    const absl::StatusOr<bool> more = reader->Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    absl::StatusOr<v1::Point> point = PointFromJson(line);
    if (!point.ok()) {
      return absl::Status(point.status().code(),
                          absl::StrCat(reader->Place(), ": ", point.status().message()));
    }
    bytes += line.size();
    if (static_cast<size_t>(request->points_size()) >= Limits::kMaxCommitRows ||
        bytes > Limits::kMaxCommitBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          reader->Place(), ": over ", Limits::kMaxCommitRows, " points or ",
          Limits::kMaxCommitBytes, " bytes in one commit; `vouch import` makes several"));
    }
    *request->add_points() = *std::move(point);
  }
}

absl::Status RunPut(Invocation& invocation, const WriteOptions& options) {
  v1::UpsertRequest request;
  if (absl::Status status = FillWrite(options, &request); !status.ok()) return status;
  if (options.id.empty() == options.file.empty()) {
    return UsageError("give either a file of points (- for standard input) or --id");
  }
  if (!options.file.empty()) {
    if (!options.payload.empty() || !options.vector.empty() || !options.sparse.empty() ||
        !options.multi_vector.empty() || !options.access.empty()) {
      return UsageError(
          "--payload, --vector, --sparse, --multi-vector and --access go with --id");
    }
    if (absl::Status status = ReadPoints(options.file, &request); !status.ok()) return status;
  } else {
    v1::Point* point = request.add_points();
    *point->mutable_id() = PointIdFromWord(options.id);
    point->set_payload_json(options.payload);
    for (const std::string& entry : options.access) point->add_access(entry);
    if (absl::Status status = FillVectors(options, point); !status.ok()) return status;
  }
  v1::WriteReply reply;
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::Status status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
    return stub.Upsert(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json
            ? FormatJson(MessageToJson(reply))
            : Outcome(reply, absl::StrCat(FormatCounted(reply.upserted(), "point"), " written, ",
                                          FormatCount(reply.retired()), " of them replaced")));
  return absl::OkStatus();
}

absl::Status FillSelection(const WriteOptions& options, v1::PointSelection* selection) {
  selection->mutable_filter()->set_expression(options.filter);
  if (options.expect) selection->set_expected_count(*options.expect);
  if (options.most) selection->set_limit(*options.most);
  return absl::OkStatus();
}

absl::Status CheckNamed(const WriteOptions& options) {
  if (options.ids.empty() == options.filter.empty()) {
    return UsageError("name points either by their ids or by --filter");
  }
  if (options.filter.empty() && (options.expect || options.most)) {
    return UsageError("--expect and --most go with --filter");
  }
  return absl::OkStatus();
}

// {"a": {"b": VALUE}} of "a.b".
std::string Nested(const std::string& path, const std::string& value) {
  const std::vector<std::string> keys = absl::StrSplit(path, '.');
  std::string json = value;
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    json = absl::StrCat("{", nlohmann::json(*key).dump(), ":", json, "}");
  }
  return json;
}

absl::Status FillChange(const WriteOptions& options, v1::PointChange* change) {
  if (!options.merge.empty() && !options.set.empty()) {
    return UsageError("give either --merge or --set");
  }
  change->set_payload_patch_json(options.merge);
  for (const std::string& key : options.remove) change->add_remove_keys(key);
  std::string patch = "{}";
  for (const std::string& word : options.set) {
    auto parts = SplitAssignment("--set", word);
    if (!parts.ok()) return parts.status();
    // What is no JSON is a text, as a shell user would write it.
    const bool json = nlohmann::json::accept(parts->second);
    const std::string value = json ? parts->second : nlohmann::json(parts->second).dump();
    change->add_remove_keys(parts->first);  // an object takes the old one's place
    patch = MergePatch(patch, Nested(parts->first, value));
  }
  if (!options.set.empty()) change->set_payload_patch_json(patch);
  for (const std::string& field : options.remove_vectors) change->add_remove_vectors(field);
  if (options.public_access && !options.access.empty()) {
    return UsageError("--access and --everyone exclude one another");
  }
  if (options.public_access) change->mutable_access();
  for (const std::string& entry : options.access) {
    change->mutable_access()->add_entries(entry);
  }
  return FillVectors(options, change);
}

std::string DryRun(const v1::WriteReply& reply, const std::string& what) {
  return absl::StrCat(FormatCounted(reply.matched(), "point"), " would be ", what, " at version ",
                      reply.version(), "; nothing is written\n");
}

absl::Status RunPatch(Invocation& invocation, const WriteOptions& options) {
  if (absl::Status status = CheckNamed(options); !status.ok()) return status;
  v1::UpdateRequest request;
  if (absl::Status status = FillWrite(options, &request); !status.ok()) return status;
  v1::PointChange change;
  if (absl::Status status = FillChange(options, &change); !status.ok()) return status;
  request.set_dry_run(options.dry_run);
  request.set_skip_missing(options.skip_missing);
  if (!options.filter.empty()) {
    if (absl::Status s = FillSelection(options, request.mutable_selection()); !s.ok()) return s;
    *request.mutable_change() = std::move(change);
  } else {
    for (const std::string& id : options.ids) {
      v1::PointUpdate* update = request.add_updates();
      *update->mutable_id() = PointIdFromWord(id);
      *update->mutable_change() = change;
    }
  }
  v1::WriteReply reply;
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::Status status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
    return stub.Update(&context, request, &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else if (options.dry_run) {
    Print(DryRun(reply, "changed"));
  } else {
    Print(Outcome(reply, absl::StrCat(FormatCounted(reply.upserted(), "point"), " changed")));
  }
  return absl::OkStatus();
}

absl::Status RunDelete(Invocation& invocation, const WriteOptions& options) {
  if (absl::Status status = CheckNamed(options); !status.ok()) return status;
  v1::WriteReply reply;
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::Status status;
  if (options.filter.empty()) {
    if (options.dry_run) return UsageError("--dry-run goes with --filter");
    v1::DeleteRequest request;
    if (absl::Status s = FillWrite(options, &request); !s.ok()) return s;
    for (const std::string& id : options.ids) *request.add_ids() = PointIdFromWord(id);
    status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
      return stub.Delete(&context, request, &reply);
    });
  } else {
    if (!options.yes && !options.dry_run && !options.expect) {
      return UsageError(
          "deleting by a filter may take more than you think: look with --dry-run, then add "
          "--expect N (the number of points) or --yes");
    }
    if (options.if_version || !options.if_matches.empty()) {
      return UsageError("--if-version and --if-matches go with ids; add to --filter instead");
    }
    v1::DeleteByFilterRequest request;
    request.set_collection(options.collection);
    request.set_request_id(options.request_id);
    if (options.expected_version) request.set_expected_version(*options.expected_version);
    request.set_dry_run(options.dry_run);
    if (absl::Status s = FillSelection(options, request.mutable_selection()); !s.ok()) return s;
    status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
      return stub.DeleteByFilter(&context, request, &reply);
    });
  }
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else if (options.dry_run) {
    Print(DryRun(reply, "deleted"));
  } else {
    Print(Outcome(reply, absl::StrCat(FormatCounted(reply.retired(), "point"), " deleted")));
  }
  return absl::OkStatus();
}

void AddList(CLI::App& command, const std::string& name, std::vector<std::string>* values,
             const std::string& text, const std::string& type) {
  command.add_option(name, *values, text)->type_name(type)->expected(1)->take_all();
}

void AddVectorOptions(CLI::App& command, WriteOptions& options) {
  AddList(command, "--vector", &options.vector, "dense vector of a field, as 'FIELD=[0.1, -0.2]'",
          "FIELD=JSON");
  AddList(command, "--sparse", &options.sparse,
          "sparse vector, as 'FIELD={\"indices\": [3], \"values\": [0.5]}'", "FIELD=JSON");
  AddList(command, "--multi-vector", &options.multi_vector,
          "token vectors, as 'FIELD=[[0.1, -0.2], [0.3, 0.4]]'", "FIELD=JSON");
  AddList(command, "--access", &options.access, "who may see the point: a subject or group",
          "NAME");
}

void AddWriteOptions(CLI::App& command, WriteOptions& options) {
  command.add_option("--request-id", options.request_id,
                     "name of this write: sent again, it changes nothing");
  command.add_option("--expected-version", options.expected_version,
                     "write only if this is the collection's latest version");
  command.add_option("--if-version", options.if_version,
                     "write only if the points were last written at this version");
  command
      .add_option("--if-matches", options.if_matches,
                  "write only if the points are there and meet this, as \"stock > 0\"")
      ->type_name("EXPR");
}

void AddSelectionOptions(CLI::App& command, WriteOptions& options) {
  AddFilterOption(command, &options.filter);
  command.add_flag("--dry-run", options.dry_run, "say how many points are meant, and write nothing");
  command.add_option("--expect", options.expect,
                     "with --filter: write only if it matches exactly this many points");
  command.add_option("--most", options.most,
                     "with --filter: write only if it matches at most this many points")
      ->check(CLI::Range(uint64_t{1}, uint64_t{Limits::kMaxCommitRows}));
}

}  // namespace

void AddPointWriteCommands(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<WriteOptions>();
  const auto add = [&](const CommandText& text,
                       absl::Status (*run)(Invocation&, const WriteOptions&)) {
    CLI::App* command =
        AddCommand(group, invocation, CommandKind::kClient, text,
                   [&invocation, options, run] { return run(invocation, *options); });
    command->add_option("collection", options->collection, "the collection, or an alias")->required();
    return command;
  };
  CLI::App* put =
      add({"put", "Write whole points: new ones, or in the place of those with the same id",
           "  vouch point put films --id 7 --payload '{\"title\": \"Alien\"}' --if-absent\n"
           "  vouch point put films points.jsonl"},
          RunPut);
  put->add_option("file", options->file,
                  "points as JSON, one a line: {\"id\": 7, \"vectors\": {\"v\": [0.1, 0.2]}, "
                  "\"payload\": {}}; - is standard input");
  put->add_option("--id", options->id, "write one point, made of the options below");
  put->add_option("--payload", options->payload, "its payload: a JSON object")->type_name("JSON");
  AddVectorOptions(*put, *options);
  put->add_flag("--if-absent", options->if_absent, "write only if none of the points is there");
  put->add_flag("--if-present", options->if_present, "write only if all of the points are there");
  AddWriteOptions(*put, *options);
  CLI::App* patch = add({"patch", "Change parts of points; the rest of them stays",
                         "  vouch point patch films 7 --set year=1979 --remove draft\n"
                         "  vouch point patch films --filter \"lang = 'de'\" --merge "
                         "'{\"region\": \"EU\"}'"},
                        RunPatch);
  patch->add_option("id", options->ids, "ids: digits are a number, all else a text");
  patch
      ->add_option("--merge", options->merge,
                   "JSON merge patch (RFC 7396) of the payload; nulls remove keys")
      ->type_name("JSON");
  AddList(*patch, "--set", &options->set,
          "payload key and its new value, as year=1979, title=Alien or meta.tags='[\"a\"]'",
          "PATH=VALUE");
  AddList(*patch, "--remove", &options->remove, "payload key to remove", "PATH");
  AddVectorOptions(*patch, *options);
  AddList(*patch, "--remove-vector", &options->remove_vectors,
          "field whose vector is taken from the points", "FIELD");
  patch->add_flag("--everyone", options->public_access, "takes the access list away");
  patch->add_flag("--skip-missing", options->skip_missing, "leave out ids that are not there");
  AddSelectionOptions(*patch, *options);
  AddWriteOptions(*patch, *options);
  CLI::App* remove = add({"delete", "Remove points by id or by filter",
                          "  vouch point delete films 7 8\n"
                          "  vouch point delete films --filter \"year < 1950\" --dry-run"},
                         RunDelete);
  remove->add_option("id", options->ids, "ids; those that are not there are no mistake");
  AddSelectionOptions(*remove, *options);
  remove->add_flag("--yes", options->yes, "with --filter: delete however many it matches");
  AddWriteOptions(*remove, *options);
}

}  // namespace vouch
