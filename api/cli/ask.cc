#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/cli/answer_text.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

struct AskOptions {
  std::string collection;
  std::string question;
  std::string pipeline;
  std::string mode = "hybrid";
  std::string filter;
  std::string at;
  uint32_t context_chunks = 8;
  uint32_t max_sentences = 4;
  bool quote = false;
  bool no_cache = false;
  std::string caller;
  double min_grounding = 0.5;
  bool explain = false;
};

// What is set by --model and the like is a setting of the store's own process.
constexpr std::pair<const char*, const char*> kModelOptions[] = {
    {"--model", "generator.model"},
    {"--endpoint", "generator.endpoint"},
    {"--route", "generator.route"},
    {"--api-key-env", "generator.api_key_env"},
    {"--api-key-file", "generator.api_key_file"}};

v1::AskRequest RequestOf(const AskOptions& options) {
  v1::AskRequest request;
  if (!options.pipeline.empty()) {
    // Its only word is the question.
    request.set_question(options.collection);
    request.set_pipeline(options.pipeline);
    request.set_no_cache(options.no_cache);
    request.set_caller(options.caller);
    request.set_at(options.at);
    if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
    return request;
  }
  request.set_collection(options.collection);
  request.set_question(options.question);
  request.set_mode(ModeOf(options.mode));
  if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
  request.set_at(options.at);
  request.set_context_chunks(options.context_chunks);
  request.set_max_sentences(options.max_sentences);
  if (options.quote) request.set_generator("builtin/extractive");
  request.set_min_grounding(options.min_grounding);
  return request;
}

absl::Status CheckModelOptions(const Invocation& invocation, const Connection& connection) {
  if (connection.embedded()) return absl::OkStatus();
  for (const auto& [flag, setting] : kModelOptions) {
    if (!invocation.flags.contains(setting)) continue;
    return UsageError(absl::StrCat(
        flag, " is for a store that the command opens itself; a server asks the models of its own ",
        "configuration (", setting, ")"));
  }
  return absl::OkStatus();
}

// Prints the text as it comes, and what stands behind it once the record is kept.
absl::Status AskStreaming(Invocation& invocation, const Connection& connection,
                          const AskOptions& options) {
  const auto stub = v1::Answers::NewStub(connection.channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  const auto reader = stub->AskStream(&context, RequestOf(options));
  std::string printed;
  v1::AskEvent::Done done;
  v1::AskEvent event;
  while (reader->Read(&event)) {
    if (event.has_done()) done = event.done();
    if (event.event_case() != v1::AskEvent::kText) continue;
    printed += event.text();
    Print(event.text());
    std::fflush(stdout);
  }
  if (grpc::Status status = reader->Finish(); !status.ok()) {
    if (!printed.empty()) Print("\n");
    return connection.Explain(status);
  }
  if (printed != done.text()) {
    Print(absl::StrCat(printed.empty() ? "" : "\n\nWithdrawn. ", done.text()));
  }
  Print("\n");
  grpc::ClientContext get_context;
  invocation.Prepare(get_context);
  v1::GetAnswerRequest get;
  get.set_id(done.id());
  v1::Answer answer;
  if (grpc::Status status = stub->GetAnswer(&get_context, get, &answer); !status.ok()) {
    return connection.Explain(status);
  }
  Print(FormatBehindText(answer, options.explain));
  return absl::OkStatus();
}

absl::Status CheckWords(const AskOptions& options) {
  if (options.pipeline.empty() && options.question.empty()) {
    return UsageError(
        "ask takes a collection and a question, or --pipeline and a question; as vouch ask docs "
        "'How are backups made?'");
  }
  if (!options.pipeline.empty() && !options.question.empty()) {
    return UsageError(absl::StrCat("pipeline ", options.pipeline,
                                   " names the collection itself; leave '", options.collection,
                                   "' out, and quote the question"));
  }
  return absl::OkStatus();
}

absl::Status RunAsk(Invocation& invocation, const AskOptions& options) {
  if (absl::Status status = CheckWords(options); !status.ok()) return status;
  invocation.uses_models = !options.quote;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  if (absl::Status status = CheckModelOptions(invocation, **connection); !status.ok())
    return status;
  if (!invocation.json) return AskStreaming(invocation, **connection, options);
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::Answer answer;
  if (grpc::Status status = stub->Ask(&context, RequestOf(options), &answer); !status.ok())
    return (*connection)->Explain(status);
  Print(FormatJson(MessageToJson(answer)));
  return absl::OkStatus();
}

void AddModelOptions(CLI::App& command, Invocation& invocation, AskOptions* options) {
  const std::pair<const char*, const char*> texts[] = {
      {"MODEL", "the model that writes the answer (default: none, sentences are quoted)"},
      {"URL", "its server, as http://127.0.0.1:11434/v1"},
      {"FILE", "YAML file of the models to ask, in order, with prices and limits"},
      {"VARIABLE", "environment variable that holds the server's API key (default OPENAI_API_KEY)"},
      {"FILE", "file that holds it instead"}};
  for (size_t i = 0; i < std::size(kModelOptions); ++i) {
    command
        .add_option_function<std::string>(
            kModelOptions[i].first,
            [&invocation, setting = kModelOptions[i].second](const std::string& value) {
              invocation.flags[setting] = value;
            },
            texts[i].second)
        ->type_name(texts[i].first);
  }
  command.add_flag("--quote", options->quote, "quote sentences and ask no model");
  command
      .add_option(
          "--min-grounding", options->min_grounding,
          "withdraw a model's answer of whose sentences a smaller share is supported by what "
          "they cite, 0 to 1 (default 0.5)")
      ->check(CLI::Range(0.0, 1.0));
}

}  // namespace

void AddAskCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"ask", "Answer a question from a collection, with sources",
                  "  vouch ask docs 'What happens to an index file that is damaged?'\n"
                  "  vouch ask docs 'How are backups made?' --model llama3.2 "
                  "--endpoint http://127.0.0.1:11434/v1\n"
                  "  vouch ask --pipeline support@champion 'How are backups made?'"},
                 [&invocation, options] { return RunAsk(invocation, *options); });
  command
      ->add_option("collection", options->collection, "the collection; with --pipeline, the question")
      ->required();
  command->add_option("question", options->question, "the question");
  command
      ->add_option("--pipeline", options->pipeline,
                   "answer as this pipeline says: NAME, NAME@NUMBER or NAME@ALIAS")
      ->type_name("PIPELINE");
  AddModeOption(*command, &options->mode);
  AddFilterOption(*command, &options->filter);
  AddAtOption(*command, &options->at);
  command
      ->add_option("--context-chunks", options->context_chunks,
                   "hits to answer from, 1 to 100 (default 8)")
      ->check(CLI::Range(1, 100));
  command
      ->add_option("--max-sentences", options->max_sentences,
                   "length of a quoted answer, 1 to 20 (default 4)")
      ->check(CLI::Range(1, 20));
  AddModelOptions(*command, invocation, options.get());
  command
      ->add_option("--caller", options->caller,
                   "who asks, for experiments: the same caller gets the same arm")
      ->type_name("NAME")
      ->needs(command->get_option("--pipeline"));
  command->add_flag("--no-cache", options->no_cache,
                    "ask the models though the pipeline's cache has an answer");
  command->add_flag("--explain", options->explain,
                    "show what was retrieved, and why it ranks as it does");
  for (const char* owned :
       {"--mode", "--context-chunks", "--max-sentences", "--min-grounding", "--quote"}) {
    command->get_option("--pipeline")->excludes(command->get_option(owned));
  }
}

}  // namespace vouch
