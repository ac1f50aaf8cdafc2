// Multi-vector fields over gRPC: schema, points, changes, queries, rerankings.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using TokenList = std::vector<std::vector<float>>;

class MultiVectorServiceTest : public ApiTest {
 protected:
  MultiVectorServiceTest() {
    v1::CreateCollectionRequest request;
    request.set_name("films");
    v1::MultiVectorField* field = request.mutable_schema()->add_multi_vector();
    field->set_name("tokens");
    field->set_dim(2);
    field->set_metric(v1::METRIC_INNER_PRODUCT);
    field->set_type(v1::VECTOR_TYPE_I8);
    v1::Collection reply;
    const grpc::Status status =
        Call(collections_, &v1::Collections::Stub::CreateCollection, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(reply.schema().multi_vector(0).type(), v1::VECTOR_TYPE_I8);
    v1::WriteReply write;
    EXPECT_TRUE(Upsert({Film(1, {{2, 0}}), Film(2, {{0, 2}, {1, 0}}), Film(3, {})}, &write).ok());
  }

  static void Fill(const TokenList& tokens, google::protobuf::RepeatedPtrField<v1::Vector>* message) {
    for (const std::vector<float>& token : tokens) {
      message->Add()->mutable_values()->Assign(token.begin(), token.end());
    }
  }
  static v1::Point Film(uint64_t id, const TokenList& tokens) {
    v1::Point point;
    point.mutable_id()->set_number(id);
    if (!tokens.empty()) {
      Fill(tokens, (*point.mutable_multi_vectors())["tokens"].mutable_tokens());
    }
    return point;
  }
  grpc::Status Search(const TokenList& tokens, v1::SearchResponse* response,
                      const std::string& field = "") {
    v1::SearchRequest request;
    request.set_collection("films");
    request.set_explain(true);
    request.mutable_projection()->set_vectors(true);
    request.mutable_query()->mutable_multi_vector()->set_field(field);
    Fill(tokens, request.mutable_query()->mutable_multi_vector()->mutable_tokens());
    return Call(search_, &v1::Search::Stub::Search, request, response);
  }
};

TEST_F(MultiVectorServiceTest, FindsAndExplains) {
  v1::SearchResponse response;
  ASSERT_TRUE(Search({{1, 0}, {0, 1}}, &response, "tokens").ok());
  EXPECT_THAT(IdsOf(response), ElementsAre(2, 1));
  const v1::Hit& hit = response.hits(0);
  EXPECT_EQ(hit.score(), 3);
  const v1::MultiVector& kept = hit.point().multi_vectors().at("tokens");
  ASSERT_EQ(kept.tokens_size(), 2);
  EXPECT_THAT(kept.tokens(0).values(), ElementsAre(0, 2));
  EXPECT_EQ(hit.explanation(0).node(), "multi_vector(tokens)");
  ASSERT_EQ(hit.explanation(0).token_matches_size(), 2);
  const v1::TokenMatch& match = hit.explanation(0).token_matches(1);
  EXPECT_EQ(match.query_token(), 1u);
  EXPECT_EQ(match.token(), 0u);
  EXPECT_EQ(match.score(), 2);
}

TEST_F(MultiVectorServiceTest, Reranks) {
  v1::SearchRequest request;
  request.set_collection("films");
  v1::RerankQuery* rerank = request.mutable_query()->mutable_rerank();
  Fill({{1, 0}}, rerank->mutable_maxsim()->mutable_tokens());
  rerank->mutable_child()->mutable_all();
  v1::SearchResponse response;
  ASSERT_TRUE(Call(search_, &v1::Search::Stub::Search, request, &response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre(1, 2));
  rerank->mutable_maxsim()->clear_tokens();
  const grpc::Status status = Call(search_, &v1::Search::Stub::Search, request, &response);
  EXPECT_THAT(status.error_message(), HasSubstr("rerank: field 'tokens': the query: it has no token vectors"));
}

TEST_F(MultiVectorServiceTest, AChangeReplacesTokens) {
  v1::UpdateRequest request;
  request.set_collection("films");
  v1::PointUpdate* update = request.add_updates();
  update->mutable_id()->set_number(3);
  Fill({{9, 9}}, (*update->mutable_change()->mutable_multi_vectors())["tokens"].mutable_tokens());
  v1::WriteReply reply;
  const grpc::Status status = Call(points_, &v1::Points::Stub::Update, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  v1::SearchResponse response;
  ASSERT_TRUE(Search({{1, 0}}, &response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre(3, 1, 2));
  Fill({{1}}, (*update->mutable_change()->mutable_multi_vectors())["tokens"].mutable_tokens());
  EXPECT_THAT(Call(points_, &v1::Points::Stub::Update, request, &reply).error_message(),
              HasSubstr("updates[0] (3): field 'tokens': token 1 has 1 values, token 0 has 2"));
}

TEST_F(MultiVectorServiceTest, BadTokensAreRefusedWithTheReason) {
  const auto refused = [&](const TokenList& tokens, const std::string& what) {
    v1::Point point = Film(9, {{1, 1}});
    (*point.mutable_multi_vectors())["tokens"].Clear();
    Fill(tokens, (*point.mutable_multi_vectors())["tokens"].mutable_tokens());
    v1::WriteReply reply;
    const grpc::Status write = Upsert({point}, &reply);
    EXPECT_EQ(write.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(write.error_message(), HasSubstr(what));
    v1::SearchResponse response;
    EXPECT_THAT(Search(tokens, &response).error_message(), HasSubstr(what));
  };
  refused({}, "it has no token vectors; it takes at least one");
  refused({{}}, "token 0 has no values");
  refused({{1, 2}, {3}}, "token 1 has 1 values, token 0 has 2");
  refused({{1, 2, 3}}, "the token vectors have 3 dimensions, the field has 2");
  refused({{1, 2}, {1, NAN}}, "token 1: the value at position 1 is NaN");
  v1::SearchResponse response;
  EXPECT_THAT(Search(TokenList(257, {1, 1}), &response).error_message(),
              HasSubstr("257 tokens, at most 256"));
  EXPECT_THAT(Search({{1, 2}}, &response, "other").error_message(),
              HasSubstr("unknown multi-vector field 'other'"));
  EXPECT_TRUE(Search({{0.5f, 2}}, &response).ok()) << "a query need not be of integers";
  v1::WriteReply reply;
  EXPECT_THAT(Upsert({Film(9, {{0.5f, 2}})}, &reply).error_message(),
              HasSubstr("token 0: the value 0.5 at position 0 is not an i8"));
}

}  // namespace
}  // namespace vouch
