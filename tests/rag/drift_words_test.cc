// Texts whose words are rare where others come from.
#include "rag/eval/drift_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "index/inverted/analyzer.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two of `vocabulary` words each.
std::vector<DriftWords> Pairs(SeededRandom& random, size_t count, uint64_t vocabulary) {
  std::vector<DriftWords> texts;
  while (texts.size() < count) {
    const std::set<uint64_t> words = {random.Below(vocabulary), random.Below(vocabulary)};
    texts.emplace_back(words.begin(), words.end());
  }
  return texts;
}

TEST(DriftWords, AreStemsOnceEachAndOfALongTextSome) {
  const auto english = Analyzer::Create("english").value();
  EXPECT_THAT(DriftWordsOf(*english, "The rotor of the rotors"), SizeIs(1));
  EXPECT_EQ(DriftWordsOf(*english, "Rotors and stators"), DriftWordsOf(*english, "A stator, a rotor"));
  EXPECT_THAT(DriftWordsOf(*english, "of the"), IsEmpty());
  std::string text;
  for (int i = 0; i < 2'000; ++i) text.append(" w").append(std::to_string(i));
  const DriftWords words = DriftWordsOf(*english, text);
  ASSERT_THAT(words, SizeIs(kMaxDriftWords));
  EXPECT_TRUE(std::is_sorted(words.begin(), words.end()));
}

TEST(DriftWords, ATextIsAsRareAsItsWordsAre) {
  // Nine know word 1, one of them word 2 too.
  std::vector<DriftWords> reference(9, {1});
  reference[0] = {1, 2};
  const std::vector<DriftWords> window = {{1}, {2}, {8}, {1, 8}, {}};
  const WordsComparison found = CompareWords(reference, window, {}).value();
  EXPECT_THAT(found.rarity, ElementsAre(0, testing::DoubleNear(1 - std::log(2) / std::log(10), 1e-12), 1, 0.5, 0));
}

// By frequencies of all its texts those of the reference would each know a word more than those of the window.
TEST(DriftWords, TextsThatShareNothingAreNoDrift) {
  std::vector<DriftWords> reference;
  std::vector<DriftWords> window;
  for (uint64_t i = 0; i < 200; ++i) reference.push_back({i});
  for (uint64_t i = 200; i < 250; ++i) window.push_back({i});
  const WordsComparison found = CompareWords(reference, window, {}).value();
  EXPECT_EQ(found.p, 1);
  EXPECT_NEAR(found.moved, 0, 1e-12);
  EXPECT_THAT(found.rarity, Each(1));
}

// By frequencies among all texts its word would be as usual as any.
TEST(DriftWords, ATopicOfOneWordIsNotKnownByItself) {
  SeededRandom random(5);
  const std::vector<DriftWords> reference = Pairs(random, 1'000, 100);
  std::vector<DriftWords> window = Pairs(random, 250, 100);
  for (size_t i = 0; i < 25; ++i) window[i] = {1'000};
  const WordsComparison found = CompareWords(reference, window, {}).value();
  EXPECT_LE(found.p, 0.001);
  EXPECT_NEAR(found.moved, 0.1, 0.05);
}

// All of the window are as rare as can be, which are more than the share that is looked at.
TEST(DriftWords, AWindowThatIsAllNewIsFound) {
  const std::vector<DriftWords> reference(100, {1});
  const WordsComparison found = CompareWords(reference, std::vector<DriftWords>(100, {2}), {}).value();
  EXPECT_EQ(found.p, 0.001);
  EXPECT_DOUBLE_EQ(found.moved, 0.1);  // the twentieth of both
}

// Few words, so that many texts are equal, and many that come once: what is rare hangs on who is the reference.
TEST(DriftWords, WindowsWithoutDriftHaveSmallPsAsOftenAsTheySay) {
  constexpr int kWindows = 1'000;
  constexpr double kAlpha = 0.05;
  for (uint64_t vocabulary : {8, 2'000}) {
    SeededRandom random(vocabulary);
    int small = 0;
    for (int i = 0; i < kWindows; ++i) {
      const std::vector<DriftWords> reference = Pairs(random, 80, vocabulary);
      small += CompareWords(reference, Pairs(random, 40, vocabulary), {.draws = 199})->p <= kAlpha ? 1 : 0;
    }
    RecordProperty("small", small);
    // A binomial count of 1,000 by 5 % passes 73 with chance below 0.001.
    EXPECT_LE(small, 73) << vocabulary;
  }
}

TEST(DriftWords, TheSameTextsGiveTheSameBitsAndEndWhereTheyAreCancelled) {
  SeededRandom random(3);
  const std::vector<DriftWords> reference = Pairs(random, 60, 30);
  const std::vector<DriftWords> window = Pairs(random, 40, 30);
  EXPECT_EQ(CompareWords(reference, window, {.seed = 7})->p, CompareWords(reference, window, {.seed = 7})->p);
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(CompareWords(reference, window, {.cancel = cancelled}).status()));
  EXPECT_EQ(CompareWords({}, window, {}).status().message(), "words of 40 texts against those of 0; it takes 1 of either");
  EXPECT_TRUE(absl::IsInvalidArgument(CompareWords(reference, {}, {}).status()));
}

}  // namespace
}  // namespace vouch
