#include "storage/row_codec.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/schema.h"

namespace vouch {

namespace {

static_assert(std::endian::native == std::endian::little, "vectors are stored little-endian");

constexpr uint8_t kRowKind = 1;
constexpr size_t kPreviousAt = 1;
constexpr uint8_t kLive = 1;
constexpr uint8_t kDeleted = 2;

absl::Status BadRow(CollectionId collection, RowId row, std::string_view what) {
  return absl::DataLossError(Concat("row ", row.value, " of collection ", collection.value,
                                          " is damaged: ", what));
}

}  // namespace

std::string EncodeRow(const RowInput& row, std::string_view encoded_id) {
  std::string value;
  value.reserve(64 + encoded_id.size() + row.payload.size() + row.provenance.size());
  PutByte(value, kRowKind);
  PutBe64(value, kNoRow.value);
  PutVarint(value, row.vectors.size());
  for (size_t first = 0; first < row.vectors.size(); first += 8) {
    uint8_t present = 0;
    for (size_t field = first; field < row.vectors.size() && field < first + 8; ++field) {
      if (!row.vectors[field].empty()) present |= static_cast<uint8_t>(1u << (field - first));
    }
    PutByte(value, present);
  }
  PutBlock(value, encoded_id);
  PutBlock(value, row.payload);
  PutBlock(value, row.provenance);
  PutVarint(value, row.access.size());
  for (const std::string& who : row.access) PutBlock(value, who);
  value.append(kSealBytes, '\0');
  return value;
}

void FinishRow(std::string& value, CollectionId collection, RowId row, RowId previous) {
  WriteBe64(value.data() + kPreviousAt, previous.value);
  SealInPlace(value, SealSeed(collection, row.value));
}

absl::StatusOr<DecodedRow> DecodeRow(CollectionId collection, RowId row, std::string_view value) {
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, row.value), content)) {
    return BadRow(collection, row, "its checksum does not match");
  }
  Decoder decoder(content);
  if (decoder.Byte() != kRowKind) return BadRow(collection, row, "unknown kind of value");
  DecodedRow decoded;
  RowRecord& record = decoded.record;
  record.row = row;
  record.previous = RowId(decoder.Be64());
  const uint64_t fields = decoder.Varint();
  if (fields > Limits::kMaxFields) return BadRow(collection, row, "too many vector fields");
  const std::string_view present = decoder.Bytes((fields + 7) / 8);
  if (!decoder.ok()) return BadRow(collection, row, "cut short");
  decoded.has_vector.resize(fields);
  record.vectors.resize(fields);
  for (size_t field = 0; field < fields; ++field) {
    decoded.has_vector[field] = (static_cast<uint8_t>(present[field / 8]) >> (field % 8) & 1) != 0;
  }
  absl::StatusOr<PointId> id = PointId::Decode(decoder.Block());
  if (!id.ok()) return BadRow(collection, row, std::string(id.status().message()));
  record.id = *std::move(id);
  record.payload = decoder.Block();
  record.provenance = decoder.Block();
  const uint64_t access = decoder.Varint();
  if (access > decoder.remaining()) return BadRow(collection, row, "access list cut short");
  record.access.reserve(access);
  for (uint64_t i = 0; i < access; ++i) record.access.emplace_back(decoder.Block());
  if (!decoder.Done()) return BadRow(collection, row, "wrong length");
  return decoded;
}

absl::StatusOr<RowId> DecodeRowPrevious(CollectionId collection, RowId row,
                                        std::string_view value) {
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, row.value), content)) {
    return BadRow(collection, row, "its checksum does not match");
  }
  Decoder decoder(content);
  if (decoder.Byte() != kRowKind) return BadRow(collection, row, "unknown kind of value");
  const RowId previous(decoder.Be64());
  if (!decoder.ok()) return BadRow(collection, row, "cut short");
  return previous;
}

absl::Status DecodeVector(RowId row, uint16_t field, std::string_view value,
                          std::vector<float>& out) {
  if (value.size() < 1 + sizeof(float) || value[0] != kVectorF32 ||
      (value.size() - 1) % sizeof(float) != 0 ||
      (value.size() - 1) / sizeof(float) > Limits::kMaxDim) {
    return absl::DataLossError(Concat("vector ", field, " of row ", row.value,
                                            " is damaged: ", value.size(), " bytes of kind ",
                                            value.empty() ? -1 : static_cast<int>(value[0])));
  }
  out.resize((value.size() - 1) / sizeof(float));
  std::memcpy(out.data(), value.data() + 1, value.size() - 1);
  return absl::OkStatus();
}

std::string EncodePoint(PointState state) {
  std::string value;
  PutBe64(value, state.row.value);
  PutByte(value, state.deleted ? kDeleted : kLive);
  return value;
}

absl::StatusOr<PointState> DecodePoint(std::string_view value) {
  Decoder decoder(value);
  const RowId row(decoder.Be64());
  const uint8_t state = decoder.Byte();
  if (!decoder.Done() || (state != kLive && state != kDeleted)) {
    return absl::DataLossError(
        Concat("a point's entry is damaged: ", value.size(), " bytes, state ", state));
  }
  return PointState{row, state == kDeleted};
}

std::string EncodeVersion(Version version) {
  std::string value;
  PutBe64(value, version.value);
  return value;
}

absl::StatusOr<Version> DecodeVersion(std::string_view value) {
  Decoder decoder(value);
  const Version version(decoder.Be64());
  if (!decoder.Done()) {
    return absl::DataLossError(Concat("a stored version has ", value.size(), " bytes, not 8"));
  }
  return version;
}

}  // namespace vouch
