#include "storage/retention_table.h"

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/rocks.h"

namespace vouch {

namespace {

constexpr uint8_t kKind = 1;
// "retained": no row's or commit's value passes for this one.
constexpr uint64_t kSeed = 0x72657461696E6564;

}  // namespace

std::string EncodeRetention(CollectionId collection, const RetentionState& state) {
  std::string value;
  PutByte(value, kKind);
  PutBe64(value, state.horizon.value);
  PutBe64(value, static_cast<uint64_t>(state.raised_us));
  PutByte(value, state.pending ? 1 : 0);
  PutVarint(value, state.purged_rows);
  PutBlock(value, state.actor);
  PutVarint(value, state.kept.size());
  uint64_t last = 0;
  for (const Version version : state.kept) {
    PutVarint(value, version.value - last);
    last = version.value;
  }
  Seal(value, SealSeed(collection, kSeed));
  return value;
}

absl::StatusOr<RetentionState> DecodeRetention(CollectionId collection, std::string_view value) {
  const auto damaged = [&] {
    return absl::DataLossError(Concat("the retention of collection ", collection.value, " is damaged"));
  };
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, kSeed), content)) return damaged();
  Decoder decoder(content);
  const uint8_t kind = decoder.Byte();
  RetentionState state;
  state.horizon = Version(decoder.Be64());
  state.raised_us = static_cast<int64_t>(decoder.Be64());
  const uint8_t pending = decoder.Byte();
  state.pending = pending != 0;
  state.purged_rows = decoder.Varint();
  state.actor = decoder.Block();
  const uint64_t kept = decoder.Varint();
  if (kind != kKind || pending > 1 || !decoder.ok() || kept > decoder.remaining()) return damaged();
  uint64_t last = 0;
  for (uint64_t i = 0; i < kept; ++i) {
    const uint64_t step = decoder.Varint();
    if (step < 1 || step >= state.horizon.value - last) return damaged();
    last += step;
    state.kept.push_back(Version(last));
  }
  if (!decoder.Done()) return damaged();
  return state;
}

absl::StatusOr<RetentionState> RetentionTable::Load(const CollectionEntry& entry) const {
  const auto value = rocks_.Get(Family::kCatalog, RetentionKey(entry.prefix));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return RetentionState();
  return DecodeRetention(entry.id, **value);
}

absl::StatusOr<PurgedRows> RetentionTable::LoadPurged(const CollectionEntry& entry, RowRange range) const {
  PurgedRows purged;
  if (range.begin >= range.end) return purged;
  absl::Status status;
  const uint64_t first = range.begin.value / PurgedRows::kChunkRows;
  const uint64_t last = (range.end.value - 1) / PurgedRows::kChunkRows;
  const absl::Status scanned =
      rocks_.Scan(Family::kCatalog, PurgedKey(entry.prefix, first), PurgedKey(entry.prefix, last + 1),
                  [&](std::string_view key, std::string_view value) {
                    const absl::StatusOr<NumberedKeyParts> parts = DecodePurgedKey(key);
                    status = parts.ok() ? purged.AddChunk(entry.id, parts->number, value) : parts.status();
                    return status.ok();
                  });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  return purged;
}

absl::StatusOr<bool> RetentionTable::IsPurged(const CollectionEntry& entry, RowId row) const {
  const absl::StatusOr<PurgedRows> purged = LoadPurged(entry, {row, RowId(row.value + 1)});
  if (!purged.ok()) return purged.status();
  return purged->Contains(row);
}

}  // namespace vouch
