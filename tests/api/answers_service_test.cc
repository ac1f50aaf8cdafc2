#include <gmock/gmock.h>

#include <algorithm>

#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "tests/support/model_server.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AnswersTest : public ApiTest {
 protected:
  AnswersTest() {
    CreateFilms();
    v1::WriteReply reply;
    EXPECT_TRUE(
        Upsert(
            {Film(1, {1, 0}, R"({"title": "desert storm", "text": "A storm hides the desert."})"),
             Film(2, {2, 0}, R"({"title": "storm at sea", "text": "The sea is quiet."})")},
            &reply)
            .ok());
    answers_ = v1::Answers::NewStub(channel_);
  }

  // Serves with a model.
  void ServeModel(ModelServer::Handler handler) {
    model_ = std::make_unique<ModelServer>(std::move(handler));
    ledger_ = std::make_unique<SpendLedger>(database_->store().catalog(), database_->clock());
    RouteSpec spec;
    spec.retries = 0;
    spec.tiers = {{.name = "small",
                   .endpoint = {.base_url = model_->base_url(), .model = "m"},
                   .parameters = {}}};
    route_ = ModelRoute::Create(std::move(spec), {.ledger = *ledger_}).value();
    server_.reset();
    server_ = Server::Start(ServerOptions{}, *database_, embedders_, route_.get()).value();
    UseChannel(server_->InProcessChannel());
    answers_ = v1::Answers::NewStub(channel_);
  }

  static v1::AskRequest Question() {
    v1::AskRequest request;
    request.set_collection("films");
    request.set_question("What hides the desert in a storm?");
    request.set_mode(v1::RETRIEVAL_MODE_TEXT);
    return request;
  }

  struct Streamed {
    grpc::Status status;
    std::vector<std::string> kinds;  // of the events, repeated ones once
    std::string text;
    v1::AskEvent::Done done;
  };
  Streamed Ask(const v1::AskRequest& request, grpc::ClientContext* context) {
    Streamed streamed;
    const auto reader = answers_->AskStream(context, request);
    v1::AskEvent event;
    while (reader->Read(&event)) {
      const char* const kNames[] = {"none", "sources", "text", "citations", "done"};
      const std::string kind = kNames[event.event_case()];
      if (streamed.kinds.empty() || streamed.kinds.back() != kind) streamed.kinds.push_back(kind);
      if (event.has_done()) streamed.done = event.done();
      streamed.text += event.text();
    }
    streamed.status = reader->Finish();
    return streamed;
  }
  Streamed Ask(const v1::AskRequest& request) {
    grpc::ClientContext context;
    return Ask(request, &context);
  }

  std::unique_ptr<ModelServer> model_;
  std::unique_ptr<SpendLedger> ledger_;
  std::unique_ptr<ModelRoute> route_;
  std::unique_ptr<v1::Answers::Stub> answers_;
};

TEST_F(AnswersTest, QuotedAnswersStreamTheSameEvents) {
  const Streamed streamed = Ask(Question());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status.error_message();
  EXPECT_THAT(streamed.kinds, ElementsAre("sources", "text", "citations", "done"));
  EXPECT_EQ(streamed.text, streamed.done.text());
  EXPECT_THAT(streamed.text, HasSubstr("A storm hides the desert. [1]"));
}

TEST_F(AnswersTest, AModelsAnswerStreamsAndItsRecordIsKept) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ChatStream("A storm hides the desert [1].", 50, 9);
  });
  const Streamed streamed = Ask(Question());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status.error_message();
  EXPECT_THAT(streamed.kinds, ElementsAre("sources", "text", "citations", "done"));
  EXPECT_EQ(streamed.text, "A storm hides the desert [1].");
  EXPECT_EQ(streamed.done.text(), streamed.text);
  v1::GetAnswerRequest get;
  get.set_id(streamed.done.id());
  v1::Answer answer;
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::GetAnswer, get, &answer).ok());
  EXPECT_EQ(answer.text(), streamed.text);
  EXPECT_EQ(answer.generation().usage().prompt_tokens(), 50u);
  EXPECT_EQ(answer.generation().sentences_size(), 1);
  EXPECT_EQ(answer.generation().completion(), streamed.text);
  ASSERT_EQ(answer.generation().attempts_size(), 1);
  EXPECT_EQ(answer.generation().attempts(0).outcome(), "ok");

  v1::AskRequest quote = Question();
  quote.set_generator("builtin/extractive");
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Ask, quote, &answer).ok());
  EXPECT_THAT(answer.generator(), StartsWith("builtin/extractive"));
  EXPECT_FALSE(answer.has_generation());
}

TEST_F(AnswersTest, WithdrawnAnswersSayWhatHoldsInTheEnd) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ChatStream("It is hidden by 7 camels [1].", 50, 9);
  });
  const Streamed streamed = Ask(Question());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status.error_message();
  EXPECT_TRUE(streamed.done.abstained());
  EXPECT_THAT(streamed.done.text(), StartsWith("The sources do not support"));
  v1::AskRequest lenient = Question();
  lenient.set_min_grounding(0);
  EXPECT_FALSE(Ask(lenient).done.abstained());
}

TEST_F(AnswersTest, DeadlineAndCancellationReachTheModel) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kSilent};
  });
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
    EXPECT_EQ(Ask(Question(), &context).status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  grpc::ClientContext context;
  const auto reader = answers_->AskStream(&context, Question());
  v1::AskEvent event;
  while (reader->Read(&event) && event.event_case() != v1::AskEvent::kText) {
  }
  context.TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(
      absl::Seconds(30));  // both calls have left the model server, which is silent still
  EXPECT_TRUE(database_->store().ListAnswers("default", 10)->empty());
}

TEST_F(AnswersTest, AnErrorAfterTheFirstTextEndsTheStream) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kCut};
  });
  const Streamed streamed = Ask(Question());
  EXPECT_EQ(streamed.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(streamed.kinds, ElementsAre("sources", "text"));
}

TEST_F(AnswersTest, GeneratorsAreChecked) {
  v1::AskRequest request = Question();
  request.set_generator("route");
  EXPECT_EQ(Ask(request).status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  request.set_generator("gpt");
  EXPECT_THAT(Ask(request).status.error_message(), HasSubstr("generator is 'gpt'; it takes"));
  request.set_generator("");
  request.set_min_grounding(2);
  EXPECT_THAT(Ask(request).status.error_message(), HasSubstr("min_grounding is 2"));
}

}  // namespace
}  // namespace vouch
