#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/key_format.h"

// What decodes is what the key's maker writes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace vouch;
  const std::string_view key(reinterpret_cast<const char*>(data), size);
  const std::string_view prefix = key.substr(0, kCollectionPrefixBytes);
  const auto check = [&](const std::string& made) {
    if (made != key) std::abort();
  };
  if (const auto parts = DecodeCollectionPrefix(key); parts.ok()) {
    check(CollectionPrefix(parts->tenant, parts->collection));
  }
  if (const auto parts = DecodeRowKey(key); parts.ok()) check(RowKey(prefix, parts->row));
  if (const auto parts = DecodeVectorKey(key); parts.ok()) check(VectorKey(prefix, parts->row, parts->field));
  if (const auto parts = DecodeCommitKey(key); parts.ok()) check(CommitKey(prefix, parts->version));
  if (const auto parts = DecodeNamedKey(key); parts.ok()) check(NamedKey(prefix, parts->name));
  if (const auto name = DecodeRequestKey(key); name.ok()) check(RequestKey(prefix, *name));
  if (const auto name = DecodeTenantKey(key); name.ok()) check(TenantKey(*name));
  if (const auto parts = DecodeCollectionKey(key); parts.ok()) check(CollectionKey(parts->tenant, parts->name));
  if (const auto parts = DecodeAliasKey(key); parts.ok()) check(AliasKey(parts->tenant, parts->name));
  const std::string_view after_kind = key.substr(key.empty() ? 0 : 1, kCollectionPrefixBytes);
  if (const auto name = DecodeTagKey(key); name.ok()) check(TagKey(after_kind, *name));
  if (const auto name = DecodeSettingKey(key); name.ok()) check(SettingKey(after_kind, *name));
  if (const auto dropped = DecodeDroppedKey(key); dropped.ok()) check(DroppedKey(*dropped));
  if (const auto retention = DecodeRetentionKey(key); retention.ok()) check(RetentionKey(*retention));
  if (const auto parts = DecodePurgedKey(key); parts.ok()) check(PurgedKey(parts->prefix, parts->number));
  if (const auto parts = DecodeSchemaKey(key); parts.ok()) check(SchemaKey(parts->prefix, Version(parts->number)));
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  using namespace vouch;
  const std::string prefix = CollectionPrefix(TenantNumber(1), CollectionId(2));
  return {prefix,
          RowKey(prefix, RowId(3)),
          VectorKey(prefix, RowId(3), 4),
          CommitKey(prefix, Version(5)),
          RequestKey(prefix, "r"),
          TagKey(prefix, "t"),
          SettingKey(prefix, "s"),
          DroppedKey(prefix),
          RetentionKey(prefix),
          PurgedKey(prefix, 3),
          SchemaKey(prefix, Version(4)),
          TenantKey("t"),
          CollectionKey(TenantNumber(1), "c"),
          AliasKey(TenantNumber(1), "a"),
          NamedKey(prefix, "name")};
}
