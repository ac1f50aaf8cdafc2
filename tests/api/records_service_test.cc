// The service Records, and the trace of an ask over gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "storage/answer_records.h"
#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "vouch/v1/answers.grpc.pb.h"
#include "vouch/v1/records.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class RecordsServiceTest : public ApiTest {
 protected:
  RecordsServiceTest() {
    CreateFilms();
    WriteFilm(1, "The harbour at night");
    records_ = v1::Records::NewStub(channel_);
    answers_ = v1::Answers::NewStub(channel_);
  }

  void WriteFilm(uint64_t id, const std::string& title) {
    PointInput point;
    point.id = PointId(id);
    point.payload = absl::StrCat(R"({"title":")", title, R"(","text":")", title, R"( is quiet and calm."})");
    WriteRequest write;
    write.upserts = {point};
    const auto collection = database_->GetCollection(Principal(), "films").value();
    ASSERT_TRUE(collection->Write(std::move(write)).ok());
  }
  v1::Answer AskIt(const char* traceparent = nullptr) {
    v1::AskRequest request;
    request.set_collection("films");
    request.set_mode(v1::RETRIEVAL_MODE_TEXT);
    request.set_question("What of the harbour at night?");
    v1::Answer answer;
    grpc::ClientContext context;
    if (traceparent != nullptr) context.AddMetadata("traceparent", traceparent);
    const grpc::Status status = answers_->Ask(&context, request, &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer;
  }
  v1::VerifyAnswersReply Verify(uint64_t number = 0, const std::string& hash = "") {
    v1::VerifyAnswersRequest request;
    request.set_expected_number(number);
    request.set_expected_hash(hash);
    v1::VerifyAnswersReply reply;
    EXPECT_TRUE(Call(records_, &v1::Records::Stub::VerifyAnswers, request, &reply).ok());
    return reply;
  }

  std::unique_ptr<v1::Records::Stub> records_;
  std::unique_ptr<v1::Answers::Stub> answers_;
};

TEST_F(RecordsServiceTest, TheChainIsWalked) {
  EXPECT_EQ(Verify().first_number(), 0u);
  AskIt();
  const v1::VerifyAnswersReply first = Verify();
  EXPECT_EQ(first.answers(), 1u);
  EXPECT_EQ(first.last_number(), 1u);
  EXPECT_EQ(first.head().size(), 64u);
  AskIt();
  EXPECT_EQ(Verify(1, first.head()).problems_size(), 0);
  EXPECT_EQ(Verify(2, first.head()).problems_size(), 1);
  EXPECT_THAT(Verify(9, first.head()).problems(0).what(), HasSubstr("is not there"));
  v1::VerifyAnswersRequest request;
  request.set_expected_number(1);
  request.set_expected_hash("short");
  v1::VerifyAnswersReply reply;
  EXPECT_EQ(Call(records_, &v1::Records::Stub::VerifyAnswers, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RecordsServiceTest, AnAnswerShowsItsLink) {
  const v1::Answer asked = AskIt();
  v1::GetAnswerRequest request;
  request.set_id(asked.id());
  v1::Answer shown;
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::GetAnswer, request, &shown).ok());
  EXPECT_EQ(shown.link().number(), 1u);
  EXPECT_EQ(shown.link().hash(), Verify().head());
}

TEST_F(RecordsServiceTest, ATraceIsGoneOnWith) {
  EXPECT_EQ(AskIt().trace_id(), "") << "nobody takes spans, and none came";
  const v1::Answer answer = AskIt(kTraceparent);
  EXPECT_EQ(answer.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(AskIt("nonsense").trace_id(), "");
}

TEST_F(RecordsServiceTest, APointIsForgotten) {
  const v1::Answer answer = AskIt();
  v1::ForgetRequest request;
  request.set_collection("films");
  request.set_document("1");
  request.set_reason("asked for");
  request.set_dry_run(true);
  v1::ForgetReply reply;
  ASSERT_TRUE(Call(records_, &v1::Records::Stub::Forget, request, &reply).ok());
  EXPECT_EQ(reply.forgotten().rows(), 1u);
  request.set_dry_run(false);
  grpc::Status status = Call(records_, &v1::Records::Stub::Forget, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.forgotten().points(), 1u);
  EXPECT_GE(reply.forgotten().answers(), 1u);
  EXPECT_EQ(Verify().problems_size(), 0);
  v1::ListForgottenRequest list;
  list.set_collection("films");
  v1::ListForgottenReply listed;
  ASSERT_TRUE(Call(records_, &v1::Records::Stub::ListForgotten, list, &listed).ok());
  ASSERT_EQ(listed.forgotten_size(), 1);
  EXPECT_EQ(listed.forgotten(0).reason(), "asked for");
  request.set_document("77");
  EXPECT_EQ(Call(records_, &v1::Records::Stub::Forget, request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace vouch
