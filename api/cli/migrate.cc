#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/judgements.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/migrations.grpc.pb.h"

namespace vouch {
namespace {

struct MigrateOptions {
  std::string collection;
  std::string field;
  std::string embedder;
  std::string queries;
  std::string qrels;
  std::string mode = "hybrid";
  uint32_t k = 10;
  double min_ndcg_ratio = 0.95;
  double min_overlap = 0;
  bool dry_run = false;
  bool no_switch = false;
  bool unchecked = false;
};

std::string FormatEstimate(const v1::MigrationEstimate& estimate) {
  std::string out = absl::StrCat(FormatCounted(estimate.points(), "point"), " to copy, ",
                                 FormatCounted(estimate.texts(), "text"), " to embed (",
                                 FormatBytes(estimate.bytes()), ", about ",
                                 FormatCounted(estimate.tokens(), "token"), "), ",
                                 FormatBytes(estimate.vector_bytes()), " of vectors\n");
  if (estimate.calls() == 0) {
    absl::StrAppend(&out, "no model server is asked\n");
  } else {
    absl::StrAppend(&out, FormatCounted(estimate.calls(), "call"), " of a model server, ");
    if (estimate.has_cost_nano()) {
      absl::StrAppend(&out, absl::StrFormat("about %.6f ", static_cast<double>(estimate.cost_nano()) / 1e9),
                      estimate.currency(), " by prices ", estimate.prices(), "\n");
    } else {
      absl::StrAppend(&out, "at a price that no table names\n");
    }
  }
  return out;
}

std::string FormatComparison(const v1::Migration& migration) {
  if (!migration.has_comparison()) return "not compared\n";
  const v1::SpaceComparison& found = migration.comparison();
  std::string out = absl::StrFormat(
      "overlap@%d %.4f, rank agreement %.4f over %s%s\n", found.k(), found.overlap(), found.rank_agreement(),
      FormatCounted(found.questions(), "question"), found.origin() == "answers" ? " of kept answers" : "");
  if (found.judged() > 0) {
    absl::StrAppend(&out, absl::StrFormat("nDCG@10 %.4f, before %.4f, over %s\n", found.ndcg_new(),
                                          found.ndcg_old(), FormatCounted(found.judged(), "judged question")));
  }
  return out;
}

std::string Title(const v1::Migration& migration) {
  return absl::StrCat("field ", migration.field(), ": ", migration.old_embedder(), " in ", migration.source(),
                      ", ", migration.embedder(), " in ", migration.target(), "\n");
}

std::string FormatOutcome(const v1::MigrateEmbedderResult& result) {
  const v1::Migration& migration = result.migration();
  std::string out = absl::StrCat(Title(migration), FormatCounted(result.rows(), "point"), " copied\n",
                                 FormatComparison(migration));
  const std::string aliases = absl::StrJoin(migration.aliases(), ", ");
  if (migration.state() == "done") {
    absl::StrAppend(&out, aliases, " -> ", migration.target(), "; ", migration.source(),
                    " stays as it was at version ", migration.source_version(), "\n");
  } else if (migration.state() == "rolled-back") {
    absl::StrAppend(&out, aliases, " -> ", migration.source(), "\n");
  } else if (migration.state() == "refused") {
    absl::StrAppend(&out, "would not be switched over: ", migration.reason(), "\n");
  } else {
    absl::StrAppend(&out, "nothing was switched over; the same command without --no-switch does it\n");
  }
  return out;
}

// Reads a call's replies to their end; the phase is what is shown.
grpc::Status ReadReplies(grpc::ClientReader<v1::MigrateEmbedderReply>& reader, Progress progress,
                         v1::MigrateEmbedderResult* result) {
  v1::MigrateEmbedderReply reply;
  while (reader.Read(&reply)) {
    if (reply.has_result()) {
      *result = std::move(*reply.mutable_result());
    } else {
      progress.Update(reply.phase(), reply.fraction());
    }
  }
  progress.Clear();
  return reader.Finish();
}

absl::Status RunEmbedder(Invocation& invocation, const MigrateOptions& options) {
  if (!options.qrels.empty() && options.queries.empty()) {
    return UsageError("--qrels needs --queries, whose questions it judges");
  }
  v1::MigrateEmbedderRequest request;
  if (!options.queries.empty()) {
    const absl::Status read = options.qrels.empty()
                                  ? ReadQueries(options.queries, &request)
                                  : ReadJudgements(options.queries, options.qrels, &request);
    if (!read.ok()) return read;
  }
  request.set_collection(options.collection);
  request.set_field(options.field);
  request.set_embedder(options.embedder);
  request.set_mode(ModeOf(options.mode));
  request.set_k(options.k);
  request.set_min_ndcg_ratio(options.min_ndcg_ratio);
  request.set_min_overlap(options.min_overlap);
  request.set_dry_run(options.dry_run);
  request.set_no_switch(options.no_switch);
  request.set_unchecked(options.unchecked);
  invocation.uses_models = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Migrations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::MigrateEmbedderResult result;
  // What it takes is said before it is begun.
  if (!options.dry_run && !invocation.json && !invocation.quiet) {
    v1::MigrateEmbedderRequest estimate = request;
    estimate.set_dry_run(true);
    grpc::ClientContext first;
    invocation.Prepare(first);
    const auto reader = stub->MigrateEmbedder(&first, estimate);
    const grpc::Status status = ReadReplies(*reader, invocation.MakeProgress(), &result);
    if (!status.ok()) return (*connection)->Explain(status);
    Print(FormatEstimate(result.estimate()));
  }
  const auto reader = stub->MigrateEmbedder(&context, request);
  const grpc::Status status = ReadReplies(*reader, invocation.MakeProgress(), &result);
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(result)));
  } else if (options.dry_run) {
    Print(absl::StrCat(Title(result.migration()), FormatEstimate(result.estimate())));
  } else {
    Print(FormatOutcome(result));
  }
  return absl::OkStatus();
}

absl::Status RunRollback(Invocation& invocation, const MigrateOptions& options) {
  v1::RollBackMigrationRequest request;
  request.set_collection(options.collection);
  v1::MigrateEmbedderResult result;
  const absl::Status status = CallService<v1::Migrations>(invocation, [&](auto& stub, auto& context) {
    return ReadReplies(*stub.RollBackMigration(&context, request), invocation.MakeProgress(), &result);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(result)));
  } else {
    Print(absl::StrCat(absl::StrJoin(result.migration().aliases(), ", "), " -> ", result.migration().source(),
                       "; ", FormatCounted(result.rows(), "point"), " written since copied\n"));
  }
  return absl::OkStatus();
}

absl::Status RunCancel(Invocation& invocation, const MigrateOptions& options) {
  v1::CancelMigrationRequest request;
  request.set_collection(options.collection);
  v1::Migration migration;
  const absl::Status status = CallService<v1::Migrations>(invocation, [&](auto& stub, auto& context) {
    return stub.CancelMigration(&context, request, &migration);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(migration))
                        : absl::StrCat("collection ", migration.target(), " dropped; ", migration.source(),
                                       " stays as it is\n"));
  return absl::OkStatus();
}

absl::Status RunStatus(Invocation& invocation) {
  v1::ListMigrationsResponse response;
  const absl::Status status = CallService<v1::Migrations>(invocation, [&](auto& stub, auto& context) {
    return stub.ListMigrations(&context, v1::ListMigrationsRequest(), &response);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Migration& migration : response.migrations()) {
    rows.push_back({migration.source(), migration.target(), migration.field(), migration.embedder(),
                    migration.state(), FormatTime(migration.changed_us())});
  }
  Print(rows.empty() ? "no migrations\n"
                     : FormatTable({"from", "to", "field", "embedder", "state", "since"}, rows));
  return absl::OkStatus();
}

void AddEmbedderCommand(CLI::App& group, Invocation& invocation, const std::shared_ptr<MigrateOptions>& options) {
  CLI::App* command = AddCommand(
      group, invocation, CommandKind::kClient,
      {"embedder",
       "Embed a field anew into a second collection, compare both, and move the aliases to it; goes on where it was cut",
       "  vouch migrate embedder live embedding builtin/lsa?dim=300 --dry-run\n"
       "  vouch migrate embedder live embedding 'openai/nomic-embed-text?dim=768' --queries queries.jsonl --qrels qrels.tsv"},
      [&invocation, options] { return RunEmbedder(invocation, *options); });
  command->add_option("collection", options->collection, "the collection, or an alias of it")->required();
  command->add_option("field", options->field, "the dense field")->required();
  command->add_option("embedder", options->embedder, "the new embedder: builtin/lsa[?dim=N], builtin/hash[?dim=N], openai/MODEL?dim=N")
      ->required();
  command->add_option("--queries", options->queries, "questions to compare by: JSONL with {_id, text} a line (default: those of kept answers)")
      ->type_name("FILE");
  command->add_option("--qrels", options->qrels, "their judgements: TREC qrels, or tab-separated query-id corpus-id score")
      ->type_name("FILE");
  command->add_option("-k", options->k, "of overlap@k, 1 to 100 (default 10)")->check(CLI::Range(1, 100));
  command->add_option("--min-ndcg-ratio", options->min_ndcg_ratio,
                      "switch only where nDCG@10 of the judged questions is at least so much of what it was (default 0.95)")
      ->check(CLI::Range(0.0, 10.0));
  command->add_option("--min-overlap", options->min_overlap, "and where overlap@k is at least this (default 0)")
      ->check(CLI::Range(0.0, 1.0));
  AddModeOption(*command, &options->mode);
  command->add_flag("--dry-run", options->dry_run, "say what it takes, and do nothing");
  command->add_flag("--no-switch", options->no_switch, "build and compare, and leave the aliases where they are");
  command->add_flag("--unchecked", options->unchecked, "switch also where there is no question to compare by");
}

}  // namespace

void AddMigrateCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "migrate", "Replace a collection's embedder");
  auto options = std::make_shared<MigrateOptions>();
  AddEmbedderCommand(*group, invocation, options);
  CLI::App* rollback = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"rollback", "Move the aliases back, with what was written since", "  vouch migrate rollback live"},
      [&invocation, options] { return RunRollback(invocation, *options); });
  rollback->add_option("collection", options->collection, "either collection, or an alias")->required();
  AddCommand(*group, invocation, CommandKind::kClient,
             {"status", "All migrations and how far they are", "  vouch migrate status"},
             [&invocation] { return RunStatus(invocation); });
  CLI::App* cancel = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"cancel", "Drop the new collection, to which no alias leads", "  vouch migrate cancel docs"},
      [&invocation, options] { return RunCancel(invocation, *options); });
  cancel->add_option("collection", options->collection, "either collection")->required();
}

}  // namespace vouch
