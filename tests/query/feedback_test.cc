#include "query/feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouch {
namespace {

using testing::ElementsAre;

AnalyzedText Bag(std::vector<AnalyzedText::Term> terms) {
  AnalyzedText text;
  text.terms = std::move(terms);
  for (const AnalyzedText::Term& term : text.terms) text.length += term.frequency;
  return text;
}

TEST(ExpandByRm3, AddsTheBestTermsByTheirShares) {
  // Shares 3/4 and 1/4: p(deer) = 3/4 · 1/2 = 3/8, p(fox) = 3/4 · 1/2 + 1/4 · 1/4 = 7/16, p(wolf) =
  // 1/4 · 3/4.
  const std::vector<FeedbackText> documents = {{Bag({{"deer", 1}, {"fox", 1}}), 3},
                                               {Bag({{"fox", 1}, {"wolf", 3}}), 1}};
  const std::vector<WeightedTerm> terms =
      ExpandByRm3(Bag({{"fox", 1}, {"hare", 1}}), documents, {.documents = 2, .terms = 2});
  const double kept = 3.0 / 8 + 7.0 / 16;
  ASSERT_EQ(terms.size(), 3u);
  EXPECT_EQ(terms[0].term, "deer");
  EXPECT_DOUBLE_EQ(terms[0].weight, 0.5 * 2 * (3.0 / 8) / kept);
  EXPECT_EQ(terms[1].term, "fox");
  EXPECT_DOUBLE_EQ(terms[1].weight, 0.5 + 0.5 * 2 * (7.0 / 16) / kept);
  EXPECT_EQ(terms[2], (WeightedTerm{"hare", 0.5}));
}

TEST(ExpandByRm3, EqualTermsGoByTheirBytes) {
  const std::vector<FeedbackText> documents = {{Bag({{"b", 1}, {"c", 1}, {"a", 1}}), 1}};
  const std::vector<WeightedTerm> terms =
      ExpandByRm3(Bag({{"q", 1}}), documents, {.documents = 1, .terms = 2, .original_weight = 0});
  EXPECT_THAT(terms, ElementsAre(WeightedTerm{"a", 0.5}, WeightedTerm{"b", 0.5}));
}

TEST(ExpandByRm3, WithoutDocumentsTheQueryIsAsItWas) {
  const std::vector<WeightedTerm> own = {{"fox", 2}, {"hare", 1}};
  const AnalyzedText query = Bag({{"fox", 2}, {"hare", 1}});
  EXPECT_EQ(ExpandByRm3(query, {}, {}), own);
  const std::vector<FeedbackText> empty = {{AnalyzedText(), 5}};
  EXPECT_EQ(ExpandByRm3(query, empty, {}), own);
  const std::vector<FeedbackText> some = {{Bag({{"deer", 1}}), 5}};
  EXPECT_EQ(ExpandByRm3(query, some, {.original_weight = 1}), own);
}

TEST(ExpandByRm3, ScoresThatAreNoSharesCountAlike) {
  const AnalyzedText query = Bag({{"q", 1}});
  const Rm3 learned{.documents = 2, .terms = 5, .original_weight = 0};
  for (double score : {0.0, -2.0}) {
    const std::vector<FeedbackText> documents = {{Bag({{"a", 1}}), 0}, {Bag({{"b", 1}}), score}};
    EXPECT_THAT(ExpandByRm3(query, documents, learned),
                ElementsAre(WeightedTerm{"a", 0.5}, WeightedTerm{"b", 0.5}));
  }
}

TEST(ExpandByRocchio, MovesTowardsTheMean) {
  const std::vector<float> a = {2, 0};
  const std::vector<float> b = {0, 4};
  const std::vector<std::span<const float>> documents = {a, b};
  const std::vector<float> query = {1, 1};
  EXPECT_THAT(ExpandByRocchio(query, documents, {.documents = 2, .alpha = 1, .beta = 0.5}),
              ElementsAre(1.5f, 2.0f));
  EXPECT_EQ(ExpandByRocchio(query, {}, {}), query);
}

}  // namespace
}  // namespace vouch
