#include "rag/eval/answer_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace vouch {
namespace {

TEST(AnswerMetricsTest, NormalisesAsSquad) {
  EXPECT_EQ(NormalizeAnswer("The  Eiffel-Tower, (a tower)!\n"), "eiffeltower tower");
  EXPECT_EQ(NormalizeAnswer("Another theory"), "another theory");  // articles are whole words
  EXPECT_EQ(NormalizeAnswer("ÉCOLE $3.50"), "école 350");
  EXPECT_EQ(NormalizeAnswer("the a an"), "");
  EXPECT_EQ(NormalizeAnswer("a\xff b"), "a\xEF\xBF\xBD b");
}

TEST(AnswerMetricsTest, ExactMatchAndF1) {
  EXPECT_EQ(ExactMatch("The Denver Broncos.", "denver broncos"), 1);
  EXPECT_EQ(ExactMatch("Denver", "Denver Broncos"), 0);
  EXPECT_DOUBLE_EQ(TokenF1("the Denver Broncos team", "Denver Broncos"), 2 * (2.0 / 3) / (5.0 / 3));
  EXPECT_DOUBLE_EQ(TokenF1("yes yes no", "yes no no"), 2.0 / 3);  // with their counts
  EXPECT_EQ(TokenF1("", "the"), 1);
  EXPECT_EQ(TokenF1("", "word"), 0);
  EXPECT_EQ(TokenF1("word", ""), 0);
  EXPECT_EQ(TokenF1("one", "two"), 0);
}

// Lin 2004: "police kill the gunman" and "the gunman kill police" against "police killed the gunman".
TEST(AnswerMetricsTest, RougeLOfThePaper) {
  EXPECT_DOUBLE_EQ(RougeL("police kill the gunman", "police killed the gunman"), 0.75);
  EXPECT_DOUBLE_EQ(RougeL("the gunman kill police", "police killed the gunman"), 0.5);
  EXPECT_DOUBLE_EQ(RougeL("Well-known: ABC", "well known abc"), 1);
  EXPECT_EQ(RougeL("", "x"), 0);
}

TEST(AnswerMetricsTest, TheBestReferenceCounts) {
  const ReferenceScores scores = CompareWithReferences("in 1969", {"1969", "the year 1970"});
  EXPECT_EQ(scores.exact_match, 0);
  EXPECT_DOUBLE_EQ(scores.f1, 2.0 / 3);
  EXPECT_TRUE(std::isnan(CompareWithReferences("x", {}).f1));
}

TEST(AnswerMetricsTest, ContextById) {
  const ContextScores scores = CompareContext({"x", "a", "a", "y", "b"}, {"a", "b", "c"});
  EXPECT_DOUBLE_EQ(scores.precision, 2.0 / 4);
  EXPECT_DOUBLE_EQ(scores.recall, 2.0 / 3);
  EXPECT_NEAR(scores.ranked_precision, (1.0 / 2 + 2.0 / 4) / 2, 1e-9);
  EXPECT_TRUE(std::isnan(CompareContext({}, {"a"}).precision));
  EXPECT_EQ(CompareContext({}, {"a"}).recall, 0);
  EXPECT_TRUE(std::isnan(CompareContext({"a"}, {}).recall));
  EXPECT_EQ(CompareContext({"x"}, {"a"}).ranked_precision, 0);
}

TEST(AnswerMetricsTest, CitationsByStatement) {
  const CitationScores scores =
      ScoreCitations({{true, {true, false}}, {false, {true}}, {true, {true}}});
  EXPECT_DOUBLE_EQ(scores.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.precision, 2.0 / 4);  // a citation of an unsupported statement is none
  EXPECT_TRUE(std::isnan(ScoreCitations({}).recall));
  EXPECT_TRUE(std::isnan(ScoreCitations({{false, {}}}).precision));
  EXPECT_EQ(ScoreCitations({{false, {}}}).recall, 0);
}

TEST(AnswerMetricsTest, RiskFallsWhereTheSureOnesAreRight) {
  const std::vector<Attempt> attempts = {{true, true, true, 0.9},
                                         {true, false, true, 0.2},
                                         {true, true, true, 0.8},
                                         {false, false, false, 0.1},
                                         {false, false, true, 0.1}};
  const AbstentionScores scores = ScoreAbstention(attempts);
  EXPECT_DOUBLE_EQ(scores.coverage, 0.6);
  EXPECT_DOUBLE_EQ(scores.risk, 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores.abstain_precision, 0.5);
  EXPECT_DOUBLE_EQ(scores.abstain_recall, 1);
  EXPECT_DOUBLE_EQ(scores.aurc, (0 + 0 + 1.0 / 3) / 3);
  const std::vector<RiskPoint> curve = RiskCoverage(attempts);
  ASSERT_EQ(curve.size(), 3);
  EXPECT_DOUBLE_EQ(curve[2].coverage, 0.6);
}

TEST(AnswerMetricsTest, EqualConfidencesKnowNoOrder) {
  const std::vector<Attempt> one = {{true, true, true, 0.5}, {true, false, true, 0.5}};
  const std::vector<Attempt> other = {one[1], one[0]};
  EXPECT_EQ(ScoreAbstention(one).aurc, ScoreAbstention(other).aurc);
  EXPECT_DOUBLE_EQ(ScoreAbstention(one).aurc, 0.5);
  EXPECT_DOUBLE_EQ(ScoreAbstention({{true, false, true, NAN}, {true, true, true, 0.1}}).aurc, 0.25);
}

TEST(AnswerMetricsTest, NothingToMeasureIsNoNumber) {
  const AbstentionScores none = ScoreAbstention({});
  EXPECT_TRUE(std::isnan(none.coverage));
  EXPECT_TRUE(std::isnan(none.aurc));
  const AbstentionScores silent = ScoreAbstention({{false, false, true, 0}});
  EXPECT_EQ(silent.coverage, 0);
  EXPECT_TRUE(std::isnan(silent.risk));
  EXPECT_EQ(silent.abstain_precision, 0);
}

}  // namespace
}  // namespace vouch
