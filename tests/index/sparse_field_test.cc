// A sparse field through the whole of the index: commits, versions, merges, files and their damage.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/collection_model.h"
#include "tests/index/inverted/sparse_data.h"
#include "tests/index/segment_data.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CollectionSchema SparseSchema() {
  CollectionSchema schema;
  schema.sparse = {{.name = "s"}, {.name = "t"}};
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  return schema;
}

class SparseFieldTest : public testing::Test {
 protected:
  void Open(uint64_t seal_rows = 1'000'000) {
    index_.reset();
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &Filesystem::System();
    options.job_pool = &pool_;
    options.seal_rows = seal_rows;
    auto opened = model_.OpenIndex(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Commit(std::vector<RowInput> upserts, bool prepare = true) {
    auto [request, header] = model_.Commit(std::move(upserts), {});
    if (prepare) request.prepared = *index_->Prepare(request.upserts);
    index_->Apply(request, header);
  }
  static RowInput Row(uint64_t id, SparseVector s, SparseVector t = {}) {
    RowInput row;
    row.id = PointId(id);
    row.payload = absl::StrCat(R"({"year":)", id % 10, "}");
    row.sparse = {std::move(s), std::move(t)};
    return row;
  }
  SparseVector RandomVector(uint64_t most) {
    std::map<uint32_t, float> weights;
    for (uint64_t i = maker_.Below(most + 1); i > 0; --i) {
      weights[static_cast<uint32_t>(maker_.Below(30))] =
          static_cast<float>(1 + maker_.Below(1'000)) / 300;
    }
    return Sparse(weights);
  }
  std::vector<RowInput> RandomRows(size_t count) {
    std::vector<RowInput> rows;
    for (uint64_t id = maker_.Below(200); rows.size() < count; ++id) {
      rows.push_back(Row(id, RandomVector(12), RandomVector(3)));
    }
    return rows;
  }
  // Both fields at a version, filtered or not, against the definition.
  void Check(Version at) {
    std::vector<SparseVector> vectors[2];
    std::vector<bool> allowed;
    const bool filtered = maker_.Below(2) == 0;
    const Filter filter = {
        .op = FilterOp::kLt, .path = "year", .values = {int64_t{3}}, .children = {}};
    for (uint64_t row = 0; row < model_.rows(); ++row) {
      for (size_t field = 0; field < 2; ++field)
        vectors[field].push_back(model_.row(row).input.sparse[field]);
      allowed.push_back(model_.Visible(row, at) &&
                        (!filtered || model_.row(row).input.id.number() % 10 < 3));
    }
    const IndexReader reader = index_->Read(at, model_.rows_at(at));
    const auto mask = reader.MakeMask(filtered ? &filter : nullptr, {}, CancelToken());
    ASSERT_TRUE(mask.ok()) << mask.status();
    for (int field = 0; field < 2; ++field) {
      const SparseVector query = RandomVector(8);
      const auto hits = reader.SearchSparse(field, query, 15, *mask, CancelToken(), nullptr);
      ASSERT_TRUE(hits.ok()) << hits.status();
      ASSERT_EQ(*hits, NaiveSparse(vectors[field], allowed, query, 15)) << "version " << at.value;
      if (hits->empty()) continue;
      double sum = 0;
      const auto shares = reader.ExplainSparse(field, query, hits->front().row);
      ASSERT_TRUE(shares.ok()) << shares.status();
      for (const SparseContribution& share : *shares) sum += share.score;
      ASSERT_EQ(static_cast<float>(sum), hits->front().score);
    }
  }

  TempDir folder_;
  JobPool pool_{1};
  RowMaker maker_{21};
  CollectionModel model_{SparseSchema()};
  std::unique_ptr<CollectionIndex> index_;
};

TEST_F(SparseFieldTest, AnswersByTheDefinitionAtEveryVersion) {
  Open(400);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    Commit(RandomRows(1 + maker_.Below(60)), maker_.Below(3) != 0);
    for (int i = 0; i < 5; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Check(maker_.Below(2) == 0 ? model_.latest() : Version(maker_.Below(round + 2))));
    }
    if (round == 30) {
      ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
    }
    if (round % 20 == 15) Open(400);
  }
}

TEST_F(SparseFieldTest, AFileIsLoadedAgainAndADamagedOneRebuilt) {
  Open();
  for (int i = 0; i < 5; ++i) Commit(RandomRows(100));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::vector<std::string> ids = index_->Read(model_.latest(), model_.rows()).BuildIds();
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  EXPECT_EQ(index_->Read(model_.latest(), model_.rows()).BuildIds(), ids);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
  index_.reset();
  for (const auto& file : std::filesystem::directory_iterator(folder_.File("index"))) {
    if (file.path().extension() != ".segment") continue;
    // The payload section is short: the last quarter of the file begins in the postings.
    const auto at = static_cast<std::streamoff>(file.file_size() * 3 / 4);
    std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(at);
    const int byte = stream.get();
    stream.seekp(at);
    stream.put(static_cast<char>(byte ^ 4));
  }
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  EXPECT_EQ(index_->Read(model_.latest(), model_.rows()).BuildIds(), ids);
}

TEST_F(SparseFieldTest, AFileOfAnotherHistoryIsNotUsed) {
  Open();
  Commit({Row(1, Sparse({{1, 1}})), Row(2, Sparse({{1, 2}}))});
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  model_ = CollectionModel(SparseSchema());
  model_.Commit({Row(1, Sparse({{1, 1}})), Row(2, Sparse({{1, 3}}))}, {});
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
}

TEST_F(SparseFieldTest, QueriesAndRowsAreValidated) {
  Open();
  Commit({Row(1, Sparse({{1, 1}}))});
  const IndexReader reader = index_->Read(model_.latest(), model_.rows());
  const RowMask mask = *reader.MakeMask(nullptr, {}, CancelToken());
  const auto error = [&](int field, const SparseVector& query) {
    const auto hits = reader.SearchSparse(field, query, 5, mask, CancelToken(), nullptr);
    EXPECT_EQ(hits.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(hits.status().message());
  };
  EXPECT_THAT(error(2, {}), HasSubstr("sparse field 2 of 2"));
  EXPECT_THAT(error(0, {.indices = {1}, .values = {-1}}), HasSubstr("-1"));
  // In any order, and with zeros.
  SearchStats stats;
  const auto hits = reader.SearchSparse(0, {.indices = {9, 1, 3}, .values = {1, 2, 0}}, 5, mask,
                                        CancelToken(), &stats);
  ASSERT_TRUE(hits.ok()) << hits.status();
  EXPECT_THAT(*hits, ElementsAre(Hit{RowId(0), 2}));
  EXPECT_EQ(stats.plan, "inner product over 2 indices, exact on 1 segment");
  EXPECT_EQ(reader.ExplainSparse(0, {}, RowId(7)).status().code(), absl::StatusCode::kNotFound);
  const auto prepared =
      index_->Prepare(std::vector<RowInput>{Row(3, {.indices = {2, 1}, .values = {1, 1}})});
  EXPECT_THAT(std::string(prepared.status().message()), HasSubstr("point 3: field 's'"));
}

TEST(SparseSegmentFile, RoundTripsAndCarriesTheSchemasFieldsInItsFingerprint) {
  CollectionSchema schema = SparseSchema();
  const auto made = *IndexSchema::Create(schema);
  RowInput row;
  row.id = PointId(1);
  row.payload = "{}";
  row.sparse = {Sparse({{4, 1}}), {}};
  const std::vector<RowInput> rows(3, row);
  const SegmentPtr fresh =
      *BuildFreshSegment(*made, RowId(0), rows, **IndexedRows::Prepare(*made, rows));
  const std::string bytes = FileBytes(*made, *fresh);
  const absl::StatusOr<Segment> decoded = Decode(*made, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(FileBytes(*made, *decoded), bytes);
  EXPECT_EQ(fresh->Memory().postings, fresh->sparse[0]->memory_bytes());
  schema.sparse[0].name = "renamed";
  EXPECT_TRUE(Decode(**IndexSchema::Create(schema), bytes).ok());
  schema.sparse.pop_back();
  EXPECT_EQ(Decode(**IndexSchema::Create(schema), bytes).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace vouch
