// RocksCatalog's aliases.
#include <rocksdb/write_batch.h>

#include <set>

#include "absl/strings/str_join.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/local_commit_log.h"
#include "storage/name.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"

namespace vouch {

absl::Status RocksCatalog::LoadAliases() {
  absl::Status status;
  const auto load = [&](std::string_view key, std::string_view value) {
    const absl::StatusOr<CollectionKeyParts> parts = DecodeAliasKey(key);
    absl::StatusOr<Alias> alias =
        parts.ok() ? DecodeAlias(parts->name, value) : absl::StatusOr<Alias>(parts.status());
    if (!alias.ok()) {
      status = alias.status();
      return false;
    }
    std::lock_guard lock(mu_);
    for (const auto& [tenant, number] : tenants_) {
      if (number == parts->tenant) aliases_.emplace(CollectionName(tenant, alias->name), *alias);
    }
    return true;
  };
  const absl::Status scanned =
      rocks_.Scan(Family::kCatalog, AliasKeyPrefix(), PrefixEnd(AliasKeyPrefix()), load);
  return status.ok() ? scanned : status;
}

absl::Status RocksCatalog::CheckMove(std::string_view tenant, const AliasMove& move) const {
  if (auto s = CheckName("alias", move.alias); !s.ok()) return s;
  std::lock_guard lock(mu_);
  if (collections_.contains(CollectionName(tenant, move.alias))) {
    return absl::AlreadyExistsError(
        Concat("a collection is named \"", move.alias, "\"; an alias needs a name of its own"));
  }
  if (move.collection.empty()) {
    if (aliases_.contains(CollectionName(tenant, move.alias))) return absl::OkStatus();
    return absl::NotFoundError(Concat("no alias is named \"", move.alias, "\""));
  }
  if (collections_.contains(CollectionName(tenant, move.collection))) return absl::OkStatus();
  const auto other = aliases_.find(CollectionName(tenant, move.collection));
  if (other != aliases_.end()) {
    return absl::InvalidArgumentError(
        Concat("\"", move.collection, "\" is an alias itself; name its collection, \"",
               other->second.collection, "\""));
  }
  return absl::NotFoundError(Concat("no collection is named \"", Escape(move.collection), "\""));
}

absl::Status RocksCatalog::MoveAliases(std::string_view tenant, std::span<const AliasMove> moves,
                                       int64_t now_us) {
  if (moves.empty()) return absl::InvalidArgumentError("no alias is named");
  if (moves.size() > kMaxAliasMoves) {
    return absl::InvalidArgumentError(
        Concat(moves.size(), " aliases in one call; the limit is ", kMaxAliasMoves));
  }
  return log_.RunExclusive([&]() -> absl::Status {
    std::set<std::string_view> seen;
    for (const AliasMove& move : moves) {
      if (auto s = CheckMove(tenant, move); !s.ok()) return s;
      if (seen.insert(move.alias).second) continue;
      return absl::InvalidArgumentError(Concat("the alias \"", move.alias, "\" stands twice"));
    }
    absl::StatusOr<std::vector<Alias>> have = ListAliases(tenant);
    if (!have.ok()) return have.status();
    if (have->size() + moves.size() > kMaxAliases) {
      return absl::ResourceExhaustedError(
          Concat("there are ", have->size(), " aliases; the limit is ", kMaxAliases));
    }
    const std::optional<TenantNumber> number = FindTenant(tenant);
    if (!number.has_value()) return absl::InternalError("a collection's tenant has no number");
    rocksdb::WriteBatch batch;
    rocksdb::ColumnFamilyHandle* catalog = rocks_.handle(Family::kCatalog);
    std::vector<Alias> moved;
    for (const AliasMove& move : moves) {
      moved.push_back({move.alias, move.collection, now_us});
      const std::string key = AliasKey(*number, move.alias);
      if (move.collection.empty()) {
        batch.Delete(catalog, key);
      } else {
        batch.Put(catalog, key, EncodeAlias(moved.back()));
      }
    }
    if (auto s = rocks_.Write(batch); !s.ok()) return s;
    std::lock_guard lock(mu_);
    for (Alias& alias : moved) {
      const CollectionName name(tenant, alias.name);
      if (alias.collection.empty()) {
        aliases_.erase(name);
      } else {
        aliases_.insert_or_assign(name, std::move(alias));
      }
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Alias>> RocksCatalog::ListAliases(std::string_view tenant) const {
  std::vector<Alias> aliases;
  std::lock_guard lock(mu_);
  for (const auto& [key, alias] : aliases_) {
    if (key.first == tenant) aliases.push_back(alias);
  }
  return aliases;
}

absl::Status RocksCatalog::CheckNoAlias(std::string_view tenant, std::string_view name) const {
  std::vector<std::string> leading;
  std::lock_guard lock(mu_);
  if (const auto at = aliases_.find(CollectionName(tenant, name)); at != aliases_.end()) {
    return absl::FailedPreconditionError(Concat("\"", name, "\" is an alias of \"",
                                                at->second.collection,
                                                "\"; name the collection itself"));
  }
  for (const auto& [key, alias] : aliases_) {
    if (key.first == tenant && alias.collection == name) leading.push_back(alias.name);
  }
  if (leading.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(Concat("the collection \"", name, "\" has the alias ",
                                              absl::StrJoin(leading, ", "),
                                              "; move or delete it first"));
}

}  // namespace vouch
