#include "rag/eval/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <sstream>

#include "tests/rag/test_data.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

// One query with levels d1: 2, d2: 0, d3: 1, d4: -1, d5: 1 (never found), and the run d2 d1 d4 x
// d3.
Qrels SmallQrels() { return {{"q", {{"d1", 2}, {"d2", 0}, {"d3", 1}, {"d4", -1}, {"d5", 1}}}}; }
Run SmallRun() { return {{"q", {{"d2", 9}, {"d1", 8}, {"d4", 7}, {"x", 6}, {"d3", 5}}}}; }

TEST(MetricsTest, SmallRunByHand) {
  const EvaluationResult result = Evaluate(SmallQrels(), SmallRun(), true);
  const MetricValues& q = result.queries.at("q");
  EXPECT_EQ(q.at("num_ret"), 5);
  EXPECT_EQ(q.at("num_rel"), 3);
  EXPECT_EQ(q.at("num_rel_ret"), 2);
  EXPECT_DOUBLE_EQ(q.at("map"), (1.0 / 2 + 2.0 / 5) / 3);
  EXPECT_DOUBLE_EQ(q.at("recip_rank"), 0.5);
  EXPECT_DOUBLE_EQ(q.at("P_5"), 0.4);
  EXPECT_DOUBLE_EQ(q.at("P_10"), 0.2);  // divided by 10, though 5 were found
  EXPECT_DOUBLE_EQ(q.at("recall_5"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(q.at("Rprec"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(q.at("success_1"), 0);
  EXPECT_DOUBLE_EQ(q.at("success_5"), 1);
  const double dcg = 2 / std::log2(3.0) + 1 / std::log2(6.0);
  const double ideal = 2 / std::log2(2.0) + 1 / std::log2(3.0) + 1 / std::log2(4.0);
  EXPECT_DOUBLE_EQ(q.at("ndcg_cut_5"), dcg / ideal);
  EXPECT_DOUBLE_EQ(q.at("ndcg"), dcg / ideal);
  // One judged nonrelevant document (d2) stands above both; d4 and x are not judged. min(N, R) = 1.
  EXPECT_DOUBLE_EQ(q.at("bpref"), 0);
  EXPECT_DOUBLE_EQ(q.at("rbp"), 0.1 * (0.9 + std::pow(0.9, 4)));
}

TEST(MetricsTest, CompleteCountsMissingQueriesAsZero) {
  Qrels qrels = SmallQrels();
  qrels["other"] = {{"d9", 1}};
  vouch::Run run = SmallRun();
  run["unjudged"] = {{"d1", 1}};
  const EvaluationResult found = Evaluate(qrels, run, false);
  const EvaluationResult complete = Evaluate(qrels, run, true);
  EXPECT_EQ(found.all.at("num_q"), 1);
  EXPECT_EQ(complete.all.at("num_q"), 2);
  EXPECT_DOUBLE_EQ(complete.all.at("map"), found.all.at("map") / 2);
  EXPECT_EQ(complete.all.at("num_rel"), 4);
  EXPECT_EQ(complete.queries.at("other").at("num_ret"), 0);
  EXPECT_DOUBLE_EQ(complete.all.at("gm_map"), std::sqrt(found.all.at("map") * 0.00001));
  EXPECT_FALSE(complete.queries.contains("unjudged"));
}

TEST(MetricsTest, NothingToEvaluateNamesEveryMeasureWithZero) {
  const EvaluationResult result = Evaluate({}, SmallRun(), true);
  EXPECT_EQ(result.all.at("num_q"), 0);
  EXPECT_EQ(result.all.at("ndcg_cut_10"), 0);
  EXPECT_EQ(result.all.size(), Evaluate(SmallQrels(), SmallRun(), true).all.size());
}

TEST(MetricsTest, TiesAreBrokenByDescendingDocumentAndScoresAreFloats) {
  EXPECT_THAT(RankDocuments({{"a", 1.0}, {"c", 1.0}, {"b", 2.0}}),
              ::testing::ElementsAre("b", "c", "a"));
  // These two doubles are one float.
  EXPECT_THAT(RankDocuments({{"a", 1.00000000001}, {"c", 1.0}}), ::testing::ElementsAre("c", "a"));
}

TEST(MetricsTest, JudgementsInBothForms) {
  const Qrels expected = {{"1", {{"a", 2}, {"b", -1}}}, {"2", {{"a", 1}}}};
  EXPECT_EQ(*ParseQrels("1 0 a 2\n1\t0\tb\t-1\r\n\n2 0 a 1"), expected);
  EXPECT_EQ(*ParseQrels("query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t-1\n2\ta\t1\n"), expected);
}

TEST(MetricsTest, BadJudgementsNameTheLine) {
  EXPECT_THAT(ParseQrels("1 0 a 2\n1 0 b\n").status().message(),
              HasSubstr("line 2: it has 3 fields"));
  EXPECT_THAT(ParseQrels("1 0 a x\n").status().message(), HasSubstr("line 1: the relevance \"x\""));
  EXPECT_THAT(ParseQrels("1 0 a 1\n1 0 a 0\n").status().message(),
              HasSubstr("line 2: document a is judged twice"));
  EXPECT_THAT(ParseQrels("query-id\tcorpus-id\tscore\n1\t\t2\n").status().message(),
              HasSubstr("line 2: an id is empty"));
}

TEST(MetricsTest, BadRunsNameTheLine) {
  EXPECT_THAT(ParseRun("1 Q0 a 1 0.5\n").status().message(), HasSubstr("line 1: it has 5 fields"));
  EXPECT_THAT(ParseRun("1 Q0 a 1 nan t\n").status().message(), HasSubstr("no finite number"));
  EXPECT_THAT(ParseRun("1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n").status().message(),
              HasSubstr("line 2: document a stands twice"));
}

TEST(MetricsTest, RunsSurviveTheRoundTrip) {
  const vouch::Run run = {{"q1", {{"a", 0.1}, {"b", 1.0 / 3}, {"c", -2e-30}}}, {"q2", {{"a", 1}}}};
  const std::string text = FormatRun(run, "vouch");
  EXPECT_THAT(text,
              ::testing::StartsWith("q1 Q0 b 1 0.3333333333333333 vouch\nq1 Q0 a 2 0.1 vouch\n"));
  EXPECT_EQ(*ParseRun(text), run);
}

// trec_eval's output: name, query or "all", value.
void ExpectEqualToTrecEval(const std::string& expected_path, const EvaluationResult& result,
                           const std::string& except = "") {
  std::istringstream lines(ReadWholeFile(expected_path));
  std::string name, query, value;
  std::map<std::string, int> compared;
  while (lines >> name >> query >> value) {
    const MetricValues& values = query == "all" ? result.all : result.queries.at(query);
    const auto found = values.find(name);
    if (found == values.end()) continue;
    if (name == except) {
      ++compared[query];
      continue;
    }
    char ours[64];
    const char* format = name.starts_with("num_") ? "%.0f" : "%.4f";
    std::snprintf(ours, sizeof(ours), format, found->second);
    EXPECT_EQ(ours, value) << name << " of query " << query << " in " << expected_path;
    ++compared[query];
  }
  // Every measure that is computed stands in trec_eval's output and was compared; all but MS MARCO's.
  EXPECT_EQ(compared["all"] + 1, static_cast<int>(result.all.size()));
  for (const auto& [id, values] : result.queries)
    EXPECT_EQ(compared[id] + 1, static_cast<int>(values.size())) << id;
}

// trec_eval -l 2 on judgements that have levels.
TEST(MetricsTest, EqualToTrecEvalAtAHigherLevelOfRelevance) {
  const std::optional<std::string> data = FindTestData("trec_eval");
  if (!data) GTEST_SKIP() << kNoTestData;
  const absl::StatusOr<Qrels> qrels = ParseQrels(ReadWholeFile(*data + "/qrels.rel_level"));
  const absl::StatusOr<vouch::Run> run = ParseRun(ReadWholeFile(*data + "/results.test"));
  ASSERT_TRUE(qrels.ok() && run.ok());
  ExpectEqualToTrecEval(*data + "/out.test.aql", Evaluate(*qrels, *run, false, 2), "rbp");
}

TEST(MetricsTest, ReciprocalRankIsCutAtTen) {
  const auto value = [](int first) {
    std::map<std::string, double> run;
    for (int rank = 1; rank <= 12; ++rank) {
      run[rank == first ? "relevant" : "other" + std::to_string(rank)] = 100 - rank;
    }
    return Evaluate({{"q", {{"relevant", 1}}}}, {{"q", run}}, true).all.at("recip_rank_cut_10");
  };
  EXPECT_DOUBLE_EQ(value(1), 1);
  EXPECT_DOUBLE_EQ(value(10), 0.1);
  EXPECT_EQ(value(11), 0);
}

TEST(MetricsTest, EqualToTrecEvalOnItsOwnTestData) {
  const std::optional<std::string> data = FindTestData("trec_eval");
  if (!data) GTEST_SKIP() << kNoTestData;
  const absl::StatusOr<Qrels> qrels = ParseQrels(ReadWholeFile(*data + "/qrels.test"));
  const absl::StatusOr<vouch::Run> run = ParseRun(ReadWholeFile(*data + "/results.test"));
  const absl::StatusOr<vouch::Run> truncated = ParseRun(ReadWholeFile(*data + "/results.trunc"));
  ASSERT_TRUE(qrels.ok() && run.ok() && truncated.ok());
  ExpectEqualToTrecEval(*data + "/out.test.aq", Evaluate(*qrels, *run, false));
  ExpectEqualToTrecEval(*data + "/out.test.aqc", Evaluate(*qrels, *truncated, true));
  // Our own run file gives the same figures.
  ExpectEqualToTrecEval(*data + "/out.test.aq",
                        Evaluate(*qrels, *ParseRun(FormatRun(*run, "x")), false));
}

}  // namespace
}  // namespace vouch
