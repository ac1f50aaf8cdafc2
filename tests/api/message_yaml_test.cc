#include "api/cli/message_yaml.h"

#include <gmock/gmock.h>

#include "api/cli/message_json.h"
#include "vouch/v1/search.pb.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

v1::SearchRequest Read(const std::string& text, MessageFile* file = nullptr) {
  MessageFile own;
  if (file == nullptr) file = &own;
  file->name = "tree.yaml";
  v1::SearchRequest request;
  const absl::Status status = ReadMessage(text, &request, file);
  EXPECT_TRUE(status.ok()) << status;
  return request;
}

std::string ErrorOf(const std::string& text) {
  MessageFile file;
  file.name = "tree.yaml";
  v1::SearchRequest request;
  const absl::Status status = ReadMessage(text, &request, &file);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(MessageYaml, ReadsATree) {
  const v1::SearchRequest request = Read(R"(
query:
  fuse:
    k: 10
    weights: [1, 0.5]
    children:
      - dense: {field: v, vector: [1, -2.5], exact: true}
        filter: year >= 2020
        limit: 50
      - text_query: {text: "a: b", mode: dense}
filter:
  has_id: {ids: [7, "7", guide.md#3]}
limit: 3
)");
  const v1::FuseQuery& fuse = request.query().fuse();
  EXPECT_EQ(fuse.k(), 10);
  EXPECT_EQ(fuse.weights(1), 0.5);
  ASSERT_EQ(fuse.children_size(), 2);
  EXPECT_EQ(fuse.children(0).dense().vector(1), -2.5f);
  EXPECT_TRUE(fuse.children(0).dense().exact());
  EXPECT_EQ(fuse.children(0).filter().expression(), "year >= 2020");
  EXPECT_EQ(fuse.children(0).limit(), 50u);
  EXPECT_EQ(fuse.children(1).text_query().text(), "a: b");
  EXPECT_EQ(fuse.children(1).text_query().mode(), v1::RETRIEVAL_MODE_DENSE);
  const v1::PointIdList& ids = request.filter().has_id();
  EXPECT_EQ(ids.ids(0).number(), 7u);
  EXPECT_EQ(ids.ids(1).text(), "7") << "a quoted number is a text";
  EXPECT_EQ(ids.ids(2).text(), "guide.md#3");
  EXPECT_EQ(request.limit(), 3u);
}

TEST(MessageYaml, JsonIsYaml) {
  const v1::SearchRequest request = Read(
      "{\"query\": {\n\t\"all\": {\"order_by\": \"year\", \"descending\": true}},\n\t\"limit\": "
      "2}");
  EXPECT_EQ(request.query().all().order_by(), "year");
  EXPECT_TRUE(request.query().all().descending());
  EXPECT_EQ(request.limit(), 2u);
}

TEST(MessageYaml, ExamplesAreIdsOrVectorsAndChildrenOfRerankingsHaveTheirPlace) {
  MessageFile file;
  const v1::SearchRequest request = Read(R"(
query:
  rerank:
    mmr: {text: space, lambda: 0.25}
    child:
      recommend: {positive: [7, a-b, [1, 2]], negative: [{id: "7"}], strategy: best_score}
group_by: {path: genre}
facets: [{path: genre}, {path: year, by_value: true}]
)",
                                         &file);
  const v1::RecommendQuery& recommend = request.query().rerank().child().recommend();
  EXPECT_EQ(recommend.positive(0).id().number(), 7u);
  EXPECT_EQ(recommend.positive(1).id().text(), "a-b");
  EXPECT_EQ(recommend.positive(2).vector().values_size(), 2);
  EXPECT_EQ(recommend.negative(0).id().text(), "7");
  EXPECT_EQ(recommend.strategy(), v1::RECOMMEND_STRATEGY_BEST_SCORE);
  EXPECT_EQ(request.query().rerank().mmr().lambda(), 0.25);
  EXPECT_EQ(request.group_by().path(), "genre");
  EXPECT_TRUE(request.facets(1).by_value());
  EXPECT_EQ(WithPlace(absl::NotFoundError("rerank[0].recommend: positive[0]: no point 7"), file)
                .message(),
            "tree.yaml:6:7: rerank[0].recommend: positive[0]: no point 7");
}

TEST(MessageYaml, ANodeWithoutOptionsMayBeEmpty) {
  EXPECT_TRUE(Read("query:\n  all:\n").query().has_all());
  EXPECT_TRUE(Read("query: {all: {}}").query().has_all());
}

TEST(MessageYaml, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(ErrorOf("query:\n  dense:\n    vectr: [1]\n"),
              HasSubstr("tree.yaml:3:5: unknown key 'vectr'; keys here: field, vector"));
  EXPECT_THAT(ErrorOf("query:\n  all: {}\n  text: {}\n"),
              HasSubstr("tree.yaml:3:3: 'text' beside 'all'"));
  EXPECT_THAT(ErrorOf("query:\n  limit: 3\n"),
              HasSubstr("tree.yaml:2:3: a node of the query needs one of all, dense"));
  EXPECT_THAT(ErrorOf("limit: many\n"),
              HasSubstr("tree.yaml:1:8: 'limit' takes a whole number from 0 on, found 'many'"));
  EXPECT_THAT(ErrorOf("limit: -1\n"), HasSubstr("tree.yaml:1:8"));
  EXPECT_THAT(ErrorOf("limit: 1\nlimit: 2\n"), HasSubstr("tree.yaml:2:1: a second 'limit'"));
  EXPECT_THAT(ErrorOf("query: {dense: {vector: 3}}"),
              HasSubstr("'vector' takes a list, found a single value"));
  EXPECT_THAT(ErrorOf("query: {text_query: {text: a, mode: sparse}}"),
              HasSubstr("'mode' takes one of dense, text, hybrid, found 'sparse'"));
  EXPECT_THAT(ErrorOf("query: [1, 2"), HasSubstr("tree.yaml:1:"));
  EXPECT_THAT(ErrorOf("query: three"), HasSubstr("expected a mapping with the keys all, dense"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("tree.yaml is empty"));
}

TEST(MessageYaml, DepthAndSizeAreBounded) {
  std::string deep = "{all: {}}";
  for (int i = 0; i < 40; ++i) deep = "{fuse: {children: [" + deep + "]}}";
  EXPECT_THAT(ErrorOf("query: " + deep), HasSubstr("nested over 64 deep"));
  EXPECT_THAT(ErrorOf(std::string(MessageFile::kMaxBytes + 1, ' ')), HasSubstr("the limit is"));
  EXPECT_THAT(ErrorOf("query: &q {fuse: {children: [*q, *q, *q]}}"), HasSubstr("tree.yaml:1:"))
      << "an alias of what holds it";
}

TEST(MessageYaml, ErrorsOfTheServerGetTheirPlace) {
  MessageFile file;
  Read(
      "query:\n  fuse:\n    children:\n      - all: {}\n      - dense: {vector: [1]}\nfilter: x = "
      "1\n",
      &file);
  EXPECT_EQ(
      WithPlace(absl::InvalidArgumentError("fuse[1].dense: the vector has 1 dimensions"), file)
          .message(),
      "tree.yaml:5:9: fuse[1].dense: the vector has 1 dimensions");
  EXPECT_EQ(WithPlace(absl::InvalidArgumentError("filter: unknown field 'x'"), file).message(),
            "tree.yaml:6:1: filter: unknown field 'x'");
  EXPECT_EQ(WithPlace(absl::InvalidArgumentError("limit 0"), file).message(), "limit 0");
}

}  // namespace
}  // namespace vouch
