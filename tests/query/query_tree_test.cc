#include "query/query_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "query/planner.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::HasSubstr;

CollectionSchema TwoFields() {
  CollectionSchema schema;
  schema.dense.push_back(Vectors("v", 2, Metric::kL2));
  schema.dense.push_back(Vectors("cos", 2, Metric::kCosine));
  schema.text.push_back(TextOf("body", "text"));
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  return schema;
}

std::string ErrorOf(const QueryNode& node) { return ValidateQuery(node, TwoFields()).ToString(); }

QueryNode Field(std::string field, std::vector<float> vector) {
  QueryNode node = Dense(std::move(vector));
  std::get<DenseLeaf>(node.node).field = std::move(field);
  return node;
}

TEST(ValidateQuery, TakesAGoodTree) {
  EXPECT_EQ(ErrorOf(Fuse({Dense({1, 2}), Fuse({Text("hello"), All()}, 0, {0, 2})})), "OK");
}

TEST(ValidateQuery, NamesTheNodeByItsPath) {
  EXPECT_THAT(ErrorOf(Fuse({Text("a"), Dense({1, 2, 3})})),
              HasSubstr("fuse[1].dense: the vector has 3 dimensions, field 'v' has 2"));
  EXPECT_THAT(ErrorOf(Fuse({Fuse({Field("w", {1, 2})})})),
              HasSubstr("fuse[0].fuse[0].dense: unknown dense field 'w'; there are 'v', 'cos'"));
}

TEST(ValidateQuery, AnEmptyNameNeedsAnOnlyField) {
  EXPECT_THAT(ErrorOf(Field("", {1, 2})),
              HasSubstr("dense: name a dense field; there are 'v', 'cos'"));
  EXPECT_EQ(ErrorOf(Text("a")), "OK");
}

TEST(ValidateQuery, VectorsAreFiniteAndUnderCosineNotZero) {
  EXPECT_THAT(ErrorOf(Dense({1, NAN})), HasSubstr("at position 1 is NaN"));
  EXPECT_THAT(ErrorOf(Dense({INFINITY, 1})), HasSubstr("at position 0 is infinite"));
  EXPECT_THAT(ErrorOf(Field("cos", {0, -0.0f})), HasSubstr("zero vector"));
  EXPECT_EQ(ErrorOf(Dense({0, 0})), "OK");
}

TEST(ValidateQuery, Bounds) {
  EXPECT_THAT(ErrorOf(Fuse(std::vector<QueryNode>{})), HasSubstr("fuse: a fusion needs at least one child"));
  EXPECT_THAT(ErrorOf(Fuse({All()}, -1)), HasSubstr("k -1 is not in 0"));
  EXPECT_THAT(ErrorOf(Fuse({All()}, NAN)), HasSubstr("k nan is not in 0"));
  EXPECT_THAT(ErrorOf(Fuse({All()}, 60, {1, 2})), HasSubstr("2 weights for 1 children"));
  EXPECT_THAT(ErrorOf(Fuse({All()}, 60, {-1})), HasSubstr("weight 0 is -1"));
  EXPECT_THAT(ErrorOf(Text(std::string(QueryLimits::kMaxQueryTextBytes + 1, 'a'))),
              HasSubstr("65537 bytes, over 65536"));
  QueryNode far = All();
  far.limit = QueryLimits::kMaxLimit + 1;
  EXPECT_THAT(ErrorOf(far), HasSubstr("limit 10001 is over 10000"));
  QueryNode wide = Dense({1, 2});
  std::get<DenseLeaf>(wide.node).ef_search = -1;
  EXPECT_THAT(ErrorOf(wide), HasSubstr("ef_search -1"));
}

TEST(ValidateQuery, Feedback) {
  QueryNode text = Text("a");
  std::get<TextLeaf>(text.node).feedback = Rm3{.documents = 0};
  EXPECT_THAT(ErrorOf(text), HasSubstr("text: feedback: documents 0 is not in 1"));
  std::get<TextLeaf>(text.node).feedback = Rm3{.terms = QueryLimits::kMaxFeedbackTerms + 1};
  EXPECT_THAT(ErrorOf(text), HasSubstr("text: feedback: terms 201 is not in 1"));
  std::get<TextLeaf>(text.node).feedback = Rm3{.original_weight = 1.5};
  EXPECT_THAT(ErrorOf(text), HasSubstr("original_weight 1.5 is not in 0"));
  QueryNode dense = Field("v", {1, 2});
  std::get<DenseLeaf>(dense.node).feedback = Rocchio{.documents = 101};
  EXPECT_THAT(ErrorOf(dense), HasSubstr("dense: feedback: documents 101 is not in 1"));
  std::get<DenseLeaf>(dense.node).feedback = Rocchio{.beta = NAN};
  EXPECT_THAT(ErrorOf(dense), HasSubstr("beta nan is not in 0"));
  std::get<DenseLeaf>(dense.node).feedback = Rocchio{.alpha = 0, .beta = 0};
  EXPECT_THAT(ErrorOf(dense), HasSubstr("alpha and beta are both 0"));
  QueryNode fused = Fuse({Text("a")});
  std::get<FuseNode>(fused.node).feedback = FusionFeedback{};
  EXPECT_THAT(ErrorOf(fused), HasSubstr("fuse: feedback: it names neither text nor dense"));
  std::get<FuseNode>(fused.node).feedback = FusionFeedback{.text = Rm3{}, .text_weight = -1};
  EXPECT_THAT(ErrorOf(fused), HasSubstr("fuse: feedback: weight -1 is not in 0"));
  std::get<FuseNode>(fused.node).feedback = FusionFeedback{.text = Rm3{}, .dense = Rocchio{}};
  EXPECT_EQ(ErrorOf(fused), "OK");
}

TEST(ValidateQuery, DepthAndNodes) {
  QueryNode deep = All();
  for (uint32_t i = 1; i < QueryLimits::kMaxDepth; ++i) deep = Fuse({deep});
  EXPECT_EQ(ErrorOf(deep), "OK");
  EXPECT_THAT(ErrorOf(Fuse({deep})), HasSubstr("over 8 levels deep"));
  EXPECT_EQ(ErrorOf(Fuse(std::vector<QueryNode>(QueryLimits::kMaxNodes - 1, All()))), "OK");
  EXPECT_THAT(ErrorOf(Fuse(std::vector<QueryNode>(QueryLimits::kMaxNodes, All()))),
              HasSubstr("over 64 nodes"));
}

TEST(ValidateQuery, FiltersOfNodes) {
  QueryNode node = All();
  node.filter = Compare("yaer", FilterOp::kEq, int64_t{1});
  EXPECT_THAT(ErrorOf(Fuse({node})), HasSubstr("fuse[0].all: filter: "));
}

TEST(PlanQuery, DepthOfFusionsFollowsTheFirstPage) {
  SearchRequest request;
  QueryNode limited = Text("a");
  limited.limit = 7;
  request.query = Fuse({Dense({1, 2}), limited});
  const Plan small = PlanQuery(request, TwoFields(), {.first_page = 10, .root_limit = 10});
  EXPECT_EQ(small.root.limit, 10u);
  EXPECT_EQ(small.root.children[0].limit, 100u);
  EXPECT_EQ(small.root.children[1].limit, 7u);
  const Plan large = PlanQuery(request, TwoFields(), {.first_page = 50, .root_limit = 50});
  EXPECT_EQ(large.root.children[0].limit, 200u);
  const Plan huge = PlanQuery(request, TwoFields(), {.first_page = 9000, .root_limit = 9000});
  EXPECT_EQ(huge.root.children[0].limit, QueryLimits::kMaxLimit);
}

TEST(PlanQuery, EqualFiltersShareAMask) {
  SearchRequest request;
  QueryNode filtered = All();
  filtered.filter = Compare("year", FilterOp::kEq, int64_t{1});
  QueryNode other = All();
  other.filter = Compare("year", FilterOp::kEq, int64_t{2});
  request.query = Fuse({filtered, other, filtered, All()});
  request.filter = Compare("year", FilterOp::kGt, int64_t{0});
  const Plan plan = PlanQuery(request, TwoFields(), {.first_page = 10, .root_limit = 10});
  ASSERT_EQ(plan.filters.size(), 3u);
  EXPECT_EQ(plan.root.mask, 0u);
  EXPECT_EQ(plan.root.children[0].mask, plan.root.children[2].mask);
  EXPECT_NE(plan.root.children[0].mask, plan.root.children[1].mask);
  EXPECT_EQ(plan.root.children[3].mask, 0u);
  const Filter& both = *plan.filters[plan.root.children[1].mask];
  EXPECT_EQ(both.op, FilterOp::kAnd);
  EXPECT_EQ(both.children, (std::vector<Filter>{*request.filter, *other.filter}));
}

}  // namespace
}  // namespace vouch
