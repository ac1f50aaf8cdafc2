#include "storage/row_codec.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/schema.h"
#include "storage/vector_codec.h"

namespace vouch {

namespace {

static_assert(std::endian::native == std::endian::little, "vectors are stored little-endian");

constexpr uint8_t kRowKind = 1;
constexpr uint8_t kSparseRowKind = 2;  // of a collection with sparse fields
constexpr uint8_t kMultiVectorRowKind = 3;  // of one with multi-vector fields
constexpr uint8_t kRowStubKind = 0x10;
constexpr uint8_t kVectorF32 = 1;
constexpr uint8_t kVectorSparse = 2;
constexpr uint8_t kVectorF16 = 3;
constexpr uint8_t kVectorI8 = 4;
constexpr uint8_t kVectorBit = 5;
constexpr uint8_t kMultiVectorF32 = 6;
constexpr uint8_t kMultiVectorF16 = 7;
constexpr uint8_t kMultiVectorI8 = 8;
constexpr size_t kPreviousAt = 1;
constexpr uint8_t kLive = 1;
constexpr uint8_t kDeleted = 2;

absl::Status BadRow(CollectionId collection, RowId row, std::string_view what) {
  return absl::DataLossError(Concat("row ", row.value, " of collection ", collection.value,
                                          " is damaged: ", what));
}

bool IsRowKind(uint8_t kind) { return kind >= kRowKind && kind <= kMultiVectorRowKind; }

// How many fields there are, and a bit for each that says whether the row has a vector there.
template <typename Vector>
void PutPresence(std::string& value, const std::vector<Vector>& vectors) {
  PutVarint(value, vectors.size());
  for (size_t first = 0; first < vectors.size(); first += 8) {
    uint8_t present = 0;
    for (size_t field = first; field < vectors.size() && field < first + 8; ++field) {
      if (!vectors[field].empty()) present |= static_cast<uint8_t>(1u << (field - first));
    }
    PutByte(value, present);
  }
}

// False where there are too many fields, or the bytes are cut short.
bool TakePresence(Decoder& decoder, std::vector<bool>& present) {
  const uint64_t fields = decoder.Varint();
  if (fields > Limits::kMaxFields) return false;
  const std::string_view bits = decoder.Bytes((fields + 7) / 8);
  if (!decoder.ok()) return false;
  present.resize(fields);
  for (size_t field = 0; field < fields; ++field) {
    present[field] = (static_cast<uint8_t>(bits[field / 8]) >> (field % 8) & 1) != 0;
  }
  return true;
}

}  // namespace

std::string EncodeRow(const RowInput& row, std::string_view encoded_id) {
  std::string value;
  value.reserve(64 + encoded_id.size() + row.payload.size() + row.provenance.size());
  const bool multi = !row.multi_vectors.empty();
  const bool sparse = multi || !row.sparse.empty();
  PutByte(value, multi ? kMultiVectorRowKind : sparse ? kSparseRowKind : kRowKind);
  PutBe64(value, kNoRow.value);
  PutPresence(value, row.vectors);
  if (sparse) PutPresence(value, row.sparse);
  if (multi) PutPresence(value, row.multi_vectors);
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
  const uint8_t kind = decoder.Byte();
  if (!IsRowKind(kind)) return BadRow(collection, row, "unknown kind of value");
  DecodedRow decoded;
  RowRecord& record = decoded.record;
  record.row = row;
  record.previous = RowId(decoder.Be64());
  if (!TakePresence(decoder, decoded.has_vector) ||
      (kind != kRowKind && !TakePresence(decoder, decoded.has_sparse)) ||
      (kind == kMultiVectorRowKind && !TakePresence(decoder, decoded.has_multi_vector))) {
    return BadRow(collection, row, "too many vector fields, or cut short");
  }
  record.vectors.resize(decoded.has_vector.size());
  record.sparse.resize(decoded.has_sparse.size());
  record.multi_vectors.resize(decoded.has_multi_vector.size());
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
  const uint8_t kind = decoder.Byte();
  if (!IsRowKind(kind) && kind != kRowStubKind) {
    return BadRow(collection, row, "unknown kind of value");
  }
  const RowId previous(decoder.Be64());
  if (!decoder.ok()) return BadRow(collection, row, "cut short");
  return previous;
}

bool IsRowStub(std::string_view value) {
  return !value.empty() && static_cast<uint8_t>(value[0]) == kRowStubKind;
}

std::string EncodeRowStub(CollectionId collection, RowId row, const RowStub& stub) {
  std::string value;
  PutByte(value, kRowStubKind);
  PutBe64(value, stub.previous.value);
  PutBlock(value, stub.encoded_id);
  Seal(value, SealSeed(collection, row.value));
  return value;
}

absl::StatusOr<RowStub> DecodeRowStub(CollectionId collection, RowId row, std::string_view value) {
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, row.value), content)) {
    return BadRow(collection, row, "its checksum does not match");
  }
  Decoder decoder(content);
  const uint8_t kind = decoder.Byte();
  RowStub stub;
  stub.previous = RowId(decoder.Be64());
  stub.encoded_id = decoder.Block();
  if (kind != kRowStubKind || !decoder.Done() || !PointId::Decode(stub.encoded_id).ok()) {
    return BadRow(collection, row, "what is left of it does not decode");
  }
  return stub;
}

std::string VectorName(RowId row, uint16_t field) {
  if (field >= kFirstMultiVectorField) {
    return Concat("multi-vector ", field - kFirstMultiVectorField, " of row ", row.value);
  }
  const bool sparse = field >= kFirstSparseField;
  return Concat(sparse ? "sparse vector " : "vector ", sparse ? field - kFirstSparseField : field,
                " of row ", row.value);
}

std::string VectorHead(VectorType type, size_t dim) {
  std::string head;
  switch (type) {
    case VectorType::kF32: PutByte(head, kVectorF32); break;
    case VectorType::kF16: PutByte(head, kVectorF16); break;
    case VectorType::kI8: PutByte(head, kVectorI8); break;
    case VectorType::kBit:
      PutByte(head, kVectorBit);
      PutVarint(head, dim);
      break;
  }
  return head;
}

absl::Status DecodeVector(RowId row, uint16_t field, std::string_view value, VectorType& type,
                          std::vector<float>& out) {
  const auto damaged = [&] {
    return absl::DataLossError(Concat("vector ", field, " of row ", row.value, " is damaged: ",
                                      value.size(), " bytes of kind ",
                                      value.empty() ? -1 : static_cast<int>(value[0])));
  };
  Decoder decoder(value);
  const uint8_t kind = decoder.Byte();
  VectorType found = VectorType::kF32;
  if (kind == kVectorF16) found = VectorType::kF16;
  if (kind == kVectorI8) found = VectorType::kI8;
  if (kind == kVectorBit) found = VectorType::kBit;
  if (found == VectorType::kF32 && kind != kVectorF32) return damaged();
  const uint64_t dim = found == VectorType::kBit ? decoder.Varint()
                                                 : decoder.remaining() / VectorBytes(found, 1);
  if (dim < 1 || dim > Limits::kMaxDim) return damaged();
  const std::string_view bytes = decoder.Bytes(VectorBytes(found, dim));
  if (!decoder.Done() || !HasCleanPadding(found, bytes.data(), dim)) return damaged();
  out.resize(dim);
  DecodeVector(found, bytes.data(), out);
  type = found;
  return absl::OkStatus();
}

std::string EncodeSparseVector(const SparseVector& vector) {
  std::string value(1, static_cast<char>(kVectorSparse));
  value.reserve(8 + 7 * vector.indices.size());
  PutVarint(value, vector.indices.size());
  uint32_t next = 0;  // the smallest index that may follow
  for (const uint32_t index : vector.indices) {
    PutVarint(value, index - next);
    next = index + 1;
  }
  value.append(reinterpret_cast<const char*>(vector.values.data()),
               vector.values.size() * sizeof(float));
  return value;
}

absl::Status DecodeSparseVector(RowId row, uint16_t field, std::string_view value,
                                SparseVector& out) {
  const auto damaged = [&](std::string_view what) {
    return absl::DataLossError(Concat(VectorName(row, field), " is damaged: ", what));
  };
  Decoder decoder(value);
  if (decoder.Byte() != kVectorSparse) return damaged("unknown kind of value");
  const uint64_t entries = decoder.Varint();
  if (entries == 0 || entries > Limits::kMaxSparseEntries) {
    return damaged(Concat(entries, " entries; there are 1 to ", Limits::kMaxSparseEntries));
  }
  SparseVector vector;
  vector.indices.reserve(entries);
  uint64_t next = 0;
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t step = decoder.Varint();
    if (step > UINT32_MAX || next + step > UINT32_MAX) return damaged("an index over 32 bits");
    vector.indices.push_back(static_cast<uint32_t>(next + step));
    next += step + 1;
  }
  const std::string_view weights = decoder.Bytes(entries * sizeof(float));
  if (!decoder.Done()) return damaged(Concat("a wrong length of ", value.size(), " bytes"));
  vector.values.resize(entries);
  std::memcpy(vector.values.data(), weights.data(), weights.size());
  if (!IsCanonicalSparseVector(vector, Limits::kMaxSparseEntries)) {
    return damaged("a weight that is not above 0 and finite");
  }
  out = std::move(vector);
  return absl::OkStatus();
}

std::string EncodeMultiVector(VectorType type, const MultiVector& vector) {
  std::string value;
  value.reserve(3 + VectorBytes(type, vector.values.size()));
  PutByte(value, type == VectorType::kF16  ? kMultiVectorF16
                 : type == VectorType::kI8 ? kMultiVectorI8
                                           : kMultiVectorF32);
  PutVarint(value, vector.dim);
  const size_t head = value.size();
  value.resize(head + VectorBytes(type, vector.values.size()));
  EncodeVector(type, vector.values, value.data() + head);
  return value;
}

absl::Status DecodeMultiVector(RowId row, uint16_t field, std::string_view value, VectorType& type,
                               MultiVector& out) {
  const auto damaged = [&](std::string_view what) {
    return absl::DataLossError(Concat(VectorName(row, field), " is damaged: ", what));
  };
  Decoder decoder(value);
  const uint8_t kind = decoder.Byte();
  if (kind < kMultiVectorF32 || kind > kMultiVectorI8) return damaged("unknown kind of value");
  const VectorType found = kind == kMultiVectorF16  ? VectorType::kF16
                           : kind == kMultiVectorI8 ? VectorType::kI8
                                                    : VectorType::kF32;
  const uint64_t dim = decoder.Varint();
  if (!decoder.ok() || dim < 1 || dim > Limits::kMaxTokenDim) {
    return damaged(Concat(dim, " dimensions; there are 1 to ", Limits::kMaxTokenDim));
  }
  const size_t token_bytes = VectorBytes(found, dim);
  const size_t tokens = decoder.remaining() / token_bytes;
  if (tokens < 1 || tokens > Limits::kMaxTokens || tokens * token_bytes != decoder.remaining()) {
    return damaged(Concat("a wrong length of ", value.size(), " bytes"));
  }
  const std::string_view bytes = decoder.Bytes(tokens * token_bytes);
  out.dim = static_cast<uint32_t>(dim);
  out.values.resize(tokens * dim);
  DecodeVector(found, bytes.data(), out.values);
  type = found;
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
