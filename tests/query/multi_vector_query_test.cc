// Late interaction over a collection: hits, reranking, fusion, explanation, pages, projection, writes,
// and what is wrong with points and queries.
#include <algorithm>
#include <limits>

#include "query/writer.h"
#include "storage/vector_codec.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Field "t": tokens on a plane by inner product; "c": by cosine, in f16.
class MultiVectorQueryTest : public QueryTest {
 protected:
  void SetUp() override {
    Open();
    CollectionSchema schema = Schema();
    schema.multi_vector = {
        {.name = "t", .dim = 2, .metric = Metric::kInnerProduct, .type = VectorType::kF32},
        {.name = "c", .dim = 2, .metric = Metric::kCosine, .type = VectorType::kF16}};
    Create("points", schema);
    // East, north and both: 3 has both in one token.
    Upsert({Doc(1, {2, 0}, "fox"), Doc(2, {0, 2, 1, 0}, "fox deer"), Doc(3, {1.5f, 1.5f}, "deer"),
            Doc(4, {}, "fox")});
  }
  static PointInput Doc(uint64_t id, std::vector<float> tokens, const std::string& text) {
    PointInput point;
    point.id = Id(id);
    if (!tokens.empty()) point.multi_vectors.emplace_back("t", MultiVector{2, std::move(tokens)});
    point.payload = R"({"text":")" + text + R"(","year":)" + std::to_string(2000 + id) + "}";
    return point;
  }
  static QueryNode Tokens(std::vector<float> values, std::string field = "t") {
    QueryNode node;
    node.node = MultiVectorLeaf{.field = std::move(field), .tokens = {2, std::move(values)}};
    return node;
  }
  static QueryNode Reranked(QueryNode child, std::vector<float> values, uint32_t candidates = 0) {
    child.limit = candidates;
    RerankNode rerank;
    rerank.method = MaxSimRerank{.field = "t", .tokens = {2, std::move(values)}};
    rerank.children.push_back(std::move(child));
    QueryNode node;
    node.node = std::move(rerank);
    return node;
  }
  std::string WriteError(MultiVector tokens, const std::string& field = "t") {
    PointInput point = Doc(9, {}, "fox");
    point.multi_vectors.emplace_back(field, std::move(tokens));
    return TryUpsert({point}).status().ToString();
  }
  std::string QueryError(QueryNode query) { return SearchError(Request(std::move(query))); }
};

TEST_F(MultiVectorQueryTest, RanksByMaxSim) {
  const SearchResponse response = Search(Request(Tokens({1, 0, 0, 1})));
  EXPECT_THAT(Ids(response), ElementsAre(2, 3, 1)) << "4 has no tokens; 2 and 3 are alike, the older first";
  EXPECT_EQ(response.hits[0].score, 3);
  EXPECT_EQ(response.hits[1].score, 3);
  EXPECT_EQ(response.hits[2].score, 2);
  SearchRequest filtered = Request(Tokens({1, 0, 0, 1}), 1);
  filtered.filter = Compare("year", FilterOp::kGe, int64_t{2003});
  EXPECT_THAT(Ids(Search(filtered)), ElementsAre(3));
}

TEST_F(MultiVectorQueryTest, ReranksTheHitsOfItsChild) {
  EXPECT_THAT(Ids(Search(Request(Reranked(Text("fox"), {0, 1})))), ElementsAre(2, 1))
      << "4 has no tokens, 3 is no hit of the child";
  EXPECT_THAT(Ids(Search(Request(Reranked(All(), {0, 1}, 1)))), ElementsAre(1)) << "one candidate";
  SearchRequest request = Request(Reranked(Text("fox"), {0, 1}));
  request.explain = true;
  const SearchResponse response = Search(request);
  EXPECT_EQ(response.plan[1].node, "rerank(maxsim)");
  EXPECT_THAT(response.plan[1].plan, StartsWith("MaxSim of 1 token over 3 hits"));
  EXPECT_EQ(response.plan[1].rows_visited, 2u);
  EXPECT_EQ(response.plan[1].distances, 3u);
  ASSERT_EQ(response.hits[0].explanation.size(), 2u);
  EXPECT_EQ(response.hits[0].explanation[0].token_matches.size(), 1u);
  EXPECT_EQ(response.hits[0].explanation[0].token_matches[0].token, 0u);
  EXPECT_EQ(response.hits[0].explanation[0].token_matches[0].score, 2);
}

TEST_F(MultiVectorQueryTest, FusesAndExplainsEachToken) {
  SearchRequest request = Request(Fuse({Tokens({1, 0, 0, 1}), Text("deer")}));
  request.explain = true;
  const SearchResponse response = Search(request);
  EXPECT_THAT(Ids(response), ElementsAre(2, 3, 1));
  const NodeScore& leaf = response.hits[0].explanation[1];
  EXPECT_EQ(leaf.node, "fuse[0].multi_vector(t)");
  ASSERT_EQ(leaf.token_matches.size(), 2u);
  EXPECT_EQ(leaf.token_matches[0].query_token, 0u);
  EXPECT_EQ(leaf.token_matches[0].token, 1u);
  EXPECT_EQ(leaf.token_matches[0].score, 1);
  EXPECT_EQ(leaf.token_matches[1].token, 0u);
  EXPECT_EQ(leaf.token_matches[1].score, 2);
  EXPECT_TRUE(response.hits[0].explanation[2].token_matches.empty());
  EXPECT_THAT(response.plan[2].plan, StartsWith("MaxSim of 2 tokens, exact on 1 segment"));
  request.explain = false;
  request.plan_only = true;
  EXPECT_THAT(Search(request).plan[2].plan, StartsWith("MaxSim of 2 tokens, exact over the allowed rows"));
}

TEST_F(MultiVectorQueryTest, SaysWhyAPointIsNoHit) {
  const auto why = [&](QueryNode query, uint64_t id, uint32_t limit = 10) {
    const auto response = collection_->WhyNot(Request(std::move(query), limit), Id(id));
    EXPECT_TRUE(response.ok()) << response.status();
    return response->verdict;
  };
  EXPECT_EQ(why(Tokens({1, 0}), 4),
            "point 4 fell out at multi_vector(t): the point has no token vectors in field 't'");
  EXPECT_EQ(why(Reranked(Text("fox"), {1, 0}), 4),
            "point 4 fell out at rerank(maxsim): the point has no token vectors in field 't'");
  EXPECT_THAT(why(Reranked(Text("fox"), {1, 0}), 3), HasSubstr("rerank(maxsim)[0].text(body)"));
  EXPECT_EQ(why(Tokens({1, 0}), 2, 1),
            "point 2 fell out at multi_vector(t): the point is hit 3 and the limit is 1: its score is 1, 1 below "
            "the last one");
}

TEST_F(MultiVectorQueryTest, PagesJoinToTheWhole) {
  for (const bool reranked : {false, true}) {
    QueryNode query = reranked ? Reranked(All(), {1, 0, 0, 1}) : Tokens({1, 0, 0, 1});
    SearchRequest request = Request(query, 2);
    const SearchResponse first = Search(request);
    EXPECT_THAT(Ids(first), ElementsAre(2, 3));
    request.cursor = first.next_cursor;
    EXPECT_THAT(Ids(Search(request)), ElementsAre(1));
    QueryNode& other = request.query;
    (reranked ? std::get<MaxSimRerank>(std::get<RerankNode>(other.node).method).tokens
              : std::get<MultiVectorLeaf>(other.node).tokens)
        .values[0] = 2;
    EXPECT_THAT(SearchError(request), HasSubstr("cursor")) << "of another question";
  }
}

TEST_F(MultiVectorQueryTest, TokensComeBackAsTheyWereKept) {
  PointInput point = Doc(5, {}, "");
  point.multi_vectors.emplace_back("c", MultiVector{2, {3, 4, 0, -7}});
  Upsert({point});
  SearchRequest request = Request(Tokens({0.6f, 0.8f}, "c"));
  request.projection.vectors = true;
  const SearchResponse response = Search(request);
  ASSERT_THAT(Ids(response), ElementsAre(5));
  const MultiVector& kept = response.hits[0].multi_vectors.at("c");
  EXPECT_EQ(kept.tokens(), 2u);
  EXPECT_NEAR(kept.values[0], 0.6, 1e-3);
  EXPECT_NE(kept.values[0], 0.6f) << "rounded to f16";
  EXPECT_EQ(kept.values[3], -1);
  EXPECT_FALSE(response.hits[0].multi_vectors.contains("t"));
  EXPECT_NEAR(response.hits[0].score, 1, 1e-3);
  request.projection.vectors = false;
  EXPECT_TRUE(Search(request).hits[0].multi_vectors.empty());
}

TEST_F(MultiVectorQueryTest, UpdatesChangeTokensAndLeaveThemAsTheyAre) {
  const auto update = [&](PointChange change) {
    UpdateRequest request;
    request.updates.push_back({Id(1), std::move(change)});
    const auto result = collection_->Update(std::move(request));
    EXPECT_TRUE(result.ok()) << result.status();
  };
  update({.payload_patch = R"({"year":1990})"});
  EXPECT_EQ(Search(Request(Tokens({1, 0}), 1)).hits[0].score, 2);
  PointChange tokens;
  tokens.multi_vectors.emplace_back("t", MultiVector{2, {5, 0}});
  update(tokens);
  EXPECT_EQ(Search(Request(Tokens({1, 0}), 1)).hits[0].score, 5);
  update({.remove_vectors = {"t"}});
  EXPECT_THAT(Ids(Search(Request(Tokens({1, 0})))), ElementsAre(3, 2));
  const auto diff = collection_->Diff({.from = At(1), .to = {}});
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_THAT(diff->entries[0].changed, ElementsAre("payload.year", "multi-vector t"));
  EXPECT_THAT(Ids(Search([&] {
                SearchRequest before = Request(Tokens({1, 0}), 1);
                before.at = At(1);
                return before;
              }())),
              ElementsAre(1));
}

TEST_F(MultiVectorQueryTest, BadPointsAreNamed) {
  EXPECT_THAT(WriteError({}), HasSubstr("point '9' (upserts[0]): field 't': it has no token vectors"));
  EXPECT_THAT(WriteError({3, {1, 2, 3}}), HasSubstr("field 't': the token vectors have 3 dimensions, the field has 2"));
  EXPECT_THAT(WriteError({2, {1, 2, 3, std::numeric_limits<float>::quiet_NaN()}}),
              HasSubstr("field 't': token 1: the value at position 1 is NaN"));
  EXPECT_THAT(WriteError({2, {1, 2, 0, 0}}, "c"), HasSubstr("field 'c': token 1: a zero vector has no direction"));
  EXPECT_THAT(WriteError({2, std::vector<float>(2 * (Limits::kMaxTokens + 1), 1)}),
              HasSubstr("it has 2049 token vectors; the limit is 2048"));
  EXPECT_THAT(WriteError({2, {1, 2}}, "v"), HasSubstr("unknown multi-vector field 'v'; there are: 't', 'c'"));
  PointInput twice = Doc(9, {1, 2}, "fox");
  twice.multi_vectors.push_back(twice.multi_vectors[0]);
  EXPECT_THAT(TryUpsert({twice}).status().ToString(), HasSubstr("field 't' is given twice"));
  EXPECT_EQ(Search(Request(All())).version, Version(1));
}

TEST_F(MultiVectorQueryTest, BadQueriesAreNamed) {
  EXPECT_THAT(QueryError(Tokens({})),
              HasSubstr("multi_vector: field 't': the query: it has no token vectors; it takes at least one"));
  EXPECT_THAT(QueryError(Tokens({1, 2, 3})), HasSubstr("the last token's vector has 1 values"));
  EXPECT_THAT(QueryError(Tokens({0, 0}, "c")), HasSubstr("field 'c': the query: token 0: a zero vector"));
  EXPECT_THAT(QueryError(Tokens({1, 0}, "")), HasSubstr("name a multi-vector field; there are 't', 'c'"));
  EXPECT_THAT(QueryError(Tokens({1, 0}, "v")), HasSubstr("unknown multi-vector field 'v'"));
  EXPECT_THAT(QueryError(Tokens(std::vector<float>(2 * (QueryLimits::kMaxQueryTokens + 1), 1))),
              HasSubstr("the query: it has 257 token vectors; the limit is 256"));
  EXPECT_THAT(QueryError(Reranked(All(), {})), HasSubstr("rerank: field 't': the query: it has no token"));
  EXPECT_EQ(QueryError(Tokens({1e30f, 0.3f}, "c")), "OK") << "a query is not rounded to the field's type";
  Create("plain", Schema());
  EXPECT_THAT(QueryError(Tokens({1, 0})), HasSubstr("the collection has no multi-vector field"));
}

TEST(MultiVectorWriter, PutsFieldsInTheSchemasOrderNormalisedAndRounded) {
  CollectionSchema schema;
  schema.multi_vector = {
      {.name = "a", .dim = 2, .metric = Metric::kCosine, .type = VectorType::kF32},
      {.name = "b", .dim = 1, .metric = Metric::kInnerProduct, .type = VectorType::kF16}};
  PointInput point;
  point.id = Id(1);
  point.multi_vectors = {{"b", {1, {0.1f}}}, {"a", {2, {3, 4}}}};
  WriteRequest request;
  request.upserts = {point};
  const auto commit = Writer(schema).MakeCommit(CollectionId(1), 5, std::move(request));
  ASSERT_TRUE(commit.ok()) << commit.status();
  EXPECT_THAT(commit->upserts[0].multi_vectors,
              ElementsAre(MultiVector{2, {0.6f, 0.8f}}, MultiVector{1, {FloatOfHalf(HalfOfFloat(0.1f))}}));
  EXPECT_THAT(commit->upserts[0].sparse, IsEmpty());
}

}  // namespace
}  // namespace vouch
