// The values of the `catalog` family.
#include <string>
#include <utility>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks_catalog.h"

namespace vouch {

namespace {

constexpr uint8_t kCollectionKind = 1;
constexpr uint8_t kAlteredCollectionKind = 2;  // with the version that altered its schema, and the index's number
constexpr uint8_t kAliasKind = 1;
constexpr uint64_t kCatalogSeed = 0x636174616C6F6700;  // "catalog": no other family's values pass for these

}  // namespace

std::string EncodeCollectionEntry(const CollectionInfo& info) {
  std::string value;
  const bool altered = info.schema_version != Version(0);
  PutByte(value, altered ? kAlteredCollectionKind : kCollectionKind);
  if (altered) {
    PutBe64(value, info.schema_version.value);
    PutBe64(value, info.index_number);
  }
  PutBe64(value, info.id.value);
  PutBe64(value, static_cast<uint64_t>(info.created_us));
  PutBlock(value, info.tenant);
  PutBlock(value, info.name);
  PutBlock(value, info.schema.ToJson());
  Seal(value, kCatalogSeed);
  return value;
}

absl::StatusOr<CollectionInfo> DecodeCollectionEntry(std::string_view value) {
  std::string_view content;
  if (!Unseal(value, kCatalogSeed, content)) {
    return absl::DataLossError("a collection's catalog entry is damaged: its checksum does not match");
  }
  Decoder decoder(content);
  const uint8_t kind = decoder.Byte();
  CollectionInfo info;
  if (kind == kAlteredCollectionKind) {
    info.schema_version = Version(decoder.Be64());
    info.index_number = decoder.Be64();
  }
  info.id = CollectionId(decoder.Be64());
  info.created_us = static_cast<int64_t>(decoder.Be64());
  info.tenant = decoder.Block();
  info.name = decoder.Block();
  const std::string_view schema_json = decoder.Block();
  if ((kind != kCollectionKind && kind != kAlteredCollectionKind) || !decoder.Done()) {
    return absl::DataLossError("a collection's catalog entry is damaged: it does not decode");
  }
  absl::StatusOr<CollectionSchema> schema = CollectionSchema::FromJson(schema_json);
  if (!schema.ok()) {
    return absl::DataLossError(Concat("the stored schema of collection \"", info.name,
                                            "\" is damaged: ", schema.status().message()));
  }
  info.schema = *std::move(schema);
  return info;
}

std::string EncodeTag(const Tag& tag) {
  std::string value;
  PutBe64(value, tag.version.value);
  PutBe64(value, static_cast<uint64_t>(tag.created_us));
  Seal(value, kCatalogSeed);
  return value;
}

absl::StatusOr<Tag> DecodeTag(std::string_view name, std::string_view value) {
  std::string_view content;
  const bool sealed = Unseal(value, kCatalogSeed, content);
  Decoder decoder(content);
  Tag tag;
  tag.name = name;
  tag.version = Version(decoder.Be64());
  tag.created_us = static_cast<int64_t>(decoder.Be64());
  if (!sealed || !decoder.Done()) {
    return absl::DataLossError(Concat("the tag \"", name, "\" is damaged"));
  }
  return tag;
}

std::string EncodeAlias(const Alias& alias) {
  std::string value;
  PutByte(value, kAliasKind);
  PutBe64(value, static_cast<uint64_t>(alias.moved_us));
  PutBlock(value, alias.collection);
  Seal(value, kCatalogSeed);
  return value;
}

absl::StatusOr<Alias> DecodeAlias(std::string_view name, std::string_view value) {
  std::string_view content;
  const bool sealed = Unseal(value, kCatalogSeed, content);
  Decoder decoder(content);
  const uint8_t kind = decoder.Byte();
  Alias alias;
  alias.name = name;
  alias.moved_us = static_cast<int64_t>(decoder.Be64());
  alias.collection = decoder.Block();
  if (!sealed || kind != kAliasKind || !decoder.Done()) {
    return absl::DataLossError(Concat("the alias \"", Escape(name), "\" is damaged"));
  }
  return alias;
}

}  // namespace vouch
