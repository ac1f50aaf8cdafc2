// Every index kind with every vector type: results against brute force, at every share that a filter leaves, and at the
// edges.
#include <cmath>
#include <random>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/dense_search.h"
#include "index/dense/graph_build.h"
#include "index/dense/index_choice.h"
#include "index/dense/ivf.h"
#include "index/dense/recall_curves.h"
#include "storage/vector_codec.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

absl::Status NoBuildProgress(double) { return absl::OkStatus(); }

// A column as a sealed segment has it.
struct Indexed {
  DenseColumn column;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Ivf> ivf;

  DenseSegmentSearch Search(size_t k, size_t ef, const Bitmap* allowed = nullptr) const {
    DenseSegmentSearch search;
    search.column = &column;
    search.graph = graph.get();
    search.codes = graph == nullptr ? nullptr : &graph->codes();
    search.ivf = ivf.get();
    search.allowed = allowed;
    search.allowed_count = allowed == nullptr ? column.segment_rows() : allowed->Count();
    search.k = k;
    search.ef = ef;
    return search;
  }
};

DenseField FieldOf(uint32_t dim, Metric metric, VectorType type, DenseIndexKind kind) {
  DenseField field = TestField(dim, metric);
  field.type = type;
  field.index = kind;
  field.hnsw = {.m = 12, .ef_construction = 80, .ef_search = 100};
  return field;
}

Indexed Index(const DenseField& field, const TestVectors& rows, int threads = 2) {
  const std::vector<std::span<const float>> spans(rows.begin(), rows.end());
  Indexed indexed;
  indexed.column = *DenseColumn::Build(field, spans);
  if (indexed.column.nodes() == 0) return indexed;
  if (field.index == DenseIndexKind::kHnsw) indexed.graph = *BuildGraph(indexed.column, field.hnsw, threads, NoBuildProgress);
  if (field.index == DenseIndexKind::kIvfFlat || field.index == DenseIndexKind::kIvfPq) {
    indexed.ivf = *Ivf::Build(indexed.column, field.index == DenseIndexKind::kIvfPq, threads, NoBuildProgress);
  }
  return indexed;
}

// Clustered rows that the type has.
TestVectors RowsOf(uint64_t seed, size_t count, const DenseField& field) {
  TestVectors rows = ClusteredVectors(seed, count, field.dim, field.metric);
  for (std::vector<float>& row : rows) {
    for (float& value : row) {
      if (field.type == VectorType::kI8) value = std::clamp(std::nearbyint(value * 30), -128.0f, 127.0f);
      if (field.type == VectorType::kBit) value = value > 0 ? 1.0f : 0.0f;
    }
    EXPECT_TRUE(RoundVector(field.type, row).ok());
  }
  return rows;
}

std::vector<Hit> HitsOf(const DenseSegmentSearch& search, const std::vector<float>& query, DenseSegmentStats* stats = nullptr) {
  TopHits top(search.k);
  DenseSegmentStats done;
  EXPECT_TRUE(SearchDenseSegment(search, query.data(), CancelToken(), top, stats == nullptr ? done : *stats).ok());
  return top.TakeSorted();
}

struct Case {
  DenseIndexKind kind;
  VectorType type;
  Metric metric;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << DenseIndexKindName(one.kind) << " " << VectorTypeName(one.type) << " " << MetricName(one.metric);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const DenseIndexKind kind :
       {DenseIndexKind::kFlat, DenseIndexKind::kHnsw, DenseIndexKind::kIvfFlat, DenseIndexKind::kIvfPq}) {
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
      for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8}) {
        if (type != VectorType::kI8 || metric != Metric::kCosine) cases.push_back({kind, type, metric});
      }
    }
    cases.push_back({kind, VectorType::kBit, Metric::kHamming});
  }
  return cases;
}

class Kinds : public testing::TestWithParam<Case> {
 protected:
  DenseField Field(uint32_t dim) const { return FieldOf(dim, GetParam().metric, GetParam().type, GetParam().kind); }
};
INSTANTIATE_TEST_SUITE_P(All, Kinds, testing::ValuesIn(AllCases()));

TEST_P(Kinds, ScoresAreExactAndRecallIsHighWhateverAFilterLeaves) {
  constexpr size_t kRows = 6000, kQueries = 20, kK = 10;
  const DenseField field = Field(24);
  const TestVectors rows = RowsOf(1, kRows, field);
  const TestVectors queries = RowsOf(2, kQueries, field);
  const Indexed indexed = Index(field, rows);
  std::mt19937_64 random(5);
  for (const double share : {1.0, 0.5, 0.1, 0.01, 0.001}) {
    Bitmap allowed(kRows);
    for (size_t row = 0; row < kRows; ++row) {
      if (static_cast<double>(random() % 1'000'000) < share * 1e6) allowed.Set(row);
    }
    double recall = 0;
    for (const std::vector<float>& query : queries) {
      const std::vector<Hit> want = BruteForce(rows, query, field.metric, kRows, &allowed);
      const std::vector<Hit> got = HitsOf(indexed.Search(kK, 100, &allowed), query);
      ASSERT_EQ(got.size(), std::min(kK, want.size()));
      size_t near = 0;  // ties of bits and integers count by score
      for (const Hit& hit : got) {
        const auto at = std::find(want.begin(), want.end(), hit);
        ASSERT_NE(at, want.end()) << "a score that brute force does not give, or a row that is not allowed";
        near += hit.score >= want[got.size() - 1].score ? 1 : 0;
      }
      ASSERT_TRUE(std::is_sorted(got.begin(), got.end()));
      recall += got.empty() ? 1.0 / kQueries : static_cast<double>(near) / static_cast<double>(got.size() * kQueries);
      DenseSegmentSearch exact = indexed.Search(kK, 100, &allowed);
      exact.exact = true;
      EXPECT_EQ(HitsOf(exact, query), BruteForce(rows, query, field.metric, kK, &allowed));
    }
    EXPECT_GE(recall, GetParam().kind == DenseIndexKind::kFlat ? 1.0 - 1e-9 : 0.95) << "share " << share;
  }
}

TEST_P(Kinds, AFilterThatGoesAgainstTheQueryFindsWhatItLeaves) {
  const DenseField field = Field(24);
  const TestVectors rows = RowsOf(1, 6000, field);
  const Indexed indexed = Index(field, rows);
  double recall = 0;
  for (const std::vector<float>& query : RowsOf(3, 10, field)) {
    // Without the query's own cluster, of about 300 rows.
    const std::vector<Hit> all = BruteForce(rows, query, field.metric, rows.size());
    Bitmap allowed(rows.size());
    for (size_t i = 320; i < rows.size(); ++i) allowed.Set(all[i].row.value);
    const std::vector<Hit> want = BruteForce(rows, query, field.metric, 10, &allowed);
    const std::vector<Hit> got = HitsOf(indexed.Search(10, 200, &allowed), query);
    ASSERT_EQ(got.size(), 10u);
    for (const Hit& hit : got) recall += hit.score >= want.back().score ? 0.01 : 0;
  }
  EXPECT_GE(recall, 0.85);
}

TEST_P(Kinds, Edges) {
  for (const uint32_t dim : {1u, 4096u}) {
    const DenseField field = Field(dim);
    for (const size_t count : {size_t{0}, size_t{1}, size_t{40}}) {
      const TestVectors rows = RowsOf(1, count, field);
      const Indexed indexed = Index(field, rows);
      const std::vector<float> query = RowsOf(2, 1, field)[0];
      for (const size_t k : {size_t{0}, size_t{1}, size_t{100}}) {
        EXPECT_EQ(HitsOf(indexed.Search(k, 100), query), BruteForce(rows, query, field.metric, k)) << dim << " " << count;
      }
      const Bitmap none(count);
      EXPECT_TRUE(HitsOf(indexed.Search(10, 100, &none), query).empty());
    }
  }
}

TEST_P(Kinds, EqualVectorsComeInRowOrder) {
  const DenseField field = Field(9);
  std::vector<float> one = RowsOf(1, 1, field)[0];
  const TestVectors rows(3000, one);
  const Indexed indexed = Index(field, rows);
  // Which of equal rows an index finds is its own; their scores are one, and ties stand in row order.
  const std::vector<Hit> hits = HitsOf(indexed.Search(20, 60), one);
  ASSERT_EQ(hits.size(), 20u);
  EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end()));
  for (const Hit& hit : hits) EXPECT_EQ(hit.score, hits[0].score);
  const std::vector<Hit> all = HitsOf(indexed.Search(4000, 60), one);
  EXPECT_EQ(all, BruteForce(rows, one, field.metric, 4000));
}

TEST_P(Kinds, RowsWithoutAVectorAreNoHits) {
  const DenseField field = Field(12);
  TestVectors rows = RowsOf(1, 4000, field);
  for (size_t row = 0; row < rows.size(); row += 3) rows[row].clear();
  const Indexed indexed = Index(field, rows);
  Bitmap allowed(rows.size());
  for (size_t row = 0; row < rows.size(); row += 2) allowed.Set(row);
  double recall = 0;
  for (const std::vector<float>& query : RowsOf(4, 10, field)) {
    const std::vector<Hit> want = BruteForce(rows, query, field.metric, rows.size(), &allowed);
    size_t near = 0;
    for (const Hit& hit : HitsOf(indexed.Search(10, 100, &allowed), query)) {
      ASSERT_FALSE(rows[hit.row.value].empty());
      near += hit.score >= want[9].score ? 1 : 0;
    }
    recall += static_cast<double>(near) / 100;
  }
  EXPECT_GE(recall, 0.95);
}

// --- recall curves

class Recalls : public testing::TestWithParam<DenseIndexKind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, Recalls,
                         testing::Values(DenseIndexKind::kHnsw, DenseIndexKind::kIvfFlat, DenseIndexKind::kIvfPq));

TEST_P(Recalls, WhatWasMeasuredIsWhatNewQueriesGet) {
  const DenseField field = FieldOf(32, Metric::kL2, VectorType::kF32, GetParam());
  const TestVectors rows = ClusteredVectors(1, 8000, 32, Metric::kL2, 400);
  const Indexed indexed = Index(field, rows);
  const auto curves = RecallCurves::Measure(indexed.Search(10, 10), 2, NoBuildProgress);
  ASSERT_TRUE(curves.ok()) << curves.status();
  EXPECT_GE((*curves)->queries(), 100u);
  for (const double target : {0.8, 0.95}) {
    for (const double share : {1.0, 0.5}) {
      const size_t ef = (*curves)->EfFor(target, 10, share);
      EXPECT_GE((*curves)->RecallAt(ef, 10, share), target);
      Bitmap allowed(rows.size());
      std::mt19937_64 random(11);
      for (size_t row = 0; row < rows.size(); ++row) {
        if (static_cast<double>(random() % 1000) < share * 1000) allowed.Set(row);
      }
      double recall = 0;
      const TestVectors queries = ClusteredVectors(2, 100, 32, Metric::kL2, 400);
      for (const std::vector<float>& query : queries) {
        recall += Recall(HitsOf(indexed.Search(10, ef, &allowed), query), BruteForce(rows, query, Metric::kL2, 10, &allowed)) / 100;
      }
      EXPECT_GE(recall, target - 0.04) << "target " << target << ", share " << share << ", ef " << ef;
      EXPECT_NEAR(recall, (*curves)->RecallAt(ef, 10, share), 0.06) << "target " << target << ", share " << share;
    }
  }
  // Wider beams are tried until nothing is left to be had or the bound is reached, and never narrower than k.
  for (const RecallCurves::Point& point : (*curves)->points(1, 3)) EXPECT_GE(point.ef, 100u);
  // One thread, the same numbers.
  EXPECT_EQ((*RecallCurves::Measure(indexed.Search(10, 10), 1, NoBuildProgress))->Serialize(), (*curves)->Serialize());
}

TEST(RecallCurves, TheHeldOutRowIsNotWalkedThrough) {
  const DenseField field = FieldOf(8, Metric::kL2, VectorType::kF32, DenseIndexKind::kHnsw);
  const TestVectors rows = ClusteredVectors(1, 3000, 8, Metric::kL2);
  const Indexed indexed = Index(field, rows);
  size_t looked_at = 0;
  for (uint32_t node = 0; node < 200; ++node) {
    if (!indexed.graph->IsOnLevel0Only(node)) continue;
    DenseSegmentSearch search = indexed.Search(5, 20);
    EXPECT_EQ(HitsOf(search, rows[node])[0].row, RowId(node));
    search.held_out = node;
    for (const Hit& hit : HitsOf(search, rows[node])) EXPECT_NE(hit.row, RowId(node));
    ++looked_at;
  }
  EXPECT_GT(looked_at, 100u);
}

TEST(RecallCurves, FewRowsAreAllFound) {
  const DenseField field = FieldOf(4, Metric::kL2, VectorType::kF32, DenseIndexKind::kHnsw);
  for (const size_t count : {size_t{1}, size_t{2}, size_t{150}}) {
    const Indexed indexed = Index(field, ClusteredVectors(1, count, 4, Metric::kL2));
    const auto curves = RecallCurves::Measure(indexed.Search(10, 10), 2, NoBuildProgress);
    ASSERT_TRUE(curves.ok()) << curves.status();
    EXPECT_EQ((*curves)->RecallAt(10, 10, 1), 1.0);
    EXPECT_EQ((*curves)->EfFor(0.9999, 10, 1), 10u);
  }
}

TEST(RecallCurves, CancellingEndsTheMeasuring) {
  const Indexed indexed =
      Index(FieldOf(4, Metric::kL2, VectorType::kF32, DenseIndexKind::kHnsw), ClusteredVectors(1, 500, 4, Metric::kL2));
  const BuildProgress stop = [](double) { return absl::CancelledError("stop"); };
  EXPECT_EQ(RecallCurves::Measure(indexed.Search(10, 10), 2, stop).status().code(), absl::StatusCode::kCancelled);
}

std::string Golden() {
  std::string bytes;
  const auto number = [&](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
  number(uint32_t{1});
  number(uint32_t{50});
  number(uint32_t{8});
  for (const uint32_t k : {10u, 100u}) {
    for (const float share : {0.01f, 0.1f, 0.5f, 1.0f}) {
      number(k);
      number(share);
      number(uint32_t{2});
      for (const auto& [ef, recall] : {std::pair(k, 0.5f), {4 * k, 0.9f}}) {
        number(ef);
        number(share == 0.5f ? recall - 0.25f : recall);
        number(0.015625f);
      }
    }
  }
  return bytes;
}

TEST(RecallCurves, TheBytesAreThoseOfTheFormat) {
  const auto curves = RecallCurves::Parse(Golden());
  ASSERT_TRUE(curves.ok()) << curves.status();
  EXPECT_EQ((*curves)->Serialize(), Golden());
  EXPECT_EQ((*curves)->queries(), 50u);
  const RecallCurves& read = **curves;
  EXPECT_EQ(read.EfFor(0.4, 10, 1), 10u);
  EXPECT_EQ(read.EfFor(0.49, 10, 1), 40u) << "the standard error counts";
  EXPECT_EQ(read.EfFor(0.99, 10, 1), 40u) << "the best there is";
  EXPECT_EQ(read.EfFor(0.4, 10, 0.7), 40u) << "the worse of the shares around";
  EXPECT_EQ(read.EfFor(0.4, 11, 1), 100u);
  EXPECT_EQ(read.EfFor(0.4, 200, 1), 200u);
  EXPECT_NEAR(read.RecallAt(25, 10, 1), 0.7, 1e-6);
  EXPECT_NEAR(read.RecallAt(25, 10, 0.2), 0.45, 1e-6);
  EXPECT_NEAR(read.RecallAt(5, 10, 1), 0.25, 1e-6);
  EXPECT_NEAR(read.RecallAt(1000, 10, 1), 0.9, 1e-6);
  EXPECT_NEAR(read.RecallAt(10, 10, 0.001), 0.5, 1e-6);
}

TEST(RecallCurves, DamageIsRefused) {
  const std::string whole = Golden();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(RecallCurves::Parse(whole.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(RecallCurves::Parse(whole + "x").status().code(), absl::StatusCode::kDataLoss);
  for (const auto& [at, byte] : {std::pair(0, '\2'), {8, '\7'}, {12, '\x0B'}, {20, '\0'}, {20, '\x50'}, {31, '\x7F'}}) {
    std::string bad = whole;
    bad[static_cast<size_t>(at)] = byte;
    EXPECT_EQ(RecallCurves::Parse(bad).status().code(), absl::StatusCode::kDataLoss) << at;
  }
}

// --- what auto picks

TEST(IndexChoice, AutoPicksBySizeAndTargetAndSaysWhy) {
  DenseField field = FieldOf(128, Metric::kL2, VectorType::kF32, DenseIndexKind::kAuto);
  field.hnsw.m = 16;
  EXPECT_EQ(ChooseKind(field, 0).kind, DenseIndexKind::kFlat);
  EXPECT_EQ(ChooseKind(field, 4096).kind, DenseIndexKind::kFlat);
  EXPECT_THAT(ChooseKind(field, 4096).why, testing::HasSubstr("2048 KiB are compared"));
  EXPECT_EQ(ChooseKind(field, 4097).kind, DenseIndexKind::kHnsw);
  EXPECT_THAT(ChooseKind(field, 1'000'000).why, testing::HasSubstr("a graph over them takes 255 MiB"));
  EXPECT_EQ(ChooseKind(field, 20'000'000).kind, DenseIndexKind::kIvfPq);
  // Short of memory it takes product codes sooner, and says which of the two it was.
  EXPECT_EQ(ChooseKind(field, 1'000'000, true).kind, DenseIndexKind::kIvfPq);
  EXPECT_THAT(ChooseKind(field, 1'000'000, true).why, testing::HasSubstr("would not have fitted the memory limit"));
  EXPECT_EQ(ChooseKind(field, 20'000'000, true).why, ChooseKind(field, 20'000'000).why);
  EXPECT_EQ(ChooseKind(field, 4096, true).kind, DenseIndexKind::kFlat);
  field.recall_target = 0.99;
  EXPECT_EQ(ChooseKind(field, 1'000'000, true).kind, DenseIndexKind::kHnsw);
  EXPECT_EQ(ChooseKind(field, 20'000'000).kind, DenseIndexKind::kHnsw);
  EXPECT_THAT(ChooseKind(field, 20'000'000).why, testing::HasSubstr("a recall of 0.99 takes a graph"));
  field.type = VectorType::kBit;
  EXPECT_EQ(ChooseKind(field, 100'000).kind, DenseIndexKind::kFlat) << "16 bytes each";
  field.index = DenseIndexKind::kIvfFlat;
  EXPECT_EQ(ChooseKind(field, 10).kind, DenseIndexKind::kIvfFlat);
}

}  // namespace
}  // namespace vouch
