#include "rag/lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/store.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

class LineageTest : public ::testing::Test {
 protected:
  LineageTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown,
                      "# Backup\n\nA backup is incremental: days share their files.\n");
    docs_.AddDocument("sea.md", MediaType::kMarkdown, "# Sea\n\nThe sea is quiet at night.\n");
    docs_.Commit();
  }
  Answer AskFor(const std::string& question) {
    AskRequest request;
    request.collection = "docs";
    request.question = question;
    request.context_chunks = 1;
    request.mode = RetrievalMode::kText;
    return Ask(*docs_.database, docs_.embedders, request).value();
  }
  LineageGraph Find(const std::string& kind, const std::string& id, uint32_t limit = 100) {
    FindAnswersRequest request{.kind = kind, .id = id, .limit = limit};
    return FindAnswers(*docs_.database, request).value();
  }
  static std::vector<std::string> IdsOf(const LineageGraph& graph, const std::string& kind) {
    std::vector<std::string> ids;
    for (const LineageNode& node : graph.nodes) {
      if (node.kind == kind) ids.push_back(node.id);
    }
    return ids;
  }

  IngestedCollection docs_;
};

TEST_F(LineageTest, AnAnswerLeadsToTheBytesOfItsSources) {
  const Answer answer = AskFor("What is incremental?");
  ASSERT_FALSE(answer.abstained);
  const LineageGraph graph = TraceAnswer(answer);
  EXPECT_EQ(graph.nodes.front().id, answer.id);
  EXPECT_EQ(IdsOf(graph, "document"), std::vector<std::string>{"guide.md"});
  EXPECT_EQ(IdsOf(graph, "source"), std::vector<std::string>{answer.citations[0].source_hash});
  EXPECT_EQ(IdsOf(graph, "version"), std::vector<std::string>{"docs@1"});
  EXPECT_THAT(IdsOf(graph, "model").at(0), HasSubstr("builtin/extractive"));
  EXPECT_TRUE(std::any_of(graph.edges.begin(), graph.edges.end(), [&](const LineageEdge& edge) {
    return edge.from == 0 && edge.what == "cited" && graph.nodes[edge.to].kind == "chunk";
  }));
}

TEST_F(LineageTest, WhatWasUsedLeadsBackToTheAnswersOnly) {
  const Answer backup = AskFor("What is incremental?");
  const Answer sea = AskFor("When is the sea quiet?");
  EXPECT_EQ(IdsOf(Find("document", "guide.md"), "answer"), std::vector<std::string>{backup.id});
  EXPECT_EQ(IdsOf(Find("document", "sea.md"), "answer"), std::vector<std::string>{sea.id});
  const std::string hash = backup.citations.at(0).source_hash;
  const LineageGraph by_hash = Find("source", hash.substr(0, 8));
  EXPECT_EQ(IdsOf(by_hash, "answer"), std::vector<std::string>{backup.id});
  EXPECT_EQ(IdsOf(by_hash, "chunk").size(), 1u) << "the way to it is shown";
  EXPECT_TRUE(IdsOf(by_hash, "model").empty()) << "and nothing beside it";
  EXPECT_TRUE(Find("source", hash.substr(0, 7)).nodes.empty());
  EXPECT_EQ(IdsOf(Find("version", "docs@1"), "answer"),
            (std::vector<std::string>{sea.id, backup.id}));
  const LineageGraph latest = Find("document", "guide.md", 1);
  EXPECT_TRUE(latest.nodes.empty());
  EXPECT_TRUE(latest.more);
  EXPECT_EQ(latest.answers_read, 1u);
}

TEST_F(LineageTest, MistakesAreNamed) {
  FindAnswersRequest request{.kind = "documents", .id = "x"};
  EXPECT_THAT(std::string(FindAnswers(*docs_.database, request).status().message()),
              HasSubstr("the kind is 'documents'; there are answer"));
  request = {.kind = "document", .id = ""};
  EXPECT_TRUE(absl::IsInvalidArgument(FindAnswers(*docs_.database, request).status()));
}

}  // namespace
}  // namespace vouch
