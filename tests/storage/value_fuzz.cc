// Decoders of values: rows, commit headers, points, versions, vectors, artifacts. The bytes are tried as they are and
// with a seal put on, since no mutation finds a checksum.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/checksum.h"
#include "storage/commit_codec.h"
#include "storage/audit_table.h"
#include "storage/evaluation_table.h"
#include "storage/key_format.h"
#include "storage/purged_rows.h"
#include "storage/retention_table.h"
#include "storage/row_codec.h"
#include "storage/vector_codec.h"
#include "storage/schema.h"

namespace {

constexpr vouch::CollectionId kCollection{1};
constexpr uint64_t kNumber = 7;

void Decode(std::string_view bytes) {
  const auto row = vouch::DecodeRow(kCollection, vouch::RowId(kNumber), bytes);
  if (row.ok() && row->has_vector.size() > vouch::Limits::kMaxFields) std::abort();
  if (row.ok() && !vouch::DecodeRowPrevious(kCollection, vouch::RowId(kNumber), bytes).ok()) std::abort();
  if (const auto stub = vouch::DecodeRowStub(kCollection, vouch::RowId(kNumber), bytes); stub.ok()) {
    if (!vouch::IsRowStub(bytes)) std::abort();
  }
  if (const auto retention = vouch::DecodeRetention(kCollection, bytes); retention.ok()) {
    const auto again = vouch::DecodeRetention(kCollection, vouch::EncodeRetention(kCollection, *retention));
    if (!again.ok() || again->kept != retention->kept) std::abort();
  }
  vouch::PurgedRows purged;
  if (purged.AddChunk(kCollection, kNumber, bytes).ok()) {
    vouch::PurgedRows again;
    if (!again.AddChunk(kCollection, kNumber, purged.EncodeChunk(kCollection, kNumber)).ok()) std::abort();
    if (again.count() != purged.count()) std::abort();
  }
  const auto header = vouch::DecodeCommitHeader(kCollection, vouch::Version(kNumber), bytes);
  if (header.ok()) {
    const auto again = vouch::DecodeCommitHeader(kCollection, header->version,
                                                 vouch::EncodeCommitHeader(kCollection, *header));
    if (!again.ok() || again->retired != header->retired || again->first_row != header->first_row) std::abort();
  }
  const auto point = vouch::DecodePoint(bytes);
  if (point.ok() && vouch::EncodePoint(*point) != bytes) std::abort();
  const auto version = vouch::DecodeVersion(bytes);
  if (version.ok() && vouch::EncodeVersion(*version) != bytes) std::abort();
  std::vector<float> vector;
  vouch::VectorType type = vouch::VectorType::kF32;
  if (vouch::DecodeVector(vouch::RowId(0), 0, bytes, type, vector).ok()) {
    std::string again(vouch::VectorBytes(type, vector.size()), '\0');
    vouch::EncodeVector(type, vector, again.data());
    if (vouch::IsRounded(type, vector) && vouch::VectorHead(type, vector.size()) + again != bytes) std::abort();
  } else if (!vector.empty()) {
    std::abort();
  }
  vouch::SparseVector sparse;
  if (vouch::DecodeSparseVector(vouch::RowId(0), vouch::kFirstSparseField, bytes, sparse).ok()) {
    if (vouch::EncodeSparseVector(sparse) != bytes) std::abort();
  } else if (!sparse.empty()) {
    std::abort();
  }
  vouch::MultiVector tokens;
  if (vouch::DecodeMultiVector(vouch::RowId(0), vouch::kFirstMultiVectorField, bytes, type, tokens).ok()) {
    if (tokens.tokens() < 1 || tokens.tokens() > vouch::Limits::kMaxTokens) std::abort();
    if (vouch::IsRounded(type, tokens.values) && vouch::EncodeMultiVector(type, tokens) != bytes) std::abort();
  } else if (!tokens.empty()) {
    std::abort();
  }
  if (const auto record = vouch::DecodeEvaluationRecord("a", bytes);
      record.ok() && vouch::EncodeEvaluationRecord(*record).size() > bytes.size()) {
    std::abort();
  }
  if (const auto entry = vouch::DecodeAuditEntry(bytes);
      entry.ok() && vouch::EncodeAuditEntry(*entry) != bytes) {
    std::abort();
  }
  (void)vouch::DecodeArtifact("99aa06d3014798d86001c324468d497f", bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  vouch::Seal(bytes, vouch::SealSeed(kCollection, kNumber));
  Decode(bytes);
  bytes.assign(reinterpret_cast<const char*>(data), size);
  vouch::Seal(bytes, 0);
  Decode(bytes);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::RowInput row;
  row.vectors = {{1.0f}, {}};
  row.payload = "{\"a\":1}";
  row.access.assign(1, "user:a");
  std::string value = vouch::EncodeRow(row, row.id.Encode());
  vouch::FinishRow(value, kCollection, vouch::RowId(kNumber), vouch::kNoRow);
  row.sparse = {{}, {.indices = {1, 70'000}, .values = {0.5f, 2}}};
  std::string sparse_row = vouch::EncodeRow(row, row.id.Encode());
  vouch::FinishRow(sparse_row, kCollection, vouch::RowId(kNumber), vouch::kNoRow);
  row.multi_vectors = {{.dim = 2, .values = {1, 2, 3, 4}}, {}};
  std::string multi_row = vouch::EncodeRow(row, row.id.Encode());
  vouch::FinishRow(multi_row, kCollection, vouch::RowId(kNumber), vouch::kNoRow);
  vouch::CommitHeader header;
  header.version = vouch::Version(kNumber);
  header.retired = {vouch::RowId(2), vouch::RowId(9)};
  std::string commit = vouch::EncodeCommitHeader(kCollection, header);
  vouch::PurgedRows purged;
  purged.Add({vouch::RowId(kNumber * 65'536 + 3), vouch::RowId(kNumber * 65'536 + 900)});
  std::string gone = purged.EncodeChunk(kCollection, kNumber);
  const std::string stub = vouch::EncodeRowStub(kCollection, vouch::RowId(kNumber), {vouch::RowId(2), row.id.Encode()});
  return {value,
          stub.substr(0, stub.size() - vouch::kSealBytes),
          gone.substr(0, gone.size() - vouch::kSealBytes),
          value.substr(0, value.size() - vouch::kSealBytes),
          commit,
          commit.substr(0, commit.size() - vouch::kSealBytes),
          vouch::EncodePoint({vouch::RowId(1), true}),
          sparse_row.substr(0, sparse_row.size() - vouch::kSealBytes),
          vouch::EncodeSparseVector(row.sparse[1]),
          multi_row.substr(0, multi_row.size() - vouch::kSealBytes),
          vouch::EncodeMultiVector(vouch::VectorType::kF32, row.multi_vectors[0]),
          vouch::EncodeMultiVector(vouch::VectorType::kF16, row.multi_vectors[0]),
          vouch::EncodeMultiVector(vouch::VectorType::kI8, row.multi_vectors[0]),
          vouch::EncodeVersion(vouch::Version(9)),
          vouch::EncodeEvaluationRecord({"a", "xyz"}).substr(0, 7),
          vouch::EncodeArtifact(std::string(300, 'x'))};
}
