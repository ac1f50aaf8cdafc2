// The store's bytes: what is pinned here stands on users' disks, and changes only with kFormatNumber.
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/commit_codec.h"
#include "storage/audit_table.h"
#include "storage/evaluation_table.h"
#include "storage/sha256.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/rocks_catalog.h"
#include "storage/row_codec.h"
#include "storage/vector_codec.h"
#include "storage/store.h"

namespace vouch {
namespace {

using testing::ElementsAre;

constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
const CollectionId kCollection{0x0102};

std::string Hex(std::string_view bytes) { return absl::BytesToHexString(ToAbsl(bytes)); }
std::string Prefix() { return CollectionPrefix(TenantNumber(7), kCollection); }

RowInput SomeRow() {
  RowInput row;
  row.id = PointId(42);
  row.vectors = {{1.0f, -2.0f}, {}, {0.5f}};
  row.payload = "{\"a\":1}";
  row.provenance = "{}";
  row.access = {"u", "group:g"};
  return row;
}
std::string SomeRowValue() {
  const RowInput row = SomeRow();
  std::string value = EncodeRow(row, row.id.Encode());
  FinishRow(value, kCollection, RowId(9), RowId(4));
  return value;
}
CommitHeader SomeHeader() {
  CommitHeader header;
  header.version = Version(3);
  header.time_us = 1'700'000'000'000'000;
  header.actor = "t/u";
  header.request_id = "r";
  header.first_row = RowId(300);
  header.row_count = 2;
  header.live_rows = 200;
  header.retired = {RowId(0), RowId(5), RowId(299)};
  return header;
}

// `decode` says whether the bytes were taken. No prefix and no single flipped bit of `value` may be.
template <typename Decode>
void ExpectOnlyWhole(const std::string& value, const Decode& decode) {
  EXPECT_TRUE(decode(value).ok());
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(decode(std::string_view(value).substr(0, size)).code(), kDataLoss) << size;
  }
  for (size_t bit = 0; bit < 8 * value.size(); ++bit) {
    std::string flipped = value;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(decode(flipped).code(), kDataLoss) << "bit " << bit;
  }
  EXPECT_EQ(decode(value + '\0').code(), kDataLoss);
}

TEST(KeyFormatTest, GoldenBytes) {
  const std::string prefix = Prefix();
  EXPECT_EQ(Hex(prefix), "000000070000000000000102");
  EXPECT_EQ(Hex(FormatKey()), "00");
  EXPECT_EQ(Hex(NextCollectionKey()), "01");
  EXPECT_EQ(Hex(NextTenantKey()), "02");
  EXPECT_EQ(Hex(TenantKey("t")), "1074");
  EXPECT_EQ(Hex(CollectionKey(TenantNumber(7), "c")), "110000000763");
  EXPECT_EQ(Hex(TagKey(prefix, "x")), "1200000007000000000000010278");
  EXPECT_EQ(Hex(SettingKey(prefix, "x")), "1300000007000000000000010278");
  EXPECT_EQ(Hex(DroppedKey(prefix)), "14000000070000000000000102");
  EXPECT_EQ(Hex(AliasKey(TenantNumber(7), "c")), "150000000763");
  EXPECT_EQ(Hex(CommitKey(prefix, Version(0x1122))), "000000070000000000000102010000000000001122");
  EXPECT_EQ(Hex(RequestKey(prefix, "r")), "0000000700000000000001020272");
  EXPECT_EQ(Hex(RowKey(prefix, RowId(0x1122))), "0000000700000000000001020000000000001122");
  EXPECT_EQ(Hex(VectorKey(prefix, RowId(0x1122), 0x33)), "00000007000000000000010200000000000011220033");
  EXPECT_EQ(Hex(NamedKey(prefix, PointId(5).Encode())), "000000070000000000000102010000000000000005");
  EXPECT_EQ(Hex(AnswerKey(TenantNumber(7), "a")), "000000070161");
  EXPECT_EQ(Hex(AnswerOrderKey(TenantNumber(7), 1)), "0000000702fffffffffffffffe");
  EXPECT_EQ(Hex(AnswerLinkKey(TenantNumber(7), 1)), "00000007030000000000000001");
  EXPECT_EQ(Hex(AnswerTipKey(TenantNumber(7))), "0000000704");
  EXPECT_EQ(Hex(EvaluationKey(TenantNumber(7), "run/a")), "0000000772756e2f61");
  EXPECT_EQ(Hex(AuditKey(TenantNumber(7), 3)), "00000007" "01" "0000000000000003");
  EXPECT_EQ(Hex(JournalRecordKey(TenantNumber(7), "a")), "00000007" "02" "61");
  EXPECT_EQ(Hex(SparseKey(prefix, RowId(0x1122), 3)),
            "00000007000000000000010200000000000011228003");
  EXPECT_EQ(Hex(MultiVectorKey(prefix, RowId(0x1122), 3)),
            "0000000700000000000001020000000000001122c003");
  EXPECT_EQ(Hex(RetentionKey(prefix)), "16000000070000000000000102");
  EXPECT_EQ(Hex(PurgedKey(prefix, 0x33)), "170000000700000000000001020000000000000033");
  EXPECT_EQ(Hex(SchemaKey(prefix, Version(0x44))), "180000000700000000000001020000000000000044");
  EXPECT_EQ(kFormatNumber, 5u);
}

TEST(KeyFormatTest, KeysDecodeToWhatTheyWereMadeOf) {
  const std::string prefix = Prefix();
  EXPECT_EQ(DecodeCollectionPrefix(prefix)->tenant, TenantNumber(7));
  EXPECT_EQ(DecodeCollectionPrefix(prefix)->collection, kCollection);
  EXPECT_EQ(DecodeRowKey(RowKey(prefix, RowId(8)))->row, RowId(8));
  EXPECT_EQ(DecodeVectorKey(VectorKey(prefix, RowId(8), 9))->row, RowId(8));
  EXPECT_EQ(DecodeVectorKey(VectorKey(prefix, RowId(8), 9))->field, 9);
  EXPECT_EQ(DecodeCommitKey(CommitKey(prefix, Version(8)))->version, Version(8));
  EXPECT_EQ(DecodeCommitKey(CommitKey(prefix, Version(8)))->collection, kCollection);
  const std::string named = NamedKey(prefix, "name");
  EXPECT_EQ(DecodeNamedKey(named)->name, "name");
  const std::string tag = TagKey(prefix, "tag"), setting = SettingKey(prefix, "set"), request = RequestKey(prefix, "r");
  EXPECT_EQ(*DecodeTagKey(tag), "tag");
  EXPECT_EQ(*DecodeSettingKey(setting), "set");
  EXPECT_EQ(*DecodeRequestKey(request), "r");
  const std::string dropped = DroppedKey(prefix);
  EXPECT_EQ(*DecodeDroppedKey(dropped), prefix);
  EXPECT_FALSE(DecodeDroppedKey(dropped + "x").ok());
  const std::string retention = RetentionKey(prefix);
  EXPECT_EQ(*DecodeRetentionKey(retention), prefix);
  EXPECT_FALSE(DecodeRetentionKey(retention + "x").ok());
  const std::string purged = PurgedKey(prefix, 9), schema = SchemaKey(prefix, Version(9));
  EXPECT_EQ(DecodePurgedKey(purged)->prefix, prefix);
  EXPECT_EQ(DecodePurgedKey(purged)->number, 9u);
  EXPECT_EQ(DecodeSchemaKey(schema)->number, 9u);
  EXPECT_FALSE(DecodeSchemaKey(purged).ok());
  const std::string tenant = TenantKey("t"), collection = CollectionKey(TenantNumber(7), "c");
  EXPECT_EQ(*DecodeTenantKey(tenant), "t");
  EXPECT_EQ(DecodeCollectionKey(collection)->tenant, TenantNumber(7));
  EXPECT_EQ(DecodeCollectionKey(collection)->name, "c");
  const std::string alias = AliasKey(TenantNumber(7), "a");
  EXPECT_EQ(DecodeAliasKey(alias)->tenant, TenantNumber(7));
  EXPECT_EQ(DecodeAliasKey(alias)->name, "a");
  EXPECT_FALSE(DecodeAliasKey(collection).ok());
  EXPECT_FALSE(DecodeCollectionKey(alias).ok());
}

TEST(RowCodecTest, Stubs) {
  const RowStub stub{.previous = RowId(4), .encoded_id = PointId(42).Encode()};
  const std::string value = EncodeRowStub(kCollection, RowId(9), stub);
  EXPECT_EQ(Hex(value.substr(0, value.size() - kSealBytes)), "10000000000000000409" "01000000000000002a");
  EXPECT_TRUE(IsRowStub(value));
  EXPECT_FALSE(IsRowStub(SomeRowValue()));
  EXPECT_EQ(DecodeRowStub(kCollection, RowId(9), value)->encoded_id, stub.encoded_id);
  EXPECT_EQ(*DecodeRowPrevious(kCollection, RowId(9), value), RowId(4));
  EXPECT_EQ(DecodeRow(kCollection, RowId(9), value).status().code(), kDataLoss);
  EXPECT_EQ(DecodeRowStub(kCollection, RowId(8), value).status().code(), kDataLoss);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(DecodeRowStub(kCollection, RowId(9), value.substr(0, size)).status().code(), kDataLoss);
  }
}

TEST(CatalogCodecTest, AlteredCollections) {
  CollectionInfo info;
  info.id = CollectionId(3);
  info.tenant = "t";
  info.name = "c";
  info.created_us = 5;
  info.schema_version = Version(7);
  info.index_number = 2;
  const std::string value = EncodeCollectionEntry(info);
  EXPECT_EQ(Hex(value.substr(0, 37)), "02" "0000000000000007" "0000000000000002" "0000000000000003" "0000000000000005" "01740163");
  const auto read = DecodeCollectionEntry(value);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->schema_version, Version(7));
  EXPECT_EQ(read->index_number, 2u);
}

TEST(CatalogCodecTest, Aliases) {
  const std::string value = EncodeAlias({"live", "docs-2", 0x1122});
  EXPECT_EQ(Hex(value.substr(0, value.size() - kSealBytes)), "01000000000000112206646f63732d32");
  const auto alias = DecodeAlias("live", value);
  ASSERT_TRUE(alias.ok()) << alias.status();
  EXPECT_EQ(alias->name, "live");
  EXPECT_EQ(alias->collection, "docs-2");
  EXPECT_EQ(alias->moved_us, 0x1122);
  for (size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(DecodeAlias("live", damaged).status().code(), kDataLoss) << i;
    EXPECT_EQ(DecodeAlias("live", value.substr(0, i)).status().code(), kDataLoss) << i;
  }
}

TEST(KeyFormatTest, OtherKeysAreRefused) {
  const std::string row = RowKey(Prefix(), RowId(8));
  for (size_t size = 0; size < row.size(); ++size) {
    const std::string_view part = std::string_view(row).substr(0, size);
    EXPECT_EQ(DecodeRowKey(part).status().code(), kDataLoss);
    EXPECT_EQ(DecodeVectorKey(part).status().code(), kDataLoss);
    EXPECT_EQ(DecodeCommitKey(part).status().code(), kDataLoss);
  }
  EXPECT_EQ(DecodeRowKey(row + "x").status().code(), kDataLoss);
  const std::string tag = TagKey(Prefix(), "x");
  EXPECT_EQ(DecodeSettingKey(tag).status().code(), kDataLoss);
  EXPECT_EQ(DecodeCommitKey(RequestKey(Prefix(), "12345678")).status().code(), kDataLoss);
}

TEST(KeyFormatTest, NumbersSortAsBytes) {
  uint64_t last = 0;
  for (const uint64_t number : {1ull, 255ull, 256ull, 65535ull, 65536ull, 1ull << 40, ~0ull}) {
    EXPECT_LT(RowKey(Prefix(), RowId(last)), RowKey(Prefix(), RowId(number)));
    EXPECT_GT(AnswerOrderKey(TenantNumber(1), last), AnswerOrderKey(TenantNumber(1), number));
    last = number;
  }
  EXPECT_EQ(Hex(PrefixEnd(Prefix())), "000000070000000000000103");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff"), "");
}

TEST(RowCodecTest, GoldenBytes) {
  EXPECT_EQ(Hex(SomeRowValue()),
            "01"                              // kind
            "0000000000000004"                // previous
            "0305"                            // three fields, the first and the third have a vector
            "0901000000000000002a"            // the id
            "077b2261223a317d"                // payload
            "027b7d"                          // provenance
            "020175" "0767726f75703a67"       // access
            "b65eedd9a2b89d64");
  EXPECT_EQ(Hex(EncodePoint({RowId(9), false})), "000000000000000901");
  EXPECT_EQ(Hex(EncodePoint({RowId(9), true})), "000000000000000902");
  EXPECT_EQ(Hex(EncodeVersion(Version(9))), "0000000000000009");
}

// A row of a collection with three sparse fields.
RowInput SparseRow() {
  RowInput row = SomeRow();
  row.sparse = {{}, {.indices = {3}, .values = {1.0f}}, {}};
  return row;
}
std::string SparseRowValue() {
  std::string value = EncodeRow(SparseRow(), PointId(42).Encode());
  FinishRow(value, kCollection, RowId(9), RowId(4));
  return value;
}
const SparseVector kSomeSparse = {.indices = {0, 1, 300, UINT32_MAX},
                                  .values = {1.0f, 0.5f, 2.0f, 1e15f}};

TEST(RowCodecTest, GoldenBytesOfSparseFields) {
  EXPECT_EQ(Hex(SparseRowValue()),
            "02"                              // kind
            "0000000000000004"                // previous
            "0305"                            // three dense fields, the first and the third have a vector
            "0302"                            // three sparse fields, the second has one
            "0901000000000000002a"            // the id
            "077b2261223a317d"                // payload
            "027b7d"                          // provenance
            "020175" "0767726f75703a67"       // access
            "fd4c8038164b43ce");
  EXPECT_EQ(Hex(EncodeSparseVector(kSomeSparse)),
            "02" "04"                         // kind, entries
            "00" "00" "aa02" "d2fdffff0f"     // steps 0, 0, 298 and 4,294,966,994
            "0000803f" "0000003f" "00000040" "a95f6358");
}

TEST(RowCodecTest, SparseFieldsRoundTripAndDamageIsFound) {
  const auto row = DecodeRow(kCollection, RowId(9), SparseRowValue());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(row->has_vector, ElementsAre(true, false, true));
  EXPECT_THAT(row->has_sparse, ElementsAre(false, true, false));
  EXPECT_EQ(row->record.sparse.size(), 3u);
  EXPECT_EQ(row->record.payload, SomeRow().payload);
  EXPECT_EQ(*DecodeRowPrevious(kCollection, RowId(9), SparseRowValue()), RowId(4));
  ExpectOnlyWhole(SparseRowValue(), [](std::string_view bytes) {
    return DecodeRow(kCollection, RowId(9), bytes).status();
  });
  const std::string value = EncodeSparseVector(kSomeSparse);
  SparseVector out;
  ASSERT_TRUE(DecodeSparseVector(RowId(1), kFirstSparseField, value, out).ok());
  EXPECT_EQ(out, kSomeSparse);
  const auto refused = [](const std::string& bytes) {
    SparseVector vector;
    const absl::Status status = DecodeSparseVector(RowId(1), kFirstSparseField + 2, bytes, vector);
    EXPECT_TRUE(vector.empty());
    return status.code() == kDataLoss &&
           absl::StrContains(status.message(), "sparse vector 2 of row 1");
  };
  for (size_t size = 0; size < value.size(); ++size)
    EXPECT_TRUE(refused(value.substr(0, size))) << size;
  EXPECT_TRUE(refused(value + '\0'));
  EXPECT_TRUE(refused('\x01' + value.substr(1))) << "of another kind";
  EXPECT_TRUE(refused(std::string("\x02\x00", 2))) << "no entries";
  EXPECT_TRUE(refused(std::string("\x02\x81\x80\x01", 4) + std::string(200'000, '\0')))
      << "16,385 entries";
  std::string index_too_large = value;
  index_too_large[6] = static_cast<char>(0xd3);
  EXPECT_TRUE(refused(index_too_large));
  for (const float weight : {0.0f, -1.0f, 1.1e15f, std::numeric_limits<float>::quiet_NaN()}) {
    SparseVector bad = kSomeSparse;
    bad.values[2] = weight;
    EXPECT_TRUE(refused(EncodeSparseVector(bad))) << weight;
  }
}

// A row of a collection with two multi-vector fields and no sparse one.
std::string MultiVectorRowValue() {
  RowInput row = SomeRow();
  row.multi_vectors = {{}, {.dim = 2, .values = {1, 2}}};
  std::string value = EncodeRow(row, PointId(42).Encode());
  FinishRow(value, kCollection, RowId(9), RowId(4));
  return value;
}
const MultiVector kTwoTokens = {.dim = 3, .values = {1.0f, -2.0f, 0.5f, 0.0f, 3.0f, -128.0f}};

TEST(RowCodecTest, GoldenBytesOfMultiVectorFields) {
  const std::string value = MultiVectorRowValue();
  EXPECT_EQ(Hex(value.substr(0, value.size() - kSealBytes)),
            "03"                              // kind
            "0000000000000004"                // previous
            "0305"                            // three dense fields, the first and the third have a vector
            "00"                              // no sparse fields
            "0202"                            // two multi-vector fields, the second has one
            "0901000000000000002a"            // the id
            "077b2261223a317d"                // payload
            "027b7d"                          // provenance
            "020175" "0767726f75703a67");     // access
  EXPECT_EQ(Hex(EncodeMultiVector(VectorType::kF32, kTwoTokens)),
            "06" "03"                         // kind, dimension
            "0000803f" "000000c0" "0000003f"
            "00000000" "00004040" "000000c3");
  EXPECT_EQ(Hex(EncodeMultiVector(VectorType::kF16, kTwoTokens)),
            "07" "03" "003c" "00c0" "0038" "0000" "0042" "00d8");
  EXPECT_EQ(Hex(EncodeMultiVector(VectorType::kI8, {.dim = 2, .values = {1, -2, 127, -128}})),
            "08" "02" "01fe" "7f80");
}

TEST(RowCodecTest, MultiVectorFieldsRoundTripAndDamageIsFound) {
  const auto row = DecodeRow(kCollection, RowId(9), MultiVectorRowValue());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(row->has_vector, ElementsAre(true, false, true));
  EXPECT_TRUE(row->has_sparse.empty());
  EXPECT_THAT(row->has_multi_vector, ElementsAre(false, true));
  EXPECT_EQ(row->record.multi_vectors.size(), 2u);
  EXPECT_EQ(row->record.payload, SomeRow().payload);
  EXPECT_EQ(*DecodeRowPrevious(kCollection, RowId(9), MultiVectorRowValue()), RowId(4));
  ExpectOnlyWhole(MultiVectorRowValue(), [](std::string_view bytes) {
    return DecodeRow(kCollection, RowId(9), bytes).status();
  });
  for (const VectorType type : {VectorType::kF32, VectorType::kF16}) {
    const std::string value = EncodeMultiVector(type, kTwoTokens);
    MultiVector out;
    VectorType found = VectorType::kBit;
    ASSERT_TRUE(DecodeMultiVector(RowId(1), kFirstMultiVectorField, value, found, out).ok());
    EXPECT_EQ(out, kTwoTokens);
    EXPECT_EQ(found, type);
    const size_t token = VectorBytes(type, 3);
    const auto refused = [&](const std::string& bytes) {
      MultiVector vector;
      const absl::Status status =
          DecodeMultiVector(RowId(1), kFirstMultiVectorField + 2, bytes, found, vector);
      EXPECT_TRUE(vector.empty());
      return status.code() == kDataLoss &&
             absl::StrContains(status.message(), "multi-vector 2 of row 1");
    };
    for (size_t size = 0; size < value.size(); ++size) {
      if (size == 2 + token) continue;  // one token less is as good
      EXPECT_TRUE(refused(value.substr(0, size))) << size;
    }
    EXPECT_TRUE(refused(value + '\0'));
    EXPECT_TRUE(refused('\x01' + value.substr(1))) << "of another kind";
    EXPECT_TRUE(refused(value.substr(0, 1) + '\0' + value.substr(2))) << "no dimensions";
    EXPECT_TRUE(refused(value.substr(0, 1) + "\x81\x08" + std::string(1025 * 4, '\0')))
        << "1,025 dimensions";
    EXPECT_TRUE(refused(value.substr(0, 2) + std::string((Limits::kMaxTokens + 1) * token, '\0')))
        << "2,049 tokens";
  }
}

TEST(RowCodecTest, RoundTrip) {
  const auto row = DecodeRow(kCollection, RowId(9), SomeRowValue());
  ASSERT_TRUE(row.ok()) << row.status();
  const RowInput input = SomeRow();
  EXPECT_EQ(row->record.id, input.id);
  EXPECT_EQ(row->record.row, RowId(9));
  EXPECT_EQ(row->record.previous, RowId(4));
  EXPECT_EQ(row->record.payload, input.payload);
  EXPECT_EQ(row->record.provenance, input.provenance);
  EXPECT_EQ(row->record.access, input.access);
  EXPECT_THAT(row->has_vector, ElementsAre(true, false, true));
  EXPECT_EQ(*DecodeRowPrevious(kCollection, RowId(9), SomeRowValue()), RowId(4));
  RowInput most;
  most.vectors.resize(Limits::kMaxFields, {1.0f});
  std::string value = EncodeRow(most, most.id.Encode());
  FinishRow(value, kCollection, RowId(0), kNoRow);
  EXPECT_EQ(DecodeRow(kCollection, RowId(0), value)->has_vector, std::vector<bool>(Limits::kMaxFields, true));
}

TEST(RowCodecTest, DamageIsFound) {
  ExpectOnlyWhole(SomeRowValue(),
                  [](std::string_view bytes) { return DecodeRow(kCollection, RowId(9), bytes).status(); });
  ExpectOnlyWhole(SomeRowValue(),
                  [](std::string_view bytes) { return DecodeRowPrevious(kCollection, RowId(9), bytes).status(); });
  // A whole value that stands under another row's key.
  EXPECT_EQ(DecodeRow(kCollection, RowId(10), SomeRowValue()).status().code(), kDataLoss);
  EXPECT_EQ(DecodeRow(CollectionId(1), RowId(9), SomeRowValue()).status().code(), kDataLoss);
}

TEST(RowCodecTest, VectorsPointsAndVersions) {
  std::vector<float> out;
  const std::string one("\x01\x00\x00\x80\x3f", 5);
  VectorType type = VectorType::kI8;
  ASSERT_TRUE(DecodeVector(RowId(1), 0, one, type, out).ok());
  EXPECT_EQ(type, VectorType::kF32);
  EXPECT_THAT(out, ElementsAre(1.0f));
  for (const std::string& bad : {std::string(), one.substr(0, 1), one.substr(0, 4), one + "x", "\x02" + one.substr(1),
                                 std::string(1 + 4 * (Limits::kMaxDim + 1), '\x01')}) {
    out.clear();
    EXPECT_EQ(DecodeVector(RowId(1), 0, bad, type, out).code(), kDataLoss);
    EXPECT_TRUE(out.empty());
  }
  const auto point = DecodePoint(EncodePoint({RowId(9), true}));
  EXPECT_EQ(point->row, RowId(9));
  EXPECT_TRUE(point->deleted);
  const std::string live = EncodePoint({RowId(9), false});
  EXPECT_EQ(DecodePoint(live.substr(1)).status().code(), kDataLoss);
  EXPECT_EQ(DecodePoint(live.substr(0, 8) + '\x03').status().code(), kDataLoss);
  EXPECT_EQ(*DecodeVersion(EncodeVersion(Version(9))), Version(9));
  EXPECT_EQ(DecodeVersion("1234567").status().code(), kDataLoss);
}

TEST(EvaluationRecordTest, GoldenBytes) {
  const std::string value = EncodeEvaluationRecord({"a", "xyz"});
  EXPECT_EQ(Hex(value).substr(0, 14), "01016103" "78797a");
  EXPECT_EQ(value.size(), 7 + kSealBytes);
  EXPECT_EQ(DecodeEvaluationRecord("a", value)->bytes, "xyz");
  // Under another's name it is damage.
  EXPECT_EQ(DecodeEvaluationRecord("b", value).status().code(), kDataLoss);
  ExpectOnlyWhole(value, [](std::string_view bytes) { return DecodeEvaluationRecord("a", bytes).status(); });
}

TEST(AuditEntryTest, GoldenBytes) {
  AuditEntry entry;
  entry.number = 2;
  entry.tenant = "t";
  entry.previous = NoAuditHash();
  entry.change.time_us = 5;
  entry.change.actor = "t/a";
  entry.change.action = "promote";
  entry.change.subject = "s";
  entry.change.reason = "r";
  entry.change.before = "1";
  entry.change.after = "2";
  const std::string value = EncodeAuditEntry(entry);
  EXPECT_EQ(Hex(value),
            "01" "0000000000000002" "0000000000000005"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0174" "03742f61" "0770726f6d6f7465" "0173" "0172" "0131" "0132" +
                Hex(Sha256Of(std::string_view(value).substr(0, value.size() - kSha256Bytes))));
  const absl::StatusOr<AuditEntry> back = DecodeAuditEntry(value);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->number, 2u);
  EXPECT_EQ(back->change.subject, "s");
  EXPECT_EQ(back->change.after, "2");
  EXPECT_EQ(back->hash, HexOf(std::string_view(value).substr(value.size() - kSha256Bytes)));
  ExpectOnlyWhole(value, [](std::string_view bytes) { return DecodeAuditEntry(bytes).status(); });
  EXPECT_EQ(HexOf(Sha256Of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(CommitCodecTest, GoldenBytes) {
  EXPECT_EQ(Hex(EncodeCommitHeader(kCollection, SomeHeader())),
            "01"                 // kind
            "00060a24181e4000"   // time
            "03742f75"           // actor
            "0172"               // request id
            "ac02" "02" "c801"   // first row, rows, live rows
            "03" "00" "05" "a602"  // three retired rows, by their steps
            "adea38584502b26b");
}

TEST(CommitCodecTest, RoundTrip) {
  const CommitHeader header = SomeHeader();
  const auto decoded = DecodeCommitHeader(kCollection, Version(3), EncodeCommitHeader(kCollection, header));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->version, header.version);
  EXPECT_EQ(decoded->time_us, header.time_us);
  EXPECT_EQ(decoded->actor, header.actor);
  EXPECT_EQ(decoded->request_id, header.request_id);
  EXPECT_EQ(decoded->first_row, header.first_row);
  EXPECT_EQ(decoded->row_count, header.row_count);
  EXPECT_EQ(decoded->live_rows, header.live_rows);
  EXPECT_EQ(decoded->retired, header.retired);
}

TEST(CommitCodecTest, DamageIsFound) {
  const std::string value = EncodeCommitHeader(kCollection, SomeHeader());
  ExpectOnlyWhole(value, [](std::string_view bytes) {
    return DecodeCommitHeader(kCollection, Version(3), bytes).status();
  });
  EXPECT_EQ(DecodeCommitHeader(kCollection, Version(4), value).status().code(), kDataLoss);
  EXPECT_EQ(DecodeCommitHeader(CollectionId(1), Version(3), value).status().code(), kDataLoss);
}

TEST(CommitCodecTest, ArtifactsCompressAndDamageIsFound) {
  for (const std::string& bytes : {std::string(), std::string("short"), std::string(300, 'x')}) {
    const std::string value = EncodeArtifact(bytes), hash = ContentHash(bytes);
    EXPECT_LE(value.size(), bytes.size() + 1);
    EXPECT_EQ(*DecodeArtifact(hash, value), bytes);
    for (size_t size = 0; size < value.size(); ++size) {
      EXPECT_EQ(DecodeArtifact(hash, value.substr(0, size)).status().code(), kDataLoss);
    }
    for (size_t bit = 0; bit < 8 * value.size(); ++bit) {
      std::string flipped = value;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      const auto decoded = DecodeArtifact(hash, flipped);
      if (decoded.ok()) {  // a bit that zstd does not use
        EXPECT_EQ(*decoded, bytes);
      } else {
        EXPECT_EQ(decoded.status().code(), kDataLoss);
      }
    }
  }
  EXPECT_LT(EncodeArtifact(std::string(300, 'x')).size(), 100u);
  EXPECT_EQ(ContentHash(""), "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, from its own test vectors
}

TEST(CodingTest, VarintsRoundTripAndMistakesStick) {
  for (const uint64_t number : {0ull, 127ull, 128ull, 16383ull, 16384ull, 1ull << 63, ~0ull}) {
    std::string bytes;
    PutVarint(bytes, number);
    Decoder decoder(bytes);
    EXPECT_EQ(decoder.Varint(), number);
    EXPECT_TRUE(decoder.Done());
  }
  Decoder endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12));
  endless.Varint();
  EXPECT_FALSE(endless.ok());
  EXPECT_EQ(endless.Byte(), 0);
  Decoder block(std::string_view("\x05" "abc", 4));
  EXPECT_EQ(block.Block(), "");
  EXPECT_FALSE(block.ok());
}

}  // namespace
}  // namespace vouch
