#include "storage/key_format.h"

#include "absl/status/status.h"
#include "storage/coding.h"
#include "storage/concat.h"

namespace vouch {

namespace {

// catalog: the first byte of a key.
constexpr uint8_t kFormat = 0x00;
constexpr uint8_t kNextCollection = 0x01;
constexpr uint8_t kNextTenant = 0x02;
constexpr uint8_t kTenant = 0x10;
constexpr uint8_t kCollection = 0x11;
constexpr uint8_t kTag = 0x12;
constexpr uint8_t kSetting = 0x13;
constexpr uint8_t kDropped = 0x14;
constexpr uint8_t kAlias = 0x15;
constexpr uint8_t kRetention = 0x16;
constexpr uint8_t kPurged = 0x17;
constexpr uint8_t kSchema = 0x18;
// commits: the byte after the prefix.
constexpr uint8_t kHeader = 0x01;
constexpr uint8_t kRequest = 0x02;
// answers: the byte after the tenant.
constexpr uint8_t kRecord = 0x01;
constexpr uint8_t kOrder = 0x02;
constexpr uint8_t kLink = 0x03;
constexpr uint8_t kTip = 0x04;

std::string OneByte(uint8_t kind) { return std::string(1, static_cast<char>(kind)); }

std::string WithKind(uint8_t kind, std::string_view prefix, std::string_view name) {
  std::string key;
  key.reserve(1 + prefix.size() + name.size());
  PutByte(key, kind);
  return key.append(prefix).append(name);
}

std::string WithNumber(std::string_view prefix, uint64_t number) {
  std::string key;
  key.reserve(prefix.size() + 10);
  key.append(prefix);
  PutBe64(key, number);
  return key;
}

std::string WithTenant(uint8_t kind, TenantNumber tenant, std::string_view name) {
  std::string number;
  PutBe32(number, static_cast<uint32_t>(tenant.value));
  return WithKind(kind, number, name);
}

std::string TenantThenKind(TenantNumber tenant, uint8_t kind) {
  std::string key;
  PutBe32(key, static_cast<uint32_t>(tenant.value));
  PutByte(key, kind);
  return key;
}

absl::Status BadKey(std::string_view what, std::string_view key) {
  return absl::DataLossError(Concat("not the key of ", what, ": \"",
                                          Escape(key, 64), "\" (", key.size(),
                                          " bytes)"));
}

PrefixParts ReadPrefix(Decoder& decoder) {
  const uint32_t tenant = decoder.Be32();
  return {TenantNumber(tenant), CollectionId(decoder.Be64())};
}

absl::StatusOr<std::string_view> AfterKindAndPrefix(uint8_t kind, std::string_view what,
                                                    std::string_view key) {
  Decoder decoder(key);
  const bool match = decoder.Byte() == kind;
  ReadPrefix(decoder);
  if (!match || !decoder.ok()) return BadKey(what, key);
  return decoder.Bytes(decoder.remaining());
}

}  // namespace

std::string CollectionPrefix(TenantNumber tenant, CollectionId collection) {
  std::string prefix;
  PutBe32(prefix, static_cast<uint32_t>(tenant.value));
  PutBe64(prefix, collection.value);
  return prefix;
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

std::string FormatKey() { return OneByte(kFormat); }
std::string NextCollectionKey() { return OneByte(kNextCollection); }
std::string NextTenantKey() { return OneByte(kNextTenant); }
std::string TenantKey(std::string_view tenant) { return WithKind(kTenant, "", tenant); }
std::string TenantKeyPrefix() { return OneByte(kTenant); }

std::string CollectionKey(TenantNumber tenant, std::string_view name) {
  return WithTenant(kCollection, tenant, name);
}
std::string CollectionKeyPrefix() { return OneByte(kCollection); }
std::string AliasKey(TenantNumber tenant, std::string_view alias) {
  return WithTenant(kAlias, tenant, alias);
}
std::string AliasKeyPrefix() { return OneByte(kAlias); }

std::string TagKey(std::string_view prefix, std::string_view name) {
  return WithKind(kTag, prefix, name);
}
std::string SettingKey(std::string_view prefix, std::string_view key) {
  return WithKind(kSetting, prefix, key);
}

std::string DroppedKeyPrefix() { return std::string(1, static_cast<char>(kDropped)); }
std::string DroppedKey(std::string_view prefix) { return DroppedKeyPrefix().append(prefix); }

std::string RetentionKey(std::string_view prefix) { return WithKind(kRetention, prefix, ""); }
std::string PurgedKeyPrefix(std::string_view prefix) { return WithKind(kPurged, prefix, ""); }
std::string PurgedKey(std::string_view prefix, uint64_t number) {
  return WithNumber(PurgedKeyPrefix(prefix), number);
}
std::string SchemaKeyPrefix(std::string_view prefix) { return WithKind(kSchema, prefix, ""); }
std::string SchemaKey(std::string_view prefix, Version altered) {
  return WithNumber(SchemaKeyPrefix(prefix), altered.value);
}

std::string CommitKeyPrefix(std::string_view prefix) {
  std::string key(prefix);
  PutByte(key, kHeader);
  return key;
}
std::string CommitKey(std::string_view prefix, Version version) {
  return WithNumber(CommitKeyPrefix(prefix), version.value);
}
std::string RequestKeyPrefix(std::string_view prefix) {
  std::string key(prefix);
  PutByte(key, kRequest);
  return key;
}
std::string RequestKey(std::string_view prefix, std::string_view request_id) {
  return RequestKeyPrefix(prefix).append(request_id);
}

std::string RowKey(std::string_view prefix, RowId row) { return WithNumber(prefix, row.value); }

std::string VectorKey(std::string_view prefix, RowId row, uint16_t field) {
  std::string key = WithNumber(prefix, row.value);
  PutBe16(key, field);
  return key;
}

std::string SparseKey(std::string_view prefix, RowId row, size_t field) {
  return VectorKey(prefix, row, static_cast<uint16_t>(kFirstSparseField + field));
}

std::string MultiVectorKey(std::string_view prefix, RowId row, size_t field) {
  return VectorKey(prefix, row, static_cast<uint16_t>(kFirstMultiVectorField + field));
}

std::string NamedKey(std::string_view prefix, std::string_view name) {
  return std::string(prefix).append(name);
}

std::string AnswerKey(TenantNumber tenant, std::string_view id) {
  return TenantThenKind(tenant, kRecord).append(id);
}
std::string AnswerOrderKeyPrefix(TenantNumber tenant) { return TenantThenKind(tenant, kOrder); }
std::string AnswerOrderKey(TenantNumber tenant, uint64_t number) {
  return WithNumber(AnswerOrderKeyPrefix(tenant), ~number);
}

std::string AnswerLinkKeyPrefix(TenantNumber tenant) { return TenantThenKind(tenant, kLink); }
std::string AnswerLinkKey(TenantNumber tenant, uint64_t number) {
  return WithNumber(AnswerLinkKeyPrefix(tenant), number);
}
std::string AnswerTipKey(TenantNumber tenant) { return TenantThenKind(tenant, kTip); }

std::string EvaluationKey(TenantNumber tenant, std::string_view name) {
  std::string key;
  PutBe32(key, static_cast<uint32_t>(tenant.value));
  return key.append(name);
}

std::string AuditKeyPrefix(TenantNumber tenant) {
  std::string key;
  PutBe32(key, static_cast<uint32_t>(tenant.value));
  PutByte(key, kRecord);
  return key;
}
std::string AuditKey(TenantNumber tenant, uint64_t number) {
  return WithNumber(AuditKeyPrefix(tenant), number);
}
std::string JournalRecordKey(TenantNumber tenant, std::string_view name) {
  std::string key;
  PutBe32(key, static_cast<uint32_t>(tenant.value));
  PutByte(key, kOrder);
  return key.append(name);
}

absl::StatusOr<PrefixParts> DecodeCollectionPrefix(std::string_view prefix) {
  Decoder decoder(prefix);
  const PrefixParts parts = ReadPrefix(decoder);
  if (!decoder.Done()) return BadKey("a collection", prefix);
  return parts;
}

absl::StatusOr<RowKeyParts> DecodeRowKey(std::string_view key) {
  Decoder decoder(key);
  const PrefixParts parts = ReadPrefix(decoder);
  const uint64_t row = decoder.Be64();
  if (!decoder.Done()) return BadKey("a row", key);
  return RowKeyParts{parts.collection, RowId(row)};
}

absl::StatusOr<VectorKeyParts> DecodeVectorKey(std::string_view key) {
  Decoder decoder(key);
  const PrefixParts parts = ReadPrefix(decoder);
  const uint64_t row = decoder.Be64();
  const uint16_t field = decoder.Be16();
  if (!decoder.Done()) return BadKey("a vector", key);
  return VectorKeyParts{parts.collection, RowId(row), field};
}

absl::StatusOr<CommitKeyParts> DecodeCommitKey(std::string_view key) {
  Decoder decoder(key);
  const PrefixParts parts = ReadPrefix(decoder);
  const bool match = decoder.Byte() == kHeader;
  const uint64_t version = decoder.Be64();
  if (!match || !decoder.Done()) return BadKey("a commit", key);
  return CommitKeyParts{parts.collection, Version(version)};
}

absl::StatusOr<NamedKeyParts> DecodeNamedKey(std::string_view key) {
  Decoder decoder(key);
  const PrefixParts parts = ReadPrefix(decoder);
  const std::string_view name = decoder.Bytes(decoder.remaining());
  if (!decoder.ok()) return BadKey("a point, document or artifact", key);
  return NamedKeyParts{parts.collection, name};
}

absl::StatusOr<std::string_view> DecodeTagKey(std::string_view key) {
  return AfterKindAndPrefix(kTag, "a tag", key);
}
absl::StatusOr<std::string_view> DecodeSettingKey(std::string_view key) {
  return AfterKindAndPrefix(kSetting, "a setting", key);
}

absl::StatusOr<std::string_view> DecodeDroppedKey(std::string_view key) {
  absl::StatusOr<std::string_view> rest = AfterKindAndPrefix(kDropped, "a dropped collection", key);
  if (!rest.ok()) return rest.status();
  if (!rest->empty()) return BadKey("a dropped collection", key);
  return key.substr(1);
}

absl::StatusOr<std::string_view> DecodeRetentionKey(std::string_view key) {
  absl::StatusOr<std::string_view> rest = AfterKindAndPrefix(kRetention, "a collection's retention", key);
  if (!rest.ok()) return rest.status();
  if (!rest->empty()) return BadKey("a collection's retention", key);
  return key.substr(1);
}

namespace {

absl::StatusOr<NumberedKeyParts> AfterKindPrefixAndNumber(uint8_t kind, std::string_view what, std::string_view key) {
  absl::StatusOr<std::string_view> rest = AfterKindAndPrefix(kind, what, key);
  if (!rest.ok()) return rest.status();
  Decoder decoder(*rest);
  const uint64_t number = decoder.Be64();
  if (!decoder.Done()) return BadKey(what, key);
  return NumberedKeyParts{key.substr(1, kCollectionPrefixBytes), number};
}

}  // namespace

absl::StatusOr<NumberedKeyParts> DecodePurgedKey(std::string_view key) {
  return AfterKindPrefixAndNumber(kPurged, "rows that were let go", key);
}

absl::StatusOr<NumberedKeyParts> DecodeSchemaKey(std::string_view key) {
  return AfterKindPrefixAndNumber(kSchema, "an older schema", key);
}

absl::StatusOr<std::string_view> DecodeRequestKey(std::string_view key) {
  Decoder decoder(key);
  ReadPrefix(decoder);
  const bool match = decoder.Byte() == kRequest;
  if (!match || !decoder.ok()) return BadKey("a request id", key);
  return decoder.Bytes(decoder.remaining());
}

absl::StatusOr<std::string_view> DecodeTenantKey(std::string_view key) {
  Decoder decoder(key);
  if (decoder.Byte() != kTenant || !decoder.ok()) return BadKey("a tenant", key);
  return decoder.Bytes(decoder.remaining());
}

namespace {

absl::StatusOr<CollectionKeyParts> AfterKindAndTenant(uint8_t kind, std::string_view what,
                                                      std::string_view key) {
  Decoder decoder(key);
  const bool match = decoder.Byte() == kind;
  const uint32_t tenant = decoder.Be32();
  if (!match || !decoder.ok()) return BadKey(what, key);
  return CollectionKeyParts{TenantNumber(tenant), decoder.Bytes(decoder.remaining())};
}

}  // namespace

absl::StatusOr<CollectionKeyParts> DecodeCollectionKey(std::string_view key) {
  return AfterKindAndTenant(kCollection, "a collection's name", key);
}

absl::StatusOr<CollectionKeyParts> DecodeAliasKey(std::string_view key) {
  return AfterKindAndTenant(kAlias, "an alias", key);
}

}  // namespace vouch
