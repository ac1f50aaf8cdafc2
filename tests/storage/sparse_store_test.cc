// Sparse vectors through the store: written, read, refused, verified.
#include <rocksdb/write_batch.h>

#include <functional>

#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/row_codec.h"
#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A collection with one dense and two sparse fields, and three rows: sparse vectors in both fields,
// in the second, in none.
class SparseStoreTest : public testing::Test {
 protected:
  SparseStoreTest() {
    Open();
    CollectionSchema schema = TwoFieldSchema();
    schema.dense.pop_back();
    schema.sparse = {{.name = "s"}, {.name = "t"}};
    auto info = store_->catalog().CreateCollection("acme", "docs", schema, 1);
    EXPECT_TRUE(info.ok()) << info.status();
    c_ = info->id;
    EXPECT_TRUE(Commit({Row(1, {kFirst, kSecond}), Row(2, {{}, kFirst}), Row(3, {{}, {}})}).ok());
  }

  StoreOptions Options() const {
    StoreOptions options;
    options.path = dir_.File("store");
    return options;
  }
  void Open() {
    store_.reset();
    auto store = Store::Open(Options());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  static RowInput Row(uint64_t id, std::vector<SparseVector> sparse) {
    RowInput row;
    row.id = PointId(id);
    row.vectors = {{1, 2, 3}};
    row.payload = "{}";
    row.sparse = std::move(sparse);
    return row;
  }
  absl::StatusOr<CommitResult> Commit(std::vector<RowInput> rows) {
    return store_->commit_log().Commit(Upsert(c_, std::move(rows)));
  }

  // What verify says after `change` to the closed store.
  std::vector<std::string> ProblemsAfter(
      const std::function<void(rocksdb::WriteBatch&, rocksdb::ColumnFamilyHandle*)>& change) {
    store_.reset();
    {
      RocksOptions options;
      options.path = Options().path;
      auto rocks = Rocks::Open(options);
      EXPECT_TRUE(rocks.ok()) << rocks.status();
      rocksdb::WriteBatch batch;
      change(batch, (*rocks)->handle(Family::kVectors));
      EXPECT_TRUE((*rocks)->Write(batch).ok());
    }
    auto report = VerifyStore(Options());
    EXPECT_TRUE(report.ok()) << report.status();
    return report->problems;
  }
  std::string Key(uint64_t row, size_t field) const {
    return SparseKey(CollectionPrefix(TenantNumber(1), c_), RowId(row), field);
  }

  const SparseVector kFirst = {.indices = {0, 7, UINT32_MAX}, .values = {0.25f, 3, 1e-40f}};
  const SparseVector kSecond = {.indices = {5}, .values = {1}};
  TempDir dir_;
  std::unique_ptr<Store> store_;
  CollectionId c_;
};

TEST_F(SparseStoreTest, WhatIsWrittenIsRead) {
  for (const bool reopened : {false, true}) {
    if (reopened) Open();
    const std::vector<RowId> ids = {RowId(1), RowId(0)};
    const auto rows = store_->ReadRows(c_, ids, true);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_THAT((*rows)[0].sparse, ElementsAre(SparseVector(), kFirst));
    EXPECT_THAT((*rows)[1].sparse, ElementsAre(kFirst, kSecond));
    EXPECT_THAT((*rows)[1].vectors, ElementsAre(std::vector<float>{1, 2, 3}));
    std::vector<std::vector<SparseVector>> scanned;
    const auto take = [&](RowRecord&& row) {
      scanned.push_back(row.sparse);
      return absl::OkStatus();
    };
    ASSERT_TRUE(store_->ScanRows(c_, {RowId(0), RowId(3)}, true, take).ok());
    EXPECT_THAT(scanned,
                ElementsAre(ElementsAre(kFirst, kSecond), ElementsAre(SparseVector(), kFirst),
                            ElementsAre(SparseVector(), SparseVector())));
    scanned.clear();
    ASSERT_TRUE(store_->ScanRows(c_, {RowId(0), RowId(1)}, false, take).ok());
    EXPECT_THAT(scanned, ElementsAre(IsEmpty()));
  }
}

TEST_F(SparseStoreTest, WhatIsWrongIsNamed) {
  const auto message = [&](std::vector<SparseVector> sparse) {
    const auto result = Commit({Row(9, std::move(sparse))});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message({kFirst}), HasSubstr("point 9 has 1 sparse entries; the collection has 2"));
  EXPECT_THAT(message({{}, {.indices = {1, 1}, .values = {1, 1}}}),
              HasSubstr("point 9: field \"t\": the sparse vector has the index 1 twice"));
  EXPECT_THAT(message({{.indices = {2, 1}, .values = {1, 1}}, {}}),
              HasSubstr("not in canonical form"));
  EXPECT_EQ(store_->GetState(c_)->rows, 3u);
}

TEST_F(SparseStoreTest, VerifyNamesDamage) {
  EXPECT_THAT(ProblemsAfter([](auto&, auto*) {}), IsEmpty());
  const std::string value = EncodeSparseVector(kSecond);
  EXPECT_THAT(ProblemsAfter([&](auto& batch, auto* family) { batch.Delete(family, Key(1, 1)); }),
              ElementsAre(HasSubstr("sparse vector 1 of row 1 is missing")));
  EXPECT_THAT(
      ProblemsAfter([&](auto& batch, auto* family) { batch.Put(family, Key(1, 1), "\x02x"); }),
      ElementsAre(HasSubstr("sparse vector 1 of row 1 is damaged")));
  EXPECT_THAT(ProblemsAfter([&](auto& batch, auto* family) {
                batch.Put(family, Key(1, 1), value);
                batch.Put(family, Key(2, 0), value);
                batch.Put(family, Key(0, 2), value);
              }),
              ElementsAre(HasSubstr("sparse vector 2 of row 0: the row says that it has no such"),
                          HasSubstr("sparse vector 2 of row 0: the schema has 2 sparse fields"),
                          HasSubstr("sparse vector 0 of row 2: the row says that it has no such")));
}

TEST_F(SparseStoreTest, AMissingVectorFailsReadsOfItsRow) {
  ProblemsAfter([&](auto& batch, auto* family) { batch.Delete(family, Key(0, 1)); });
  Open();
  const auto row = store_->ReadRow(c_, RowId(0), true);
  EXPECT_EQ(row.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(row.status().message()), HasSubstr("sparse vector 1 of row 0"));
  EXPECT_TRUE(store_->ReadRow(c_, RowId(0), false).ok());
  EXPECT_TRUE(store_->ReadRow(c_, RowId(1), true).ok());
}

}  // namespace
}  // namespace vouch
