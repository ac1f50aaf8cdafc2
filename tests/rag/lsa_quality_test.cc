// Retrieval quality of the builtin embedders over judged collections, by brute force in memory.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "rag/embed/builtin_hash.h"
#include "rag/embed/lsa.h"
#include "rag/eval/metrics.h"
#include "tests/rag/test_data.h"

namespace vouch {
namespace {

struct JudgedCollection {
  std::vector<std::string> ids, texts, query_ids, queries;
  Qrels qrels;
};

JudgedCollection Load(const std::string& folder) {
  JudgedCollection collection;
  std::istringstream corpus(ReadWholeFile(folder + "/corpus.jsonl"));
  std::istringstream queries(ReadWholeFile(folder + "/queries.jsonl"));
  for (std::string line; std::getline(corpus, line);) {
    const auto record = nlohmann::json::parse(line);
    collection.ids.push_back(record["_id"]);
    collection.texts.push_back(record["title"].get<std::string>() + " " +
                               record["text"].get<std::string>());
  }
  for (std::string line; std::getline(queries, line);) {
    const auto record = nlohmann::json::parse(line);
    collection.query_ids.push_back(record["_id"]);
    collection.queries.push_back(record["text"]);
  }
  collection.qrels = *ParseQrels(ReadWholeFile(folder + "/qrels.tsv"));
  return collection;
}

double NdcgAt10(const JudgedCollection& collection, const Embedder& embedder) {
  const auto documents = *embedder.Embed(collection.texts, CancelToken());
  const auto queries = *embedder.Embed(collection.queries, CancelToken());
  Run run;
  for (size_t q = 0; q < queries.size(); ++q) {
    auto& scores = run[collection.query_ids[q]];
    if (queries[q].empty()) continue;
    for (size_t d = 0; d < documents.size(); ++d) {
      if (documents[d].empty()) continue;
      double dot = 0;
      for (size_t i = 0; i < queries[q].size(); ++i)
        dot += static_cast<double>(queries[q][i]) * documents[d][i];
      scores[collection.ids[d]] = dot;
    }
  }
  return Evaluate(collection.qrels, run, true).all.at("ndcg_cut_10");
}

struct Floors {
  const char* name;
  double lsa;
  double hash;
};

class EmbedderQualityTest : public ::testing::TestWithParam<Floors> {};

TEST_P(EmbedderQualityTest, NdcgAt10) {
  const std::optional<std::string> data = FindTestData(GetParam().name);
  if (!data) GTEST_SKIP() << kNoTestData;
  const JudgedCollection collection = Load(*data);
  const auto lsa = TrainLsa({}, collection.texts, CancelToken(), nullptr);
  ASSERT_TRUE(lsa.ok()) << lsa.status();
  const double lsa_ndcg = NdcgAt10(collection, **lsa);
  const double hash_ndcg = NdcgAt10(collection, **CreateHashEmbedder(256, "english"));
  std::printf("%s: builtin/lsa %.4f, builtin/hash %.4f\n", GetParam().name, lsa_ndcg, hash_ndcg);
  EXPECT_GE(lsa_ndcg, GetParam().lsa);
  EXPECT_GE(hash_ndcg, GetParam().hash);
}

INSTANTIATE_TEST_SUITE_P(JudgedCollections, EmbedderQualityTest,
                         ::testing::Values(Floors{"cranfield", 0.54, 0.10},
                                           Floors{"cisi", 0.385, 0.10}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vouch
