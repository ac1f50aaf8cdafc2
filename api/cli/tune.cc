#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/judgements.h"
#include "api/cli/long_call.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "vouch/v1/evaluation.grpc.pb.h"

namespace vouch {
namespace {

struct TuneOptions {
  std::string collection;
  std::string queries;
  std::string qrels;
  std::string at;
  uint32_t folds = 5;
  bool dry_run = false;
  bool remove = false;
};

std::string MethodWord(v1::FusionMethod method) {
  std::string name = v1::FusionMethod_Name(method).substr(sizeof("FUSION_METHOD_") - 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c == '_' ? '-' : static_cast<char>(c | 0x20); });
  return name;
}

std::string Words(const v1::FusionSettings& settings) {
  return absl::StrCat(MethodWord(settings.method()), ", text ", settings.text_weight(), ", dense ",
                      settings.dense_weight(), settings.by_reliability() ? " by reliability" : "",
                      settings.feedback_weight() == 0
                          ? std::string(", no feedback")
                          : absl::StrCat(", feedback ", settings.feedback_weight()),
                      settings.phrase_weight() == 0
                          ? std::string()
                          : absl::StrCat(", phrases ", settings.phrase_weight()));
}

std::vector<std::string> Row(std::string name, uint64_t queries, const v1::FusionFigures& figures,
                             const v1::FusionSettings& chosen) {
  return {std::move(name),
          absl::StrCat(queries),
          absl::StrFormat("%.4f", figures.tuned()),
          absl::StrFormat("%.4f", figures.text()),
          absl::StrFormat("%.4f", figures.dense()),
          absl::StrFormat("%.4f", figures.standard()),
          Words(chosen)};
}

std::string Format(const TuneOptions& options, const v1::TuneFusionResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i < result.folds_size(); ++i) {
    const v1::FusionFold& fold = result.folds(i);
    rows.push_back(
        Row(absl::StrCat("fold ", i + 1), fold.queries(), fold.figures(), fold.chosen()));
  }
  rows.push_back(Row("all", result.queries(), result.figures(), result.chosen()));
  std::string out =
      FormatTable({"nDCG@10", "queries", "tuned", "text", "dense", "default", "fusion"}, rows);
  absl::StrAppend(&out, "Each fold's queries were fused by what the others chose.\n", result.id(),
                  " of judgements ", result.judgements(), " at version ", result.tuned_at(), "\n");
  absl::StrAppend(&out,
                  result.version() == 0
                      ? std::string("Nothing was stored.\n")
                      : absl::StrCat("Hybrid retrieval of ", options.collection,
                                     " is fused so from version ", result.version(), " on.\n"));
  return out;
}

absl::Status RunRemove(Invocation& invocation, const TuneOptions& options) {
  v1::RemoveFusionRequest request;
  request.set_collection(options.collection);
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluation::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::RemoveFusionResponse reply;
  if (grpc::Status status = stub->RemoveFusion(&context, request, &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else {
    Print(absl::StrCat("Hybrid retrieval of ", options.collection,
                       " is fused by default from version ", reply.version(), " on.\n"));
  }
  return absl::OkStatus();
}

absl::Status RunTune(Invocation& invocation, const TuneOptions& options) {
  if (options.remove) return RunRemove(invocation, options);
  if (options.queries.empty() || options.qrels.empty()) {
    return UsageError("give --queries and --qrels, or --remove");
  }
  v1::TuneFusionRequest request;
  absl::Status read = ReadJudgements(options.queries, options.qrels, &request);
  if (!read.ok()) return read;
  request.set_collection(options.collection);
  request.set_folds(options.folds);
  request.set_at(options.at);
  request.set_dry_run(options.dry_run);
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluation::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->TuneFusion(&context, request);
  v1::TuneFusionResult result;
  if (grpc::Status status = ReadLongCall(*reader, progress, "tuning", &result); !status.ok()) {
    return (*connection)->Explain(status);
  }
  Print(invocation.json ? FormatJson(MessageToJson(result)) : Format(options, result));
  return absl::OkStatus();
}

}  // namespace

void AddTuneCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "tune", "Learn from judgements");
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"fusion",
       "Learn by cross-validation how hybrid search fuses text and dense hits, and store it",
       "  vouch tune fusion docs --queries queries.jsonl --qrels qrels.tsv\n"
       "  vouch tune fusion docs --remove"},
      [&invocation, options] { return RunTune(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command->add_option("--queries", options->queries, "JSONL with {_id, text} a line")
      ->type_name("FILE");
  command
      ->add_option("--qrels", options->qrels,
                   "judgements: TREC qrels, or tab-separated query-id corpus-id score")
      ->type_name("FILE");
  command
      ->add_option("--folds", options->folds, "folds of the cross-validation, 2 to 20 (default 5)")
      ->check(CLI::Range(2, 20));
  AddAtOption(*command, &options->at);
  command->add_flag("--dry-run", options->dry_run, "show what would be learned, and store nothing");
  command->add_flag("--remove", options->remove, "go back to the default fusion");
}

}  // namespace vouch
