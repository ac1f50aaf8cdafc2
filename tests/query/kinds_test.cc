// Vector types, index kinds and recall targets from write to search, over sealed and fresh rows, across reopening and
// damage.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "storage/vector_codec.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::HasSubstr;

struct KindCase {
  DenseIndexKind kind = DenseIndexKind::kHnsw;
  VectorType type = VectorType::kF32;
  Metric metric = Metric::kL2;
  double recall_target = 0;
};
void PrintTo(const KindCase& one, std::ostream* out) {
  *out << DenseIndexKindName(one.kind) << " " << VectorTypeName(one.type) << " " << MetricName(one.metric) << " "
       << one.recall_target;
}

class KindsTest : public QueryTest {
 protected:
  static constexpr uint32_t kDim = 16;

  KindsTest() { seal_rows_ = 1000; }

  void Declare(const KindCase& one, uint32_t dim = kDim) {
    DenseField field = Vectors("v", dim, one.metric, one.kind);
    field.type = one.type;
    field.recall_target = one.recall_target;
    field.hnsw = {.m = 8, .ef_construction = 60, .ef_search = 80};
    field_ = field;
    CollectionSchema schema;
    schema.dense.push_back(field);
    schema.payload.push_back({.path = "n", .type = PayloadType::kInteger});
    Create("kinds", schema);
  }
  std::vector<float> Draw() {
    std::vector<float> vector(field_.dim);
    const auto centre = static_cast<float>(random_() % 4);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < vector.size(); ++i) {
      const float value = normal(random_) + (static_cast<float>(i % 4) == centre ? 2.0f : 0.0f);
      switch (field_.type) {
        case VectorType::kF32:
        case VectorType::kF16: vector[i] = value; break;
        case VectorType::kI8: vector[i] = std::clamp(std::nearbyint(20 * value), -128.0f, 127.0f); break;
        case VectorType::kBit: vector[i] = value > 1 ? 1.0f : 0.0f; break;
      }
    }
    return vector;
  }
  void Fill(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t i = first; i < first + count; ++i) {
      points.push_back(Point(i, Draw(), absl::StrCat("{\"n\":", i, "}")));
    }
    Upsert(std::move(points));
  }
  std::vector<std::vector<float>> Stored(uint64_t count) {
    std::vector<PointId> ids;
    for (uint64_t i = 0; i < count; ++i) ids.push_back(Id(i));
    Projection projection;
    projection.vectors = true;
    const auto points = collection_->Get(ids, ReadAt(), projection, principal_);
    EXPECT_TRUE(points.ok()) << points.status();
    std::vector<std::vector<float>> vectors;
    for (const auto& point : *points) vectors.push_back(point ? point->vectors.at("v") : std::vector<float>());
    return vectors;
  }
  // The part of the best scores that a search finds.
  double RecallOf(SearchRequest request, const std::vector<float>& query) {
    request.query = Dense(query, true);
    const SearchResponse exact = Search(request);
    request.query = Dense(query, false);
    const SearchResponse found = Search(request);
    EXPECT_EQ(found.hits.size(), exact.hits.size());
    size_t near = 0;
    for (const PointHit& hit : found.hits) near += hit.score >= exact.hits.back().score ? 1 : 0;
    return exact.hits.empty() ? 1 : static_cast<double>(near) / static_cast<double>(exact.hits.size());
  }
  std::vector<std::filesystem::path> IndexFiles() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (entry.path().extension() == ".segment") files.push_back(entry.path());
    }
    return files;
  }

  DenseField field_;
  std::mt19937_64 random_{20261126};
};

class EachKind : public KindsTest, public testing::WithParamInterface<KindCase> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, EachKind,
    testing::Values(KindCase{DenseIndexKind::kHnsw, VectorType::kF16, Metric::kCosine, 0.95},
                    KindCase{DenseIndexKind::kHnsw, VectorType::kBit, Metric::kHamming, 0},
                    KindCase{DenseIndexKind::kFlat, VectorType::kBit, Metric::kHamming, 0},
                    KindCase{DenseIndexKind::kIvfFlat, VectorType::kI8, Metric::kL2, 0.9},
                    KindCase{DenseIndexKind::kIvfPq, VectorType::kF32, Metric::kInnerProduct, 0.9},
                    KindCase{DenseIndexKind::kIvfPq, VectorType::kF16, Metric::kL2, 0},
                    KindCase{DenseIndexKind::kAuto, VectorType::kF32, Metric::kL2, 0.95}));

TEST_P(EachKind, WhatIsWrittenIsFoundSealedFreshAndReopened) {
  Declare(GetParam());
  Fill(0, 2500);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  Fill(2500, 300);
  Delete({3, 5, 2600});
  // What is read back is what is compared: each vector is its own nearest, with the score of itself.
  const std::vector<std::vector<float>> stored = Stored(2800);
  EXPECT_TRUE(stored[3].empty());
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen("kinds");
    double recall = 0, filtered = 0;
    for (int i = 0; i < 20; ++i) {
      const std::vector<float> query = Draw();
      recall += RecallOf(Request(Dense(query)), query) / 20;
      SearchRequest request = Request(Dense(query));
      request.filter = Compare("n", FilterOp::kLt, int64_t{700});
      filtered += RecallOf(request, query) / 20;
    }
    EXPECT_GE(recall, 0.9);
    EXPECT_GE(filtered, 0.9);
    for (const uint64_t id : {7u, 1234u, 2700u}) {
      EXPECT_TRUE(IsRounded(GetParam().type, stored[id]));
      const SearchResponse self = Search(Request(Dense(stored[id]), 1));
      ASSERT_EQ(self.hits.size(), 1u);
      const bool is_distance = GetParam().metric == Metric::kL2 || GetParam().metric == Metric::kHamming;
      EXPECT_TRUE(!is_distance || self.hits[0].score == 0) << self.hits[0].score;
    }
    SearchRequest none = Request(Dense(Draw(), false));
    none.filter = Compare("n", FilterOp::kLt, int64_t{-1});
    EXPECT_TRUE(Search(none).hits.empty());
    EXPECT_EQ(Search(Request(Dense(Draw(), false), 5000)).hits.size(), 2797u) << "k over the row count";
  }
}

TEST_P(EachKind, ADamagedFileChangesNoAnswer) {
  Declare(GetParam());
  Fill(0, 1500);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  std::vector<SearchResponse> before;
  std::vector<std::vector<float>> queries;
  for (int i = 0; i < 5; ++i) {
    queries.push_back(Draw());
    before.push_back(Search(Request(Dense(queries.back()), 20)));
  }
  for (const bool at_the_end : {true, false}) {
    collection_.reset();
    database_.reset();
    const auto files = IndexFiles();
    ASSERT_FALSE(files.empty());
    for (const auto& path : files) {
      // The vectors stand at the end; codes, graph or cells before them.
      const auto size = std::filesystem::file_size(path);
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(at_the_end ? size - 4000 : size / 5));
      file << std::string(500, '\x7B');
    }
    Open();
    auto collection = database_->GetCollection(principal_, "kinds");
    ASSERT_TRUE(collection.ok()) << collection.status();
    collection_ = *std::move(collection);
    for (size_t i = 0; i < queries.size(); ++i) {
      const SearchResponse after = Search(Request(Dense(queries[i]), 20));
      ASSERT_EQ(Ids(after), Ids(before[i]));
      for (size_t hit = 0; hit < after.hits.size(); ++hit) EXPECT_EQ(after.hits[hit].score, before[i].hits[hit].score);
    }
    ASSERT_TRUE(collection_->WaitIdle({}).ok());
  }
}

TEST_F(KindsTest, ARecallTargetPicksTheBeamAndARequestsOwnWins) {
  Declare({DenseIndexKind::kHnsw, VectorType::kF32, Metric::kL2, 0.9});
  Fill(0, 4000);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  const CollectionStats stats = collection_->Stats();
  ASSERT_EQ(stats.index.segments.size(), 1u);
  const DenseIndexInfo& info = stats.index.segments[0].dense.at(0);
  EXPECT_EQ(info.kind, DenseIndexKind::kHnsw);
  EXPECT_GE(info.recall, 0.9);
  EXPECT_GE(info.ef, 10u);
  SearchRequest request = Request(Dense(Draw(), false));
  request.explain = true;
  const SearchResponse tuned = Search(request);
  EXPECT_THAT(tuned.plan.back().plan, HasSubstr(absl::StrCat("graph ef=", info.ef, " ")));
  EXPECT_NEAR(tuned.plan.back().recall_estimate, info.recall, 1e-9);
  // Few enough that the graph is walked, as of 4,000 rows it is up to a beam of 31.
  ASSERT_NE(info.ef, 27u);
  std::get<DenseLeaf>(request.query.node).ef_search = 27;
  const SearchResponse own = Search(request);
  EXPECT_THAT(own.plan.back().plan, HasSubstr("graph ef=27 "));
  const double estimate = own.plan.back().recall_estimate;
  EXPECT_TRUE(info.ef < 27 ? estimate >= info.recall : estimate <= info.recall) << estimate << ", ef " << info.ef;
  std::get<DenseLeaf>(request.query.node).exact = true;
  EXPECT_EQ(Search(request).plan.back().recall_estimate, 1);
  Reopen("kinds");
  EXPECT_EQ(collection_->Stats().index.segments[0].dense.at(0).ef, info.ef) << "kept in the file";
}

TEST_F(KindsTest, WithoutATargetNothingIsKnownAndTheSchemasBeamIsTaken) {
  Declare({DenseIndexKind::kHnsw, VectorType::kF32, Metric::kL2, 0});
  Fill(0, 2500);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  SearchRequest request = Request(Dense(Draw(), false));
  request.explain = true;
  EXPECT_EQ(Search(request).plan.back().recall_estimate, -1);
  EXPECT_EQ(collection_->Stats().index.segments[0].dense.at(0).ef, 0u);
}

TEST_F(KindsTest, AutoSaysWhatItPickedAndWhy) {
  Declare({DenseIndexKind::kAuto, VectorType::kF32, Metric::kL2, 0});
  Fill(0, 1200);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  const DenseIndexInfo info = collection_->Stats().index.segments[0].dense.at(0);
  EXPECT_EQ(info.kind, DenseIndexKind::kFlat);
  EXPECT_EQ(info.vectors, 1200u);
  EXPECT_THAT(info.why, HasSubstr("1200 vectors of 75 KiB are compared"));
}

TEST_F(KindsTest, ValuesThatTheTypeDoesNotHaveAreRefusedByNameAndPlace) {
  Declare({DenseIndexKind::kHnsw, VectorType::kI8, Metric::kL2, 0}, 3);
  EXPECT_THAT(TryUpsert({Point(1, {1, 2, 128})}).status().ToString(),
              testing::AllOf(HasSubstr("field 'v'"), HasSubstr("value 128 at position 2"), HasSubstr("-128 to 127")));
  EXPECT_THAT(TryUpsert({Point(1, {1, 0.5f, 0})}).status().ToString(), HasSubstr("value 0.5 at position 1"));
  EXPECT_TRUE(TryUpsert({Point(1, {-128, 127, -0.0f})}).ok());
  EXPECT_EQ(Search(Request(Dense({0.5f, 0.25f, 0}), 1)).hits.size(), 1u) << "a query may lie between";
}

TEST_F(KindsTest, HalvesAreRoundedOnceAndOverflowIsRefused) {
  Declare({DenseIndexKind::kHnsw, VectorType::kF16, Metric::kL2, 0}, 2);
  EXPECT_THAT(TryUpsert({Point(1, {1, 70000})}).status().ToString(), HasSubstr("value 70000 at position 1 is beyond f16"));
  Upsert({Point(0, {0.1f, 65519})});
  EXPECT_EQ(Stored(1)[0], (std::vector<float>{FloatOfHalf(HalfOfFloat(0.1f)), 65504}));
}

TEST_F(KindsTest, BitsAreComparedByHamming) {
  Declare({DenseIndexKind::kFlat, VectorType::kBit, Metric::kHamming, 0}, 4);
  Upsert({Point(0, {0, 0, 0, 0}), Point(1, {1, 1, 1, 1}), Point(2, {1, 0, 0, 0})});
  const SearchResponse response = Search(Request(Dense({1, 1, 0, 0})));
  EXPECT_EQ(Ids(response), (std::vector<uint64_t>{2, 0, 1}));
  EXPECT_EQ(response.hits[0].score, -1);
  EXPECT_EQ(response.hits[1].score, -2);
  EXPECT_THAT(TryUpsert({Point(5, {0, 0, 2, 0})}).status().ToString(), HasSubstr("value 2 at position 2 is not a bit"));
  EXPECT_THAT(SearchError(Request(Dense({1, 0.5f, 0, 0}))), HasSubstr("position 1 is 0.5, and field 'v' is of bits"));
}

}  // namespace
}  // namespace vouch
