#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/evaluation_commands.h"
#include "api/cli/evaluation_text.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "rag/file_walker.h"
#include "vouch/v1/evaluations.grpc.pb.h"

namespace vouch {
namespace {

struct ImportOptions {
  std::string name;
  std::string questions;
  std::string judgements;
  std::string chunks_of;
  std::string at;
  std::vector<std::string> tags;
};

absl::Status InOption(const char* option, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(option, ": ", status.message()));
}

absl::Status RunImport(Invocation& invocation, const ImportOptions& options) {
  if (!options.chunks_of.empty() && options.judgements.empty()) {
    return UsageError("--chunks-of says whose chunks --judgements names; give that, too");
  }
  v1::ImportDatasetRequest request;
  request.set_name(options.name);
  absl::StatusOr<std::string> text = ReadSource(options.questions);
  if (!text.ok()) return InOption("QUESTIONS", text.status());
  request.set_questions(*std::move(text));
  request.set_source(std::filesystem::path(options.questions).filename().string());
  if (!options.judgements.empty()) {
    absl::StatusOr<std::string> judgements = ReadSource(options.judgements);
    if (!judgements.ok()) return InOption("--judgements", judgements.status());
    request.set_judgements(*std::move(judgements));
    request.set_source(absl::StrCat(
        request.source(), ", ", std::filesystem::path(options.judgements).filename().string()));
  }
  request.set_chunks_of(options.chunks_of);
  request.set_at(options.at);
  for (const std::string& tag : options.tags) request.add_tags(tag);
  absl::StatusOr<Connection*> connection = invocation.Connect(Invocation::Store::kCreate);
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Datasets::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::DatasetInfo reply;
  if (grpc::Status status = stub->ImportDataset(&context, request, &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatDataset(reply));
  return absl::OkStatus();
}

absl::Status RunListDatasets(Invocation& invocation) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Datasets::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListDatasetsResponse reply;
  grpc::Status status = stub->ListDatasets(&context, v1::ListDatasetsRequest(), &reply);
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::DatasetInfo& info : reply.datasets()) {
    rows.push_back({absl::StrCat(info.name(), "@", info.version()), absl::StrCat(info.questions()),
                    absl::StrCat(info.judged()), absl::StrCat(info.referenced()),
                    absl::StrCat(info.unanswerable()), info.source()});
  }
  Print(rows.empty() ? "no datasets yet\n"
                     : FormatTable({"dataset", "questions", "judged", "with answers",
                                    "unanswerable", "from"},
                                   rows));
  return absl::OkStatus();
}

// `whole`: the questions as JSON lines, and nothing else.
absl::Status RunGet(Invocation& invocation, const std::string& dataset, bool whole) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Datasets::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::GetDatasetRequest request;
  request.set_dataset(dataset);
  v1::Dataset reply;
  if (grpc::Status status = stub->GetDataset(&context, request, &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (whole) {
    Print(reply.questions());
  } else {
    Print(invocation.json ? FormatJson(MessageToJson(reply.info())) : FormatDataset(reply.info()));
  }
  return absl::OkStatus();
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "dataset", "Questions to evaluate by, in versions");
  auto options = std::make_shared<ImportOptions>();
  CLI::App* import = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"import", "A new version from JSON lines (BEIR, SQuAD, or our own) or SQuAD's file",
       "  vouch dataset import support queries.jsonl --judgements qrels.tsv\n"
       "  vouch dataset import facts squad.json --tag squad"},
      [&invocation, options] { return RunImport(invocation, *options); });
  import->add_option("name", options->name, "the dataset's name")->required();
  import->add_option("questions", options->questions, "the file with the questions")
      ->required()
      ->type_name("FILE");
  import
      ->add_option("--judgements", options->judgements,
                   "TREC qrels, or tab-separated query-id corpus-id score")
      ->type_name("FILE");
  import->add_option("--chunks-of", options->chunks_of,
                     "the judgements name chunks of this collection, not documents");
  import->add_option("--at", options->at, "version or tag at which --chunks-of is looked at");
  import->add_option("--tag", options->tags, "a slice that all questions belong to; may be repeated");
  AddDatasetGrowCommand(*group, invocation);
  AddCommand(*group, invocation, CommandKind::kClient,
             {"list", "All datasets and versions", "  vouch dataset list"},
             [&invocation] { return RunListDatasets(invocation); });
  auto dataset = std::make_shared<std::string>();
  CLI::App* show = AddCommand(*group, invocation, CommandKind::kClient,
                              {"show", "What a version holds", "  vouch dataset show support@1"},
                              [&invocation, dataset] { return RunGet(invocation, *dataset, false); });
  show->add_option("dataset", *dataset, "NAME (the latest) or NAME@VERSION")->required();
  CLI::App* dump = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"export", "The questions as JSON lines; imported again they have the same hash",
       "  vouch dataset export support@1 > support.jsonl"},
      [&invocation, dataset] { return RunGet(invocation, *dataset, true); });
  dump->add_option("dataset", *dataset, "NAME (the latest) or NAME@VERSION")->required();
}

}  // namespace vouch
