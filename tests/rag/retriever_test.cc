#include "rag/retriever.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/eval/retrieval.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

class RetrieverTest : public ::testing::Test {
 protected:
  RetrieverTest() {
    docs_.AddDocument("cats.txt", MediaType::kText, "Cats chase mice.\n");
    docs_.AddDocument("dogs.txt", MediaType::kText, "Dogs chase cats.\n");
    docs_.AddDocument("cars.txt", MediaType::kText, "Cars need engines.\n");
    version_ = docs_.Commit();
  }
  absl::StatusOr<TextQuery> Build(std::string_view text, RetrievalMode mode) {
    return BuildTextQuery(*docs_.collection, docs_.embedders, text, mode, version_, CancelToken());
  }
  std::vector<std::string> Search(std::string_view text, RetrievalMode mode) {
    SearchRequest request;
    request.query = Build(text, mode).value().root;
    std::vector<std::string> ids;
    const SearchResponse response = docs_.collection->Search(request).value();
    for (const PointHit& hit : response.hits) ids.push_back(hit.id.ToString());
    return ids;
  }

  IngestedCollection docs_{4};
  Version version_;
};

TEST_F(RetrieverTest, ModesBuildTheirTrees) {
  const TextQuery text = *Build("cats", RetrievalMode::kText);
  EXPECT_EQ(std::get<TextLeaf>(text.root.node).text, "cats");
  EXPECT_EQ(text.embedder, "");
  const TextQuery dense = *Build("cats", RetrievalMode::kDense);
  EXPECT_EQ(std::get<DenseLeaf>(dense.root.node).vector.size(), 4u);
  EXPECT_THAT(dense.embedder, HasSubstr("builtin/lsa?dim=4#"));
  const TextQuery hybrid = *Build("cats", RetrievalMode::kHybrid);
  const auto& fuse = std::get<FuseNode>(hybrid.root.node);
  EXPECT_EQ(fuse.children.size(), 2u);
  EXPECT_EQ(fuse.method, FusionMethod::kZScore);
  EXPECT_TRUE(fuse.by_reliability);
  EXPECT_EQ(fuse.feedback->text, Rm3());
  EXPECT_EQ(fuse.feedback->dense, Rocchio());
  EXPECT_EQ(fuse.weights, (std::vector<double>{1, 1}));
  EXPECT_EQ(hybrid.fusion, "");
}

TEST_F(RetrieverTest, ALegThatKnowsNoTermIsLeftOut) {
  EXPECT_TRUE(std::holds_alternative<TextLeaf>(Build("zebra", RetrievalMode::kHybrid)->root.node));
  EXPECT_TRUE(Search("zebra", RetrievalMode::kHybrid).empty());
  EXPECT_TRUE(Search("zebra", RetrievalMode::kDense).empty());
  EXPECT_TRUE(Search("the of", RetrievalMode::kText).empty());
  EXPECT_EQ(Search("engines", RetrievalMode::kHybrid).front(), "cars.txt#0");
}

TEST_F(RetrieverTest, TheModelIsThatOfTheVersion) {
  const std::string first = Build("cats", RetrievalMode::kDense)->embedder;
  docs_.AddDocument("birds.txt", MediaType::kText, "Birds sing songs.\n");
  const Version later = docs_.Commit();
  EXPECT_EQ(Build("cats", RetrievalMode::kDense)->embedder, first);
  const auto now =
      BuildTextQuery(*docs_.collection, docs_.embedders, "cats", RetrievalMode::kDense, later, {});
  EXPECT_NE(now->embedder, first);
  const auto before = BuildTextQuery(*docs_.collection, docs_.embedders, "cats",
                                     RetrievalMode::kDense, Version(0), {});
  EXPECT_EQ(before.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(before.status().message(),
              HasSubstr("not trained at version 0: ingest documents first"));
}

TEST_F(RetrieverTest, BadQuestionsAndModes) {
  EXPECT_THAT(Build("", RetrievalMode::kText).status().message(), HasSubstr("empty"));
  EXPECT_THAT(Build(std::string(65'537, 'x'), RetrievalMode::kDense).status().message(),
              HasSubstr("limit is 65536"));
  EXPECT_EQ(*ParseRetrievalMode("hybrid"), RetrievalMode::kHybrid);
  EXPECT_THAT(ParseRetrievalMode("fast").status().message(),
              HasSubstr("there are dense, text, hybrid"));
}

TEST(RetrieverFieldsTest, WhatTheCollectionLacksIsNamed) {
  IngestedCollection docs;
  CollectionSchema schema;
  schema.dense.push_back({.name = "v",
                          .dim = 2,
                          .metric = Metric::kCosine,
                          .index = DenseIndexKind::kFlat,
                          .hnsw = {},
                          .embedder = ""});
  const auto plain = docs.database->CreateCollection(docs.principal, "plain", schema).value();
  for (RetrievalMode mode : {RetrievalMode::kDense, RetrievalMode::kText, RetrievalMode::kHybrid}) {
    const auto query = BuildTextQuery(*plain, docs.embedders, "cats", mode, Version(0), {});
    EXPECT_EQ(query.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(query.status().message(), HasSubstr("collection plain has"));
  }
  const auto embedder = docs.embedders.Resolve(*plain, 0, Version(0));
  EXPECT_THAT(embedder.status().message(), HasSubstr("has no embedder"));
}

TEST_F(RetrieverTest, ADocumentScoresAsItsBestChunkAndDeepEnough) {
  // One document of many chunks stands before the others: its chunks must not use up the depth.
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += "# Engine " + std::to_string(i) + "\n\nAn engine engine engine.\n\n";
  docs_.AddDocument("many.md", MediaType::kMarkdown, many);
  docs_.Commit();
  RetrievalEvaluationRequest request;
  request.queries = {{"q1", "engines"}, {"q2", "zebra"}};
  request.mode = RetrievalMode::kText;
  request.depth = 2;
  const auto run = RunQueries(*docs_.collection, docs_.embedders, request, nullptr);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->run.at("q1").size(), 2u);
  EXPECT_TRUE(run->run.at("q1").contains("cars.txt"));
  EXPECT_GT(run->run.at("q1").at("many.md"), run->run.at("q1").at("cars.txt"));
  EXPECT_TRUE(run->run.at("q2").empty());
  request.depth = 0;
  EXPECT_THAT(RunQueries(*docs_.collection, docs_.embedders, request, nullptr).status().message(),
              HasSubstr("depth is 0; it takes 1 to 10000"));
}

TEST(ParseQueriesTest, GoodAndBadLines) {
  const auto queries =
      ParseQueries("{\"_id\": \"a\", \"text\": \"x\"}\n\n{\"_id\": 2, \"text\": \"y\"}\r\n");
  ASSERT_TRUE(queries.ok()) << queries.status();
  EXPECT_EQ(queries->at(1).id, "2");
  for (const auto& [jsonl, message] : std::vector<std::pair<std::string, std::string>>{
           {"{\"_id\": \"a\", \"text\": \"x\"}\n{\"_id\": \"b\", ", "line 2: it is no JSON object"},
           {"{\"text\": \"x\"}", "line 1: it has no \"_id\""},
           {"{\"_id\": \"a\"}", "it has no \"text\""},
           {"{\"_id\": \"a\", \"text\": \"\"}", "its text has 0 bytes; it takes 1 to 65536"},
           {"{\"_id\": \"a b\", \"text\": \"x\"}", "has white space"},
           {"{\"_id\": \"a\", \"text\": \"x\"}\n{\"_id\": \"a\", \"text\": \"y\"}",
            "line 2: the _id \"a\" stands twice"}}) {
    EXPECT_THAT(ParseQueries(jsonl).status().message(), HasSubstr(message)) << jsonl;
  }
}

}  // namespace
}  // namespace vouch
