#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/ids.h"

namespace vouch {

// The grammar of all keys of the store, in one place; README.md of this folder shows it as a table.
//
// Invariants:
// 1. Numbers are big-endian, so that ranges scan in order.
// 2. All keys of a collection, in every column family but `catalog`'s names, start with its 12-byte prefix, so that a
//    collection is dropped by one range a family.

// The version of keys and values. A store with a larger one is refused; one with a smaller one is
// read, and gets this one when it is opened to write.
//   1  the first
//   2  DroppedKey: a program that does not know it would leave the rows of a dropped collection
//   behind
//   3  sparse vectors
//   4  dense vectors of f16, i8 and bits; AliasKey: a program that does not know it would drop a
//   collection under its alias
//   5  multi-vectors: schemas, rows of kind 3, their values
//   5  RetentionKey and PurgedKey: a program that does not know them would take rows that were let go for lost ones;
//   SchemaKey, and schemas with retention, ttl or numbered fields
//   5  AnswerLinkKey, AnswerTipKey: a program that does not know them would keep answers outside of the chain
//   5  audit entries: a program that does not know them would change what they speak of in silence
inline constexpr uint32_t kFormatNumber = 5;

using TenantNumber = StrongId<struct TenantNumberTag>;  // 32 bits, given by the catalog, from 1 on

// No collection has this number; under it stand the settings of the tenant itself.
inline constexpr CollectionId kNoCollection{0};

inline constexpr size_t kCollectionPrefixBytes = 12;
// be32 tenant, be64 collection.
std::string CollectionPrefix(TenantNumber tenant, CollectionId collection);
// The first key after all that start with `prefix`; empty where there is none.
std::string PrefixEnd(std::string_view prefix);

// --- catalog
std::string FormatKey();
std::string NextCollectionKey();
std::string NextTenantKey();
std::string TenantKey(std::string_view tenant);
std::string TenantKeyPrefix();
std::string CollectionKey(TenantNumber tenant, std::string_view name);
std::string CollectionKeyPrefix();
std::string AliasKey(TenantNumber tenant, std::string_view alias);
std::string AliasKeyPrefix();
// `prefix` is a CollectionPrefix in all that follows.
std::string TagKey(std::string_view prefix, std::string_view name);
std::string SettingKey(std::string_view prefix, std::string_view key);
// A collection that was dropped, until all its data is deleted.
std::string DroppedKey(std::string_view prefix);
std::string DroppedKeyPrefix();
// What of a collection can be read.
std::string RetentionKey(std::string_view prefix);
// The rows of chunk `number` (purged_rows.h) that were let go.
std::string PurgedKey(std::string_view prefix, uint64_t number);
std::string PurgedKeyPrefix(std::string_view prefix);
// The schema that a collection had up to the version that altered it.
std::string SchemaKey(std::string_view prefix, Version altered);
std::string SchemaKeyPrefix(std::string_view prefix);

// --- commits
std::string CommitKey(std::string_view prefix, Version version);
std::string CommitKeyPrefix(std::string_view prefix);
std::string RequestKey(std::string_view prefix, std::string_view request_id);
std::string RequestKeyPrefix(std::string_view prefix);

// --- rows, retired
std::string RowKey(std::string_view prefix, RowId row);
// --- vectors; sparse fields are numbered from kFirstSparseField on, multi-vector fields from kFirstMultiVectorField on
inline constexpr uint16_t kFirstSparseField = 0x8000;
inline constexpr uint16_t kFirstMultiVectorField = 0xC000;
std::string VectorKey(std::string_view prefix, RowId row, uint16_t field);
// `field` is the ordinal among the sparse fields.
std::string SparseKey(std::string_view prefix, RowId row, size_t field);
// Likewise among the multi-vector fields.
std::string MultiVectorKey(std::string_view prefix, RowId row, size_t field);
// --- points, documents, artifacts: the prefix, then the encoded id, the key, the hash
std::string NamedKey(std::string_view prefix, std::string_view name);

// --- answers
std::string AnswerKey(TenantNumber tenant, std::string_view id);
// Newest first: the complement of the answer's number.
std::string AnswerOrderKey(TenantNumber tenant, uint64_t number);
std::string AnswerOrderKeyPrefix(TenantNumber tenant);
// The chain: links by number, and the last one.
std::string AnswerLinkKey(TenantNumber tenant, uint64_t number);
std::string AnswerLinkKeyPrefix(TenantNumber tenant);
std::string AnswerTipKey(TenantNumber tenant);
// --- evaluations
std::string EvaluationKey(TenantNumber tenant, std::string_view name);
// --- audit
std::string AuditKey(TenantNumber tenant, uint64_t number);
std::string AuditKeyPrefix(TenantNumber tenant);
std::string JournalRecordKey(TenantNumber tenant, std::string_view name);

// Decoders of keys; DATA_LOSS on anything else.
struct PrefixParts {
  TenantNumber tenant;
  CollectionId collection;
};
absl::StatusOr<PrefixParts> DecodeCollectionPrefix(std::string_view prefix);
struct RowKeyParts {
  CollectionId collection;
  RowId row;
};
absl::StatusOr<RowKeyParts> DecodeRowKey(std::string_view key);
struct VectorKeyParts {
  CollectionId collection;
  RowId row;
  uint16_t field = 0;
};
absl::StatusOr<VectorKeyParts> DecodeVectorKey(std::string_view key);
struct CommitKeyParts {
  CollectionId collection;
  Version version;
};
absl::StatusOr<CommitKeyParts> DecodeCommitKey(std::string_view key);
// The collection and the rest of a points, documents or artifacts key.
struct NamedKeyParts {
  CollectionId collection;
  std::string_view name;
};
absl::StatusOr<NamedKeyParts> DecodeNamedKey(std::string_view key);
// What follows kind byte and prefix in the key of a tag, setting or request.
absl::StatusOr<std::string_view> DecodeTagKey(std::string_view key);
absl::StatusOr<std::string_view> DecodeSettingKey(std::string_view key);
// The collection's prefix.
absl::StatusOr<std::string_view> DecodeDroppedKey(std::string_view key);
absl::StatusOr<std::string_view> DecodeRetentionKey(std::string_view key);
// What follows kind byte and collection's prefix, a number.
struct NumberedKeyParts {
  std::string_view prefix;
  uint64_t number = 0;
};
absl::StatusOr<NumberedKeyParts> DecodePurgedKey(std::string_view key);
absl::StatusOr<NumberedKeyParts> DecodeSchemaKey(std::string_view key);
absl::StatusOr<std::string_view> DecodeRequestKey(std::string_view key);
absl::StatusOr<std::string_view> DecodeTenantKey(std::string_view key);
struct CollectionKeyParts {
  TenantNumber tenant;
  std::string_view name;
};
absl::StatusOr<CollectionKeyParts> DecodeCollectionKey(std::string_view key);
absl::StatusOr<CollectionKeyParts> DecodeAliasKey(std::string_view key);

}  // namespace vouch
