// Multi-vectors through the store: written, read, refused, verified, backed up.
#include <rocksdb/write_batch.h>

#include <functional>

#include "storage/erasure.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/row_codec.h"
#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A collection with one dense, one sparse and two multi-vector fields, f32 and i8, and three rows: tokens in
// both fields, in the second, in none.
class MultiVectorStoreTest : public testing::Test {
 protected:
  MultiVectorStoreTest() {
    Open();
    CollectionSchema schema = TwoFieldSchema();
    schema.dense.pop_back();
    schema.sparse = {{.name = "s"}};
    schema.multi_vector = {
        {.name = "m", .dim = 2, .metric = Metric::kInnerProduct, .type = VectorType::kF32},
        {.name = "n", .dim = 3, .metric = Metric::kInnerProduct, .type = VectorType::kI8}};
    auto info = store_->catalog().CreateCollection("acme", "docs", schema, 1);
    EXPECT_TRUE(info.ok()) << info.status();
    c_ = info->id;
    EXPECT_TRUE(Commit({Row(1, {kFirst, kSecond}), Row(2, {{}, kSecond}), Row(3, {{}, {}})}).ok());
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
  static RowInput Row(uint64_t id, std::vector<MultiVector> multi_vectors) {
    RowInput row;
    row.id = PointId(id);
    row.vectors = {{1, 2, 3}};
    row.sparse = {{.indices = {4}, .values = {1}}};
    row.payload = "{}";
    row.multi_vectors = std::move(multi_vectors);
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
    return MultiVectorKey(CollectionPrefix(TenantNumber(1), c_), RowId(row), field);
  }

  const MultiVector kFirst = {.dim = 2, .values = {0.25f, 3, 1e-40f, -7}};
  const MultiVector kSecond = {.dim = 3, .values = {1, -128, 127}};
  TempDir dir_;
  std::unique_ptr<Store> store_;
  CollectionId c_;
};

TEST_F(MultiVectorStoreTest, WhatIsWrittenIsRead) {
  for (const bool reopened : {false, true}) {
    if (reopened) Open();
    const std::vector<RowId> ids = {RowId(1), RowId(0)};
    const auto rows = store_->ReadRows(c_, ids, true);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_THAT((*rows)[0].multi_vectors, ElementsAre(MultiVector(), kSecond));
    EXPECT_THAT((*rows)[1].multi_vectors, ElementsAre(kFirst, kSecond));
    EXPECT_EQ((*rows)[1].sparse[0].indices[0], 4u);
    std::vector<std::vector<MultiVector>> scanned;
    const auto take = [&](RowRecord&& row) {
      scanned.push_back(row.multi_vectors);
      return absl::OkStatus();
    };
    ASSERT_TRUE(store_->ScanRows(c_, {RowId(0), RowId(3)}, true, take).ok());
    EXPECT_THAT(scanned,
                ElementsAre(ElementsAre(kFirst, kSecond), ElementsAre(MultiVector(), kSecond),
                            ElementsAre(MultiVector(), MultiVector())));
    scanned.clear();
    ASSERT_TRUE(store_->ScanRows(c_, {RowId(0), RowId(1)}, false, take).ok());
    EXPECT_THAT(scanned, ElementsAre(IsEmpty()));
  }
}

TEST_F(MultiVectorStoreTest, WhatIsWrongIsNamed) {
  const auto message = [&](std::vector<MultiVector> multi_vectors) {
    const auto result = Commit({Row(9, std::move(multi_vectors))});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message({kFirst}), HasSubstr("point 9 has 1 multi-vector entries; the collection has 2"));
  EXPECT_THAT(message({{}, {.dim = 3, .values = {1, 2, 0.5f}}}),
              HasSubstr("point 9: field \"n\": token 0 has a value that is not finite and one of i8"));
  EXPECT_THAT(message({kSecond, {}}), HasSubstr("have 3 dimensions, the field has 2"));
  EXPECT_EQ(store_->GetState(c_)->rows, 3u);
}

TEST_F(MultiVectorStoreTest, VerifyNamesDamage) {
  EXPECT_THAT(ProblemsAfter([](auto&, auto*) {}), IsEmpty());
  const std::string value = EncodeMultiVector(VectorType::kI8, kSecond);
  EXPECT_THAT(ProblemsAfter([&](auto& batch, auto* family) { batch.Delete(family, Key(1, 1)); }),
              ElementsAre(HasSubstr("multi-vector 1 of row 1 is missing")));
  EXPECT_THAT(
      ProblemsAfter([&](auto& batch, auto* family) { batch.Put(family, Key(1, 1), "\x08x"); }),
      ElementsAre(HasSubstr("multi-vector 1 of row 1 is damaged")));
  EXPECT_THAT(
      ProblemsAfter([&](auto& batch, auto* family) {
        batch.Put(family, Key(1, 1), EncodeMultiVector(VectorType::kF32, kFirst));
      }),
      ElementsAre(HasSubstr("multi-vector 1 of row 1 has 2 dimensions of f32; the field \"n\" has 3 of i8")));
  EXPECT_THAT(ProblemsAfter([&](auto& batch, auto* family) {
                batch.Put(family, Key(1, 1), value);
                batch.Put(family, Key(2, 0), EncodeMultiVector(VectorType::kF32, kFirst));
                batch.Put(family, Key(0, 2), value);
              }),
              ElementsAre(HasSubstr("multi-vector 2 of row 0: the row says that it has no such"),
                          HasSubstr("multi-vector 2 of row 0: the schema has 2 multi-vector fields"),
                          HasSubstr("multi-vector 0 of row 2: the row says that it has no such")));
}

TEST_F(MultiVectorStoreTest, AMissingOneFailsReadsOfItsRow) {
  ProblemsAfter([&](auto& batch, auto* family) { batch.Delete(family, Key(0, 1)); });
  Open();
  const auto row = store_->ReadRow(c_, RowId(0), true);
  EXPECT_EQ(row.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(row.status().message()), HasSubstr("multi-vector 1 of row 0"));
  EXPECT_TRUE(store_->ReadRow(c_, RowId(0), false).ok());
  EXPECT_TRUE(store_->ReadRow(c_, RowId(1), true).ok());
}

TEST_F(MultiVectorStoreTest, ABackupHasThem) {
  const std::string backups = dir_.File("backups");
  const absl::StatusOr<uint32_t> id = store_->Backup(backups, nullptr);
  ASSERT_TRUE(id.ok()) << id.status();
  store_.reset();
  const std::string restored = dir_.File("restored");
  ASSERT_TRUE(RestoreBackup(backups, *id, restored).ok());
  StoreOptions options = Options();
  options.path = restored;
  EXPECT_THAT(VerifyStore(options)->problems, IsEmpty());
  const auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT((*store)->ReadRow(c_, RowId(0), true)->multi_vectors, ElementsAre(kFirst, kSecond));
}

TEST_F(MultiVectorStoreTest, AnErasedRowHasNoneLeft) {
  ASSERT_TRUE(Erasure::Of(*store_).EraseRows(c_, std::vector<RowErasure>{{.row = RowId(0), .payload = "{}"}}).ok());
  // Verify tells of vectors that a row does not name.
  EXPECT_THAT(ProblemsAfter([](rocksdb::WriteBatch&, rocksdb::ColumnFamilyHandle*) {}), IsEmpty());
}

}  // namespace
}  // namespace vouch
