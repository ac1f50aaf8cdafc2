#include "index/inverted/text_expansion.h"

#include <algorithm>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/inverted/phrase.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const TextIndex> IndexOf(std::vector<std::vector<std::string>> rows) {
  std::vector<AnalyzedText> texts;
  for (std::vector<std::string>& row : rows) {
    std::sort(row.begin(), row.end());
    AnalyzedText& text = texts.emplace_back();
    for (const std::string& term : row) text.terms.push_back({term, 1});
    text.length = static_cast<uint32_t>(row.size());
  }
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : texts) pointers.push_back(&text);
  return TextIndex::Build(pointers);
}

std::vector<std::string> Terms(const absl::StatusOr<std::vector<ExpandedTerm>>& found) {
  std::vector<std::string> terms;
  for (const ExpandedTerm& term : *found) terms.push_back(absl::StrCat(term.term, "~", term.edits));
  return terms;
}

TEST(TextExpansionTest, PrefixesOverSegmentsAndTheOwnTerm) {
  const auto one = IndexOf({{"ship", "shark"}, {"shop"}});
  const auto two = IndexOf({{"shin", "ship"}, {"comput"}});
  const std::vector<ExpansionSource> sources = {{one.get(), nullptr}, {two.get(), nullptr}};
  EXPECT_THAT(Terms(ExpandPrefix(sources, "shi", "shi", CancelToken())),
              ElementsAre("shin~0", "ship~0"));
  EXPECT_THAT(Terms(ExpandPrefix(sources, "computer", "comput", CancelToken())),
              ElementsAre("comput~0"));
  EXPECT_THAT(Terms(ExpandPrefix(sources, "x", "", CancelToken())), IsEmpty());
}

TEST(TextExpansionTest, OnlyTermsThatAVisibleRowHas) {
  const auto index = IndexOf({{"ship"}, {"shop"}, {"ship", "shape"}});
  Bitmap visible(3, true);
  visible.Clear(2);
  EXPECT_THAT(Terms(ExpandPrefix(std::vector<ExpansionSource>{{index.get(), &visible}}, "sh", "",
                                 CancelToken())),
              ElementsAre("ship~0", "shop~0"));
}

TEST(TextExpansionTest, LimitsAreErrorsThatNameThem) {
  std::vector<std::string> many;
  for (size_t i = 0; i <= TextExpansion::kMaxPrefixTerms; ++i) many.push_back(absl::StrCat("a", i));
  const auto index = IndexOf({many});
  const std::vector<ExpansionSource> sources = {{index.get(), nullptr}};
  const auto found = ExpandPrefix(sources, "a", "", CancelToken());
  EXPECT_EQ(found.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(found.status().message()),
              HasSubstr("prefix 'a' stands for over 1024 terms"));
  EXPECT_THAT(std::string(ExpandFuzzy(sources, "a11", 2, 1, CancelToken()).status().message()),
              HasSubstr("fuzzy 'a11~2' stands for over 256 terms"));
  const CancelToken late(absl::UnixEpoch(), nullptr);
  EXPECT_EQ(ExpandPrefix(sources, "a", "", late).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

size_t Distance(const std::u32string& a, const std::u32string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
      } else {
        d[i][j] = std::min(
            {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      }
    }
  }
  return d[a.size()][b.size()];
}

TEST(TextExpansionTest, FuzzyWordsEqualTheFullTable) {
  constexpr uint64_t kSeed = 11;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  static const char* const kLetters[] = {"a", "b", "ä", "漢"};
  const auto word = [&](std::u32string* points) {
    static constexpr char32_t kPoints[] = {U'a', U'b', U'ä', U'漢'};
    std::string text;
    for (uint64_t n = 1 + random() % 6; n > 0; --n) {
      const uint64_t letter = random() % 4;
      text += kLetters[letter];
      points->push_back(kPoints[letter]);
    }
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::u32string> all;
    std::vector<std::string> terms;
    for (int i = 0; i < 40; ++i) {
      std::u32string points;
      const std::string text = word(&points);
      if (all.emplace(text, points).second) terms.push_back(text);
    }
    std::u32string points;
    const std::string wanted = word(&points);
    const auto edits = static_cast<uint32_t>(random() % 3);
    const auto prefix = static_cast<uint32_t>(random() % 3);
    std::vector<std::string> expected;
    for (const auto& [term, own] : all) {
      const size_t distance = Distance(points, own);
      const bool begins = own.starts_with(points.substr(0, prefix));
      uint32_t found = 0;
      ASSERT_EQ(IsWithinEdits(wanted, term, edits, prefix, &found),
                distance <= edits && begins)
          << wanted << " " << term;
      if (distance > edits || !begins) continue;
      expected.push_back(absl::StrCat(term, "~", distance));
    }
    const auto index = IndexOf({terms});
    ASSERT_EQ(Terms(ExpandFuzzy(std::vector<ExpansionSource>{{index.get(), nullptr}}, wanted, edits,
                                prefix, CancelToken())),
              expected)
        << "round " << round << ", " << wanted << "~" << edits;
  }
}

TEST(PhraseTest, CountsBeginnings) {
  const std::vector<uint32_t> text = {1, 2, 9, 1, 9, 2, 3, 1, 2, 3};
  const auto count = [&](std::vector<uint32_t> words, uint32_t slop) {
    return CountPhrase(text, words, slop);
  };
  EXPECT_EQ(count({1, 2}, 0), 2u);
  EXPECT_EQ(count({1, 2}, 1), 3u);
  EXPECT_EQ(count({1, 2, 3}, 0), 1u);
  EXPECT_EQ(count({1, 2, 3}, 1), 2u);
  EXPECT_EQ(count({1, 2, 3}, 4), 3u);
  EXPECT_EQ(count({2, 1}, 0), 0u);
  EXPECT_EQ(count({3, 4}, 1000), 0u);
  EXPECT_EQ(count({}, 0), 0u);
}

TEST(PhraseTest, MarksTheNearestWords) {
  const std::vector<uint32_t> text = {1, 9, 2, 2, 1};
  std::vector<bool> marks(text.size());
  const uint32_t words[] = {1, 2};
  EXPECT_EQ(CountPhrase(text, words, 2, &marks), 1u);
  EXPECT_THAT(marks, ElementsAre(true, false, true, false, false));
}

}  // namespace
}  // namespace vouch
