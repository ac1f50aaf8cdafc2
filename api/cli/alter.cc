#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/schema_options.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/grpc/convert.h"
#include "api/grpc/convert_alter.h"
#include "vouch/v1/collections.grpc.pb.h"

namespace vouch {
namespace {

struct AlterOptions {
  std::string name;
  SchemaOptions add;
  std::vector<std::string> drop;
  std::vector<std::string> drop_payload;
  std::vector<std::string> change_dense;  // NAME:KEY=VALUE[:KEY=VALUE…]
  std::vector<std::string> change_text;
  bool keep_all = false;
  bool no_ttl = false;
  bool dry_run = false;
  std::string request_id;
};

struct RetentionOptions {
  std::string name;
  bool run = false;
  bool dry_run = false;
};

// "embedding:index=flat:recall=0.95" as its name and pairs.
absl::StatusOr<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>> ParseSettings(
    const std::string& option, const std::string& text, const std::string& example) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  std::vector<std::pair<std::string, std::string>> settings;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == std::string::npos) settings.clear();
    if (equals == std::string::npos) break;
    settings.emplace_back(parts[i].substr(0, equals), parts[i].substr(equals + 1));
  }
  if (parts[0].empty() || settings.empty() || settings.size() + 1 != parts.size()) {
    return UsageError(absl::StrCat(option, " is '", text, "'; it takes NAME:KEY=VALUE[:KEY=VALUE...], as ", example));
  }
  return std::make_pair(parts[0], std::move(settings));
}

absl::Status AddDenseChange(const std::string& text, v1::AlterCollectionRequest* request) {
  constexpr char kExample[] = "embedding:index=ivf_pq:recall=0.95";
  const auto parsed = ParseSettings("--change-dense", text, kExample);
  if (!parsed.ok()) return parsed.status();
  v1::DenseFieldChange* change = request->add_change_dense();
  change->set_name(parsed->first);
  for (const auto& [key, value] : parsed->second) {
    const auto bad = [&, &key = key, &value = value](const std::string& what) {
      return UsageError(absl::StrCat("--change-dense is '", text, "': ", key, " is '", value, "'; ", what));
    };
    uint32_t number = 0;
    double recall = 0;
    if (key == "index") {
      // The kinds are those of --dense.
      const absl::StatusOr<CollectionSchema> field =
          SchemaFromOptions({.dense = {absl::StrCat(parsed->first, ":1:ip:", value)}});
      if (!field.ok() || DenseIndexKindName(field->dense[0].index) != value) return bad("it takes hnsw, flat, ivf_flat, ivf_pq or auto");
      change->set_index(MessageOf(field->dense[0].index));
    } else if (key == "recall") {
      if (!absl::SimpleAtod(value, &recall)) return bad("it takes a number, 0 for none");
      change->set_recall_target(recall);
    } else if (key == "m" || key == "ef_construction" || key == "ef_search") {
      if (!absl::SimpleAtoi(value, &number) || number == 0) return bad("it takes a number above 0");
      if (key == "m") change->mutable_hnsw()->set_m(number);
      if (key == "ef_construction") change->mutable_hnsw()->set_ef_construction(number);
      if (key == "ef_search") change->mutable_hnsw()->set_ef_search(number);
    } else if (key == "dim" || key == "metric" || key == "type") {
      return bad(
          "vectors that are there cannot be made others in place: `vouch migrate` fills a second collection by another "
          "embedder, and a field of another name takes other vectors");
    } else {
      return bad("known are index, recall, m, ef_construction and ef_search");
    }
  }
  return absl::OkStatus();
}

absl::Status AddTextChange(const std::string& text, v1::AlterCollectionRequest* request) {
  const auto parsed = ParseSettings("--change-text", text, "body:k1=1.5:b=0.6");
  if (!parsed.ok()) return parsed.status();
  v1::TextFieldChange* change = request->add_change_text();
  change->set_name(parsed->first);
  for (const auto& [key, value] : parsed->second) {
    double number = 0;
    if ((key != "k1" && key != "b") || !absl::SimpleAtod(value, &number)) {
      return UsageError(absl::StrCat("--change-text is '", text, "': ", key, " is '", value,
                                     "'; known are k1 and b, which take numbers. Other paths or another language are had by "
                                     "dropping the field and adding it in one command"));
    }
    if (key == "k1") change->set_k1(number);
    if (key == "b") change->set_b(number);
  }
  return absl::OkStatus();
}

// What the options say over what is there.
absl::Status AddPolicies(Invocation& invocation, const AlterOptions& options, v1::AlterCollectionRequest* request) {
  const SchemaOptions& add = options.add;
  if (options.keep_all && add.sets_retention()) return UsageError("--keep-all excludes the other --keep options");
  if (options.no_ttl && add.sets_ttl()) return UsageError("--no-ttl excludes --ttl and --ttl-field");
  if (options.keep_all) request->mutable_retention();
  if (options.no_ttl) request->mutable_ttl();
  if (!add.sets_retention() && !add.sets_ttl()) return absl::OkStatus();
  v1::GetCollectionRequest get;
  get.set_name(options.name);
  v1::Collection collection;
  absl::Status status = CallService<v1::Collections>(
      invocation, [&](auto& stub, auto& context) { return stub.GetCollection(&context, get, &collection); });
  if (!status.ok()) return status;
  absl::StatusOr<CollectionSchema> schema = SchemaOf(collection.schema());
  if (!schema.ok()) return schema.status();
  if (status = SetPolicies(add, &*schema); !status.ok()) return status;
  if (add.sets_retention()) FillRetention(schema->retention, request->mutable_retention());
  if (add.sets_ttl()) FillTtl(schema->ttl, request->mutable_ttl());
  return absl::OkStatus();
}

absl::Status RunAlter(Invocation& invocation, const AlterOptions& options) {
  v1::AlterCollectionRequest request;
  request.set_collection(options.name);
  request.set_dry_run(options.dry_run);
  request.set_request_id(options.request_id);
  for (const std::string& name : options.drop) request.add_drop(name);
  for (const std::string& path : options.drop_payload) request.add_drop_payload(path);
  SchemaOptions fields = options.add;
  fields.keep_history.clear();
  fields.keep_records.clear();
  fields.keep_versions.reset();
  fields.ttl.clear();
  fields.ttl_field.clear();
  const absl::StatusOr<CollectionSchema> added = SchemaFromOptions(fields);
  if (!added.ok()) return added.status();
  FillSchema(*added, request.mutable_add());
  for (const std::string& text : options.change_dense) {
    if (absl::Status status = AddDenseChange(text, &request); !status.ok()) return status;
  }
  for (const std::string& text : options.change_text) {
    if (absl::Status status = AddTextChange(text, &request); !status.ok()) return status;
  }
  if (absl::Status status = AddPolicies(invocation, options, &request); !status.ok()) return status;
  Progress progress = invocation.MakeProgress();
  v1::AlterProgress last;
  absl::Status status = CallService<v1::Collections>(
      invocation, Invocation::Store::kMustExist, [&](auto& stub, auto& context) {
        const auto reader = stub.AlterCollection(&context, request);
        v1::AlterProgress reply;
        while (reader->Read(&reply)) {
          if (reply.done()) last = reply;
          progress.Update("building indexes", reply.fraction());
        }
        return reader->Finish();
      });
  progress.Clear();
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(last)));
  } else if (options.dry_run) {
    Print(absl::StrCat("the change is good", last.built() ? "; indexes would be built for it" : "", "; nothing is altered\n"));
  } else {
    Print(absl::StrCat("collection ", options.name, " is altered at version ", last.version(),
                       last.replayed() ? " (by the first request of this id)" : "",
                       last.built() ? ", with indexes built for it" : "", "\n"));
  }
  return absl::OkStatus();
}

std::string PolicyWords(const v1::Retention& policy) {
  std::vector<std::string> rules;
  if (policy.versions() > 0) rules.push_back(absl::StrCat("the last ", FormatCounted(policy.versions(), "version")));
  if (!policy.history().empty()) rules.push_back(absl::StrCat(policy.history(), " of history"));
  std::string words = rules.empty() ? "all versions" : absl::StrJoin(rules, " and ");
  if (!policy.records().empty()) {
    absl::StrAppend(&words, "; answers and evaluations pin their versions for ", policy.records());
  }
  return words;
}

std::string FormatRetention(const v1::RetentionStatus& status, bool ran) {
  std::string out = absl::StrCat("keeps ", PolicyWords(status.policy()), "\nreadable: versions ", status.oldest(), " to ",
                                 status.latest());
  if (status.kept_size() > 0) absl::StrAppend(&out, ", and ", absl::StrJoin(status.kept(), ", "));
  absl::StrAppend(&out, "\n");
  if (ran) absl::StrAppend(&out, FormatCounted(status.rows_deleted(), "row"), " deleted\n");
  if (status.versions_due() > 0) {
    absl::StrAppend(&out, "a run now would let go ", FormatCounted(status.versions_due(), "version"), " and delete ",
                    FormatCounted(status.rows_due(), "row"), "; the oldest version would be ", status.oldest_due(), "\n");
  } else {
    absl::StrAppend(&out, "a run now would let go no version\n");
  }
  if (status.purging()) absl::StrAppend(&out, "rows of versions that were let go are still to be deleted\n");
  if (status.rows_purged() > 0) {
    absl::StrAppend(&out, FormatCounted(status.rows_purged(), "row"), " deleted so far; changed last ",
                    FormatTime(status.changed_us()), " by ", status.changed_by(), "\n");
  }
  if (status.pins_size() == 0) return out;
  std::vector<std::vector<std::string>> rows;
  for (const v1::VersionPin& pin : status.pins()) {
    rows.push_back({absl::StrCat("v", pin.version(), pin.and_later() ? " and later" : ""), pin.kind(),
                    absl::StrCat(pin.name(), pin.count() > 1 ? absl::StrCat(" and ", pin.count() - 1, " more") : "")});
  }
  absl::StrAppend(&out, "\npinned:\n", FormatTable({"version", "by", "name"}, rows));
  if (status.pins_total() > static_cast<uint64_t>(status.pins_size())) {
    absl::StrAppend(&out, "… ", status.pins_total() - static_cast<uint64_t>(status.pins_size()), " more\n");
  }
  return out;
}

absl::Status RunRetentionCommand(Invocation& invocation, const RetentionOptions& options) {
  v1::RetentionStatus reply;
  v1::RunRetentionRequest request;
  request.set_collection(options.name);
  const bool run = options.run && !options.dry_run;
  request.set_dry_run(!run);
  absl::Status status = CallService<v1::Collections>(invocation, [&](auto& stub, auto& context) {
    return stub.RunRetention(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatRetention(reply, run));
  return absl::OkStatus();
}

void AddFields(CLI::App& command, const std::string& option, const std::string& help, std::vector<std::string>* fields) {
  command.add_option(option, *fields, help)->type_name("FIELD")->expected(1)->take_all();
}

}  // namespace

void AddAlterCommands(CLI::App& group, Invocation& invocation) {
  auto alter = std::make_shared<AlterOptions>();
  CLI::App* command =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"alter", "Alter the schema of a collection while it serves",
                  "  vouch collection alter films --add-payload year:integer --change-text plot:k1=1.4\n"
                  "  vouch collection alter films --keep-versions 100 --keep-history 30d"},
                 [&invocation, alter] { return RunAlter(invocation, *alter); });
  command->add_option("collection", alter->name, "the collection")->required();
  AddFields(*command, "--add-dense", "dense field, as in `collection create --dense`", &alter->add.dense);
  AddFields(*command, "--add-text", "text field, as in `collection create --text`", &alter->add.text);
  AddFields(*command, "--add-sparse", "field of sparse vectors: NAME", &alter->add.sparse);
  AddFields(*command, "--add-multi-vector", "multi-vector field, as in `collection create --multi-vector`",
            &alter->add.multi_vector);
  AddFields(*command, "--add-payload", "payload field, as in `collection create --payload`", &alter->add.payload);
  AddFields(*command, "--drop", "field to drop: NAME", &alter->drop);
  AddFields(*command, "--drop-payload", "payload field to drop: PATH", &alter->drop_payload);
  AddFields(*command, "--change-dense",
            "NAME:KEY=VALUE[:...] with the keys index, recall, m, ef_construction, ef_search", &alter->change_dense);
  AddFields(*command, "--change-text", "NAME:KEY=VALUE[:...] with the keys k1 and b", &alter->change_text);
  AddPolicyOptions(*command, &alter->add);
  command->add_flag("--keep-all", alter->keep_all, "keep every version");
  command->add_flag("--no-ttl", alter->no_ttl, "points never expire");
  command->add_option("--request-id", alter->request_id, "name of this change: sent again, it changes nothing");
  command->add_flag("--dry-run", alter->dry_run, "say whether the change is good, and alter nothing");

  auto retention = std::make_shared<RetentionOptions>();
  CLI::App* show = AddCommand(group, invocation, CommandKind::kClient,
                              {"retention", "What of a collection's history is kept, what would go, and what pins it",
                               "  vouch collection retention films\n  vouch collection retention films --run"},
                              [&invocation, retention] { return RunRetentionCommand(invocation, *retention); });
  show->add_option("collection", retention->name, "the collection")->required();
  show->add_flag("--run", retention->run, "let go now what is due, for good");
  show->add_flag("--dry-run", retention->dry_run, "with --run: only say what would go");
}

}  // namespace vouch
