#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/record_commands.h"
#include "api/cli/text_output.h"
#include "vouch/v1/records.grpc.pb.h"

namespace vouch {
namespace {

std::string FormatProblem(const v1::AnswerProblem& problem) {
  return absl::StrCat("problem: ", problem.number() == 0 ? "" : absl::StrCat("number ", problem.number(), ", "),
                      "answer ", problem.answer_id().empty() ? "(unknown)" : problem.answer_id(), ": ", problem.what(),
                      "\n");
}

void PrintReport(const v1::VerifyAnswersReply& reply) {
  for (const v1::AnswerProblem& problem : reply.problems()) Print(FormatProblem(problem));
  std::string text = absl::StrCat("checked ", FormatCounted(reply.answers(), "answer"));
  if (reply.erased() > 0) absl::StrAppend(&text, ", ", FormatCount(reply.erased()), " of them with erased texts");
  if (reply.replaced() > 0)
    absl::StrAppend(&text, ", ", FormatCounted(reply.replaced(), "older link"), " whose record was written again since");
  absl::StrAppend(&text, "\n");
  if (reply.unchained() > 0) {
    absl::StrAppend(&text, FormatCounted(reply.unchained(), "answer"),
                    " from before there was a chain: not broken, but nothing vouches for them\n");
  }
  if (reply.first_number() != 0)
    absl::StrAppend(&text, "head ", reply.last_number(), ":", reply.head(), "\n");
  Print(text);
}

absl::Status RunAnswerVerify(Invocation& invocation, const std::string& expected) {
  v1::VerifyAnswersRequest request;
  if (!expected.empty()) {
    const size_t colon = expected.find(':');
    uint64_t number = 0;
    if (colon == std::string::npos || !absl::SimpleAtoi(expected.substr(0, colon), &number) || number == 0 ||
        expected.size() - colon - 1 != 64) {
      return UsageError(absl::StrCat("--expect is '", expected, "'; it takes NUMBER:HASH, as `vouch answer verify` prints it"));
    }
    request.set_expected_number(number);
    request.set_expected_hash(expected.substr(colon + 1));
  }
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Records::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::VerifyAnswersReply reply;
  if (grpc::Status status = stub->VerifyAnswers(&context, request, &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
  } else {
    PrintReport(reply);
  }
  if (reply.problems_size() > 0) {
    return absl::DataLossError(absl::StrCat("the answers are not what was kept: ",
                                            FormatCounted(static_cast<uint64_t>(reply.problems_size()), "problem")));
  }
  if (!invocation.json) Print(reply.first_number() == 0 ? "there is no chain yet\n" : "the chain holds\n");
  return absl::OkStatus();
}

}  // namespace

void AddAnswerVerifyCommand(CLI::App& group, Invocation& invocation) {
  auto expected = std::make_shared<std::string>();
  CLI::App* verify = AddCommand(
      group, invocation, CommandKind::kClient,
      {"verify", "Whether all answers are what was kept: walks the chain of their hashes",
       "  vouch answer verify\n"
       "  vouch answer verify --expect 12:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
       "Write the head down elsewhere: who has it can tell later whether any answer up to it was changed,\n"
       "removed or put in, even by someone who could write to the store. Exits with 1 on a problem."},
      [&invocation, expected] { return RunAnswerVerify(invocation, *expected); });
  verify->add_option("--expect", *expected, "a head from an earlier run, NUMBER:HASH");
}

}  // namespace vouch
