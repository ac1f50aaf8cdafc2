#include <gmock/gmock.h>

#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SearchTest : public ApiTest {
 protected:
  SearchTest() {
    CreateFilms();
    UpsertFilms();
    request_.set_collection("films");
  }

  void Near(float x, float y) {
    v1::DenseQuery* dense = request_.mutable_query()->mutable_dense();
    dense->clear_vector();
    dense->add_vector(x);
    dense->add_vector(y);
  }
  v1::SearchResponse Search() {
    v1::SearchResponse response;
    const grpc::Status status = Call(search_, &v1::Search::Stub::Search, request_, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  std::string Error(grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    v1::SearchResponse response;
    const grpc::Status status = Call(search_, &v1::Search::Stub::Search, request_, &response);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    return status.error_message();
  }

  v1::SearchRequest request_;
};

TEST_F(SearchTest, DenseTextAllAndFusion) {
  Near(2.1f, 0);
  request_.set_limit(3);
  const v1::SearchResponse dense = Search();
  EXPECT_THAT(IdsOf(dense), ElementsAre(2, 3, 1));
  EXPECT_NEAR(dense.hits(0).score(), -0.01, 1e-5);
  EXPECT_EQ(dense.version(), 1u);

  request_.mutable_query()->mutable_text()->set_text("storm");
  EXPECT_THAT(IdsOf(Search()), testing::UnorderedElementsAre(2, 4));

  request_.mutable_query()->mutable_all();
  EXPECT_THAT(IdsOf(Search()), ElementsAre(1, 2, 3));

  v1::FuseQuery* fuse = request_.mutable_query()->mutable_fuse();
  v1::DenseQuery* leaf = fuse->add_children()->mutable_dense();
  leaf->add_vector(4);
  leaf->add_vector(0);
  fuse->add_children()->mutable_text()->set_text("storm");
  request_.set_explain(true);
  const v1::SearchResponse fused = Search();
  EXPECT_EQ(IdsOf(fused)[0], 4u) << "first in one list and second or first in the other";
  EXPECT_GE(fused.hits(0).explanation_size(), 3) << "the fusion and both leaves";
  EXPECT_FALSE(fused.plan().empty());
  EXPECT_EQ(fused.visible_rows(), 5u);
  double contributions = 0;
  for (const v1::NodeScore& node : fused.hits(0).explanation()) {
    if (node.node() != fused.hits(0).explanation(0).node()) contributions += node.contribution();
  }
  EXPECT_NEAR(contributions, fused.hits(0).score(), 1e-9);
}

TEST_F(SearchTest, AFusionTakesMethodReliabilityAndFeedback) {
  v1::FuseQuery* fuse = request_.mutable_query()->mutable_fuse();
  v1::DenseQuery* dense = fuse->add_children()->mutable_dense();
  dense->add_vector(4);
  dense->add_vector(0);
  dense->mutable_feedback()->set_documents(1);
  fuse->add_children()->mutable_text()->set_text("storm");
  fuse->mutable_children(1)->mutable_text()->mutable_feedback()->set_terms(3);
  fuse->set_method(v1::FUSION_METHOD_Z_SCORE);
  fuse->set_by_reliability(true);
  fuse->mutable_feedback()->mutable_text()->set_original_weight(0.75);
  fuse->mutable_feedback()->set_text_weight(0.5);
  request_.set_explain(true);
  const v1::SearchResponse reply = Search();
  bool feedback = false;
  for (const v1::PlanStep& step : reply.plan()) {
    if (step.node().rfind("fuse.feedback[1].text", 0) != 0) continue;
    feedback = true;
    EXPECT_THAT(step.plan(), testing::HasSubstr("rm3 of "));
    EXPECT_GT(step.terms_size(), 0);
  }
  EXPECT_TRUE(feedback);
  for (const v1::Hit& hit : reply.hits()) {
    for (int i = 1; i < hit.explanation_size(); ++i) {
      const v1::NodeScore& node = hit.explanation(i);
      EXPECT_NEAR(node.contribution(), node.weight() * node.normalized(), 1e-12);
    }
  }
  fuse->set_method(static_cast<v1::FusionMethod>(99));
  EXPECT_THAT(Error(), testing::HasSubstr("unknown method 99; there are RRF"));
  fuse->set_method(v1::FUSION_METHOD_DBSF);
  fuse->mutable_feedback()->mutable_text()->set_terms(1000);
  EXPECT_THAT(Error(), testing::HasSubstr("terms 1000 is not in 1"));
}

TEST_F(SearchTest, FiltersOfRequestAndNodeApplyTogether) {
  Near(0, 0);
  request_.mutable_filter()->set_expression("year >= 1991");
  EXPECT_THAT(IdsOf(Search()), ElementsAre(2, 3, 4));
  request_.mutable_query()->mutable_filter()->set_expression("lang = 'en'");
  EXPECT_THAT(IdsOf(Search()), ElementsAre(3));
}

TEST_F(SearchTest, PagesByCursorAreOfOneVersion) {
  Near(0, 0);
  request_.set_limit(2);
  const v1::SearchResponse first = Search();
  ASSERT_FALSE(first.next_cursor().empty());
  v1::WriteReply write;
  ASSERT_TRUE(Upsert({Film(9, {0, 0}, "{}")}, &write).ok());
  request_.set_cursor(first.next_cursor());
  const v1::SearchResponse second = Search();
  EXPECT_THAT(IdsOf(second), ElementsAre(3, 4));
  EXPECT_EQ(second.version(), first.version());
  request_.set_at("v1");
  EXPECT_THAT(IdsOf(Search()), ElementsAre(3, 4));
  request_.set_at("v2");
  EXPECT_THAT(Error(), AllOf(HasSubstr("cursor"), HasSubstr("version 2")));
  request_.set_at("");
  Near(1, 1);
  EXPECT_THAT(Error(), HasSubstr("cursor"));
}

TEST_F(SearchTest, BadQueriesAreRefusedWithTheReason) {
  EXPECT_THAT(Error(), HasSubstr("not set"));
  request_.mutable_query()->mutable_dense()->add_vector(1);
  EXPECT_THAT(Error(), HasSubstr("dim"));
  Near(0, 0);
  request_.mutable_query()->mutable_dense()->set_field("w");
  EXPECT_THAT(Error(), HasSubstr("'w'"));
  request_.mutable_query()->mutable_dense()->clear_field();
  request_.mutable_query()->mutable_dense()->set_ef_search(3'000'000'000u);
  EXPECT_THAT(Error(), HasSubstr("3000000000"));
  request_.mutable_query()->mutable_dense()->clear_ef_search();
  request_.set_limit(10'001);
  EXPECT_THAT(Error(), HasSubstr("10000"));
  request_.set_limit(1);
  request_.set_offset(4'294'967'295u);
  EXPECT_THAT(Error(), HasSubstr("10000"));
  request_.set_offset(0);
  request_.mutable_query()->mutable_text_query()->set_text("storm");
  request_.mutable_query()->mutable_text_query()->set_mode(v1::RETRIEVAL_MODE_DENSE);
  EXPECT_THAT(Error(grpc::StatusCode::FAILED_PRECONDITION), HasSubstr("embedder"))
      << "nothing embeds texts here";
  request_.mutable_query()->mutable_text_query()->clear_text();
  EXPECT_THAT(Error(), HasSubstr("empty"));
  request_.mutable_query()->mutable_text_query()->set_text(std::string(70'000, 'x'));
  EXPECT_THAT(Error(), AllOf(HasSubstr("70000"), HasSubstr("65536")));
}

TEST_F(SearchTest, DepthAndNumberOfNodesAreBounded) {
  v1::QueryNode node;
  node.mutable_all();
  for (int i = 0; i < 9; ++i) {
    v1::QueryNode outer;
    *outer.mutable_fuse()->add_children() = node;
    node = outer;
  }
  *request_.mutable_query() = node;
  EXPECT_THAT(Error(), HasSubstr("deeper than 8"));
  request_.mutable_query()->Clear();
  for (int i = 0; i < 65; ++i)
    request_.mutable_query()->mutable_fuse()->add_children()->mutable_text()->set_text("sea");
  EXPECT_THAT(Error(), HasSubstr("64"));
}

TEST_F(SearchTest, TextModeNeedsNoEmbedder) {
  request_.mutable_query()->mutable_text_query()->set_text("storm");
  request_.mutable_query()->mutable_text_query()->set_mode(v1::RETRIEVAL_MODE_TEXT);
  const v1::SearchResponse response = Search();
  EXPECT_THAT(IdsOf(response), testing::UnorderedElementsAre(2, 4));
  EXPECT_EQ(response.embedder(), "");
}

}  // namespace
}  // namespace vouch
