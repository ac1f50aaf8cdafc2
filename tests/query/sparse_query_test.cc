// Sparse leaves over a collection: hits, fusion, explanation, pages, projection, and what is
// refused.
#include <cmath>

#include "query/writer.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SparseQueryTest : public QueryTest {
 protected:
  void SetUp() override {
    Open();
    CollectionSchema schema = Schema();
    schema.sparse.push_back({.name = "s"});
    Create("points", schema);
    Upsert({Doc(1, {.indices = {7, 3}, .values = {1, 2}}, "red fox"),
            Doc(2, {.indices = {3, 9}, .values = {0.5f, 0}}, "red deer"), Doc(3, {}, "grey wolf"),
            Doc(4, {.indices = {9}, .values = {4}}, "grey fox")});
  }

  static PointInput Doc(uint64_t id, SparseVector vector, const std::string& text) {
    PointInput point;
    point.id = Id(id);
    point.sparse_vectors.emplace_back("s", std::move(vector));
    point.payload = R"({"text":")" + text + R"(","year":)" + std::to_string(2000 + id) + "}";
    return point;
  }
  std::string ErrorOf(SparseVector vector, const std::string& field = "s") {
    PointInput point = Doc(9, std::move(vector), "");
    point.sparse_vectors[0].first = field;
    return TryUpsert({std::move(point)}).status().ToString();
  }
  std::string QueryError(SparseVector vector, const std::string& field = "") {
    return SearchError(Request(SparseQuery(std::move(vector), field)));
  }
};

TEST_F(SparseQueryTest, RanksByTheInnerProduct) {
  const SearchResponse response =
      Search(Request(SparseQuery({.indices = {9, 3, 1}, .values = {0.25f, 1, 8}})));
  EXPECT_THAT(Ids(response), ElementsAre(1, 4, 2)) << "without an index in common there is no hit";
  EXPECT_EQ(response.hits[0].score, 2);
  EXPECT_EQ(response.hits[1].score, 1);
  EXPECT_EQ(response.hits[2].score, 0.5);
  EXPECT_THAT(Ids(Search(Request(SparseQuery({})))), IsEmpty());
  SearchRequest filtered = Request(SparseQuery({.indices = {3}, .values = {1}}));
  filtered.filter = Compare("year", FilterOp::kGt, int64_t{2001});
  EXPECT_THAT(Ids(Search(filtered)), ElementsAre(2));
}

TEST_F(SparseQueryTest, FusesAndExplainsEachIndex) {
  SearchRequest request =
      Request(Fuse({SparseQuery({.indices = {3, 9}, .values = {1, 1}}), Text("fox")}));
  request.explain = true;
  const SearchResponse response = Search(request);
  EXPECT_THAT(Ids(response), ElementsAre(1, 4, 2));
  ASSERT_EQ(response.hits[0].explanation.size(), 3u);
  const NodeScore& leaf = response.hits[0].explanation[1];
  EXPECT_EQ(leaf.node, "fuse[0].sparse(s)");
  EXPECT_EQ(leaf.rank, 2u);
  EXPECT_EQ(leaf.score, 2);
  ASSERT_EQ(leaf.sparse_terms.size(), 1u);
  EXPECT_EQ(leaf.sparse_terms[0].index, 3u);
  EXPECT_EQ(leaf.sparse_terms[0].weight, 2);
  EXPECT_EQ(leaf.sparse_terms[0].score, 2);
  EXPECT_THAT(leaf.terms, IsEmpty());
  EXPECT_THAT(response.plan[2].plan, HasSubstr("inner product over 2 indices"));
}

TEST_F(SparseQueryTest, VectorsComeBackInCanonicalForm) {
  SearchRequest request = Request(All());
  request.projection.vectors = true;
  const SearchResponse response = Search(request);
  ASSERT_EQ(response.hits.size(), 4u);
  EXPECT_EQ(response.hits[0].sparse_vectors.at("s"),
            (SparseVector{.indices = {3, 7}, .values = {2, 1}}));
  EXPECT_EQ(response.hits[1].sparse_vectors.at("s"),
            (SparseVector{.indices = {3}, .values = {0.5f}}));
  EXPECT_FALSE(response.hits[2].sparse_vectors.contains("s")) << "none is as an empty one";
  request.projection.vectors = false;
  EXPECT_TRUE(Search(request).hits[0].sparse_vectors.empty());
}

TEST_F(SparseQueryTest, PagesJoinToTheWhole) {
  SearchRequest request = Request(SparseQuery({.indices = {9, 3}, .values = {0.25f, 1}}), 2);
  const SearchResponse first = Search(request);
  EXPECT_THAT(Ids(first), ElementsAre(1, 4));
  request.cursor = first.next_cursor;
  EXPECT_THAT(Ids(Search(request)), ElementsAre(2));
}

TEST_F(SparseQueryTest, BadPointsAreNamed) {
  EXPECT_THAT(
      ErrorOf({.indices = {1, 2}, .values = {1}}),
      HasSubstr("point '9' (upserts[0]): field 's': the sparse vector has 2 indices and 1 values"));
  EXPECT_THAT(ErrorOf({.indices = {5, 1, 5}, .values = {1, 1, 1}}), HasSubstr("the index 5 twice"));
  EXPECT_THAT(ErrorOf({.indices = {1}, .values = {NAN}}), HasSubstr("NaN"));
  EXPECT_THAT(ErrorOf({.indices = {1}, .values = {-1}}), HasSubstr("from 0 to 1e+15"));
  SparseVector many;
  for (uint32_t i = 0; i <= Limits::kMaxSparseEntries; ++i) {
    many.indices.push_back(i);
    many.values.push_back(1);
  }
  EXPECT_THAT(ErrorOf(many), HasSubstr("16385 entries; the limit is 16384"));
  EXPECT_THAT(ErrorOf({}, "v"), HasSubstr("unknown sparse field 'v'; there are: 's'"));
  PointInput twice = Doc(9, {}, "");
  twice.sparse_vectors.push_back(twice.sparse_vectors[0]);
  EXPECT_THAT(TryUpsert({twice}).status().ToString(), HasSubstr("field 's' is given twice"));
  PointInput dense = Doc(9, {}, "");
  dense.vectors.emplace_back("s", std::vector<float>{1});
  EXPECT_THAT(TryUpsert({dense}).status().ToString(), HasSubstr("unknown vector field 's'"));
  EXPECT_EQ(collection_->Stats().rows, 4u);
}

TEST_F(SparseQueryTest, BadQueriesAreNamed) {
  EXPECT_THAT(QueryError({.indices = {1, 2}, .values = {1}}),
              HasSubstr("sparse: the sparse vector has 2 indices and 1 values"));
  EXPECT_THAT(QueryError({.indices = {5, 5}, .values = {1, 1}}), HasSubstr("the index 5 twice"));
  EXPECT_THAT(QueryError({.indices = {1}, .values = {INFINITY}}), HasSubstr("infinite"));
  EXPECT_THAT(QueryError({}, "body"), HasSubstr("unknown sparse field 'body'; there are 's'"));
  SparseVector many;
  for (uint32_t i = 0; i <= QueryLimits::kMaxSparseEntries; ++i) {
    many.indices.push_back(i);
    many.values.push_back(1);
  }
  EXPECT_THAT(QueryError(many), HasSubstr("4097 entries; the limit is 4096"));
  Create("dense-only", Schema());
  EXPECT_THAT(QueryError({}), HasSubstr("the collection has no sparse field"));
}

TEST(SparseWriter, PutsFieldsInTheSchemasOrderAndCanonicalForm) {
  CollectionSchema schema;
  schema.sparse = {{.name = "a"}, {.name = "b"}};
  PointInput point;
  point.id = Id(1);
  point.sparse_vectors = {{"b", {.indices = {4, 2, 3}, .values = {1, 2, 0}}}};
  WriteRequest request;
  request.upserts = {point};
  const auto commit = Writer(schema).MakeCommit(CollectionId(3), 99, request);
  ASSERT_TRUE(commit.ok()) << commit.status();
  EXPECT_THAT(commit->upserts[0].sparse,
              ElementsAre(SparseVector(), SparseVector{.indices = {2, 4}, .values = {2, 1}}));
}

}  // namespace
}  // namespace vouch
