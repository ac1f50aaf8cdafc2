#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "api/cli/answer_text.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/record_commands.h"
#include "api/cli/text_output.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

absl::Status RunList(Invocation& invocation, uint32_t limit) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListAnswersRequest request;
  request.set_limit(limit);
  v1::ListAnswersResponse response;
  if (grpc::Status status = stub->ListAnswers(&context, request, &response); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::AnswerSummary& answer : response.answers()) {
    rows.push_back({answer.id(), FormatTime(answer.time_us()), answer.collection(),
                    "v" + std::to_string(answer.version()),
                    MakeSnippet(answer.question(), "", 80)});
  }
  Print(rows.empty() ? "no answers yet\n"
                     : FormatTable({"id", "time", "collection", "version", "question"}, rows));
  return absl::OkStatus();
}

absl::Status RunShow(Invocation& invocation, const std::string& id, bool explain) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::GetAnswerRequest request;
  request.set_id(id);
  v1::Answer answer;
  if (grpc::Status status = stub->GetAnswer(&context, request, &answer); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(answer)));
  } else {
    Print("Question: " + answer.question() + "\nAsked at " + FormatTime(answer.time_us()) + "\n\n" +
          FormatAnswer(answer, explain));
  }
  return absl::OkStatus();
}

// One record a line, newest first.
absl::Status RunExport(Invocation& invocation, uint32_t limit) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Answers::NewStub((*connection)->channel());
  grpc::ClientContext list_context;
  invocation.Prepare(list_context);
  v1::ListAnswersRequest list;
  list.set_limit(limit);
  v1::ListAnswersResponse response;
  if (grpc::Status status = stub->ListAnswers(&list_context, list, &response); !status.ok()) {
    return (*connection)->Explain(status);
  }
  for (const v1::AnswerSummary& summary : response.answers()) {
    grpc::ClientContext context;
    invocation.Prepare(context);
    v1::GetAnswerRequest request;
    request.set_id(summary.id());
    v1::Answer answer;
    if (grpc::Status status = stub->GetAnswer(&context, request, &answer); !status.ok()) {
      return (*connection)->Explain(status);
    }
    using Json = nlohmann::ordered_json;
    Print(MessageToJson(answer).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  return absl::OkStatus();
}

}  // namespace

void AddAnswerCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "answer", "Answers that were given: every one is kept");
  auto limit = std::make_shared<uint32_t>(20);
  CLI::App* list =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"list", "The latest answers, newest first", "  vouch answer list --limit 5"},
                 [&invocation, limit] { return RunList(invocation, *limit); });
  list->add_option("--limit", *limit, "answers to show, 1 to 1000 (default 20)")
      ->check(CLI::Range(1, 1'000));
  CLI::App* dump =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"export", "The latest answers whole, one JSON record a line, newest first",
                  "  vouch answer export --limit 1000 > answers.jsonl"},
                 [&invocation, limit] { return RunExport(invocation, *limit); });
  dump->add_option("--limit", *limit, "answers to write, 1 to 1000 (default 20)")
      ->check(CLI::Range(1, 1'000));
  auto id = std::make_shared<std::string>();
  auto explain = std::make_shared<bool>(false);
  CLI::App* show =
      AddCommand(*group, invocation, CommandKind::kClient,
                 {"show", "One answer, exactly as it was given",
                  "  vouch answer show 0193590c-2a7e-7c33-a5b8-1e4a60cd2f11"},
                 [&invocation, id, explain] { return RunShow(invocation, *id, *explain); });
  show->add_option("id", *id, "the answer's id")->required();
  AddAnswerVerifyCommand(*group, invocation);
  show->add_flag("--explain", *explain, "show what was retrieved, and why it ranks as it does");
}

}  // namespace vouch
