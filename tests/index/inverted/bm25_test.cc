#include "index/inverted/bm25.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "index/inverted/bm25_rows.h"
#include "index/inverted/ranked_scan.h"

namespace vouch {
namespace {

AnalyzedText Text(std::map<std::string, uint32_t> counts) {
  AnalyzedText text;
  for (const auto& [term, count] : counts) {
    text.terms.push_back({term, count});
    text.length += count;
  }
  return text;
}

std::shared_ptr<const TextIndex> Build(std::span<const AnalyzedText> texts) {
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : texts) pointers.push_back(&text);
  return TextIndex::Build(pointers);
}

// The formula of bm25.h over all visible texts, one by one.
std::vector<Hit> NaiveBm25(std::span<const AnalyzedText> texts, const std::vector<bool>& visible,
                           const std::vector<bool>& allowed, const AnalyzedText& query,
                           const Bm25Params& params, size_t k) {
  const auto frequency = [](const AnalyzedText& text, const std::string& term) -> uint32_t {
    for (const AnalyzedText::Term& t : text.terms) {
      if (t.term == term) return t.frequency;
    }
    return 0;
  };
  double documents = 0;
  double total = 0;
  for (size_t row = 0; row < texts.size(); ++row) {
    if (!visible[row] || texts[row].length == 0) continue;
    documents += 1;
    total += texts[row].length;
  }
  std::vector<Hit> hits;
  for (size_t row = 0; row < texts.size(); ++row) {
    double score = 0;
    for (const AnalyzedText::Term& term : query.terms) {
      double df = 0;
      for (size_t r = 0; r < texts.size(); ++r)
        df += visible[r] && frequency(texts[r], term.term) > 0;
      const double tf = frequency(texts[row], term.term);
      if (tf == 0) continue;
      const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
      const double norm =
          params.k1 * (1 - params.b + params.b * texts[row].length / (total / documents));
      score += term.frequency * idf * tf * (params.k1 + 1) / (tf + norm);
    }
    if (allowed[row] && score > 0) hits.push_back({RowId(row), static_cast<float>(score)});
  }
  std::sort(hits.begin(), hits.end());
  if (hits.size() > k) hits.resize(k);
  return hits;
}

// The same for many texts: term by term into one array of sums.
std::vector<Hit> CountedBm25(std::span<const AnalyzedText> texts, const std::vector<bool>& visible,
                             const std::vector<bool>& allowed, const AnalyzedText& query,
                             const Bm25Params& params, size_t k) {
  double documents = 0;
  double total = 0;
  std::map<std::string, std::vector<std::pair<size_t, uint32_t>>> postings;
  for (size_t row = 0; row < texts.size(); ++row) {
    for (const AnalyzedText::Term& t : texts[row].terms)
      postings[t.term].push_back({row, t.frequency});
    if (!visible[row] || texts[row].length == 0) continue;
    documents += 1;
    total += texts[row].length;
  }
  std::vector<double> sums(texts.size(), 0);
  for (const AnalyzedText::Term& term : query.terms) {
    double df = 0;
    for (const auto& [row, tf] : postings[term.term]) df += visible[row];
    const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
    for (const auto& [row, frequency] : postings[term.term]) {
      const double tf = frequency;
      const double norm =
          params.k1 * (1 - params.b + params.b * texts[row].length / (total / documents));
      sums[row] += term.frequency * idf * tf * (params.k1 + 1) / (tf + norm);
    }
  }
  std::vector<Hit> hits;
  for (size_t row = 0; row < texts.size(); ++row) {
    if (allowed[row] && sums[row] > 0) hits.push_back({RowId(row), static_cast<float>(sums[row])});
  }
  std::sort(hits.begin(), hits.end());
  if (hits.size() > k) hits.resize(k);
  return hits;
}

Bitmap Slice(const std::vector<bool>& bits, size_t begin, size_t size) {
  Bitmap bitmap(size);
  for (size_t i = 0; i < size; ++i) {
    if (bits[begin + i]) bitmap.Set(i);
  }
  return bitmap;
}

// Texts cut into segments at random, with the masks to match.
struct Layout {
  std::vector<std::shared_ptr<const TextIndex>> indexes;
  std::vector<Bitmap> visible;
  std::vector<Bitmap> allowed;
  std::vector<TextSegment> segments;
};

Layout MakeLayout(std::mt19937_64& random, std::span<const AnalyzedText> texts,
                  const std::vector<bool>& visible, const std::vector<bool>& allowed, bool masks) {
  Layout layout;
  std::vector<size_t> begins;
  for (size_t begin = 0; begin < texts.size();) {
    const size_t count = std::min<size_t>(texts.size() - begin, 1 + random() % texts.size());
    begins.push_back(begin);
    layout.indexes.push_back(Build(texts.subspan(begin, count)));
    layout.visible.push_back(Slice(visible, begin, count));
    layout.allowed.push_back(Slice(allowed, begin, count));
    begin += count;
  }
  for (size_t i = 0; i < begins.size(); ++i) {
    layout.segments.push_back({.index = layout.indexes[i].get(),
                               .first_row = RowId(begins[i]),
                               .visible = masks ? &layout.visible[i] : nullptr,
                               .allowed = masks ? &layout.allowed[i] : nullptr});
  }
  return layout;
}

TEST(Bm25Test, EqualsTheNaiveFormulaBitForBitInAnyLayout) {
  constexpr uint64_t kSeed = 11;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 150; ++round) {
    std::vector<AnalyzedText> texts;
    const size_t rows = 1 + random() % 90;
    for (size_t row = 0; row < rows; ++row) {
      std::map<std::string, uint32_t> counts;
      for (uint64_t i = random() % 9; i > 0; --i)
        counts[absl::StrCat("t", random() % 12)] += 1 + random() % 3;
      texts.push_back(Text(counts));
    }
    const bool masks = random() % 3 != 0;
    const uint64_t keep = 1 + random() % 10;
    std::vector<bool> visible(rows, true);
    std::vector<bool> allowed(rows, true);
    for (size_t row = 0; masks && row < rows; ++row) {
      visible[row] = random() % 10 < keep;
      allowed[row] = visible[row] && random() % 2 == 0;
    }
    const AnalyzedText query = Text({{"t1", 1}, {"t3", 2}, {"t5", 1}, {"t9", 1}, {"unknown", 1}});
    const Bm25Params params{.k1 = static_cast<double>(random() % 30) / 10,
                            .b = static_cast<double>(random() % 11) / 10};
    const size_t k = 1 + random() % 20;
    const std::vector<Hit> expected = NaiveBm25(texts, visible, allowed, query, params, k);
    for (int i = 0; i < 3; ++i) {
      const Layout layout = MakeLayout(random, texts, visible, allowed, masks);
      const TextStatistics statistics = CollectTextStatistics(layout.segments, query);
      const auto hits = SearchBm25(layout.segments, statistics, params, k, CancelToken());
      ASSERT_TRUE(hits.ok()) << hits.status();
      ASSERT_EQ(*hits, expected) << "round " << round;
    }
  }
}

// Texts in which term i stands in about one of 1 + i² / 4 rows, some of them often and some texts
// long, so that lists have many blocks of unlike bounds. `runs`: neighbouring rows are equal, so
// that scores tie.
std::vector<AnalyzedText> SkewedTexts(std::mt19937_64& random, size_t rows, bool runs) {
  std::vector<AnalyzedText> texts;
  while (texts.size() < rows) {
    std::map<std::string, uint32_t> counts;
    const uint32_t most = random() % 20 == 0 ? 30 : 3;
    for (uint64_t term = 0; term < 24; ++term) {
      if (random() % (4 + term * term) < 4) {
        counts[absl::StrCat("t", term)] = 1 + static_cast<uint32_t>(random() % most);
      }
    }
    if (random() % 10 == 0) counts["filler"] = static_cast<uint32_t>(1 + random() % 700);
    const uint64_t copies = runs ? 1 + random() % 40 : 1;
    for (uint64_t i = 0; i < copies && texts.size() < rows; ++i) texts.push_back(Text(counts));
  }
  return texts;
}

TEST(Bm25Test, LeavesNothingOutOverManyBlocksAndWindows) {
  constexpr uint64_t kSeed = 12;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 25; ++round) {
    const size_t rows = 2'000 + random() % 6'000;
    const std::vector<AnalyzedText> texts = SkewedTexts(random, rows, round % 3 == 0);
    const bool masks = round % 2 == 0;
    const uint64_t hidden = std::vector<uint64_t>{1, 20, 500}[random() % 3];  // of 1,000
    const uint64_t kept = std::vector<uint64_t>{2, 100, 900}[random() % 3];
    std::vector<bool> visible(rows, true);
    std::vector<bool> allowed(rows, true);
    for (size_t row = 0; masks && row < rows; ++row) {
      visible[row] = random() % 1'000 >= hidden;
      allowed[row] = visible[row] && random() % 1'000 < kept;
    }
    const Bm25Params params{.k1 = static_cast<double>(random() % 20) / 10,
                            .b = static_cast<double>(random() % 11) / 10};
    for (int q = 0; q < 4; ++q) {
      std::map<std::string, uint32_t> words;
      for (uint64_t i = 0; i < 1 + random() % 14; ++i) {
        words[absl::StrCat("t", random() % 25)] = 1 + static_cast<uint32_t>(random() % 2);
      }
      const AnalyzedText query = Text(words);
      for (size_t k : {1, 10, 300, 20'000}) {
        const std::vector<Hit> expected = CountedBm25(texts, visible, allowed, query, params, k);
        const Layout layout = MakeLayout(random, texts, visible, allowed, masks);
        const TextStatistics statistics = CollectTextStatistics(layout.segments, query);
        const auto hits = SearchBm25(layout.segments, statistics, params, k, CancelToken());
        ASSERT_TRUE(hits.ok()) << hits.status();
        ASSERT_EQ(*hits, expected) << "round " << round << " k " << k;
      }
    }
  }
}

TEST(Bm25Test, ChosenRowsScoreAsTheSearchScoresThem) {
  constexpr uint64_t kSeed = 13;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 40; ++round) {
    const size_t rows = 200 + random() % 400;
    const std::vector<AnalyzedText> texts = SkewedTexts(random, rows, false);
    std::vector<bool> visible(rows, true);
    for (size_t row = 0; row < rows; ++row) visible[row] = random() % 5 != 0;
    const Bm25Params params{.k1 = static_cast<double>(random() % 20) / 10,
                            .b = static_cast<double>(random() % 11) / 10};
    std::vector<WeightedTerm> query;  // few terms: long texts are looked up in the postings
    for (uint64_t term = 0; term < 24; ++term) {
      if (random() % (round % 2 == 0 ? 12 : 2) == 0)
        query.push_back({absl::StrCat("t", term), static_cast<double>(1 + random() % 9) / 4});
    }
    query.push_back({"unknown", 1});
    std::sort(query.begin(), query.end(),
              [](const WeightedTerm& a, const WeightedTerm& b) { return a.term < b.term; });
    const Layout layout = MakeLayout(random, texts, visible, visible, true);
    const TextStatistics statistics = CollectTextStatistics(layout.segments, query);
    const auto hits = SearchBm25(layout.segments, statistics, params, rows, CancelToken());
    ASSERT_TRUE(hits.ok()) << hits.status();
    std::map<uint64_t, float> wanted;
    for (const Hit& hit : *hits) wanted[hit.row.value] = hit.score;
    for (const TextSegment& segment : layout.segments) {
      Bm25Rows scorer(*segment.index, statistics, params);
      for (uint32_t row = segment.index->rows(); row-- > 0;) {  // in any order
        const uint64_t id = segment.first_row.value + row;
        if (!visible[id]) continue;
        ASSERT_EQ(scorer.Score(row), wanted[id]) << "round " << round;
        double sum = 0;
        for (const TermContribution& share : scorer.Explain(row)) sum += share.score;
        ASSERT_EQ(static_cast<float>(sum), wanted[id]) << "round " << round;
      }
      EXPECT_EQ(scorer.Score(segment.index->rows()), 0);
    }
  }
}

TEST(Bm25Test, SkipsWhatCannotWin) {
  // One row in a thousand repeats a rare word; all have a common one.
  std::vector<AnalyzedText> texts;
  for (int row = 0; row < 40'000; ++row) {
    texts.push_back(row % 1'000 == 17 ? Text({{"common", 1}, {"rare", 5}})
                                      : Text({{"common", 1}, {"filler", 5}}));
  }
  const auto index = Build(texts);
  const TextSegment segment{.index = index.get(), .first_row = RowId(0)};
  const TextStatistics statistics =
      CollectTextStatistics({&segment, 1}, Text({{"common", 1}, {"rare", 1}}));
  RankedScanStats stats;
  const auto hits = SearchBm25({&segment, 1}, statistics, {}, 3, CancelToken(), &stats).value();
  ASSERT_EQ(hits.size(), 3);
  EXPECT_EQ(hits[0].row, RowId(17));
  EXPECT_EQ(hits[2].row, RowId(2'017));
  EXPECT_LT(stats.scored, 5'000);
}

TEST(Bm25Test, RowsFarApartAreFound) {
  std::vector<AnalyzedText> texts(10'000);
  texts[0] = Text({{"a", 1}});
  texts[2048] = Text({{"b", 1}});
  texts[9'999] = Text({{"a", 1}, {"b", 1}});
  const auto index = Build(texts);
  const TextSegment segment{.index = index.get(), .first_row = RowId(500)};
  const AnalyzedText query = Text({{"a", 1}, {"b", 1}});
  const TextStatistics statistics = CollectTextStatistics({&segment, 1}, query);
  EXPECT_EQ(statistics.documents, 3);
  EXPECT_DOUBLE_EQ(statistics.average_length, 4.0 / 3);
  const std::vector<Hit> hits =
      SearchBm25({&segment, 1}, statistics, {}, 10, CancelToken()).value();
  ASSERT_EQ(hits.size(), 3);
  EXPECT_EQ(hits[0].row, RowId(10'499));
  EXPECT_EQ(hits[1].row, RowId(500));  // as good as the next: the smaller row first
  EXPECT_EQ(hits[2].row, RowId(2548));
  EXPECT_EQ(hits[1].score, hits[2].score);
}

TEST(Bm25Test, StatisticsCountVisibleRowsOnly) {
  const std::vector<AnalyzedText> texts = {Text({{"a", 1}}), Text({{"a", 3}}), Text({}),
                                           Text({{"b", 2}})};
  const auto index = Build(texts);
  Bitmap visible(4, true);
  visible.Clear(1);
  const TextSegment segment{.index = index.get(), .first_row = RowId(0), .visible = &visible};
  const TextStatistics statistics =
      CollectTextStatistics({&segment, 1}, Text({{"a", 1}, {"z", 1}}));
  EXPECT_EQ(statistics.documents, 2);
  EXPECT_DOUBLE_EQ(statistics.average_length, 1.5);
  ASSERT_EQ(statistics.terms.size(), 2);
  EXPECT_EQ(statistics.terms[0].document_frequency, 1);
  EXPECT_EQ(statistics.terms[1].document_frequency, 0);
  // Without `allowed`, hidden rows are no hits either.
  const std::vector<Hit> hits =
      SearchBm25({&segment, 1}, statistics, {}, 10, CancelToken()).value();
  ASSERT_EQ(hits.size(), 1);
  EXPECT_EQ(hits[0].row, RowId(0));
}

TEST(Bm25Test, ExplanationAddsUpToTheScore) {
  const std::vector<AnalyzedText> texts = {Text({{"a", 1}, {"b", 2}, {"c", 1}}), Text({{"a", 1}})};
  const auto index = Build(texts);
  const TextSegment segment{.index = index.get(), .first_row = RowId(0)};
  const TextStatistics statistics =
      CollectTextStatistics({&segment, 1}, Text({{"a", 1}, {"b", 3}, {"x", 1}}));
  const std::vector<Hit> hits = SearchBm25({&segment, 1}, statistics, {}, 1, CancelToken()).value();
  ASSERT_EQ(hits.size(), 1);
  double sum = 0;
  Bm25Rows scorer(*index, statistics, {});
  const std::vector<TermContribution> terms = scorer.Explain(0);
  ASSERT_EQ(terms.size(), 2);
  for (const TermContribution& term : terms) sum += term.score;
  EXPECT_EQ(static_cast<float>(sum), hits[0].score);
  EXPECT_EQ(terms[1].term, "b");
  EXPECT_EQ(terms[1].frequency, 2);
  EXPECT_EQ(terms[1].document_frequency, 1);
  EXPECT_TRUE(scorer.Explain(99).empty());
}

TEST(Bm25Test, NothingToFind) {
  EXPECT_TRUE(SearchBm25({}, CollectTextStatistics({}, Text({{"a", 1}})), {}, 5, CancelToken())
                  .value()
                  .empty());
  const auto index = Build(std::vector<AnalyzedText>{Text({{"a", 1}})});
  const TextSegment segment{.index = index.get(), .first_row = RowId(0)};
  const TextStatistics statistics = CollectTextStatistics({&segment, 1}, Text({{"a", 1}}));
  EXPECT_TRUE(SearchBm25({&segment, 1}, statistics, {}, 0, CancelToken()).value().empty());
}

TEST(Bm25Test, StopsWhenCancelled) {
  const auto index = Build(std::vector<AnalyzedText>{Text({{"a", 1}})});
  const TextSegment segment{.index = index.get(), .first_row = RowId(0)};
  const TextStatistics statistics = CollectTextStatistics({&segment, 1}, Text({{"a", 1}}));
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_EQ(SearchBm25({&segment, 1}, statistics, {}, 5, cancelled).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace vouch
