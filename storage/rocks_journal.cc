// RocksStore as a Journal.
#include <rocksdb/write_batch.h>

#include "storage/concat.h"
#include "storage/evaluation_table.h"
#include "storage/rocks_store.h"

namespace vouch {
namespace {

absl::Status CheckChange(const JournalChange& change) {
  if (change.entries.size() > Journal::kMaxEntries) {
    return absl::InvalidArgumentError(Concat("a change has ", change.entries.size(),
                                             " audit entries; the limit is ", Journal::kMaxEntries));
  }
  for (const AuditDraft& entry : change.entries) {
    if (absl::Status status = CheckAuditDraft(entry); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

Journal& Journal::Of(Store& store) {
  return static_cast<RocksStore&>(store);  // the only kind of store there is
}

absl::StatusOr<std::vector<AuditEntry>> RocksStore::Commit(std::string_view tenant,
                                                           const JournalChange& change) {
  if (absl::Status status = CheckChange(change); !status.ok()) return status;
  const absl::StatusOr<TenantNumber> number = catalog_.FindOrAddTenant(tenant);
  if (!number.ok()) return number.status();
  std::vector<AuditEntry> kept;
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    rocksdb::WriteBatch batch;
    absl::Status added = AddChange(tenant, *number, change, batch);
    if (!added.ok()) return added;
    absl::StatusOr<std::vector<AuditEntry>> entries =
        audit_.Append(*number, tenant, change.entries, batch);
    if (!entries.ok()) return entries.status();
    if (absl::Status written = rocks_->Write(batch); !written.ok()) return written;
    kept = *std::move(entries);
    if (!kept.empty()) audit_.Advance(*number, kept.back());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kept;
}

// As the only writer.
absl::Status RocksStore::AddChange(std::string_view tenant, TenantNumber number,
                                   const JournalChange& change, rocksdb::WriteBatch& batch) {
  for (const SettingValue& condition : change.conditions) {
    const auto there = catalog_.GetTenantSetting(tenant, condition.key);
    if (!there.ok()) return there.status();
    if (*there != condition.value) {
      return absl::AbortedError(
          Concat("the setting \"", Escape(condition.key), "\" was changed meanwhile"));
    }
  }
  for (const SettingValue& setting : change.settings) {
    absl::Status status = catalog_.AddTenantSetting(number, setting.key, setting.value, batch);
    if (!status.ok()) return status;
  }
  for (const RecordChange& record : change.records) {
    if (absl::Status status = audit_.PutRecord(number, record, batch); !status.ok()) return status;
  }
  for (const NamedRecord& record : change.evaluations) {
    batch.Put(rocks_->handle(Family::kEvaluations), EvaluationKey(number, record.name),
              EncodeEvaluationRecord(record));
  }
  if (!change.tag.has_value()) return absl::OkStatus();
  const TagChange& tag = *change.tag;
  if (tag.version == Version(0)) return catalog_.RemoveTag(tag.collection, tag.name, batch);
  Tag wanted{tag.name, tag.version, change.entries.empty() ? 0 : change.entries[0].time_us};
  const absl::StatusOr<bool> added = catalog_.AddTag(tag.collection, &wanted, batch);
  return added.status();
}

absl::StatusOr<uint64_t> RocksStore::AuditSize(std::string_view tenant) const {
  const std::optional<TenantNumber> number = catalog_.FindTenant(tenant);
  if (!number.has_value()) return uint64_t{0};
  return audit_.Size(*number);
}

absl::Status RocksStore::ScanAudit(std::string_view tenant, uint64_t first,
                                   const std::function<bool(AuditEntry&&)>& visit) const {
  const std::optional<TenantNumber> number = catalog_.FindTenant(tenant);
  if (!number.has_value()) return absl::OkStatus();
  return audit_.Scan(*number, tenant, first, visit);
}

absl::StatusOr<std::optional<std::string>> RocksStore::GetJournalRecord(
    std::string_view tenant, std::string_view name) const {
  return audit_.GetRecord(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), name);
}

absl::Status RocksStore::ScanJournalRecords(
    std::string_view tenant, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const {
  return audit_.ScanRecords(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), prefix, visit);
}

std::vector<std::string> RocksStore::Tenants() const { return catalog_.TenantNames(); }

}  // namespace vouch
