#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

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
  std::string mode = "hybrid";
  std::string filter;
  std::string at;
  uint32_t context_chunks = 8;
  uint32_t max_sentences = 4;
  bool explain = false;
};

absl::Status RunAsk(Invocation& invocation, const AskOptions& options) {
  v1::AskRequest request;
  request.set_collection(options.collection);
  request.set_question(options.question);
  request.set_mode(ModeOf(options.mode));
  if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
  request.set_at(options.at);
  request.set_context_chunks(options.context_chunks);
  request.set_max_sentences(options.max_sentences);

  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::Answer answer;
  if (grpc::Status status = stub->Ask(&context, request, &answer); !status.ok())
    return (*connection)->Explain(status);
  Print(invocation.json ? FormatJson(MessageToJson(answer))
                        : FormatAnswer(answer, options.explain));
  return absl::OkStatus();
}

}  // namespace

void AddAskCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"ask", "Answer a question from a collection, with sources",
                  "  vouch ask docs 'What happens to an index file that is damaged?'"},
                 [&invocation, options] { return RunAsk(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command->add_option("question", options->question, "the question")->required();
  AddModeOption(*command, &options->mode);
  AddFilterOption(*command, &options->filter);
  AddAtOption(*command, &options->at);
  command
      ->add_option("--context-chunks", options->context_chunks,
                   "hits to answer from, 1 to 100 (default 8)")
      ->check(CLI::Range(1, 100));
  command
      ->add_option("--max-sentences", options->max_sentences,
                   "length of the answer, 1 to 20 (default 4)")
      ->check(CLI::Range(1, 20));
  command->add_flag("--explain", options->explain,
                    "show what was retrieved, and why it ranks as it does");
}

}  // namespace vouch
