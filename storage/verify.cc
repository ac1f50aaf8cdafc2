#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/answer_chain.h"
#include "storage/audit_table.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/evaluation_table.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/store.h"
#include "storage/verify_collection.h"

namespace vouch {

namespace {

// What the catalog says there is, gathered while it is checked.
struct CatalogContent {
  std::map<std::string, TenantNumber, std::less<>> tenants;
  std::set<uint64_t> tenant_numbers;
  std::map<uint64_t, std::pair<TenantNumber, CollectionInfo>> collections;  // by number
  std::set<std::string, std::less<>>
      prefixes;  // of collections, and of dropped ones whose data is being deleted
  std::optional<uint64_t> next_collection;
  std::optional<uint64_t> next_tenant;
};

// What retention and alterations keep of a collection; what is in it VerifyCollection checks.
bool IsHistoryKey(std::string_view key) {
  return DecodeRetentionKey(key).ok() || DecodePurgedKey(key).ok() || DecodeSchemaKey(key).ok();
}

// The checks that span collections. Thread compatible.
class StoreVerifier {
 public:
  StoreVerifier(const Rocks& rocks, VerifyReport& report, const VerifyProgress& progress)
      : rocks_(rocks), report_(report), problems_(report), progress_(progress) {}

  void Run(rocksdb::Env* env) {
    CheckFiles(env);
    CheckCatalog();
    for (const auto& [number, collection] : catalog_.collections) {
      ++report_.collections;
      VerifyCollection(rocks_, collection.first, collection.second, report_, problems_, progress_);
    }
    for (const Family family : {Family::kCommits, Family::kRows, Family::kVectors, Family::kPoints,
                                Family::kRetired, Family::kDocuments, Family::kArtifacts}) {
      CheckOwners(family);
    }
    CheckAnswers();
    CheckChains();
    CheckEvaluations();
    CheckAudit();
  }

 private:
  void CheckFiles(rocksdb::Env* env);
  void CheckCatalog();
  void CheckCatalogEntry(std::string_view key, std::string_view value);
  std::optional<uint64_t> DecodeCounter(std::string_view name, std::string_view value);
  void CheckTenant(std::string_view name, std::string_view value);
  void CheckCollectionEntry(const CollectionKeyParts& key, std::string_view value);
  void CheckAlias(const CollectionKeyParts& key, std::string_view value);
  void CheckCounters();
  void CheckOwners(Family family);
  void CheckAnswers();
  void CheckChains();
  void CheckEvaluations();
  void CheckAudit();
  void CheckChain(TenantNumber tenant, const std::string& name);
  void CheckAnswer(TenantNumber tenant, std::string_view id, std::string_view value);
  void CheckAnswerOrder(TenantNumber tenant, std::string_view key, std::string_view id);
  void Scan(Family family, const std::function<void(std::string_view, std::string_view)>& visit);

  const Rocks& rocks_;
  VerifyReport& report_;
  ProblemList problems_;
  const VerifyProgress& progress_;
  uint64_t visited_ = 0;  // keys
  CatalogContent catalog_;
};

void StoreVerifier::Scan(Family family,
                         const std::function<void(std::string_view, std::string_view)>& visit) {
  const absl::Status scanned =
      rocks_.Scan(family, "", "", [&](std::string_view key, std::string_view value) {
        visit(key, value);
        if (progress_ && ++visited_ % VerifyReport::kKeysBetweenProgress == 0) progress_(report_);
        return true;
      });
  if (!scanned.ok()) problems_.Add(std::string(scanned.message()));
}

// File by file, so that each damaged one is named.
void StoreVerifier::CheckFiles(rocksdb::Env* env) {
  std::vector<rocksdb::LiveFileMetaData> files;
  rocks_.db().GetLiveFilesMetaData(&files);
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  for (const rocksdb::LiveFileMetaData& file : files) {
    const rocksdb::Status status = rocksdb::VerifySstFileChecksum(options, rocksdb::EnvOptions(),
                                                                  Concat(file.db_path, file.name));
    if (status.ok()) continue;
    problems_.Add(
        Concat("file ", file.name, " of ", file.column_family_name, ": ", status.ToString()));
  }
}

// --- catalog

void StoreVerifier::CheckCatalog() {
  Scan(Family::kCatalog,
       [&](std::string_view key, std::string_view value) { CheckCatalogEntry(key, value); });
  // Tags and settings again, now that all collections are known; what is in them VerifyCollection
  // checks.
  Scan(Family::kCatalog, [&](std::string_view key, std::string_view) {
    const bool tag = DecodeTagKey(key).ok();
    const bool history = IsHistoryKey(key);
    if (!tag && !history && !DecodeSettingKey(key).ok()) return;
    if (catalog_.prefixes.contains(key.substr(1, kCollectionPrefixBytes))) return;
    const auto owner = DecodeCollectionPrefix(key.substr(1, kCollectionPrefixBytes));
    if (!tag && !history && owner.ok() && owner->collection == kNoCollection &&
        catalog_.tenant_numbers.contains(owner->tenant.value)) {
      return;  // the tenant's own
    }
    problems_.Add(Concat("catalog: the ", tag ? "tag" : history ? "history" : "setting", " \"",
                         Escape(key.substr(1 + kCollectionPrefixBytes)), "\" is of collection ",
                         owner.ok() ? owner->collection.value : 0,
                         ", which is not in the catalog"));
  });
  CheckCounters();
}

void StoreVerifier::CheckCatalogEntry(std::string_view key, std::string_view value) {
  if (key == FormatKey()) return;  // opening the store has checked it
  if (key == NextCollectionKey()) {
    catalog_.next_collection = DecodeCounter("collections", value);
  } else if (key == NextTenantKey()) {
    catalog_.next_tenant = DecodeCounter("tenants", value);
  } else if (auto tenant = DecodeTenantKey(key); tenant.ok()) {
    CheckTenant(*tenant, value);
  } else if (auto collection = DecodeCollectionKey(key); collection.ok()) {
    CheckCollectionEntry(*collection, value);
  } else if (auto alias = DecodeAliasKey(key); alias.ok()) {
    CheckAlias(*alias, value);
  } else if (auto dropped = DecodeDroppedKey(key); dropped.ok()) {
    catalog_.prefixes.emplace(*dropped);
  } else if (!DecodeTagKey(key).ok() && !DecodeSettingKey(key).ok() && !IsHistoryKey(key)) {
    problems_.Add(Concat("catalog: the key \"", Escape(key, 64), "\" is of no known kind"));
  }
}

// Aliases stand after all collections.
void StoreVerifier::CheckAlias(const CollectionKeyParts& key, std::string_view value) {
  const std::string name =
      Concat("catalog: alias \"", Escape(key.name), "\" of tenant number ", key.tenant.value);
  const absl::StatusOr<Alias> alias = DecodeAlias(key.name, value);
  if (!alias.ok()) {
    problems_.Add(Concat(name, ": ", alias.status().message()));
    return;
  }
  bool found = false;
  for (const auto& [number, collection] : catalog_.collections) {
    if (collection.first != key.tenant) continue;
    found = found || collection.second.name == alias->collection;
    if (collection.second.name == key.name) problems_.Add(Concat(name, ": a collection has the same name"));
  }
  if (!found) {
    problems_.Add(Concat(name, " leads to \"", Escape(alias->collection), "\", which is not there"));
  }
}

std::optional<uint64_t> StoreVerifier::DecodeCounter(std::string_view name,
                                                     std::string_view value) {
  Decoder decoder(value);
  const uint64_t number = decoder.Be64();
  if (decoder.Done() && number != 0) return number;
  problems_.Add(Concat("catalog: the counter of ", name, " does not decode"));
  return std::nullopt;
}

void StoreVerifier::CheckTenant(std::string_view name, std::string_view value) {
  Decoder decoder(value);
  const uint64_t number = decoder.Be64();
  if (!decoder.Done() || number == 0 || number > UINT32_MAX) {
    problems_.Add(Concat("catalog: the number of tenant \"", Escape(name), "\" does not decode"));
    return;
  }
  catalog_.tenants.emplace(name, TenantNumber(number));
  if (!catalog_.tenant_numbers.insert(number).second) {
    problems_.Add(Concat("catalog: tenant \"", Escape(name), "\" has the number ", number,
                         ", which another tenant has too"));
  }
}

void StoreVerifier::CheckCollectionEntry(const CollectionKeyParts& key, std::string_view value) {
  const std::string name =
      Concat("catalog: collection \"", Escape(key.name), "\" of tenant number ", key.tenant.value);
  absl::StatusOr<CollectionInfo> info = DecodeCollectionEntry(value);
  if (!info.ok()) {
    problems_.Add(Concat(name, ": ", ToStd(info.status().message())));
    return;
  }
  // The keys of tenants come before those of collections.
  const auto tenant = catalog_.tenants.find(info->tenant);
  if (info->name != key.name || tenant == catalog_.tenants.end() || tenant->second != key.tenant) {
    problems_.Add(Concat(name, ": the entry is that of collection \"", Escape(info->name),
                         "\" of tenant \"", Escape(info->tenant), "\""));
  }
  if (auto s = info->schema.Validate(); !s.ok()) {
    problems_.Add(Concat(name, ": the schema is not valid: ", ToStd(s.message())));
  }
  const uint64_t number = info->id.value;
  if (catalog_.collections.contains(number)) {
    problems_.Add(Concat(name, " has the number ", number, ", which another collection has too"));
    return;
  }
  catalog_.prefixes.insert(CollectionPrefix(key.tenant, info->id));
  catalog_.collections.emplace(number, std::make_pair(key.tenant, *std::move(info)));
}

// A number that a counter has not reached would be given a second time.
void StoreVerifier::CheckCounters() {
  if (!catalog_.collections.empty()) {
    const uint64_t last = catalog_.collections.rbegin()->first;
    if (last >= catalog_.next_collection.value_or(1)) {
      problems_.Add(Concat("catalog: the next collection's number is ",
                           catalog_.next_collection.value_or(1), ", but collection ", last,
                           " exists"));
    }
  }
  if (!catalog_.tenant_numbers.empty()) {
    const uint64_t last = *catalog_.tenant_numbers.rbegin();
    if (last >= catalog_.next_tenant.value_or(1)) {
      problems_.Add(Concat("catalog: the next tenant's number is ",
                           catalog_.next_tenant.value_or(1), ", but tenant ", last, " exists"));
    }
  }
}

// --- the other families

// Every key must be of a collection that exists; goes from prefix to prefix, without reading what
// is between.
void StoreVerifier::CheckOwners(Family family) {
  const std::string_view name = kFamilyNames[static_cast<size_t>(family)];
  std::string from;
  while (true) {
    std::optional<std::string> found;
    const absl::Status scanned =
        rocks_.Scan(family, from, "", [&](std::string_view key, std::string_view) {
          found = key;
          return false;
        });
    // A block that cannot be read has been reported with its file.
    if (!scanned.ok() || !found.has_value()) return;
    const std::string prefix = found->substr(0, kCollectionPrefixBytes);
    const auto owner = DecodeCollectionPrefix(prefix);
    if (!owner.ok()) {
      problems_.Add(
          Concat(name, ": the key \"", Escape(*found, 64), "\" has no collection's prefix"));
      from = *found + '\0';
      continue;
    }
    if (!catalog_.prefixes.contains(prefix)) {
      problems_.Add(Concat(name, ": there is data of collection ", owner->collection.value,
                           " of tenant number ", owner->tenant.value,
                           ", which is not in the catalog"));
    }
    from = PrefixEnd(prefix);
    if (from.empty()) return;
  }
}

void StoreVerifier::CheckAnswers() {
  Scan(Family::kAnswers, [&](std::string_view key, std::string_view value) {
    Decoder decoder(key);
    const TenantNumber tenant(decoder.Be32());
    const std::string records = AnswerKey(tenant, "");
    const std::string order = AnswerOrderKeyPrefix(tenant);
    const std::string links = AnswerLinkKeyPrefix(tenant);
    if (!catalog_.tenant_numbers.contains(tenant.value)) {
      problems_.Add(Concat("answers: the key \"", Escape(key, 64), "\" is of tenant number ",
                           tenant.value, ", which is not in the catalog"));
    } else if (key.substr(0, records.size()) == records) {
      CheckAnswer(tenant, key.substr(records.size()), value);
    } else if (key.substr(0, order.size()) == order) {
      CheckAnswerOrder(tenant, key.substr(order.size()), value);
    } else if (key.substr(0, links.size()) != links && key != AnswerTipKey(tenant)) {
      problems_.Add(Concat("answers: the key \"", Escape(key, 64), "\" is of no known kind"));
    }
  });
}

void StoreVerifier::CheckAnswer(TenantNumber tenant, std::string_view id, std::string_view value) {
  std::string_view content;
  if (!Unseal(value, 0, content) || content.size() < 8) {
    problems_.Add(Concat("answers: the answer \"", Escape(id), "\" of tenant number ", tenant.value,
                         " is damaged"));
    return;
  }
  const auto named = rocks_.Get(Family::kAnswers, AnswerOrderKey(tenant, ReadBe64(content.data())));
  if (!named.ok() || *named != id) {
    problems_.Add(Concat("answers: the answer \"", Escape(id), "\" of tenant number ", tenant.value,
                         " is not in the order of answers"));
  }
}

// An answer that was written again leaves its older places in the order behind; they still name it.
void StoreVerifier::CheckAnswerOrder(TenantNumber tenant, std::string_view key,
                                     std::string_view id) {
  const auto record = rocks_.Get(Family::kAnswers, AnswerKey(tenant, id));
  if (key.size() != 8 || !record.ok() || !record->has_value()) {
    problems_.Add(Concat("answers: the order of tenant number ", tenant.value,
                         " names the answer \"", Escape(id), "\", which is missing"));
  }
}

void StoreVerifier::CheckChains() {
  for (const auto& [name, tenant] : catalog_.tenants) {
    const absl::StatusOr<AnswerChainReport> chain = WalkAnswerChain(rocks_, tenant, nullptr);
    if (!chain.ok()) {
      problems_.Add(Concat("answers: the chain of tenant \"", Escape(name), "\": ", ToStd(chain.status().message())));
      continue;
    }
    for (const AnswerProblem& problem : chain->problems) {
      problems_.Add(Concat("answers: the chain of tenant \"", Escape(name), "\", number ", problem.number, ", answer \"",
                           Escape(problem.id), "\": ", problem.what));
    }
  }
}

void StoreVerifier::CheckEvaluations() {
  Scan(Family::kEvaluations, [&](std::string_view key, std::string_view value) {
    Decoder decoder(key);
    const TenantNumber tenant(decoder.Be32());
    if (!decoder.ok() || !catalog_.tenant_numbers.contains(tenant.value)) {
      problems_.Add(Concat("evaluations: the key \"", Escape(key, 64), "\" is of tenant number ",
                           tenant.value, ", which is not in the catalog"));
      return;
    }
    const auto record = DecodeEvaluationRecord(decoder.Bytes(decoder.remaining()), value);
    if (!record.ok()) {
      problems_.Add(Concat("evaluations: tenant number ", tenant.value, ": ",
                           ToStd(record.status().message())));
    }
  });
}

// Keys first, then each tenant's chain from its beginning.
void StoreVerifier::CheckAudit() {
  Scan(Family::kAudit, [&](std::string_view key, std::string_view value) {
    Decoder decoder(key);
    const TenantNumber tenant(decoder.Be32());
    const std::string records = JournalRecordKey(tenant, "");
    if (!decoder.ok() || !catalog_.tenant_numbers.contains(tenant.value)) {
      problems_.Add(Concat("audit: the key \"", Escape(key, 64), "\" is of tenant number ",
                           tenant.value, ", which is not in the catalog"));
    } else if (key.substr(0, records.size()) == records) {
      const std::string_view name = key.substr(records.size());
      if (DecodeEvaluationRecord(name, value).ok()) return;
      problems_.Add(Concat("audit: tenant number ", tenant.value, ": the journal record \"",
                           Escape(name), "\" is damaged"));
    } else if (!key.starts_with(AuditKeyPrefix(tenant)) || key.size() != AuditKey(tenant, 1).size()) {
      problems_.Add(Concat("audit: the key \"", Escape(key, 64), "\" is of no known kind"));
    }
  });
  // A number that two tenants have is a problem of the catalog's.
  std::set<uint64_t> seen;
  for (const auto& [name, number] : catalog_.tenants) {
    if (seen.insert(number.value).second) CheckChain(number, name);
  }
}

void StoreVerifier::CheckChain(TenantNumber tenant, const std::string& name) {
  uint64_t expected = 1;
  std::string previous = NoAuditHash();
  const std::string begin = AuditKeyPrefix(tenant);
  const absl::Status scanned = rocks_.Scan(
      Family::kAudit, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<AuditEntry> entry = DecodeAuditEntry(value);
        const bool follows = entry.ok() && key == AuditKey(tenant, expected) &&
                             entry->number == expected && entry->tenant == name &&
                             entry->previous == previous;
        if (!follows) {
          problems_.Add(Concat("audit: tenant \"", Escape(name), "\": the chain breaks at entry ",
                               expected));
          return false;
        }
        ++expected;
        previous = entry->hash;
        return true;
      });
  if (!scanned.ok()) problems_.Add(std::string(scanned.message()));
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyStore(const StoreOptions& options,
                                         const VerifyProgress& progress) {
  if (options.path.empty()) return absl::InvalidArgumentError("the store's path is empty");
  RocksOptions rocks_options;
  rocks_options.path = options.path;
  rocks_options.create_if_missing = false;
  rocks_options.read_only = true;
  rocks_options.block_cache_bytes = options.block_cache_bytes;
  rocks_options.write_buffer_bytes = options.write_buffer_bytes;
  rocks_options.env = static_cast<rocksdb::Env*>(options.rocksdb_env);
  absl::StatusOr<std::unique_ptr<Rocks>> rocks = Rocks::Open(rocks_options);
  if (!rocks.ok()) return rocks.status();
  VerifyReport report;
  StoreVerifier(**rocks, report, progress).Run(rocks_options.env);
  return report;
}

}  // namespace vouch
