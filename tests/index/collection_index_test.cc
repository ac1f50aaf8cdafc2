#include "index/collection_index.h"

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/collection_model.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CollectionIndexTest : public testing::Test {
 protected:
  IndexOptions Options(uint64_t seal_rows = 1'000'000) {
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &Filesystem::System();
    options.job_pool = &pool_;
    options.seal_rows = seal_rows;
    return options;
  }
  void Open(const IndexOptions& options) {
    index_.reset();
    auto opened = model_.OpenIndex(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Commit(std::vector<RowInput> upserts, std::vector<PointId> deletes = {}, bool prepare = true) {
    auto [request, header] = model_.Commit(std::move(upserts), std::move(deletes));
    if (prepare) {
      auto prepared = index_->Prepare(request.upserts);
      ASSERT_TRUE(prepared.ok()) << prepared.status();
      request.prepared = *std::move(prepared);
    }
    index_->Apply(request, header);
  }
  static RowInput Point(uint64_t id, std::vector<float> a, std::string payload = "{}",
                        std::vector<std::string> access = {}) {
    return {.id = PointId(id),
            .vectors = {std::move(a), {}},
            .payload = std::move(payload),
            .provenance = "",
            .access = std::move(access)};
  }
  static Principal Who(std::string subject, std::vector<std::string> groups) {
    Principal who;
    who.subject = std::move(subject);
    who.groups = std::move(groups);
    return who;
  }
  IndexReader Latest() { return index_->Read(model_.latest(), model_.rows()); }
  static RowMask Mask(const IndexReader& reader, const Principal& who = {}, const Filter* filter = nullptr) {
    return *reader.MakeMask(filter, who, CancelToken());
  }
  static std::vector<uint64_t> Rows(const std::vector<Hit>& hits) {
    std::vector<uint64_t> rows;
    for (const Hit& hit : hits) rows.push_back(hit.row.value);
    return rows;
  }
  std::vector<uint64_t> Search(const IndexReader& reader, const RowMask& mask, size_t k = 10) {
    const std::vector<float> origin(5, 0.0f);
    auto hits = reader.SearchDense({.field = 0, .vector = origin, .k = k}, mask, CancelToken(), nullptr);
    EXPECT_TRUE(hits.ok()) << hits.status();
    return Rows(*hits);
  }

  TempDir folder_;
  JobPool pool_{1};
  CollectionModel model_{ModelSchema()};
  std::unique_ptr<CollectionIndex> index_;
};

TEST_F(CollectionIndexTest, AnEmptyCollectionAnswersNothing) {
  Open(Options());
  const IndexReader reader = Latest();
  const RowMask mask = Mask(reader);
  EXPECT_THAT(Search(reader, mask), IsEmpty());
  EXPECT_THAT(*reader.SearchText(0, "word", 10, mask, CancelToken(), nullptr), IsEmpty());
  EXPECT_THAT(reader.ScrollRows(mask, kNoRow, 10), IsEmpty());
  EXPECT_THAT(reader.BuildIds(), IsEmpty());
  EXPECT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_THAT(index_->Status().segments, IsEmpty());
}

TEST_F(CollectionIndexTest, EachVersionShowsItsRows) {
  Open(Options());
  Commit({Point(1, {1, 0, 0, 0, 0}), Point(2, {2, 0, 0, 0, 0})});
  Commit({Point(1, {3, 0, 0, 0, 0})});
  Commit({}, {PointId(2)});
  EXPECT_EQ(index_->latest(), Version(3));
  const std::vector<std::vector<uint64_t>> wanted = {{}, {0, 1}, {1, 2}, {2}};
  for (const bool optimized : {false, true}) {
    if (optimized) {
      ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
    }
    for (uint64_t version = 0; version <= 3; ++version) {
      const IndexReader reader = index_->Read(Version(version), model_.rows_at(Version(version)));
      EXPECT_EQ(Search(reader, Mask(reader)), wanted[version]) << version;
    }
  }
  EXPECT_EQ(Latest().IdOf(RowId(2)), PointId(1));
}

TEST_F(CollectionIndexTest, CommitsOfOneGroupAreAppliedAsOneByOne) {
  Open(Options());
  Commit({Point(1, {1, 0, 0, 0, 0}), Point(2, {2, 0, 0, 0, 0})});
  std::vector<std::pair<CommitRequest, CommitHeader>> made;
  made.push_back(model_.Commit({Point(3, {4, 0, 0, 0, 0})}, {}));
  made.push_back(model_.Commit({}, {PointId(2)}));
  for (uint64_t id = 3; id < 12; ++id) made.push_back(model_.Commit({Point(id, {3, 0, 0, 0, 0})}, {}));
  std::vector<DurableCommit> group;
  for (size_t i = 0; i < made.size(); ++i) {
    // Prepared or not, and one that was applied before.
    if (i % 3 != 0) made[i].first.prepared = *index_->Prepare(made[i].first.upserts);
    group.push_back({&made[i].first, &made[i].second});
  }
  index_->Apply(std::span(group).first(2));
  index_->Apply(std::span(group).subspan(1));
  EXPECT_EQ(index_->latest(), model_.latest());
  const auto rows_at = [&](uint64_t version) {
    const IndexReader reader = index_->Read(Version(version), model_.rows_at(Version(version)));
    return Search(reader, Mask(reader));
  };
  EXPECT_THAT(rows_at(1), ElementsAre(0, 1));
  EXPECT_THAT(rows_at(2), ElementsAre(0, 1, 2));
  EXPECT_THAT(rows_at(3), ElementsAre(0, 2));
  EXPECT_THAT(rows_at(4), ElementsAre(0, 3));
  EXPECT_THAT(rows_at(5), ElementsAre(0, 3, 4));
  EXPECT_THAT(index_->Status().last_error, IsEmpty());
  EXPECT_LT(index_->Status().segments.size(), 8u) << "small neighbours are merged";
}

TEST_F(CollectionIndexTest, AnOldSnapshotIsUntouchedByLaterCommitsAndMerges) {
  Open(Options());
  Commit({Point(1, {1, 0, 0, 0, 0}), Point(2, {2, 0, 0, 0, 0})});
  const IndexReader old = Latest();
  for (uint64_t id = 1; id < 100; ++id) Commit({Point(id, {0, 0, 0, 0, 0})});
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_THAT(Search(old, Mask(old)), ElementsAre(0, 1));
  EXPECT_EQ(old.IdOf(RowId(1)), PointId(2));
}

TEST_F(CollectionIndexTest, AccessListsHideRowsEverywhere) {
  Open(Options());
  const std::string text = R"({"title":"secret word"})";
  Commit({Point(1, {1, 0, 0, 0, 0}, text), Point(2, {2, 0, 0, 0, 0}, text, {"alice", "staff"}),
          Point(3, {3, 0, 0, 0, 0}, text, {"staff"})});
  const auto sees = [&](const Principal& who) {
    const IndexReader reader = Latest();
    const RowMask mask = Mask(reader, who);
    const std::vector<uint64_t> rows = Search(reader, mask);
    std::vector<uint64_t> by_text = Rows(*reader.SearchText(0, "secret", 10, mask, CancelToken(), nullptr));
    EXPECT_EQ(by_text, rows);
    std::vector<uint64_t> scrolled;
    for (RowId row : reader.ScrollRows(mask, kNoRow, 10)) scrolled.push_back(row.value);
    EXPECT_EQ(scrolled, rows);
    for (uint64_t row = 0; row < 3; ++row) {
      EXPECT_EQ(reader.IsAllowed(RowId(row), mask), std::count(rows.begin(), rows.end(), row) > 0);
      EXPECT_TRUE(reader.IsVisible(RowId(row), mask));
    }
    EXPECT_EQ(mask.allowed_count, rows.size());
    return rows;
  };
  for (const bool optimized : {false, true}) {
    if (optimized) {
      ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
    }
    EXPECT_THAT(sees({}), ElementsAre(0));
    EXPECT_THAT(sees(Who("alice", {})), ElementsAre(0, 1));
    EXPECT_THAT(sees(Who("bob", {"guests", "staff"})), ElementsAre(0, 1, 2));
  }
}

TEST_F(CollectionIndexTest, SamplesDoNotDependOnHowSegmentsLie) {
  Open(Options());
  for (uint64_t i = 0; i < 40; ++i) {
    std::vector<RowInput> points;
    for (uint64_t j = 0; j < 5; ++j) {
      const auto x = static_cast<float>(5 * i + j);
      points.push_back(j == 3 ? Point(5 * i + j, {}) : Point(5 * i + j, {x, 0, 0, 0, 0}));
    }
    Commit(points);
  }
  for (uint64_t id = 0; id < 60; ++id) Commit({Point(id, {-1, 0, 0, 0, 0})});
  const auto sample = [&](size_t count) {
    const IndexReader reader = Latest();
    std::vector<uint64_t> rows;
    for (RowId row : reader.SampleRows(Mask(reader), count)) rows.push_back(row.value);
    return rows;
  };
  const std::vector<uint64_t> before = sample(20);
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_EQ(sample(20), before);
  // Of the visible rows 60 to 259 each tenth.
  ASSERT_THAT(before, SizeIs(20));
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i], 60 + 10 * i);
  EXPECT_THAT(sample(1000), SizeIs(200));
  EXPECT_THAT(sample(0), IsEmpty());
}

TEST_F(CollectionIndexTest, WeightedTermsAddUp) {
  Open(Options());
  Commit({Point(1, {}, R"({"title":"alpha beta"})"), Point(2, {}, R"({"title":"gamma"})")});
  const IndexReader reader = Latest();
  const RowMask mask = Mask(reader);
  const std::vector<WeightedTerm> once = {{"alpha", 1}, {"gamma", 0.5}};
  const auto hits = *reader.SearchTerms(0, once, 10, mask, CancelToken(), nullptr);
  EXPECT_THAT(Rows(hits), ElementsAre(0, 1));
  const std::vector<WeightedTerm> twice = {{"alpha", 2}, {"gamma", 1}};
  EXPECT_FLOAT_EQ(reader.SearchTerms(0, twice, 10, mask, CancelToken(), nullptr)->front().score,
                  2 * hits[0].score);
  const std::vector<RowId> rows = {RowId(1), RowId(0)};
  const auto explained = *reader.ExplainTerms(0, once, rows, mask, CancelToken());
  ASSERT_THAT(explained, SizeIs(2));
  const std::vector<TermContribution>& terms = explained[0];
  ASSERT_THAT(terms, SizeIs(1));
  EXPECT_THAT(*reader.ScoreTerms(0, once, rows, mask, CancelToken()),
              ElementsAre(hits[1].score, hits[0].score));
  EXPECT_THAT(*reader.ScoreTerms(0, {{{"delta", 1}}}, rows, mask, CancelToken()),
              ElementsAre(0, 0));
  EXPECT_EQ(terms[0].query_weight, 0.5);
  EXPECT_FLOAT_EQ(static_cast<float>(terms[0].score), hits[1].score);
  const AnalyzedText text = *reader.ReadText(0, RowId(0));
  EXPECT_EQ(text.length, 2u);
  ASSERT_THAT(text.terms, SizeIs(2));
  EXPECT_EQ(text.terms[0], (AnalyzedText::Term{"alpha", 1}));
  EXPECT_THAT(text.order, ElementsAre(0, 1));
}

TEST_F(CollectionIndexTest, TextComesFromThePathsInOrder) {
  Open(Options());
  Commit({Point(1, {}, R"({"title":"alpha","meta":{"text":"beta beta"},"other":"gamma"})"),
          Point(2, {}, R"({"title":["alpha","delta"]})")});
  const IndexReader reader = Latest();
  const RowMask mask = Mask(reader);
  EXPECT_THAT(Rows(*reader.SearchText(0, "beta", 10, mask, CancelToken(), nullptr)), ElementsAre(0));
  EXPECT_THAT(Rows(*reader.SearchText(0, "delta", 10, mask, CancelToken(), nullptr)), ElementsAre(1));
  EXPECT_THAT(Rows(*reader.SearchText(0, "gamma", 10, mask, CancelToken(), nullptr)), IsEmpty());
  SearchStats stats;
  const auto hits = *reader.SearchText(0, "alpha beta", 10, mask, CancelToken(), &stats);
  ASSERT_THAT(hits, SizeIs(2));
  EXPECT_THAT(stats.plan, HasSubstr("bm25 of 2 terms"));
  double sum = 0;
  const std::vector<TermContribution> terms = reader.ExplainTerms(
      0, std::vector<WeightedTerm>{{"alpha", 1}, {"beta", 1}}, {{hits[0].row}}, mask, CancelToken())->front();
  for (const TermContribution& term : terms) sum += term.score;
  EXPECT_FLOAT_EQ(static_cast<float>(sum), hits[0].score);
}

TEST_F(CollectionIndexTest, HasIdFindsNumbersAndStrings) {
  Open(Options());
  RowInput named = Point(0, {});
  named.id = *PointId::FromString("guide.md#3");
  Commit({Point(7, {}), named, Point(42, {})});
  const Filter filter = {.op = FilterOp::kHasId, .values = {int64_t{7}, std::string("guide.md#3"), std::string("007")}};
  const Filter as_text = {.op = FilterOp::kHasId, .values = {std::string("42")}};
  const IndexReader reader = Latest();
  EXPECT_THAT(reader.ScrollRows(Mask(reader, {}, &filter), kNoRow, 10), ElementsAre(RowId(0), RowId(1)));
  EXPECT_THAT(reader.ScrollRows(Mask(reader, {}, &as_text), kNoRow, 10), ElementsAre(RowId(2)));
}

TEST_F(CollectionIndexTest, PrepareNamesTheRowAndWhatIsWrong) {
  Open(Options());
  const auto message = [&](const RowInput& row) {
    const auto prepared = index_->Prepare(std::vector<RowInput>{Point(1, {}), row});
    EXPECT_EQ(prepared.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(prepared.status().message());
  };
  EXPECT_THAT(message(Point(9, {1, 2})), HasSubstr("point 9: field 'a' has dimension 5; the vector has 2 values"));
  EXPECT_THAT(message(Point(9, {1, 2, NAN, 4, 5})), HasSubstr("value 2 is not finite"));
  EXPECT_THAT(message(Point(9, {}, R"({"year":"x"})")), HasSubstr("year"));
  EXPECT_THAT(message(Point(9, {}, "{")), HasSubstr("point 9"));
}

TEST_F(CollectionIndexTest, RowsThatDoNotFitAreKeptAndReported) {
  Open(Options());
  Commit({Point(1, {1, 0, 0, 0, 0}, "{broken")}, {}, /*prepare=*/false);
  EXPECT_THAT(index_->Status().last_error, HasSubstr("1 committed rows do not fit"));
  const IndexReader reader = Latest();
  EXPECT_THAT(Search(reader, Mask(reader)), ElementsAre(0));
}

TEST_F(CollectionIndexTest, QueriesAreValidated) {
  Open(Options());
  const IndexReader reader = Latest();
  const RowMask mask = Mask(reader);
  const auto code = [&](int field, std::vector<float> vector) {
    return reader.SearchDense({.field = field, .vector = vector}, mask, CancelToken(), nullptr).status().code();
  };
  EXPECT_EQ(code(2, {1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(-1, {1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(0, {1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, 0, 0}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, INFINITY, 0}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, 3, 0}), absl::StatusCode::kOk);
  EXPECT_EQ(reader.SearchText(1, "x", 1, mask, CancelToken(), nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  Commit({Point(1, {1, 0, 0, 0, 0})});
  EXPECT_EQ(Latest().MakeMask(nullptr, {}, cancelled).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(CollectionIndexTest, ScoreDenseIsTheSearchScore) {
  Open(Options());
  RowMaker maker(3);
  for (int i = 0; i < 5; ++i) Commit(maker.Rows(40));
  const IndexReader reader = Latest();
  const RowMask mask = Mask(reader, Who("root", {"admins"}));
  for (int field = 0; field < 2; ++field) {
    const std::vector<float> query = maker.Vector(field == 0 ? 5 : 3);
    const DenseQuery dense = {.field = field, .vector = query, .k = 50};
    const std::vector<Hit> hits = *reader.SearchDense(dense, mask, CancelToken(), nullptr);
    for (const Hit& hit : hits) {
      EXPECT_EQ(*reader.ScoreDense(dense, hit.row), hit.score);
    }
  }
  EXPECT_EQ(*reader.ScoreDense({.field = 0, .vector = std::vector<float>(5)}, RowId(100'000)), std::nullopt);
}

TEST_F(CollectionIndexTest, SealsInTheBackgroundAndLoadsTheFileAgain) {
  Open(Options(100));
  RowMaker maker(5);
  while (model_.rows() < 450) Commit(maker.Rows(30));
  ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
  IndexStatus status = index_->Status();
  EXPECT_EQ(status.last_error, "");
  EXPECT_TRUE(status.segments.front().sealed);
  EXPECT_GT(status.segments.front().file_bytes, 0u);
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  status = index_->Status();
  ASSERT_THAT(status.segments, SizeIs(1));
  EXPECT_EQ(status.segments[0].rows.size(), model_.rows());
  const std::vector<std::string> ids = Latest().BuildIds();
  EXPECT_THAT(ids, ElementsAre(status.segments[0].build_id));
  // One segment file and the list are left.
  EXPECT_THAT(*Filesystem::System().ListDirectory(folder_.File("index")), SizeIs(2));

  Open(Options(100));
  EXPECT_EQ(Latest().BuildIds(), ids);
  EXPECT_EQ(index_->Status().files_damaged, 0u);
}

TEST_F(CollectionIndexTest, SealedRowsGoIntoANeighbourUpToEightTimesAsLarge) {
  Open(Options(100));
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> vectors;
  const auto commit = [&](size_t count) {
    std::vector<RowInput> rows;
    for (size_t i = 0; i < count; ++i) {
      std::vector<float>& vector = vectors.emplace_back(5);
      for (float& value : vector) value = normal(random);
      rows.push_back(Point(vectors.size(), vector));
    }
    Commit(std::move(rows));
    ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
  };
  const auto sizes = [&] {
    std::vector<uint64_t> rows;
    for (const SegmentInfo& segment : index_->Status().segments) {
      EXPECT_TRUE(segment.sealed);
      rows.push_back(segment.rows.size());
    }
    return rows;
  };
  commit(850);
  EXPECT_THAT(sizes(), ElementsAre(850));
  commit(100);
  EXPECT_THAT(sizes(), ElementsAre(850, 100));  // 850 rows are not written again for 100
  commit(110);
  EXPECT_THAT(sizes(), ElementsAre(1060));
  commit(90);
  EXPECT_THAT(index_->Status().segments, SizeIs(2));  // fresh rows, and too few to be sealed
  const auto expect_all_found = [&] {
    const IndexReader reader = Latest();
    const RowMask mask = Mask(reader);
    for (size_t row = 0; row < vectors.size(); row += 7) {
      const auto hits = reader.SearchDense({.field = 0, .vector = vectors[row], .k = 3}, mask, CancelToken(), nullptr);
      ASSERT_TRUE(hits.ok()) << hits.status();
      EXPECT_EQ(Rows(*hits).front(), row);
    }
  };
  expect_all_found();
  const std::vector<std::string> ids = Latest().BuildIds();
  Open(Options(100));
  EXPECT_EQ(Latest().BuildIds(), ids);
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  expect_all_found();
  // Optimized, the index follows from the rows alone, however they came in.
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::vector<std::string> optimized = Latest().BuildIds();
  IndexOptions at_once = Options();
  at_once.directory = folder_.File("at-once");
  Open(at_once);
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_EQ(Latest().BuildIds(), optimized);
}

TEST_F(CollectionIndexTest, OptimizeBuildsAGrownGraphAnew) {
  Open(Options(100));
  std::mt19937_64 random(12);
  std::normal_distribution<float> normal;
  for (const size_t count : {300, 120}) {
    std::vector<RowInput> rows;
    for (size_t i = 0; i < count; ++i) {
      std::vector<float> vector(5);
      for (float& value : vector) value = normal(random);
      rows.push_back(Point(count * 1000 + i, std::move(vector)));
    }
    Commit(std::move(rows));
    ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
  }
  ASSERT_THAT(index_->Status().segments, SizeIs(1));
  const std::vector<std::string> grown = Latest().BuildIds();
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::vector<std::string> optimized = Latest().BuildIds();
  EXPECT_NE(optimized, grown);
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());  // nothing is left to do
  EXPECT_EQ(Latest().BuildIds(), optimized);
}

TEST_F(CollectionIndexTest, FreshRowsAreFoundByCode) {
  Open(Options());
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  const auto commit = [&](uint64_t first) {
    std::vector<RowInput> rows;
    for (uint64_t id = first; id < first + 50; ++id) {
      std::vector<float> vector(5);
      for (float& value : vector) value = normal(random);
      rows.push_back(Point(id, std::move(vector)));
    }
    Commit(std::move(rows));
  };
  for (uint64_t id = 0; id < 2000; id += 50) commit(id);
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  for (uint64_t id = 2000; id < 2600; id += 50) commit(id);
  for (const bool reopened : {false, true}) {
    if (reopened) Open(Options());
    const IndexReader reader = Latest();
    const RowMask mask = Mask(reader);
    for (uint64_t row = 2000; row < 2600; row += 7) {
      const std::vector<float>& vector = model_.row(row).input.vectors[0];
      SearchStats stats;
      const auto hits = reader.SearchDense({.field = 0, .vector = vector, .k = 3}, mask, CancelToken(), &stats);
      ASSERT_TRUE(hits.ok()) << hits.status();
      ASSERT_FALSE(hits->empty());
      EXPECT_EQ(hits->front().row, RowId(row));
      EXPECT_THAT(stats.plan, HasSubstr("(fresh rows)"));
      EXPECT_THAT(stats.plan, HasSubstr("all codes on 1"));
    }
  }
}

TEST_F(CollectionIndexTest, EqualRowsGiveEqualBuildIdsHoweverTheyCame) {
  Open(Options());
  RowMaker maker(6);
  for (int i = 0; i < 6; ++i) Commit(maker.Rows(50));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::vector<std::string> ids = Latest().BuildIds();
  index_.reset();
  ASSERT_TRUE(Filesystem::System().RemoveAll(folder_.File("index")).ok());
  Open(Options());  // from the rows, in other pieces
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_EQ(Latest().BuildIds(), ids);
}

TEST_F(CollectionIndexTest, SingleRowCommitsLeaveFewSegments) {
  Open(Options());
  for (uint64_t id = 0; id < 3000; ++id) Commit({Point(id, {static_cast<float>(id), 0, 0, 0, 0})});
  EXPECT_LT(index_->Status().segments.size(), 40u);
  const IndexReader reader = Latest();
  EXPECT_THAT(Search(reader, Mask(reader), 3), ElementsAre(0, 1, 2));
}

TEST_F(CollectionIndexTest, ClosingStopsABuild) {
  CollectionSchema schema;
  schema.dense.emplace_back().name = "a";
  schema.dense[0].dim = 32;
  schema.dense[0].metric = Metric::kL2;
  CollectionModel model(schema);
  RowMaker maker(1);
  std::vector<RowInput> rows;
  for (uint64_t id = 0; id < 30'000; ++id) {
    rows.push_back(Point(id, {}));
    rows.back().vectors = {maker.Vector(32)};
  }
  model.Commit(std::move(rows), {});
  auto opened = model.OpenIndex(Options(100));
  ASSERT_TRUE(opened.ok());
  while ((*opened)->Status().building.empty()) std::this_thread::yield();
  opened->reset();
  // The build was not finished: nothing was written.
  EXPECT_THAT(*Filesystem::System().ListDirectory(folder_.File("index")), IsEmpty());
}

// What a process leaves that ends after a merge's file is written and before the list of files names it.
TEST_F(CollectionIndexTest, AMergeThatWasNotListedIsNoDamage) {
  namespace fs = std::filesystem;
  const std::string index = folder_.File("index");
  const std::string before = folder_.File("before");
  Open(Options(100));
  RowMaker maker(6);
  while (model_.rows() < 120) Commit(maker.Rows(30));
  ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
  fs::copy(index, before);
  while (model_.rows() < 450) Commit(maker.Rows(30));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  index_.reset();
  fs::copy(before, index, fs::copy_options::overwrite_existing | fs::copy_options::recursive);
  ASSERT_GT(Filesystem::System().ListDirectory(index)->size(), 2u);
  for (int start = 0; start < 2; ++start) {
    Open(Options(100));
    EXPECT_EQ(index_->Status().files_damaged, 0u) << "start " << start;
    EXPECT_THAT(index_->Status().segments, SizeIs(1));
    EXPECT_THAT(*Filesystem::System().ListDirectory(index), SizeIs(2));
  }
}

TEST_F(CollectionIndexTest, AFileOfAnotherHistoryIsNotUsed) {
  Open(Options());
  Commit({Point(1, {1, 0, 0, 0, 0}), Point(2, {2, 0, 0, 0, 0})});
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  model_ = CollectionModel(ModelSchema());
  model_.Commit({Point(5, {9, 0, 0, 0, 0}), Point(6, {8, 0, 0, 0, 0})}, {});
  Open(Options());
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  const IndexReader reader = Latest();
  EXPECT_THAT(Search(reader, Mask(reader)), ElementsAre(1, 0));
}

}  // namespace
}  // namespace vouch
