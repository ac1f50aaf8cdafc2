#include <gmock/gmock.h>

#include <atomic>

#include "rag/rerank/http_cross_encoder.h"
#include "tests/api/api_fixture.h"
#include "tests/support/model_server.h"

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

TEST_F(SearchTest, OrderAndPlan) {
  request_.mutable_query()->mutable_all()->set_order_by("year");
  request_.mutable_query()->mutable_all()->set_descending(true);
  EXPECT_THAT(IdsOf(Search()), ElementsAre(4, 3, 2, 1, 5));
  request_.set_plan_only(true);
  const v1::SearchResponse response = Search();
  EXPECT_EQ(response.hits_size(), 0);
  ASSERT_EQ(response.plan_size(), 2);
  EXPECT_THAT(response.plan(1).plan(), HasSubstr("by year descending"));
}

TEST_F(SearchTest, Recommend) {
  v1::RecommendQuery* recommend = request_.mutable_query()->mutable_recommend();
  recommend->add_positive()->mutable_id()->set_number(2);
  recommend->add_positive()->mutable_vector()->add_values(4);
  recommend->mutable_positive(1)->mutable_vector()->add_values(0);
  EXPECT_THAT(IdsOf(Search()), ElementsAre(3, 4, 1, 5)) << "near (3, 0), without 2";
  recommend->set_strategy(v1::RECOMMEND_STRATEGY_BEST_SCORE);
  recommend->add_negative()->mutable_id()->set_number(1);
  EXPECT_THAT(IdsOf(Search()), ElementsAre(4, 3, 5));
  recommend->set_strategy(static_cast<v1::RecommendStrategy>(9));
  EXPECT_THAT(Error(), HasSubstr("unknown recommend strategy 9"));
  recommend->set_strategy(v1::RECOMMEND_STRATEGY_UNSPECIFIED);
  recommend->add_negative();
  EXPECT_THAT(Error(), HasSubstr("negative[1] is neither an id nor a vector"));
  recommend->mutable_negative(1)->mutable_id()->set_number(77);
  EXPECT_THAT(Error(grpc::StatusCode::NOT_FOUND), HasSubstr("negative[1]: no point 77"));
}

TEST_F(SearchTest, Rerankings) {
  v1::RerankQuery* rerank = request_.mutable_query()->mutable_rerank();
  rerank->mutable_child()->mutable_text()->set_text("storm");
  EXPECT_THAT(Error(), HasSubstr("a reranking has no method; give one of exact, mmr, formula, cross_encoder"));
  rerank->mutable_exact()->add_vector(5);
  rerank->mutable_exact()->add_vector(0);
  EXPECT_THAT(IdsOf(Search()), ElementsAre(4, 2));
  rerank->mutable_exact()->set_text("storm");
  EXPECT_THAT(Error(), HasSubstr("a text and a vector were both given"));
  rerank->mutable_exact()->clear_vector();
  EXPECT_THAT(Error(grpc::StatusCode::FAILED_PRECONDITION), HasSubstr("embedder"));
  rerank->mutable_formula()->set_formula("-year");
  EXPECT_THAT(IdsOf(Search()), ElementsAre(2, 4));
  rerank->mutable_mmr()->add_vector(2);
  rerank->mutable_mmr()->add_vector(0);
  rerank->mutable_mmr()->set_lambda(0);
  EXPECT_THAT(IdsOf(Search()), ElementsAre(2, 4)) << "the first by row, where nothing is chosen";
  rerank->clear_child();
  EXPECT_THAT(Error(), HasSubstr("not set"));
}

TEST_F(SearchTest, CrossEncoders) {
  std::atomic<bool> good = true;
  ModelServer model([&](size_t, const ModelServer::Request& request) {
    if (!good) return ModelServer::Reply{.status = 503, .body = "loading"};
    return ModelServer::Reply{
        .body = RerankReply(request.body, [](const std::string& question, const std::string& text) {
          return text.find(question) != std::string::npos ? 1.0 : 0.25;
        })};
  });
  v1::CrossEncoderRerank* cross =
      request_.mutable_query()->mutable_rerank()->mutable_cross_encoder();
  request_.mutable_query()->mutable_rerank()->mutable_child()->mutable_text()->set_text("storm");
  cross->set_text("at sea");
  EXPECT_THAT(Error(), HasSubstr("rerank: cross_encoder: there is no cross-encoder"));

  HttpCrossEncoderOptions options;
  options.shape = RerankShape::kJina;
  options.endpoint = model.base_url();
  options.model = "m";
  options.retries = 0;
  server_.reset();
  database_.reset();
  DatabaseOptions database_options;
  database_options.path = dir_.File("data");
  database_options.cross_encoders["near"] = *CreateHttpCrossEncoder(options);
  auto database = Database::Open(std::move(database_options));
  ASSERT_TRUE(database.ok()) << database.status();
  database_ = *std::move(database);
  Start(ServerOptions{});

  const v1::SearchResponse response = Search();
  EXPECT_THAT(IdsOf(response), ElementsAre(4, 2));
  EXPECT_EQ(response.hits(0).score(), 1);
  EXPECT_EQ(response.warnings_size(), 0);
  cross->set_model("near");
  cross->set_path("lang");
  EXPECT_EQ(Search().hits(0).score(), 0.25);
  cross->set_model("far");
  EXPECT_THAT(Error(), HasSubstr("unknown cross-encoder 'far'"));
  cross->clear_model();
  cross->set_on_failure(static_cast<v1::CrossEncoderFailure>(7));
  EXPECT_THAT(Error(), HasSubstr("unknown on_failure 7; there are ERROR, KEEP_ORDER"));

  good = false;
  cross->set_on_failure(v1::CROSS_ENCODER_FAILURE_UNSPECIFIED);
  EXPECT_THAT(Error(grpc::StatusCode::UNAVAILABLE), HasSubstr("HTTP 503: loading"));
  cross->set_on_failure(v1::CROSS_ENCODER_FAILURE_KEEP_ORDER);
  const v1::SearchResponse kept = Search();
  EXPECT_THAT(IdsOf(kept), ElementsAre(2, 4));
  ASSERT_EQ(kept.warnings_size(), 1);
  EXPECT_THAT(kept.warnings(0), HasSubstr("HTTP 503: loading"));
}

TEST_F(SearchTest, GroupsFacetsAndHighlights) {
  Near(0, 0);
  request_.mutable_group_by()->set_path("lang");
  request_.mutable_group_by()->set_hits(2);
  v1::FacetRequest* facet = request_.add_facets();
  facet->set_path("lang");
  v1::SearchResponse response = Search();
  EXPECT_THAT(IdsOf(response), ElementsAre(1, 3, 2, 4));
  ASSERT_EQ(response.groups_size(), 3);
  EXPECT_EQ(response.groups(0).value().text(), "en");
  EXPECT_EQ(response.groups(0).hits(), 2u);
  ASSERT_EQ(response.facets_size(), 1);
  EXPECT_EQ(response.facets(0).distinct(), 3u);
  EXPECT_EQ(response.facets(0).values(0).value().text(), "en");
  EXPECT_EQ(response.facets(0).values(0).points(), 2u);

  request_.clear_group_by();
  request_.mutable_query()->mutable_text()->set_text("storms");
  request_.set_highlight(true);
  response = Search();
  ASSERT_EQ(response.hits(0).highlights_size(), 1);
  EXPECT_EQ(response.hits(0).highlights(0).path(), "title");
  EXPECT_EQ(response.hits(0).highlights(0).term(), "storm");
}

TEST_F(SearchTest, BatchesAndWhyNot) {
  v1::SearchBatchRequest batch;
  batch.set_collection("films");
  batch.add_requests()->mutable_query()->mutable_all();
  Near(5, 0);
  *batch.add_requests()->mutable_query() = request_.query();
  batch.mutable_requests(1)->set_limit(1);
  v1::SearchBatchResponse responses;
  grpc::Status status = Call(search_, &v1::Search::Stub::SearchBatch, batch, &responses);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(responses.version(), 1u);
  ASSERT_EQ(responses.responses_size(), 2);
  EXPECT_THAT(IdsOf(responses.responses(0)), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(IdsOf(responses.responses(1)), ElementsAre(5));
  batch.mutable_requests(1)->set_at("v1");
  status = Call(search_, &v1::Search::Stub::SearchBatch, batch, &responses);
  EXPECT_THAT(status.error_message(),
              HasSubstr("requests[1]: collection and at are those of the batch"));

  v1::WhyNotRequest why;
  request_.set_limit(2);
  *why.mutable_request() = request_;
  why.mutable_id()->set_number(1);
  v1::WhyNotResponse answer;
  status = Call(search_, &v1::Search::Stub::WhyNot, why, &answer);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(answer.verdict(), HasSubstr("the point is hit 5 and the limit is 2"));
  ASSERT_EQ(answer.stages_size(), 1);
  EXPECT_EQ(answer.stages(0).rank(), 5u);
  why.mutable_id()->set_number(9);
  EXPECT_EQ(Call(search_, &v1::Search::Stub::WhyNot, why, &answer).error_code(),
            grpc::StatusCode::NOT_FOUND);
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
