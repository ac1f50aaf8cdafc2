// Dense vectors of each type through the store: written, read, refused, verified.
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

// A collection with a field of f16, i8 and bits, 10 dimensions each.
class VectorTypeStoreTest : public testing::Test {
 protected:
  VectorTypeStoreTest() {
    Open();
    CollectionSchema schema;
    schema.dense = {Field("h", VectorType::kF16, Metric::kCosine), Field("i", VectorType::kI8, Metric::kL2),
                    Field("b", VectorType::kBit, Metric::kHamming)};
    auto info = store_->catalog().CreateCollection("acme", "docs", schema, 1);
    EXPECT_TRUE(info.ok()) << info.status();
    c_ = info->id;
    EXPECT_TRUE(Commit({kHalves, kIntegers, kBits}).ok());
  }

  static DenseField Field(std::string name, VectorType type, Metric metric) {
    DenseField field;
    field.name = std::move(name);
    field.dim = 10;
    field.type = type;
    field.metric = metric;
    return field;
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
  absl::StatusOr<CommitResult> Commit(std::vector<std::vector<float>> vectors) {
    RowInput row;
    row.id = PointId(uint64_t{1});
    row.vectors = std::move(vectors);
    row.payload = "{}";
    return store_->commit_log().Commit(Upsert(c_, {row}));
  }
  std::string Key(uint16_t field) const { return VectorKey(CollectionPrefix(TenantNumber(1), c_), RowId(0), field); }
  void WithRocks(const std::function<void(Rocks&)>& use) {
    store_.reset();
    RocksOptions options;
    options.path = Options().path;
    auto rocks = Rocks::Open(options);
    ASSERT_TRUE(rocks.ok()) << rocks.status();
    use(**rocks);
  }
  std::vector<std::string> ProblemsWith(uint16_t field, std::string_view value) {
    WithRocks([&](Rocks& rocks) {
      rocksdb::WriteBatch batch;
      batch.Put(rocks.handle(Family::kVectors), Key(field), rocksdb::Slice(value.data(), value.size()));
      EXPECT_TRUE(rocks.Write(batch).ok());
    });
    auto report = VerifyStore(Options());
    EXPECT_TRUE(report.ok()) << report.status();
    return report->problems;
  }

  const std::vector<float> kHalves = {1, -0.5f, 65504, 0x1p-24f, 0, 0.333251953125f, -2, 3, 4, 5};
  const std::vector<float> kIntegers = {-128, 127, 0, 1, -1, 2, 3, 4, 5, 6};
  const std::vector<float> kBits = {1, 0, 0, 0, 0, 0, 0, 1, 0, 1};
  TempDir dir_;
  std::unique_ptr<Store> store_;
  CollectionId c_;
};

TEST_F(VectorTypeStoreTest, WhatIsWrittenIsReadAndVerified) {
  for (const bool reopened : {false, true}) {
    if (reopened) Open();
    const auto row = store_->ReadRow(c_, RowId(0), true);
    ASSERT_TRUE(row.ok()) << row.status();
    EXPECT_THAT(row->vectors, ElementsAre(kHalves, kIntegers, kBits));
  }
  store_.reset();
  const auto report = VerifyStore(Options());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
}

TEST_F(VectorTypeStoreTest, TheValuesAreTheBytesOfTheFormat) {
  WithRocks([&](Rocks& rocks) {
    EXPECT_EQ(*rocks.Get(Family::kVectors, Key(0)),
              std::string("\x03\0\x3C\0\xB8\xFF\x7B\1\0\0\0\x55\x35\0\xC0\0\x42\0\x44\0\x45", 21));
    EXPECT_EQ(*rocks.Get(Family::kVectors, Key(1)), std::string("\x04\x80\x7F\0\1\xFF\2\3\4\5\6", 11));
    EXPECT_EQ(*rocks.Get(Family::kVectors, Key(2)), "\x05\x0A\x81\x02");
  });
}

TEST_F(VectorTypeStoreTest, AVectorThatIsNotRoundedIsRefused) {
  std::vector<float> third = kHalves;
  third[5] = 1.0f / 3;
  const auto result = Commit({third, {}, {}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("at 5; it must be finite and one of f16"));
  EXPECT_EQ(Commit({{}, {0, 0.5f, 0, 0, 0, 0, 0, 0, 0, 0}, {}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Commit({{}, {}, {0, 2, 0, 0, 0, 0, 0, 0, 0, 0}}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VectorTypeStoreTest, VerifyAndReadsNameDamage) {
  EXPECT_THAT(ProblemsWith(2, "\x05\x0A\x81\x06"), ElementsAre(HasSubstr("vector 2 of row 0 is damaged")))
      << "a bit after the last value";
  Open();
  EXPECT_EQ(store_->ReadRow(c_, RowId(0), true).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(ProblemsWith(2, "\x05\x09\x81\x01"), ElementsAre(HasSubstr("has 9 dimensions")));
  EXPECT_THAT(ProblemsWith(2, std::string("\x04\1\0\0\0\0\0\0\0\0\0", 11)),
              ElementsAre(HasSubstr("is i8; the field \"b\" has bit")));
  Open();
  EXPECT_THAT(std::string(store_->ReadRow(c_, RowId(0), true).status().message()), HasSubstr("of i8, unlike its field"));
  EXPECT_THAT(ProblemsWith(2, std::string("\x05\0", 2)), ElementsAre(HasSubstr("is damaged")));
}

}  // namespace
}  // namespace vouch
