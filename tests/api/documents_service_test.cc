#include <gmock/gmock.h>

#include <functional>

#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "vouch/v1/answers.grpc.pb.h"
#include "vouch/v1/documents.grpc.pb.h"
#include "vouch/v1/evaluation.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DocumentsTest : public ApiTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestReply>;

  struct Result {
    grpc::Status status;
    v1::IngestReport report;
  };

  // One Ingest call that sends options, what `send` sends, and Finish.
  Result Ingest(const std::function<void(Stream&)>& send, bool strict = false, bool finish = true) {
    const auto documents = v1::Documents::NewStub(channel_);
    grpc::ClientContext context;
    const auto stream = documents->Ingest(&context);
    v1::IngestRequest request;
    request.mutable_options()->set_collection("notes");
    request.mutable_options()->set_embedder("builtin/hash?dim=64");
    request.mutable_options()->set_strict(strict);
    request.mutable_options()->add_scopes("notes");
    stream->Write(request);
    send(*stream);
    if (finish) {
      request.mutable_finish();
      stream->Write(request);
    }
    stream->WritesDone();
    Result result;
    v1::IngestReply reply;
    while (stream->Read(&reply)) {
      if (reply.has_report()) result.report = reply.report();
    }
    result.status = stream->Finish();
    return result;
  }

  static void SendMarkdown(Stream& stream, const std::string& id, const std::string& text) {
    v1::IngestRequest request;
    request.mutable_document()->set_id(id);
    request.mutable_document()->set_media_type(v1::MEDIA_TYPE_MARKDOWN);
    request.mutable_document()->set_data(text);
    stream.Write(request);
  }

  void IngestNotes() {
    const Result result = Ingest([](Stream& stream) {
      SendMarkdown(stream, "notes/storage.md",
                   "# Storage\n\nA backup is incremental. Every write is durable.\n");
      SendMarkdown(stream, "notes/search.md",
                   "# Search\n\nRankings are fused by reciprocal rank fusion.\n");
    });
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    ASSERT_EQ(result.report.documents_added(), 2u);
  }
};

TEST_F(DocumentsTest, OfferedDocumentsAreWantedOnlyWhereTheyChanged) {
  const std::string text = "# Storage\n\nA backup is incremental.\n";
  std::vector<std::string> wanted;
  const auto offer = [&](Stream& stream, const std::string& hash) {
    v1::IngestRequest request;
    v1::Offer::Document* document = request.mutable_offer()->add_documents();
    document->set_id("notes/a.md");
    document->set_hash(hash);
    stream.Write(request);
    v1::IngestReply reply;
    while (stream.Read(&reply) && !reply.has_offer()) {
    }
    wanted.assign(reply.offer().wanted().begin(), reply.offer().wanted().end());
    if (!wanted.empty()) SendMarkdown(stream, "notes/a.md", text);
  };
  Result result = Ingest([&](Stream& stream) { offer(stream, ContentHash(text)); });
  EXPECT_THAT(wanted, ElementsAre("notes/a.md"));
  EXPECT_EQ(result.report.documents_added(), 1u) << result.status.error_message();
  result = Ingest([&](Stream& stream) { offer(stream, ContentHash(text)); });
  EXPECT_THAT(wanted, ElementsAre());
  EXPECT_EQ(result.report.documents_unchanged(), 1u) << result.status.error_message();
  EXPECT_EQ(result.report.commits(), 0u);
}

TEST_F(DocumentsTest, DocumentsAreListedWithTheirHashes) {
  IngestNotes();
  const auto list = [this](const std::string& scope) {
    const auto documents = v1::Documents::NewStub(channel_);
    v1::ListDocumentsRequest request;
    request.set_collection("notes");
    request.set_scope(scope);
    grpc::ClientContext context;
    const auto reader = documents->ListDocuments(&context, request);
    std::map<std::string, std::string> hashes;
    v1::ListDocumentsReply reply;
    while (reader->Read(&reply)) {
      for (const auto& document : reply.documents()) hashes[document.id()] = document.hash();
    }
    EXPECT_TRUE(reader->Finish().ok());
    return hashes;
  };
  const auto all = list("");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.at("notes/search.md"),
            ContentHash("# Search\n\nRankings are fused by reciprocal rank fusion.\n"));
  EXPECT_EQ(list("notes"), all);
  EXPECT_TRUE(list("note").empty()) << "a scope is a name, not a prefix of one";
}

TEST_F(DocumentsTest, OnlyAFinishedRunTakesDocumentsForDeleted) {
  IngestNotes();
  Result result = Ingest([](Stream&) {}, /*strict=*/false, /*finish=*/false);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::ABORTED);
  const auto count = [this] {
    v1::CountRequest request;
    request.set_collection("notes");
    v1::CountResponse response;
    EXPECT_TRUE(Call(points_, &v1::Points::Stub::Count, request, &response).ok());
    return response.count();
  };
  EXPECT_EQ(count(), 2u);
  result = Ingest([](Stream&) {});
  EXPECT_EQ(result.report.documents_deleted(), 2u) << result.status.error_message();
  EXPECT_EQ(count(), 0u);
}

TEST_F(DocumentsTest, ALargeDocumentComesInParts) {
  const std::string text = "# Parts\n\nThe first half, the second half.\n";
  const Result result = Ingest([&](Stream& stream) {
    v1::IngestRequest request;
    request.mutable_document()->set_id("notes/parts.md");
    request.mutable_document()->set_media_type(v1::MEDIA_TYPE_MARKDOWN);
    request.mutable_document()->set_data(text.substr(0, 20));
    request.mutable_document()->set_more(true);
    stream.Write(request);
    request.mutable_data()->set_data(text.substr(20));
    stream.Write(request);
  });
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.report.bytes(), text.size());
}

TEST_F(DocumentsTest, BadDocumentsAreSkippedAndCountedOrEndTheRun) {
  const auto send = [](Stream& stream) {
    SendMarkdown(stream, "notes/bad.md", "not UTF-8: \xff");
    SendMarkdown(stream, "notes/good.md", "# Good\n\nThis one is fine.\n");
    v1::IngestRequest request;
    request.mutable_skipped()->set_document("notes/locked.md");
    request.mutable_skipped()->set_reason("permission denied");
    stream.Write(request);
  };
  Result result = Ingest(send);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.report.documents_added(), 1u);
  ASSERT_EQ(result.report.skipped_count(), 2u);
  EXPECT_EQ(result.report.skipped(0).document(), "notes/bad.md");
  EXPECT_THAT(result.report.skipped(0).reason(), HasSubstr("UTF-8"));
  EXPECT_THAT(result.report.skipped(1).reason(), HasSubstr("permission denied"));

  result = Ingest(send, /*strict=*/true);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(result.status.error_message(), HasSubstr("notes/bad.md"));
}

TEST_F(DocumentsTest, MessagesOutOfOrderAreRefused) {
  const auto documents = v1::Documents::NewStub(channel_);
  const auto send = [&](const std::vector<v1::IngestRequest>& requests) {
    grpc::ClientContext context;
    const auto stream = documents->Ingest(&context);
    for (const v1::IngestRequest& request : requests) stream->Write(request);
    stream->WritesDone();
    v1::IngestReply reply;
    while (stream->Read(&reply)) {
    }
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  v1::IngestRequest options, finish, data, open, offer;
  options.mutable_options()->set_collection("notes");
  options.mutable_options()->set_embedder("builtin/hash?dim=64");
  finish.mutable_finish();
  data.mutable_data()->set_data("x");
  open.mutable_document()->set_id("notes/open.md");
  open.mutable_document()->set_more(true);
  for (int i = 0; i < 10'001; ++i) offer.mutable_offer()->add_documents();
  EXPECT_THAT(send({finish}), HasSubstr("first message"));
  EXPECT_THAT(send({options, options}), HasSubstr("twice"));
  EXPECT_THAT(send({options, data}), HasSubstr("without a document"));
  EXPECT_THAT(send({options, open, finish}), HasSubstr("notes/open.md"));
  EXPECT_THAT(send({options, v1::IngestRequest()}), HasSubstr("without content"));
  EXPECT_THAT(send({options, offer}), HasSubstr("10000"));
  options.mutable_options()->set_chunk_target_bytes(1);
  EXPECT_THAT(send({options}), HasSubstr("chunk_target_bytes"));
}

TEST_F(DocumentsTest, AnswersAreKeptAndShownAgain) {
  IngestNotes();
  const auto answers = v1::Answers::NewStub(channel_);
  v1::AskRequest ask;
  ask.set_collection("notes");
  ask.set_question("Are backups incremental?");
  v1::Answer answer;
  grpc::Status status = Call(answers, &v1::Answers::Stub::Ask, ask, &answer);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(answer.text(), HasSubstr("A backup is incremental."));
  ASSERT_GE(answer.citations_size(), 1);
  EXPECT_TRUE(answer.citations(0).verified());
  EXPECT_EQ(answer.citations(0).document(), "notes/storage.md");

  v1::GetAnswerRequest get;
  get.set_id(answer.id());
  v1::Answer again;
  ASSERT_TRUE(Call(answers, &v1::Answers::Stub::GetAnswer, get, &again).ok());
  EXPECT_EQ(again.link().number(), 1u);  // its place in the chain, which it has once it is kept
  again.clear_link();
  EXPECT_EQ(again.SerializeAsString(), answer.SerializeAsString());
  v1::ListAnswersResponse list;
  ASSERT_TRUE(Call(answers, &v1::Answers::Stub::ListAnswers, v1::ListAnswersRequest(), &list).ok());
  ASSERT_EQ(list.answers_size(), 1);
  EXPECT_EQ(list.answers(0).id(), answer.id());

  get.set_id("0193590c-2a7e-7c33-a5b8-1e4a60cd2f11");
  EXPECT_EQ(Call(answers, &v1::Answers::Stub::GetAnswer, get, &again).error_code(),
            grpc::StatusCode::NOT_FOUND);
  ask.set_question("");
  EXPECT_EQ(Call(answers, &v1::Answers::Stub::Ask, ask, &answer).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DocumentsTest, RetrievalIsMeasured) {
  IngestNotes();
  const auto evaluation = v1::Evaluation::NewStub(channel_);
  v1::EvaluateRetrievalRequest request;
  request.set_collection("notes");
  request.set_mode(v1::RETRIEVAL_MODE_TEXT);
  request.set_with_run(true);
  request.set_with_queries(true);
  v1::EvaluationQuery* query = request.add_queries();
  query->set_id("q1");
  query->set_text("how are rankings fused");
  v1::Judgement* judgement = request.add_judgements();
  judgement->set_query_id("q1");
  judgement->set_document_id("notes/search.md");
  judgement->set_relevance(1);
  const auto evaluate = [&](v1::EvaluateRetrievalResult* result) {
    grpc::ClientContext context;
    const auto reader = evaluation->EvaluateRetrieval(&context, request);
    v1::EvaluateRetrievalReply reply;
    while (reader->Read(&reply)) {
      if (reply.has_result()) *result = reply.result();
    }
    return reader->Finish();
  };
  v1::EvaluateRetrievalResult result;
  grpc::Status status = evaluate(&result);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(result.all().values().at("recip_rank"), 1.0);
  EXPECT_EQ(result.queries().at("q1").values().at("recip_rank"), 1.0);
  EXPECT_THAT(result.run(), testing::StartsWith("q1 Q0 notes/search.md 1 "));

  *request.add_judgements() = *judgement;
  EXPECT_THAT(evaluate(&result).error_message(), HasSubstr("twice"));
  request.mutable_judgements()->RemoveLast();
  *request.add_queries() = *query;
  EXPECT_THAT(evaluate(&result).error_message(), HasSubstr("'q1' stands twice"));
  request.mutable_queries()->RemoveLast();
  request.set_depth(10'001);
  EXPECT_THAT(evaluate(&result).error_message(), HasSubstr("10000"));
}

}  // namespace
}  // namespace vouch
