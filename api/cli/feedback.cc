// `vouch feedback add` and `list`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/experiment_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/feedback.grpc.pb.h"

namespace vouch {
namespace {

struct FeedbackOptions {
  std::string answer;
  std::string thumbs;
  std::optional<double> score;
  std::string correction;
  std::string comment;
  uint32_t limit = 50;
};

absl::Status RunAdd(Invocation& invocation, const FeedbackOptions& options) {
  v1::AddFeedbackRequest request;
  request.set_answer_id(options.answer);
  request.set_thumbs(options.thumbs);
  if (options.score) request.set_score(*options.score);
  request.set_correction(options.correction);
  request.set_comment(options.comment);
  v1::FeedbackEntry reply;
  absl::Status status = CallService<v1::Feedback>(invocation, [&](auto& stub, auto& context) {
    return stub.AddFeedback(&context, request, &reply);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply))
                        : absl::StrCat("feedback ", reply.id(), " on answer ", reply.answer_id(), "\n"));
  return absl::OkStatus();
}

absl::Status RunList(Invocation& invocation, const FeedbackOptions& options) {
  v1::ListFeedbackRequest request;
  request.set_answer_id(options.answer);
  request.set_limit(options.limit);
  v1::ListFeedbackResponse reply;
  absl::Status status = CallService<v1::Feedback>(invocation, [&](auto& stub, auto& context) {
    return stub.ListFeedback(&context, request, &reply);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::FeedbackEntry& entry : reply.feedback()) {
    rows.push_back({entry.answer_id(),
                    FormatTime(entry.time_us()), entry.actor(), entry.thumbs(),
                    entry.has_score() ? absl::StrFormat("%g", entry.score()) : "",
                    absl::Utf8SafeCHexEscape(entry.correction()),
                    absl::Utf8SafeCHexEscape(entry.comment())});
  }
  Print(rows.empty() ? "no feedback\n"
                     : FormatTable({"answer", "time", "by", "thumbs", "score", "correction", "comment"},
                                   rows));
  return absl::OkStatus();
}

}  // namespace

void AddFeedbackCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "feedback", "What people say of answers");
  auto options = std::make_shared<FeedbackOptions>();
  CLI::App* add = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"add", "Say of an answer how good it is",
       "  vouch feedback add 0199… --thumbs down --correction 'It is held by six screws.'\n"
       "  vouch feedback add 0199… --score 0.8 --comment 'the second sentence is of no use'"},
      [&invocation, options] { return RunAdd(invocation, *options); });
  add->add_option("answer", options->answer, "the answer's id")->required();
  add->add_option("--thumbs", options->thumbs, "up or down")->check(CLI::IsMember({"up", "down"}));
  add->add_option("--score", options->score, "0 to 1")->check(CLI::Range(0.0, 1.0));
  add->add_option("--correction", options->correction, "what it should have said")->type_name("TEXT");
  add->add_option("--comment", options->comment, "anything else")->type_name("TEXT");
  CLI::App* list = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"list", "Feedback on an answer, or on the latest answers",
       "  vouch feedback list 0199…\n  vouch feedback list --limit 10"},
      [&invocation, options] { return RunList(invocation, *options); });
  list->add_option("answer", options->answer, "the answer's id");
  list->add_option("--limit", options->limit, "of all answers: the latest, 1 to 1000 (default 50)")
      ->check(CLI::Range(1, 1000));
}

}  // namespace vouch
