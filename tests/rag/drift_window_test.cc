// How often windows without drift alarm, and how soon a new topic is found.
#include "rag/eval/drift_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "index/inverted/analyzer.h"
#include "rag/embed/builtin_hash.h"
#include "rag/eval/distributions.h"
#include "tests/rag/topic_questions.h"

namespace vouch {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;

constexpr uint32_t kDim = 32;

std::shared_ptr<const Embedder> Lsa() {
  static const auto& embedder = *new std::shared_ptr<const Embedder>(TopicQuestions::Lsa(kDim));
  return embedder;
}

std::vector<DriftWords> Words(const std::vector<std::string>& texts) {
  static const auto& english = *new std::shared_ptr<const Analyzer>(Analyzer::Create("english").value());
  std::vector<DriftWords> words;
  for (const std::string& text : texts) words.push_back(DriftWordsOf(*english, text));
  return words;
}

std::vector<double> Noise(SeededRandom& random, size_t count, double shift) {
  std::vector<double> scores;
  for (size_t i = 0; i < count; ++i) scores.push_back(NormalQuantile(random.Uniform()) + shift);
  return scores;
}

// The least number that a binomial count passes with chance below `beyond`.
int BinomialBound(int trials, double p, double beyond) {
  int bound = 0;
  while (bound < trials && BetaCdf(p, bound + 1, trials - bound) >= beyond) ++bound;
  return bound;
}

TEST(DriftWindow, AThousandWindowsWithoutDriftAlarmNoMoreOftenThanIsSaid) {
  constexpr double kAlpha = 0.02;
  const auto embedder = Lsa();
  TopicQuestions questions(20261126);
  SeededRandom random(7);
  int alarms = 0;
  for (int r = 0; r < 25; ++r) {
    const std::vector<std::string> reference = questions.Draw(120, 0);
    const DriftDetector detector(questions.Points(*embedder, reference), {.alpha = kAlpha, .min_moved = 0});
    const DriftBesides of_reference{.scores = Noise(random, 120, 0), .words = Words(reference)};
    for (int w = 0; w < 40; ++w) {
      const std::vector<std::string> window = questions.Draw(30, 0);
      const DriftBesides of_window{.scores = Noise(random, 30, 0), .words = Words(window)};
      alarms += detector.Compare(questions.Points(*embedder, window), of_reference, of_window)->alarms ? 1 : 0;
    }
  }
  RecordProperty("alarms", alarms);
  EXPECT_LE(alarms, BinomialBound(1'000, kAlpha, 0.001));
  EXPECT_GE(alarms, 1);  // the tests are no more deaf than Bonferroni makes them
}

TEST(DriftWindow, ANewTopicInATenthOfTheQuestionsIsFoundInWindowsOf250) {
  const auto embedder = Lsa();
  TopicQuestions questions(11);
  const DriftDetector detector(questions.Points(*embedder, questions.Draw(500, 0)),
                               {.alpha = 0.01 / 3});
  for (int w = 0; w < 3; ++w) {
    const std::vector<std::string> texts = questions.Draw(250, 0.1);
    const DriftComparison found =
        detector.Compare(questions.Points(*embedder, texts), {}, {}).value();
    EXPECT_TRUE(found.alarms);
    // The share that moved is of the size of the one that did.
    EXPECT_GT(found.tests[1].moved, 0.04);
    EXPECT_LT(found.tests[1].moved, 0.2);
    ASSERT_EQ(found.unlike.size(), DriftDetector::kShown);
    EXPECT_THAT(found.novelty, Each(Ge(0.1)));
  }
}

// Hashed words put no topic together: by vectors a tenth of the questions is not told from chance.
TEST(DriftWindow, WordsTellANewTopicThatTheEmbedderDoesNot) {
  const auto hash = CreateHashEmbedder(256, "english").value();
  TopicQuestions questions(23);
  const std::vector<std::string> reference = questions.Draw(1'000, 0);
  const DriftDetector detector(questions.Points(*hash, reference), {});
  const DriftBesides of_reference{.words = Words(reference)};
  for (int w = 0; w < 3; ++w) {
    const std::vector<std::string> texts = questions.Draw(250, 0.1);
    const DriftPoints window = questions.Points(*hash, texts);
    const DriftComparison found = detector.Compare(window, of_reference, {.words = Words(texts)}).value();
    ASSERT_EQ(found.tests.size(), 4);
    EXPECT_EQ(found.tests[3].what, "words");
    EXPECT_TRUE(found.tests[3].alarms) << found.tests[3].p;
    EXPECT_GT(found.tests[3].moved, 0.04);
    EXPECT_LT(found.tests[3].moved, 0.2);
    // What is shown is what the alarm is about.
    for (size_t i : found.unlike) {
      EXPECT_THAT(texts[i], ::testing::ContainsRegex("vineyard|grape|harvest|barrel|cork|tannin|cellar|vintage|bouquet|sommelier"));
    }
    EXPECT_THAT(found.novelty, Each(Ge(0.5)));
    EXPECT_FALSE(detector.Compare(window, {}, {})->alarms);
  }
}

// Else a reference whose answers are gone would be held against a window by a handful of them.
TEST(DriftWindow, WordsOfTooFewQuestionsAreNotCompared) {
  const auto embedder = Lsa();
  TopicQuestions questions(29);
  const std::vector<std::string> reference = questions.Draw(60, 0);
  const std::vector<std::string> texts = questions.Draw(40, 0);
  const DriftDetector detector(questions.Points(*embedder, reference), {});
  const DriftPoints window = questions.Points(*embedder, texts);
  const auto tests = [&](size_t of_reference, size_t of_window) {
    DriftBesides before{.words = Words(reference)};
    DriftBesides now{.words = Words(texts)};
    before.words.resize(of_reference);
    now.words.resize(of_window);
    return detector.Compare(window, before, now)->tests.size();
  };
  EXPECT_EQ(tests(60, 40), 4);
  EXPECT_EQ(tests(30, 40), 4);
  EXPECT_EQ(tests(29, 40), 3);
  EXPECT_EQ(tests(60, 39), 3);  // of a window each has its words
}

TEST(DriftWindow, TheSameWindowGivesTheSameBits) {
  const auto embedder = Lsa();
  TopicQuestions questions(3);
  const DriftPoints reference = questions.Points(*embedder, questions.Draw(60, 0));
  const DriftPoints window = questions.Points(*embedder, questions.Draw(40, 0.3));
  const DriftComparison a = DriftDetector(reference, {}).Compare(window, {}, {}).value();
  const DriftComparison b = DriftDetector(reference, {}).Compare(window, {}, {}).value();
  ASSERT_EQ(a.tests.size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(a.tests[i].p, b.tests[i].p) << a.tests[i].what;
    EXPECT_EQ(a.tests[i].moved, b.tests[i].moved) << a.tests[i].what;
  }
  EXPECT_EQ(a.unlike, b.unlike);
}

TEST(DriftWindow, AScoreThatFellIsFoundThoughTheQuestionsAreTheSame) {
  const auto embedder = Lsa();
  TopicQuestions questions(5);
  SeededRandom random(5);
  const DriftDetector detector(questions.Points(*embedder, questions.Draw(200, 0)), {});
  const DriftPoints window = questions.Points(*embedder, questions.Draw(100, 0));
  const std::vector<double> before = Noise(random, 200, 0);
  const DriftComparison found = detector.Compare(window, {.scores = before}, {.scores = Noise(random, 100, -1)}).value();
  ASSERT_EQ(found.tests.size(), 4);
  EXPECT_EQ(found.tests[3].what, "best score");
  EXPECT_TRUE(found.tests[3].alarms);
  EXPECT_FALSE(found.tests[0].alarms);
}

TEST(DriftWindow, AnEffectTooSmallToMatterIsNoAlarm) {
  const auto embedder = Lsa();
  TopicQuestions questions(11);
  const DriftDetector detector(questions.Points(*embedder, questions.Draw(300, 0)),
                               {.min_moved = 0.9});
  const DriftComparison found =
      detector.Compare(questions.Points(*embedder, questions.Draw(150, 0.3)), {}, {}).value();
  EXPECT_LE(found.tests[1].p, 0.001);
  EXPECT_FALSE(found.alarms);
}

TEST(DriftWindow, TooFewPointsOfEitherSideAreNotCompared) {
  DriftPoints few{.dim = 2};
  for (size_t i = 0; i + 1 < DriftDetector::kMinPoints; ++i) few.Add({1, 0});
  DriftPoints enough = few;
  enough.Add({0, 1});
  EXPECT_THAT(DriftDetector(enough, {}).Compare(few, {}, {})->tests, IsEmpty());
  EXPECT_THAT(DriftDetector(few, {}).Compare(enough, {}, {})->tests, IsEmpty());
  EXPECT_THAT(DriftDetector(DriftPoints{.dim = 2}, {}).Compare(enough, {}, {})->tests, IsEmpty());
  // All points in one place: nothing has moved, and nothing divides by zero.
  DriftPoints same{.dim = 2};
  for (size_t i = 0; i < 40; ++i) same.Add({1, 0});
  const DriftComparison found = DriftDetector(same, {}).Compare(same, {}, {}).value();
  EXPECT_FALSE(found.alarms);
  for (const DriftTestResult& test : found.tests) EXPECT_EQ(test.p, 1) << test.what;
}

// 0.0001 of false alarms, a third of it each for three kinds.
TEST(DriftWindow, TheLeastShareOfFalseAlarmsCanBeReached) {
  SeededRandom random(17);
  DriftPoints reference{.dim = 2};
  for (size_t i = 0; i < 30; ++i) {
    reference.Add({1, 0});
    reference.Add({0, 1});
  }
  DriftPoints window{.dim = 2};
  for (size_t i = 0; i < 40; ++i) window.Add({1, 0});
  const DriftComparison found =
      DriftDetector(reference, {.alpha = 0.0001 / 3})
          .Compare(window, {.scores = Noise(random, 60, 0), .words = std::vector<DriftWords>(60, {1})},
                   {.scores = Noise(random, 40, 0), .words = std::vector<DriftWords>(40, {2})})
          .value();
  ASSERT_EQ(found.tests.size(), 5);
  EXPECT_TRUE(found.tests[0].alarms) << found.tests[0].p;
  EXPECT_TRUE(found.tests[2].alarms) << found.tests[2].p;
  EXPECT_TRUE(found.tests[3].alarms) << found.tests[3].p;
}

TEST(DriftWindow, AComparisonEndsWhereverItIsCancelled) {
  const auto embedder = Lsa();
  TopicQuestions questions(19);
  const DriftPoints reference = questions.Points(*embedder, questions.Draw(60, 0));
  const DriftPoints window = questions.Points(*embedder, questions.Draw(40, 1));
  int asked = 0;
  int ends_after = 0;
  const CancelToken cancel(absl::InfiniteFuture(), [&] { return ++asked > ends_after; });
  const auto compare = [&](int after) {
    asked = 0;
    ends_after = after;
    return DriftDetector(reference, {.cancel = cancel}).Compare(window, {}, {}).status();
  };
  EXPECT_TRUE(compare(1'000'000).ok());
  const int all = asked;
  EXPECT_GT(all, 500);  // of the draws most
  for (int after : {0, 70, 130, 165, all / 2, all - 1}) EXPECT_TRUE(absl::IsCancelled(compare(after))) << after;
}

TEST(DriftWindow, PointsAreBroughtToLengthOneAndWhatSaysNothingIsZero) {
  DriftPoints points{.dim = 2};
  points.Add({3, 4});
  points.Add({});
  EXPECT_THAT(points.values, ElementsAre(0.6f, 0.8f, 0, 0));
  EXPECT_EQ(points.size(), 2);
}

// By Clopper and Pearson, where the events of a unit are as unlike as those of different ones.
TEST(ShareEstimate, EventsThatAreAlikeCountLess) {
  std::vector<double> alike(100, 1);
  for (size_t i = 0; i < 10; ++i) alike[i] = 0;  // whole units miss
  const ShareEstimate of_alike = EstimateShare(alike, 10, 0.95);
  std::vector<double> unlike(100, 0.9);
  const ShareEstimate of_unlike = EstimateShare(unlike, 10, 0.95);
  EXPECT_NEAR(of_alike.share, 0.9, 1e-12);
  EXPECT_NEAR(of_unlike.share, 0.9, 1e-12);
  EXPECT_NEAR(of_alike.events, 99, 1e-9);     // one a unit, less the one that the mean takes
  EXPECT_NEAR(of_unlike.events, 1'000, 1e-6);  // no more than there are
  EXPECT_LT(of_alike.low, of_unlike.low);
  // 900 of 1,000: R's binom.test.
  EXPECT_NEAR(of_unlike.low, 0.8797, 5e-4);
  EXPECT_NEAR(of_unlike.high, 0.9179, 5e-4);
  EXPECT_GT(ShareBelowP(of_unlike, 0.9), 0.4);
  EXPECT_LT(ShareBelowP(of_unlike, 0.93), 0.001);
  const ShareEstimate none = EstimateShare({}, 10, 0.95);
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 1);
  EXPECT_EQ(EstimateShare({1, 1, 1}, 10, 0.95).high, 1);
  EXPECT_EQ(EstimateShare({0, 0, 0}, 10, 0.95).low, 0);
}

}  // namespace
}  // namespace vouch
