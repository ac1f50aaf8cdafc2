#include "index/inverted/sparse_search.h"

#include <cmath>
#include <iostream>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "index/inverted/ranked_scan.h"
#include "tests/index/inverted/sparse_data.h"

namespace vouch {
namespace {

// Vectors cut into segments at random, with masks to match.
struct SparseLayout {
  std::vector<std::shared_ptr<const SparseIndex>> indexes;
  std::vector<Bitmap> allowed;
  std::vector<SparseSegment> segments;
};

SparseLayout MakeLayout(std::mt19937_64& random, std::span<const SparseVector> vectors,
                  const std::vector<bool>& allowed, bool masks) {
  SparseLayout layout;
  std::vector<size_t> begins;
  for (size_t begin = 0; begin < vectors.size();) {
    const size_t count = std::min<size_t>(vectors.size() - begin, 1 + random() % vectors.size());
    begins.push_back(begin);
    layout.indexes.push_back(BuildSparse(vectors.subspan(begin, count)));
    Bitmap& bitmap = layout.allowed.emplace_back(count);
    for (size_t i = 0; i < count; ++i) {
      if (allowed[begin + i]) bitmap.Set(i);
    }
    begin += count;
  }
  for (size_t i = 0; i < begins.size(); ++i) {
    layout.segments.push_back({.index = layout.indexes[i].get(),
                               .first_row = RowId(begins[i]),
                               .allowed = masks ? &layout.allowed[i] : nullptr});
  }
  return layout;
}

// A weight of 24 bits; some far from 1, some equal to others.
float RandomWeight(std::mt19937_64& random) {
  const auto weight = static_cast<float>(1 + random() % 10'000'000) / 4'000'000;
  switch (random() % 40) {
    case 0:
      return std::ldexp(weight, 40);
    case 1:
      return std::ldexp(weight, -60);
    case 2:
    case 3:
      return 1;
    default:
      return weight;
  }
}

// Index i stands in about one of 1 + i² / 4 vectors. `runs`: neighbours are equal, so that scores
// tie.
std::vector<SparseVector> SkewedVectors(std::mt19937_64& random, size_t rows, bool runs) {
  std::vector<SparseVector> vectors;
  while (vectors.size() < rows) {
    std::map<uint32_t, float> weights;
    for (uint32_t index = 0; index < 24; ++index) {
      if (random() % (4 + index * index) < 4) weights[index * 1'000] = RandomWeight(random);
    }
    const uint64_t copies = runs ? 1 + random() % 40 : 1;
    for (uint64_t i = 0; i < copies && vectors.size() < rows; ++i) {
      vectors.push_back(Sparse(weights));
    }
  }
  return vectors;
}

TEST(SparseSearchTest, EqualsTheDefinitionBitForBitInAnyLayout) {
  constexpr uint64_t kSeed = 12;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 25; ++round) {
    const size_t rows = round < 5 ? 1 + random() % 200 : 2'000 + random() % 6'000;
    const std::vector<SparseVector> vectors = SkewedVectors(random, rows, round % 3 == 0);
    const bool masks = round % 2 == 0;
    const uint64_t kept = std::vector<uint64_t>{2, 100, 900}[random() % 3];
    std::vector<bool> allowed(rows, true);
    for (size_t row = 0; masks && row < rows; ++row) allowed[row] = random() % 1'000 < kept;
    for (int q = 0; q < 4; ++q) {
      std::map<uint32_t, float> weights;
      for (uint64_t i = 0; i < 1 + random() % 16; ++i) {
        weights[static_cast<uint32_t>(random() % 25 * 1'000)] = RandomWeight(random);
      }
      const SparseVector query = Sparse(weights);
      for (size_t k : {1, 10, 300, 20'000}) {
        const std::vector<Hit> expected = NaiveSparse(vectors, allowed, query, k);
        const SparseLayout layout = MakeLayout(random, vectors, allowed, masks);
        const auto hits = SearchSparse(layout.segments, query, k, CancelToken());
        ASSERT_TRUE(hits.ok()) << hits.status();
        ASSERT_EQ(*hits, expected) << "round " << round << " k " << k;
      }
    }
  }
}

TEST(SparseSearchTest, SkipsWhatCannotWin) {
  std::vector<SparseVector> vectors;
  for (int row = 0; row < 40'000; ++row) {
    vectors.push_back(row % 1'000 == 17 ? Sparse({{1, 0.1f}, {2, 5}})
                                        : Sparse({{1, 0.1f}, {3, 5}}));
  }
  const auto index = BuildSparse(vectors);
  const SparseSegment segment{.index = index.get(), .first_row = RowId(0)};
  RankedScanStats stats;
  const auto hits =
      SearchSparse({&segment, 1}, Sparse({{1, 1}, {2, 1}}), 3, CancelToken(), &stats).value();
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].row, RowId(17));
  EXPECT_EQ(hits[2].row, RowId(2'017));
  EXPECT_LT(stats.scored, 5'000u);
}

TEST(SparseSearchTest, ScoresAtTheEdgesOfFloat) {
  const std::vector<SparseVector> vectors = {Sparse({{1, 1e-30f}}), Sparse({{1, 1e-10f}}),
                                             Sparse({{1, kMaxSparseWeight}})};
  const auto index = BuildSparse(vectors);
  const SparseSegment segment{.index = index.get(), .first_row = RowId(0)};
  // The first row's score is below the smallest float: no hit.
  const auto small = SearchSparse({&segment, 1}, Sparse({{1, 1e-30f}}), 9, CancelToken()).value();
  ASSERT_EQ(small.size(), 2u);
  EXPECT_EQ(small[1].row, RowId(1));
  EXPECT_GT(small[1].score, 0);
  const auto large =
      SearchSparse({&segment, 1}, Sparse({{1, kMaxSparseWeight}}), 9, CancelToken()).value();
  EXPECT_TRUE(std::isfinite(large[0].score));
}

TEST(SparseSearchTest, ExplanationAddsUpToTheScore) {
  const std::vector<SparseVector> vectors = {Sparse({{3, 0.3f}, {5, 0.7f}, {9, 1}}), {}};
  const auto index = BuildSparse(vectors);
  const SparseSegment segment{.index = index.get(), .first_row = RowId(0)};
  const SparseVector query = Sparse({{1, 9}, {3, 1.1f}, {5, 0.1f}});
  const auto hits = SearchSparse({&segment, 1}, query, 5, CancelToken()).value();
  ASSERT_EQ(hits.size(), 1u);
  const std::vector<SparseContribution> shares = ExplainSparse(*index, 0, query);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].index, 3u);
  EXPECT_EQ(shares[0].weight, 0.3f);
  EXPECT_EQ(shares[0].query_weight, 1.1f);
  EXPECT_EQ(static_cast<float>(shares[0].score + shares[1].score), hits[0].score);
  EXPECT_TRUE(ExplainSparse(*index, 1, query).empty());
}

TEST(SparseSearchTest, NothingToFindAndCancelling) {
  const std::vector<SparseVector> vectors = {Sparse({{3, 1}})};
  const auto index = BuildSparse(vectors);
  const SparseSegment segment{.index = index.get(), .first_row = RowId(0)};
  const SparseVector query = Sparse({{3, 1}});
  EXPECT_TRUE(SearchSparse({}, query, 5, CancelToken()).value().empty());
  EXPECT_TRUE(SearchSparse({&segment, 1}, {}, 5, CancelToken()).value().empty());
  EXPECT_TRUE(SearchSparse({&segment, 1}, query, 0, CancelToken()).value().empty());
  EXPECT_TRUE(SearchSparse({&segment, 1}, Sparse({{4, 1}}), 5, CancelToken()).value().empty());
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_EQ(SearchSparse({&segment, 1}, query, 5, cancelled).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace vouch
