#include "storage/commit_codec.h"

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/schema.h"
#include "storage/store.h"

namespace vouch {

namespace {

constexpr uint8_t kHeaderKind = 1;
constexpr uint8_t kPlain = 1;
constexpr uint8_t kZstd = 2;
// Below this zstd's frame costs more than it saves.
constexpr size_t kMinCompressedBytes = 128;
constexpr int kZstdLevel = 3;

absl::Status BadHeader(CollectionId collection, Version version, std::string_view what) {
  return absl::DataLossError(Concat("commit ", version.value, " of collection ",
                                          collection.value, " is damaged: ", what));
}

absl::Status BadArtifact(std::string_view hash, std::string_view what) {
  return absl::DataLossError(Concat("artifact ", hash, " is damaged: ", what));
}

}  // namespace

std::string EncodeCommitHeader(CollectionId collection, const CommitHeader& header) {
  std::string value;
  PutByte(value, kHeaderKind);
  PutBe64(value, static_cast<uint64_t>(header.time_us));
  PutBlock(value, header.actor);
  PutBlock(value, header.request_id);
  PutVarint(value, header.first_row.value);
  PutVarint(value, header.row_count);
  PutVarint(value, header.live_rows);
  PutVarint(value, header.retired.size());
  uint64_t last = 0;
  for (const RowId row : header.retired) {
    PutVarint(value, row.value - last);
    last = row.value;
  }
  Seal(value, SealSeed(collection, header.version.value));
  return value;
}

absl::StatusOr<CommitHeader> DecodeCommitHeader(CollectionId collection, Version version,
                                                std::string_view value) {
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, version.value), content)) {
    return BadHeader(collection, version, "its checksum does not match");
  }
  Decoder decoder(content);
  if (decoder.Byte() != kHeaderKind) return BadHeader(collection, version, "unknown kind of value");
  CommitHeader header;
  header.version = version;
  header.time_us = static_cast<int64_t>(decoder.Be64());
  header.actor = decoder.Block();
  header.request_id = decoder.Block();
  header.first_row = RowId(decoder.Varint());
  header.row_count = decoder.Varint();
  header.live_rows = decoder.Varint();
  const uint64_t retired = decoder.Varint();
  // Each takes a byte at least, so the length bounds what is reserved.
  if (retired > decoder.remaining()) return BadHeader(collection, version, "retired rows cut short");
  header.retired.reserve(retired);
  uint64_t row = 0;
  for (uint64_t i = 0; i < retired; ++i) {
    const uint64_t step = decoder.Varint();
    if ((i > 0 && step == 0) || row + step < row) {
      return BadHeader(collection, version, "retired rows do not ascend");
    }
    row += step;
    header.retired.push_back(RowId(row));
  }
  if (!decoder.Done()) return BadHeader(collection, version, "wrong length");
  if (header.rows_end().value < header.first_row.value) {
    return BadHeader(collection, version, "row numbers overflow");
  }
  return header;
}

std::string EncodeArtifact(std::string_view bytes) {
  std::string value;
  if (bytes.size() >= kMinCompressedBytes) {
    PutByte(value, kZstd);
    PutVarint(value, bytes.size());
    const size_t head = value.size();
    value.resize(head + ZSTD_compressBound(bytes.size()));
    const size_t size = ZSTD_compress(value.data() + head, value.size() - head, bytes.data(),
                                      bytes.size(), kZstdLevel);
    if (ZSTD_isError(size) == 0 && head + size < bytes.size()) {
      value.resize(head + size);
      return value;
    }
    value.clear();
  }
  PutByte(value, kPlain);
  value.append(bytes);
  return value;
}

absl::StatusOr<std::string> DecodeArtifact(std::string_view hash, std::string_view value) {
  Decoder decoder(value);
  const uint8_t kind = decoder.Byte();
  std::string bytes;
  if (kind == kPlain) {
    bytes = decoder.Bytes(decoder.remaining());
  } else if (kind == kZstd) {
    const uint64_t size = decoder.Varint();
    if (!decoder.ok() || size > Limits::kMaxCommitBytes) return BadArtifact(hash, "bad length");
    const std::string_view packed = decoder.Bytes(decoder.remaining());
    // The claimed size is believed only where zstd's own frame says the same.
    if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != size) {
      return BadArtifact(hash, "its lengths disagree");
    }
    bytes.resize(size);
    const size_t got = ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
    if (ZSTD_isError(got) != 0) return BadArtifact(hash, ZSTD_getErrorName(got));
    if (got != size) return BadArtifact(hash, "wrong length");
  } else {
    return BadArtifact(hash, "unknown kind of value");
  }
  if (ContentHash(bytes) != hash) return BadArtifact(hash, "its bytes have another hash");
  return bytes;
}

}  // namespace vouch
