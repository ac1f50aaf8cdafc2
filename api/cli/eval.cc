#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/evaluation_commands.h"
#include "api/cli/evaluation_text.h"
#include "api/cli/judgements.h"
#include "api/cli/long_call.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/file_walker.h"
#include "vouch/v1/evaluation.grpc.pb.h"

namespace vouch {
namespace {

struct EvalOptions {
  std::string collection;
  std::string queries;
  std::string qrels;
  std::string mode = "hybrid";
  std::string at;
  std::string run_file;
  uint32_t depth = 1'000;
  bool per_query = false;
};

absl::Status FillRequest(const EvalOptions& options, v1::EvaluateRetrievalRequest* request) {
  absl::Status status = ReadJudgements(options.queries, options.qrels, request);
  if (!status.ok()) return status;
  request->set_collection(options.collection);
  request->set_mode(ModeOf(options.mode));
  request->set_depth(options.depth);
  request->set_at(options.at);
  request->set_with_queries(options.per_query);
  request->set_with_run(!options.run_file.empty());
  return absl::OkStatus();
}

// As trec_eval prints: name, query or "all", value; counts without decimals.
std::string FormatMeasures(const std::string& query, const v1::Measures& measures) {
  std::string out;
  const std::map<std::string, double> sorted(measures.values().begin(), measures.values().end());
  for (const auto& [name, value] : sorted) {
    if (absl::StartsWith(name, "num_")) {
      absl::StrAppendFormat(&out, "%-22s\t%s\t%.0f\n", name, query, value);
    } else {
      absl::StrAppendFormat(&out, "%-22s\t%s\t%6.4f\n", name, query, value);
    }
  }
  return out;
}

nlohmann::ordered_json ToJson(const EvalOptions& options,
                              const v1::EvaluateRetrievalResult& result) {
  nlohmann::ordered_json json = {{"collection", options.collection},
                                 {"version", result.version()},
                                 {"mode", result.mode()},
                                 {"embedder", result.embedder()}};
  json.update(MessageToJson(result.all()));
  if (options.per_query) {
    for (const auto& [query, measures] :
         std::map<std::string, v1::Measures>(result.queries().begin(), result.queries().end())) {
      json["queries"][query] = MessageToJson(measures);
    }
  }
  return json;
}

absl::Status RunEval(Invocation& invocation, const EvalOptions& options) {
  v1::EvaluateRetrievalRequest request;
  if (!options.run_file.empty()) {
    if (absl::Status status = CheckOutputFile("--run-file", options.run_file); !status.ok()) return status;
  }
  if (absl::Status status = FillRequest(options, &request); !status.ok()) return status;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluation::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->EvaluateRetrieval(&context, request);
  v1::EvaluateRetrievalResult result;
  if (grpc::Status status = ReadLongCall(*reader, progress, "running queries", &result); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (!options.run_file.empty()) {
    absl::Status status = WriteOutputFile("--run-file", options.run_file, result.run());
    if (!status.ok()) return status;
  }
  if (invocation.json) {
    Print(FormatJson(ToJson(options, result)));
    return absl::OkStatus();
  }
  for (const auto& [query, measures] :
       std::map<std::string, v1::Measures>(result.queries().begin(), result.queries().end())) {
    Print(FormatMeasures(query, measures));
  }
  Print(FormatMeasures("all", result.all()));
  return absl::OkStatus();
}

}  // namespace

void AddEvalCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "eval", "Measure quality against judgements and reference answers");
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"retrieval", "Retrieval quality by trec_eval's measures (as trec_eval -c)",
       "  vouch eval retrieval docs --queries queries.jsonl --qrels qrels.tsv --mode text --json"},
      [&invocation, options] { return RunEval(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command->add_option("--queries", options->queries, "JSONL with {_id, text} a line")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--qrels", options->qrels,
                   "judgements: TREC qrels, or tab-separated query-id corpus-id score")
      ->required()
      ->type_name("FILE");
  AddModeOption(*command, &options->mode);
  AddAtOption(*command, &options->at);
  command->add_option("--run-file", options->run_file, "writes the run there, in TREC format")
      ->type_name("FILE");
  command->add_option("--depth", options->depth, "documents a query, 1 to 10000 (default 1000)")
      ->check(CLI::Range(1, 10'000));
  command->add_flag("--per-query", options->per_query, "print the measures of each query, too");
  AddEvaluationCommands(*group, invocation);
}

}  // namespace vouch
