#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/message_yaml.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "rag/file_walker.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

struct DiffOptions {
  std::string collection;
  std::string from;
  std::string to;
  uint32_t limit = 20;
  std::string cursor;
  bool summary = false;
  std::string query;
  std::string mode = "hybrid";
  std::string file;
  std::string filter;
  uint32_t hits = 10;
};

const char* Sign(v1::DiffKind kind) {
  if (kind == v1::DIFF_KIND_ADDED) return "+";
  return kind == v1::DIFF_KIND_RETIRED ? "-" : "~";
}

std::string FormatDiff(const DiffOptions& options, const v1::DiffResponse& diff) {
  std::string out = absl::StrCat(
      options.collection, ", version ", diff.from(), " to ", diff.to(), ": ",
      FormatCounted(diff.points_from(), "point"), " became ", FormatCount(diff.points_to()), "; ",
      FormatCount(diff.added()), " added, ", FormatCount(diff.replaced()), " replaced, ",
      FormatCount(diff.retired()), " retired\n");
  size_t width = 0;
  for (const v1::DiffEntry& entry : diff.entries()) {
    width = std::max(width, FormatPointId(entry.id()).size());
  }
  for (const v1::DiffEntry& entry : diff.entries()) {
    std::string id = FormatPointId(entry.id());
    std::string note;
    if (entry.kind() == v1::DIFF_KIND_REPLACED) {
      note = entry.changed().empty() ? "written again as it was"
                                     : absl::StrJoin(entry.changed(), ", ");
      id.resize(std::max(width, id.size()), ' ');
    }
    absl::StrAppend(&out, "  ", Sign(entry.kind()), " ", id, note.empty() ? "" : "  ", note, "\n");
  }
  if (!diff.next_cursor().empty()) {
    absl::StrAppend(&out, "More: --cursor ", diff.next_cursor(), "\n");
  }
  return out;
}

// One point among the hits of two versions.
struct HitChange {
  v1::PointId id;
  int old_rank = 0;  // from 1; 0: no hit
  int new_rank = 0;
  double old_score = 0;
  double new_score = 0;
};

// In the order of the newer hits; those that left come last, in the order of the older ones.
std::vector<HitChange> CompareHits(const v1::SearchResponse& before,
                                   const v1::SearchResponse& after) {
  std::map<std::string, int> old_ranks;
  for (int i = 0; i < before.hits_size(); ++i) {
    old_ranks[before.hits(i).point().id().SerializeAsString()] = i + 1;
  }
  std::vector<HitChange> changes;
  for (int i = 0; i < after.hits_size(); ++i) {
    HitChange& change = changes.emplace_back();
    change.id = after.hits(i).point().id();
    change.new_rank = i + 1;
    change.new_score = after.hits(i).score();
    const auto old = old_ranks.find(change.id.SerializeAsString());
    if (old == old_ranks.end()) continue;
    change.old_rank = old->second;
    change.old_score = before.hits(old->second - 1).score();
    old_ranks.erase(old);
  }
  for (int i = 0; i < before.hits_size(); ++i) {
    const v1::PointId& id = before.hits(i).point().id();
    if (!old_ranks.contains(id.SerializeAsString())) continue;
    HitChange& change = changes.emplace_back();
    change.id = id;
    change.old_rank = i + 1;
    change.old_score = before.hits(i).score();
  }
  return changes;
}

std::string WordOf(const HitChange& change) {
  if (change.old_rank == 0) return "entered";
  if (change.new_rank == 0) return "left";
  const int up = change.old_rank - change.new_rank;
  if (up > 0) return absl::StrCat("up ", up);
  if (up < 0) return absl::StrCat("down ", -up);
  return change.old_score == change.new_score ? "same" : "score";
}

std::string FormatHitChanges(const std::vector<HitChange>& changes, const v1::DiffResponse& diff) {
  if (changes.empty()) return "No hits at either version.\n";
  std::vector<std::vector<std::string>> rows;
  for (const HitChange& change : changes) {
    const auto rank = [](int value) { return value == 0 ? "-" : absl::StrCat(value); };
    const auto score = [](int value, double number) {
      return value == 0 ? std::string("-") : absl::StrFormat("%.4f", number);
    };
    rows.push_back({rank(change.new_rank), rank(change.old_rank), WordOf(change),
                    score(change.new_rank, change.new_score),
                    score(change.old_rank, change.old_score), FormatPointId(change.id)});
  }
  return FormatTable({absl::StrCat("v", diff.to()), absl::StrCat("v", diff.from()), "hit",
                      absl::StrCat("score v", diff.to()), absl::StrCat("score v", diff.from()),
                      "point"},
                     rows);
}

nlohmann::ordered_json HitChangesToJson(const std::vector<HitChange>& changes) {
  auto list = nlohmann::ordered_json::array();
  for (const HitChange& change : changes) {
    nlohmann::ordered_json entry{{"id", MessageToJson(change.id)}, {"change", WordOf(change)}};
    if (change.old_rank > 0) entry["from"] = {{"rank", change.old_rank}, {"score", change.old_score}};
    if (change.new_rank > 0) entry["to"] = {{"rank", change.new_rank}, {"score", change.new_score}};
    list.push_back(std::move(entry));
  }
  return list;
}

absl::Status FillSearch(const DiffOptions& options, v1::SearchRequest* request, MessageFile* file) {
  if (!options.query.empty() && !options.file.empty()) {
    return UsageError("give either --query or --file");
  }
  if (options.file.empty()) {
    request->mutable_query()->mutable_text_query()->set_text(options.query);
    request->mutable_query()->mutable_text_query()->set_mode(ModeOf(options.mode));
  } else {
    const absl::StatusOr<std::string> text = ReadSource(options.file);
    if (!text.ok()) return text.status();
    file->name = options.file;
    if (absl::Status status = ReadMessage(*text, request, file); !status.ok()) return status;
  }
  request->set_collection(options.collection);
  if (!options.filter.empty()) request->mutable_filter()->set_expression(options.filter);
  if (request->limit() == 0 || options.file.empty()) request->set_limit(options.hits);
  request->mutable_projection()->set_no_payload(true);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HitChange>> CompareAt(Invocation& invocation, Connection& connection,
                                                 const DiffOptions& options,
                                                 const v1::DiffResponse& diff) {
  v1::SearchRequest request;
  MessageFile file;
  if (absl::Status status = FillSearch(options, &request, &file); !status.ok()) return status;
  const auto stub = v1::Search::NewStub(connection.channel());
  v1::SearchResponse responses[2];
  const uint64_t versions[] = {diff.from(), diff.to()};
  for (int i = 0; i < 2; ++i) {
    request.set_at(absl::StrCat("v", versions[i]));
    grpc::ClientContext context;
    invocation.Prepare(context);
    const grpc::Status status = stub->Search(&context, request, &responses[i]);
    if (!status.ok()) return WithPlace(connection.Explain(status), file);
  }
  return CompareHits(responses[0], responses[1]);
}

absl::Status RunDiff(Invocation& invocation, const DiffOptions& options) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Collections::NewStub((*connection)->channel());
  v1::DiffRequest request;
  request.set_collection(options.collection);
  request.set_from(options.from);
  request.set_to(options.to);
  request.set_limit(options.limit);
  request.set_cursor(options.cursor);
  request.set_summary_only(options.summary);
  v1::DiffResponse diff;
  grpc::ClientContext context;
  invocation.Prepare(context);
  if (grpc::Status status = stub->Diff(&context, request, &diff); !status.ok()) {
    return (*connection)->Explain(status);
  }
  const bool compares = !options.query.empty() || !options.file.empty();
  std::vector<HitChange> changes;
  if (compares) {
    auto compared = CompareAt(invocation, **connection, options, diff);
    if (!compared.ok()) return compared.status();
    changes = *std::move(compared);
  }
  if (invocation.json) {
    nlohmann::ordered_json json = MessageToJson(diff);
    if (compares) json["hits"] = HitChangesToJson(changes);
    Print(FormatJson(json));
    return absl::OkStatus();
  }
  Print(FormatDiff(options, diff));
  if (compares) Print(absl::StrCat("\n", FormatHitChanges(changes, diff)));
  return absl::OkStatus();
}

}  // namespace

void AddDiffCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"diff", "What changed between two versions of a collection, and of the hits of a query",
       "  vouch diff films v3 v7\n  vouch diff films baseline --query 'quiet films' --summary"},
      [&invocation, options] { return RunDiff(invocation, *options); });
  command->add_option("collection", options->collection, "the collection, or an alias")->required();
  command->add_option("from", options->from, "a version (v12), a tag, or a time")->required();
  command->add_option("to", options->to, "likewise, not before the first (default: the latest)");
  command->add_option("--limit", options->limit, "points to list, 1 to 10000 (default 20)")
      ->check(CLI::Range(1, 10'000));
  command->add_option("--cursor", options->cursor, "goes on after an earlier page");
  command->add_flag("--summary", options->summary, "the counts alone");
  command->add_option("--query", options->query, "how the hits of this text changed, too");
  AddModeOption(*command, &options->mode);
  command
      ->add_option("--file", options->file,
                   "how the hits of this request changed, too: a file as `query --file` takes")
      ->type_name("FILE");
  AddFilterOption(*command, &options->filter);
  command->add_option("--hits", options->hits, "hits to compare, 1 to 10000 (default 10)")
      ->check(CLI::Range(1, 10'000));
}

}  // namespace vouch
