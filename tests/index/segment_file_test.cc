#include "index/segment_file.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/segment_format.h"
#include "tests/index/segment_data.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

class SegmentFileTest : public testing::Test {
 protected:
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
  using namespace segment_format;  // NOLINT
  EXPECT_EQ(bytes_.substr(0, 8), "VOUCHSEG");
  uint32_t numbers[2];
  std::memcpy(numbers, bytes_.data() + 8, sizeof(numbers));
  EXPECT_EQ(numbers[0], 3u);
  EXPECT_EQ(numbers[1], 8u);  // ids, access, vectors, codes, graph, vectors, text, payload
  uint64_t rows[3];
  std::memcpy(rows, bytes_.data() + 16, sizeof(rows));
  EXPECT_EQ(rows[0], schema_->fingerprint);
  EXPECT_EQ(rows[1], 1000u);
  EXPECT_EQ(rows[2], segment_.rows.size());
  const SectionKind kinds[] = {SectionKind::kIds,     SectionKind::kAccess, SectionKind::kVectors, SectionKind::kCodes,
                               SectionKind::kGraph,   SectionKind::kVectors, SectionKind::kText,  SectionKind::kPayload};
  for (size_t i = 0; i < 8; ++i) {
    uint32_t kind;
    uint64_t offset;
    std::memcpy(&kind, bytes_.data() + kFixedHeaderBytes + i * kSectionEntryBytes, 4);
    std::memcpy(&offset, bytes_.data() + kFixedHeaderBytes + i * kSectionEntryBytes + 8, 8);
    EXPECT_EQ(kind, static_cast<uint32_t>(kinds[i]));
    EXPECT_EQ(offset % kSectionAlignment, 0u);
  }
}

TEST_F(SegmentFileTest, EveryCutIsNoticed) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 300; ++i) {
    const size_t size = i < 100 ? static_cast<size_t>(i) * 4 : random() % bytes_.size();
    EXPECT_EQ(Decode(*schema_, bytes_.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(Decode(*schema_, bytes_ + std::string(64, '\0')).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SegmentFileTest, EveryFlippedBitIsNoticedOrMeansNothing) {
  std::mt19937_64 random(3);
  size_t harmless = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes_;
    const size_t at = random() % changed.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    const absl::StatusOr<Segment> decoded = Decode(*schema_, changed);
    if (!decoded.ok()) continue;
    // Zeros between sections are not covered; all else must be as it was.
    ++harmless;
    EXPECT_EQ(bytes_[at], '\0');
    EXPECT_EQ(FileBytes(*schema_, *decoded), bytes_);
  }
  EXPECT_LT(harmless, 300u);
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
  const Segment sealed = *BuildGraphs(*schema_, *fresh, 1, [](double) { return absl::OkStatus(); });
  const std::string bytes = FileBytes(*schema_, sealed);
  const absl::StatusOr<Segment> decoded = Decode(*schema_, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->access, nullptr);
  EXPECT_EQ(decoded->dense[0].nodes(), 0u);
  EXPECT_EQ(FileBytes(*schema_, *decoded), bytes);
  // Golden: the hash of all these bytes (no graph in them, whose axes depend on the processor's float sums in Eigen).
  EXPECT_EQ(decoded->build_id, "442e44747747394fa8a3968e0cebaa7b");
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
