#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/schema_options.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/grpc/convert.h"
#include "storage/duration_text.h"
#include "vouch/v1/collections.grpc.pb.h"

namespace vouch {
namespace {

struct CollectionOptions {
  std::string name;
  SchemaOptions schema;
  bool schema_only = false;
  bool yes = false;
  uint64_t first = 0;
  uint64_t last = 0;
  uint32_t limit = 20;
  std::string at;
  bool dry_run = false;
  std::string request_id;
};

std::string FormatSchema(const CollectionSchema& schema) {
  std::vector<std::vector<std::string>> rows;
  for (const DenseField& field : schema.dense) {
    rows.push_back({field.name, "dense",
                    absl::StrCat("dim ", field.dim, ", ", std::string(MetricName(field.metric)),
                                 ", ", std::string(DenseIndexKindName(field.index)),
                                 field.type == VectorType::kF32
                                     ? ""
                                     : absl::StrCat(", ", std::string(VectorTypeName(field.type))),
                                 field.recall_target == 0
                                     ? ""
                                     : absl::StrCat(", recall target ", field.recall_target),
                                 field.embedder.empty() ? "" : ", filled by " + field.embedder)});
  }
  for (const TextField& field : schema.text) {
    rows.push_back({field.name, "text",
                    absl::StrCat("BM25 over ", absl::StrJoin(field.paths, ", "), "; ",
                                 field.language, ", k1 ", field.k1, ", b ", field.b)});
  }
  for (const SparseField& field : schema.sparse) {
    rows.push_back({field.name, "sparse", "inner product of sparse vectors"});
  }
  for (const MultiVectorField& field : schema.multi_vector) {
    rows.push_back({field.name, "multi-vector",
                    absl::StrCat("MaxSim of token vectors, dim ", field.dim, ", ",
                                 std::string(MetricName(field.metric)), ", ",
                                 std::string(VectorTypeName(field.type)))});
  }
  for (const PayloadField& field : schema.payload) {
    std::string what(PayloadTypeName(field.type));
    if (field.type == PayloadType::kText && field.language != "none") absl::StrAppend(&what, ", ", field.language);
    rows.push_back({field.path, "payload", std::move(what)});
  }
  std::string out = FormatTable({"field", "kind", "what"}, rows);
  const RetentionPolicy& keeps = schema.retention;
  if (keeps.versions > 0) absl::StrAppend(&out, "keeps the last ", FormatCounted(keeps.versions, "version"), "\n");
  if (keeps.history_us > 0) absl::StrAppend(&out, "keeps ", FormatDurationText(keeps.history_us), " of history\n");
  if (keeps.records_us > 0) {
    absl::StrAppend(&out, "answers and evaluations pin their versions for ", FormatDurationText(keeps.records_us), "\n");
  }
  if (!schema.ttl.empty()) {
    absl::StrAppend(&out, "points expire ", schema.ttl.after_us > 0 ? FormatDurationText(schema.ttl.after_us) + " after " : "at ",
                    schema.ttl.field.empty() ? "they were written" : schema.ttl.field, "\n");
  }
  return out;
}

// "graph 1.2 MiB, codes 400 KiB", the structures that hold anything.
std::string FormatMemory(const v1::MemoryAccount& memory) {
  const std::pair<const char*, uint64_t> parts[] = {{"graph", memory.graph()},
                                                    {"codes", memory.codes()},
                                                    {"vectors", memory.vectors()},
                                                    {"vector tables", memory.vector_tables()},
                                                    {"postings", memory.postings()},
                                                    {"payload", memory.payload()},
                                                    {"ids", memory.ids()},
                                                    {"access lists", memory.access()},
                                                    {"visibility", memory.visibility()}};
  std::vector<std::string> words;
  for (const auto& [name, bytes] : parts) {
    if (bytes > 0) words.push_back(absl::StrCat(name, " ", FormatBytes(bytes)));
  }
  return absl::StrJoin(words, ", ");
}

// What needs no line, since `show` prints the schema, too.
constexpr char kAsDeclared[] = "as the schema says";

std::string FormatTimeLeft(double seconds) {
  if (seconds < 0) return "time left not known yet";
  return absl::StrFormat("about %.0f s left", seconds);
}

// All collections together, and what the system says of the process.
std::string FormatServerMemory(const v1::ServerMemory& memory) {
  const uint64_t store = memory.block_cache() + memory.memtables() + memory.table_readers();
  std::string out = absl::StrCat("indexes ", FormatBytes(memory.indexes()), ", store ", FormatBytes(store), " (block cache ",
                                 FormatBytes(memory.block_cache()), ", memtables ", FormatBytes(memory.memtables()), ")");
  if (memory.reserved() > 0) absl::StrAppend(&out, ", running work ", FormatBytes(memory.reserved()));
  if (memory.limit() > 0) absl::StrAppend(&out, " of a limit of ", FormatBytes(memory.limit()));
  return absl::StrCat(out, "; resident ", FormatBytes(memory.resident()), ", of that private ",
                      FormatBytes(memory.anonymous()));
}

std::string FormatStats(const v1::CollectionStats& stats) {
  uint64_t sealed = 0, memory = 0, file = 0;
  for (const v1::Segment& segment : stats.segments()) {
    sealed += segment.sealed() ? 1 : 0;
    memory += segment.memory_bytes();
    file += segment.file_bytes();
  }
  std::string out = absl::StrCat("segments: ", FormatCount(stats.segments_size()), " (",
                                 FormatCount(sealed), " with an index file), ", FormatBytes(memory),
                                 " in memory, ", FormatBytes(file), " on disk\n");
  if (stats.segments_size() > 0) {
    absl::StrAppend(&out, "memory: ", FormatMemory(stats.memory()), "\n");
  }
  for (const v1::Segment& segment : stats.segments()) {
    for (const v1::DenseIndex& index : segment.dense()) {
      if (index.ef() == 0 && index.why() == kAsDeclared) continue;
      const std::string kind = v1::DenseIndexKind_Name(index.kind());
      absl::StrAppend(&out, "rows ", segment.first_row(), " to ", segment.end_row() - 1, ", ",
                      index.field(), ": ",
                      absl::AsciiStrToLower(kind.substr(sizeof("DENSE_INDEX_KIND_") - 1)), " (",
                      index.why(), ")");
      if (index.ef() > 0) {
        absl::StrAppend(&out, absl::StrFormat(", ef %u for recall %.3f", index.ef(), index.recall()));
      }
      out += "\n";
    }
  }
  if (stats.memory().mapped_vectors() > 0) {
    absl::StrAppend(&out,
                    "vectors read from index files: ", FormatBytes(stats.memory().mapped_vectors()),
                    "\n");
  }
  if (stats.index_files_damaged() > 0) {
    absl::StrAppend(&out, "index files found damaged and rebuilt: ", stats.index_files_damaged(),
                    "\n");
  }
  if (!stats.building().empty()) {
    absl::StrAppend(&out, "building: ", stats.building(), " (",
                    static_cast<int>(100 * stats.build_fraction()), " %, since ",
                    absl::StrFormat("%.0f s", stats.build_seconds()), ", ", FormatTimeLeft(stats.build_seconds_left()), ")\n");
  }
  if (!stats.last_build_error().empty())
    absl::StrAppend(&out, "last build failed: ", stats.last_build_error(), "\n");
  absl::StrAppend(&out, "process: ", FormatServerMemory(stats.server_memory()), "\n");
  return out;
}

absl::Status RunCreate(Invocation& invocation, const CollectionOptions& options) {
  absl::StatusOr<CollectionSchema> schema = SchemaFromOptions(options.schema);
  if (!schema.ok()) return schema.status();
  if (schema->dense.empty() && schema->text.empty() && schema->sparse.empty() &&
      schema->multi_vector.empty()) {
    return UsageError(
        "a collection needs a field to search: give --dense, --text, --sparse, --multi-vector or "
        "--schema (`vouch ingest` makes a collection for documents by itself)");
  }
  v1::CreateCollectionRequest request;
  request.set_name(options.name);
  FillSchema(*schema, request.mutable_schema());
  v1::Collection collection;
  absl::Status status =
      CallService<v1::Collections>(invocation, Invocation::Store::kCreate, [&](auto& stub, auto& context) {
        return stub.CreateCollection(&context, request, &collection);
      });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(collection))
                        : absl::StrCat("collection ", collection.name(), " created\n"));
  return absl::OkStatus();
}

absl::Status RunListCollections(Invocation& invocation) {
  v1::ListCollectionsResponse response;
  absl::Status status =
      CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
        return stub.ListCollections(&context, v1::ListCollectionsRequest(), &response);
      });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Collection& collection : response.collections()) {
    rows.push_back({collection.name(), FormatCount(collection.points()),
                    absl::StrCat("v", collection.version()), FormatTime(collection.created_us())});
  }
  Print(rows.empty() ? "no collections\n"
                     : FormatTable({"collection", "points", "version", "created"}, rows));
  return absl::OkStatus();
}

absl::Status RunShow(Invocation& invocation, const CollectionOptions& options) {
  v1::GetCollectionRequest request;
  request.set_name(options.name);
  v1::Collection collection;
  absl::Status status =
      CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
        return stub.GetCollection(&context, request, &collection);
      });
  if (!status.ok()) return status;
  absl::StatusOr<CollectionSchema> schema = SchemaOf(collection.schema());
  if (!schema.ok()) return schema.status();
  if (options.schema_only) {
    const auto json =
        nlohmann::ordered_json::parse(schema->ToJson(), nullptr, /*allow_exceptions=*/false);
    Print(FormatJson(json));
    return absl::OkStatus();
  }
  v1::GetStatsRequest stats_request;
  stats_request.set_collection(options.name);
  v1::CollectionStats stats;
  status = CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
    return stub.GetStats(&context, stats_request, &stats);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    nlohmann::ordered_json json = MessageToJson(collection);
    json["stats"] = MessageToJson(stats);
    Print(FormatJson(json));
    return absl::OkStatus();
  }
  Print(absl::StrCat(collection.name(), " at version ", stats.version(), ": ",
                     FormatCounted(stats.points(), "point"), " of ",
                     FormatCounted(stats.rows(), "row"), " written, created ",
                     FormatTime(collection.created_us()), "\n", FormatStats(stats), "\n",
                     FormatSchema(*schema)));
  return absl::OkStatus();
}

absl::Status RunDrop(Invocation& invocation, const CollectionOptions& options) {
  if (!options.yes) {
    return UsageError(
        absl::StrCat("dropping '", options.name,
                     "' removes all its points, versions and tags for good; add --yes to do it"));
  }
  v1::DropCollectionRequest request;
  request.set_name(options.name);
  v1::DropCollectionResponse response;
  absl::Status status = CallService<v1::Collections>(
      invocation, Invocation::Store::kMustExist,
      [&](auto& stub, auto& context) { return stub.DropCollection(&context, request, &response); });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson({{"dropped", options.name}})
                        : absl::StrCat("collection ", options.name, " dropped\n"));
  return absl::OkStatus();
}

absl::Status RunVersions(Invocation& invocation, const CollectionOptions& options) {
  v1::ListVersionsRequest request;
  request.set_collection(options.name);
  request.set_first(options.first);
  request.set_last(options.last);
  request.set_limit(options.limit);
  if (options.first == 0) {
    // The newest ones, unless told where to start.
    v1::GetCollectionRequest latest_request;
    latest_request.set_name(options.name);
    v1::Collection collection;
    absl::Status status =
        CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
          return stub.GetCollection(&context, latest_request, &collection);
        });
    if (!status.ok()) return status;
    const uint64_t last =
        options.last == 0 ? collection.version() : std::min(options.last, collection.version());
    request.set_first(last > options.limit ? last - options.limit + 1 : 1);
  }
  v1::ListVersionsResponse response;
  absl::Status status = CallService<v1::Collections>(
      invocation, Invocation::Store::kMustExist,
      [&](auto& stub, auto& context) { return stub.ListVersions(&context, request, &response); });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::VersionInfo& info : response.versions()) {
    rows.push_back({absl::StrCat("v", info.version()), FormatTime(info.time_us()),
                    absl::StrCat("+", info.rows_added()), absl::StrCat("-", info.rows_retired()),
                    FormatCount(info.points()), info.actor()});
  }
  Print(rows.empty() ? "no versions\n"
                     : FormatTable({"version", "time", "added", "retired", "points", "by"}, rows));
  return absl::OkStatus();
}

absl::Status RunRestore(Invocation& invocation, const CollectionOptions& options) {
  v1::RestoreVersionRequest request;
  request.set_collection(options.name);
  request.set_at(options.at);
  request.set_dry_run(options.dry_run);
  request.set_request_id(options.request_id);
  v1::WriteReply reply;
  invocation.uses_hooks = true;  // which may be asked before a commit
  absl::Status status =
      CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
        return stub.Restore(&context, request, &reply);
      });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else if (options.dry_run) {
    Print(absl::StrCat(FormatCounted(reply.matched(), "point"), " would change; nothing is written\n"));
  } else {
    Print(absl::StrCat(options.name, " is at version ", reply.version(), ", with the points of ",
                       options.at, ": ", FormatCounted(reply.upserted(), "point"),
                       " written again, ", FormatCounted(reply.retired(), "row"), " retired\n"));
  }
  return absl::OkStatus();
}

absl::Status RunOptimize(Invocation& invocation, const CollectionOptions& options) {
  v1::OptimizeCollectionRequest request;
  request.set_collection(options.name);
  Progress progress = invocation.MakeProgress();
  absl::Status status =
      CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
        const auto reader = stub.OptimizeCollection(&context, request);
        v1::OptimizeProgress reply;
        while (reader->Read(&reply)) progress.Update("building indexes", reply.fraction());
        return reader->Finish();
      });
  progress.Clear();
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson({{"optimized", options.name}})
                        : absl::StrCat("collection ", options.name, " optimized\n"));
  return absl::OkStatus();
}

}  // namespace

void AddCollectionCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group =
      AddGroup(app, "collection", "Collections: make, show, alter, drop, list versions, restore one, let go, optimize");
  auto options = std::make_shared<CollectionOptions>();
  const auto add = [&](const CommandText& text,
                       absl::Status (*run)(Invocation&, const CollectionOptions&)) {
    CLI::App* command =
        AddCommand(*group, invocation, CommandKind::kClient, text,
                   [&invocation, options, run] { return run(invocation, *options); });
    command->add_option("collection", options->name, "the collection")->required();
    return command;
  };
  CLI::App* create =
      add({"create", "Make an empty collection",
           "  vouch collection create films --dense embedding:384:cosine --text plot:title,plot "
           "--payload year:integer"},
          RunCreate);
  create
      ->add_option("--schema", options->schema.file,
                   "JSON file of the schema, as `collection show --schema` prints it")
      ->type_name("FILE");
  create
      ->add_option("--dense", options->schema.dense,
                   "dense field: NAME:DIM[:cosine|ip|l2|hamming][:hnsw|flat|ivf_flat|ivf_pq|auto]"
                   "[:f32|f16|i8|bit][:recall=0.5...0.9999]")
      ->type_name("FIELD")
      ->expected(1)
      ->take_all();
  create->add_option("--text", options->schema.text, "text field: NAME:PATH[,PATH...][:LANGUAGE]")
      ->type_name("FIELD")
      ->expected(1)
      ->take_all();
  create->add_option("--sparse", options->schema.sparse, "field of sparse vectors: NAME")
      ->type_name("FIELD")
      ->expected(1)
      ->take_all();
  create
      ->add_option("--multi-vector", options->schema.multi_vector,
                   "field of token vectors for late interaction: NAME:DIM[:cosine|ip][:f32|f16|i8]")
      ->type_name("FIELD")
      ->expected(1)
      ->take_all();
  create
      ->add_option("--payload", options->schema.payload,
                   "payload field to filter by: PATH:keyword|integer|float|bool|datetime|geo|text[:LANGUAGE]")
      ->type_name("FIELD")
      ->expected(1)
      ->take_all();
  AddPolicyOptions(*create, &options->schema);
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All collections", "  vouch collection list"},
             [&invocation] { return RunListCollections(invocation); });
  CLI::App* show =
      add({"show", "Schema, size and indexes of a collection", "  vouch collection show films"},
          RunShow);
  show->add_flag("--schema", options->schema_only, "print the schema alone, as JSON");
  CLI::App* drop =
      add({"drop", "Remove a collection for good", "  vouch collection drop films --yes"}, RunDrop);
  drop->add_flag("--yes", options->yes, "really");
  CLI::App* versions = add({"versions", "The latest commits of a collection",
                            "  vouch collection versions films --limit 5"},
                           RunVersions);
  versions->add_option("--first", options->first, "from this version on");
  versions->add_option("--last", options->last, "up to this version");
  versions->add_option("--limit", options->limit, "versions to show, 1 to 1000 (default 20)")
      ->check(CLI::Range(1, 1'000));
  CLI::App* restore =
      add({"restore", "Make the points of a version the latest ones, by a new commit",
           "  vouch collection restore films --at v12 --dry-run"},
          RunRestore);
  restore->add_option("--at", options->at, "a version (v12), a tag, or a time")
      ->type_name("VERSION")
      ->required();
  restore->add_flag("--dry-run", options->dry_run, "say how many points would change");
  restore->add_option("--request-id", options->request_id,
                      "name of this write: sent again, it changes nothing");
  AddAlterCommands(*group, invocation);
  add({"optimize", "Build all indexes that are due and merge segments",
       "  vouch collection optimize films"},
      RunOptimize);
}

}  // namespace vouch
