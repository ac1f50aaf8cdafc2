// nDCG@10 of the three modes end to end: parser, chunker, embedder, collection, planner, fusion,
// evaluation.
#include <gtest/gtest.h>

#include <cstdio>

#include "rag/eval/retrieval.h"
#include "tests/rag/ingested_collection.h"
#include "tests/rag/test_data.h"

namespace vouch {
namespace {

struct RetrievalFloors {
  const char* name;
  double text;
  double dense;
  double hybrid;
};

class RetrievalQualityTest : public ::testing::TestWithParam<RetrievalFloors> {};

TEST_P(RetrievalQualityTest, NdcgAt10) {
  const std::optional<std::string> data = FindTestData(GetParam().name);
  if (!data) GTEST_SKIP() << kNoTestData;
  IngestedCollection docs(300);
  const absl::Status split = SplitJsonLines(
      "corpus.jsonl", ReadWholeFile(*data + "/corpus.jsonl"),
      [&](Document&& document) {
        docs.Add(document);
        return absl::OkStatus();
      },
      [](uint64_t line, const absl::Status& status) { ADD_FAILURE() << line << ": " << status; });
  ASSERT_TRUE(split.ok()) << split;
  docs.Commit();
  RetrievalEvaluationRequest request;
  request.queries = *ParseQueries(ReadWholeFile(*data + "/queries.jsonl"));
  const Qrels qrels = *ParseQrels(ReadWholeFile(*data + "/qrels.tsv"));
  for (const auto& [mode, floor] : {std::pair(RetrievalMode::kText, GetParam().text),
                                    {RetrievalMode::kDense, GetParam().dense},
                                    {RetrievalMode::kHybrid, GetParam().hybrid}}) {
    request.mode = mode;
    const absl::StatusOr<RetrievalRun> run =
        RunQueries(*docs.collection, docs.embedders, request, nullptr);
    ASSERT_TRUE(run.ok()) << run.status();
    const MetricValues all = Evaluate(qrels, run->run, true).all;
    std::printf("%s %s: ndcg_cut_10 %.4f, map %.4f, recall_100 %.4f\n", GetParam().name,
                std::string(RetrievalModeName(mode)).c_str(), all.at("ndcg_cut_10"), all.at("map"),
                all.at("recall_100"));
    EXPECT_GE(all.at("ndcg_cut_10"), floor) << RetrievalModeName(mode);
  }
}

INSTANTIATE_TEST_SUITE_P(JudgedCollections, RetrievalQualityTest,
                         ::testing::Values(RetrievalFloors{"cranfield", 0.515, 0.54, 0.54},
                                           RetrievalFloors{"cisi", 0.365, 0.385, 0.40}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vouch
