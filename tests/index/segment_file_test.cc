#include "index/segment_file.h"

#include <xxhash.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/segment_format.h"
#include "tests/index/segment_data.h"

namespace vouch {
namespace {

using namespace segment_format;  // NOLINT: constants of this format only
using ::testing::HasSubstr;

class SegmentFileTest : public testing::Test {
 protected:
  struct Entry {
    uint32_t kind;
    uint32_t field;
    uint64_t offset;
    uint64_t length;
    uint64_t checksum;
  };
  static_assert(sizeof(Entry) == kSectionEntryBytes);

  template <typename T>
  T At(uint64_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(value));
    return value;
  }
  std::vector<Entry> Entries() const {
    std::vector<Entry> entries;
    for (uint32_t i = 0; i < At<uint32_t>(12); ++i) {
      entries.push_back(At<Entry>(kFixedHeaderBytes + i * kSectionEntryBytes));
    }
    return entries;
  }

  std::shared_ptr<const IndexSchema> schema_ = TestIndexSchema();
  Segment segment_ = SealedSegment(*schema_, 8, 60, 1000);
  std::string bytes_ = FileBytes(*schema_, segment_);
};

TEST_F(SegmentFileTest, RoundTrip) {
  const EncodedSegment encoded = EncodeSegment(*schema_, segment_);
  EXPECT_EQ(encoded.size_bytes, bytes_.size());
  const absl::StatusOr<Segment> decoded = Decode(*schema_, bytes_);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->rows, segment_.rows);
  EXPECT_EQ(decoded->build_id, encoded.build_id);
  EXPECT_TRUE(decoded->sealed);
  for (uint32_t row = 0; row < segment_.row_count(); ++row) {
    EXPECT_EQ(decoded->ids->IdOf(row), segment_.ids->IdOf(row));
    for (size_t field = 0; field < 2; ++field) {
      EXPECT_EQ(decoded->dense[field].NodeOf(row), segment_.dense[field].NodeOf(row));
    }
  }
  // All parts together: what was read gives the same bytes when it is written.
  EXPECT_EQ(FileBytes(*schema_, *decoded), bytes_);
}

TEST_F(SegmentFileTest, TheFormatIsAsWritten) {
  // Golden bytes: the header of the grammar in index/README.md. A change here needs a new format version.
  EXPECT_EQ(bytes_.substr(0, 8), "VOUCHSEG");
  EXPECT_EQ(At<uint32_t>(8), 3u);
  EXPECT_EQ(At<uint32_t>(12), 10u);
  EXPECT_EQ(At<uint64_t>(16), schema_->fingerprint);
  EXPECT_EQ(At<uint64_t>(24), 1000u);
  EXPECT_EQ(At<uint64_t>(32), segment_.rows.size());
  // ids, column, codes, graph, column, access, text, payload, vectors, vectors
  const uint32_t kinds[] = {1, 9, 7, 4, 9, 2, 5, 6, 3, 3};
  const uint32_t fields[] = {0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  const std::vector<Entry> entries = Entries();
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(entries[i].kind, kinds[i]) << i;
    EXPECT_EQ(entries[i].field, fields[i]) << i;
    EXPECT_EQ(entries[i].offset % (kinds[i] == 3 ? 4096 : 64), 0u) << i;
    const uint64_t checksum = XXH3_64bits(bytes_.data() + entries[i].offset, entries[i].length);
    EXPECT_EQ(entries[i].checksum, kinds[i] == 3 ? 0 : checksum) << i;
  }
}

TEST_F(SegmentFileTest, AColumnTellsRowsAndChecksumsOfItsVectors) {
  const std::vector<Entry> entries = Entries();
  const std::pair<size_t, size_t> fields[] = {{1, 8}, {4, 9}};  // entries of column and vectors
  for (size_t field = 0; field < 2; ++field) {
    const DenseColumn& column = segment_.dense[field];
    const uint64_t at = entries[fields[field].first].offset;
    const uint64_t vectors = entries[fields[field].second].offset;
    ASSERT_GT(column.nodes(), 0u);
    ASSERT_LT(column.nodes(), segment_.row_count());
    EXPECT_EQ(At<uint32_t>(at), column.dim());
    EXPECT_EQ(At<uint32_t>(at + 4), column.nodes());
    EXPECT_EQ(At<uint32_t>(at + 8), 1u);
    EXPECT_EQ(entries[fields[field].second].length, column.vectors().size());
    EXPECT_EQ(std::memcmp(bytes_.data() + vectors, column.vectors().data(), column.vectors().size()), 0);
    const uint64_t rows_at = AlignUp(at + 64 + column.nodes() * 8);
    for (uint32_t node = 0; node < column.nodes(); ++node) {
      const size_t size = column.dim() * sizeof(float);
      EXPECT_EQ(At<uint64_t>(at + 64 + node * 8), XXH3_64bits(bytes_.data() + vectors + node * size, size));
      EXPECT_EQ(At<uint32_t>(rows_at + node * 4), column.RowOf(node));
    }
  }
}

TEST_F(SegmentFileTest, TheHeadTellsWhereTheVectorsBegin) {
  const uint64_t begin = Entries()[8].offset;
  for (const size_t head : {bytes_.size(), size_t{begin}, size_t{400}}) {
    EXPECT_EQ(*FindVectors(*schema_, bytes_.substr(0, head), bytes_.size()), begin);
  }
  EXPECT_EQ(FindVectors(*schema_, bytes_.substr(0, 300), bytes_.size()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(FindVectors(*schema_, bytes_, bytes_.size() - 64).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(FindVectors(*schema_, bytes_, bytes_.size() + 64).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SegmentFileTest, EveryCutIsNoticed) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 300; ++i) {
    const size_t size = i < 100 ? static_cast<size_t>(i) * 4 : random() % bytes_.size();
    EXPECT_EQ(Decode(*schema_, bytes_.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(Decode(*schema_, bytes_ + std::string(64, '\0')).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SegmentFileTest, EveryFlippedBitIsNoticedOrLiesBetweenSections) {
  std::string between(bytes_.size(), 1);
  between.replace(0, kFixedHeaderBytes + 10 * kSectionEntryBytes + kHeaderChecksumBytes,
                  kFixedHeaderBytes + 10 * kSectionEntryBytes + kHeaderChecksumBytes, char{0});
  for (const Entry& entry : Entries()) between.replace(entry.offset, entry.length, entry.length, char{0});
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes_;
    const size_t at = random() % changed.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    const absl::StatusOr<Segment> decoded = Decode(*schema_, changed);
    EXPECT_EQ(decoded.ok(), between[at] != 0) << "byte " << at;
    if (decoded.ok()) {
      EXPECT_EQ(FileBytes(*schema_, *decoded), bytes_);
    }
  }
}

TEST_F(SegmentFileTest, AnotherSchemaOrVersionIsRefused) {
  CollectionSchema other = ModelSchema();
  other.dense[0].hnsw.m = 8;
  const absl::Status schema = Decode(**IndexSchema::Create(other), bytes_).status();
  EXPECT_EQ(schema.code(), absl::StatusCode::kFailedPrecondition);
  CollectionSchema search_only = ModelSchema();
  search_only.dense[0].hnsw.ef_search = 300;
  search_only.text[0].k1 = 0.9;
  EXPECT_TRUE(Decode(**IndexSchema::Create(search_only), bytes_).ok());
  std::string newer = bytes_;
  newer[8] = 4;
  EXPECT_THAT(std::string(Decode(*schema_, newer).status().message()), HasSubstr("format version 4"));
}

TEST_F(SegmentFileTest, ASegmentWithoutVectorsOrListsRoundTrips) {
  const std::vector<RowInput> rows(3, RowInput{.id = PointId(1),
                                               .vectors = {{}, {}},
                                               .payload = "{}",
                                               .provenance = "",
                                               .access = {}});
  const auto prepared = *IndexedRows::Prepare(*schema_, rows);
  const SegmentPtr fresh = *BuildFreshSegment(*schema_, RowId(0), rows, *prepared);
  const Segment sealed = *BuildGraphs(*schema_, *fresh, nullptr, {}, 1, [](double) { return absl::OkStatus(); });
  const std::string bytes = FileBytes(*schema_, sealed);
  const absl::StatusOr<Segment> decoded = Decode(*schema_, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->access, nullptr);
  EXPECT_EQ(decoded->dense[0].nodes(), 0u);
  EXPECT_EQ(FileBytes(*schema_, *decoded), bytes);
  // Golden: the hash of all these bytes (no graph in them, whose axes depend on the processor's float sums in Eigen).
  EXPECT_EQ(decoded->build_id, "67cdd65a618114d2421aa571917e669f");
}

TEST(SegmentFile, GoldenBytesOfFlatVectors) {
  CollectionSchema collection;
  DenseField& field = collection.dense.emplace_back();
  field.name = std::string("v");
  field.dim = 3;
  field.metric = Metric::kL2;
  field.index = DenseIndexKind::kFlat;
  const auto schema = *IndexSchema::Create(collection);
  std::vector<RowInput> rows(3);
  for (size_t i = 0; i < 3; ++i) {
    rows[i].id = PointId(i);
    rows[i].payload = "{}";
    rows[i].vectors = {i == 1 ? std::vector<float>() : std::vector<float>{1.5f, -2.0f, static_cast<float>(i)}};
  }
  const SegmentPtr segment = *BuildFreshSegment(*schema, RowId(7), rows, **IndexedRows::Prepare(*schema, rows));
  const EncodedSegment encoded = EncodeSegment(*schema, *segment);
  EXPECT_EQ(encoded.size_bytes, 4096u + 64u);
  EXPECT_EQ(encoded.vectors_begin, 4096u);
  EXPECT_EQ(encoded.build_id, "9c2e5d6a94c9c1d0fb54e5c3c35938aa");
}

// Each index kind and vector type: which sections there are, and that they are read as they were written.
TEST(SegmentFile, SectionsOfEachKindAndType) {
  CollectionSchema collection;
  const auto add = [&](VectorType type, Metric metric, DenseIndexKind index, double recall_target) {
    DenseField& field = collection.dense.emplace_back();
    field.name = std::string(1, static_cast<char>('a' + collection.dense.size()));
    field.dim = 10;
    field.type = type;
    field.metric = metric;
    field.index = index;
    field.hnsw = {.m = 4, .ef_construction = 20, .ef_search = 20};
    field.recall_target = recall_target;
  };
  add(VectorType::kF16, Metric::kL2, DenseIndexKind::kHnsw, 0.9);
  add(VectorType::kI8, Metric::kInnerProduct, DenseIndexKind::kIvfPq, 0.9);
  add(VectorType::kBit, Metric::kHamming, DenseIndexKind::kIvfFlat, 0);
  add(VectorType::kF32, Metric::kL2, DenseIndexKind::kAuto, 0.9);
  const auto schema = *IndexSchema::Create(collection);
  std::vector<RowInput> rows(50);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].id = PointId(i);
    rows[i].payload = "{}";
    rows[i].vectors.assign(4, std::vector<float>(10));
    for (size_t d = 0; d < 10; ++d) {
      rows[i].vectors[0][d] = static_cast<float>(i * d) / 8;
      rows[i].vectors[1][d] = static_cast<float>((i * 7 + d * 31) % 256) - 128;
      rows[i].vectors[2][d] = static_cast<float>((i * 3 + d * d) % 5 == 0 ? 1 : 0);
      rows[i].vectors[3][d] = static_cast<float>(i) - static_cast<float>(d);
    }
  }
  const SegmentPtr fresh = *BuildFreshSegment(*schema, RowId(0), rows, **IndexedRows::Prepare(*schema, rows));
  const Segment sealed = *BuildGraphs(*schema, *fresh, nullptr, {}, 2, [](double) { return absl::OkStatus(); });
  const std::string bytes = FileBytes(*schema, sealed);
  const absl::StatusOr<Segment> decoded = Decode(*schema, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(FileBytes(*schema, *decoded), bytes);
  ASSERT_NE(decoded->RecallsOf(0), nullptr);
  EXPECT_EQ(decoded->RecallsOf(0)->Serialize(), sealed.RecallsOf(0)->Serialize());
  ASSERT_NE(decoded->RecallsOf(1), nullptr);
  EXPECT_EQ(decoded->RecallsOf(2), nullptr);
  EXPECT_EQ(decoded->RecallsOf(3), nullptr) << "50 vectors are compared: there is nothing to measure";
  EXPECT_TRUE(decoded->IvfOf(1)->has_codes());
  EXPECT_FALSE(decoded->IvfOf(2)->has_codes());
  EXPECT_EQ(decoded->IvfOf(3), nullptr);
  // ids, column codes graph recalls, column ivf recalls, column ivf, column, payload, vectors
  const std::pair<uint32_t, uint64_t> sections[] = {{1, 0}, {9, 0}, {7, 0},  {4, 0},  {10, 0},  {9, 0},  {11, 0}, {10, 0},
                                                    {9, 0}, {11, 0}, {9, 0}, {6, 0}, {3, 50 * 20}, {3, 50 * 10},
                                                    {3, 50 * 2}, {3, 50 * 40}};
  for (size_t i = 0; i < std::size(sections); ++i) {
    uint32_t kind = 0;
    uint64_t length = 0;
    std::memcpy(&kind, bytes.data() + kFixedHeaderBytes + i * kSectionEntryBytes, sizeof(kind));
    std::memcpy(&length, bytes.data() + kFixedHeaderBytes + i * kSectionEntryBytes + 16, sizeof(length));
    EXPECT_EQ(kind, sections[i].first) << i;
    EXPECT_TRUE(sections[i].second == 0 || length == sections[i].second) << i << ": " << length;
  }
  for (uint32_t row = 0; row < 50; ++row) {
    for (size_t field = 0; field < 4; ++field) {
      std::vector<float> scratch(10);
      const float* values = decoded->dense[field].Values(row, scratch.data());
      EXPECT_EQ(std::vector<float>(values, values + 10), rows[row].vectors[field]);
    }
  }
  // Cut or flipped anywhere before the vectors' padding, it is noticed.
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string bad = bytes;
    const size_t at = random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    const absl::StatusOr<Segment> read = Decode(*schema, bad);
    EXPECT_TRUE(!read.ok() || FileBytes(*schema, *read) == bytes) << at;
    EXPECT_FALSE(Decode(*schema, bytes.substr(0, at)).ok()) << at;
  }
}

TEST(MergeSegments, EqualsBuildingAtOnce) {
  const auto schema = TestIndexSchema();
  RowMaker maker(12);
  std::vector<RowInput> all;
  std::vector<SegmentPtr> parts;
  for (int i = 0; i < 5; ++i) {
    const std::vector<RowInput> rows = maker.Rows(1 + maker.Below(40));
    parts.push_back(*BuildFreshSegment(*schema, RowId(all.size()), rows, **IndexedRows::Prepare(*schema, rows)));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  const SegmentPtr merged = *MergeSegments(*schema, parts);
  const SegmentPtr whole = *BuildFreshSegment(*schema, RowId(0), all, **IndexedRows::Prepare(*schema, all));
  EXPECT_EQ(FileBytes(*schema, *merged), FileBytes(*schema, *whole));
}

}  // namespace
}  // namespace vouch
