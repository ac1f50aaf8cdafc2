#include "storage/audit_table.h"

#include <rocksdb/write_batch.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/evaluation_table.h"
#include "storage/rocks.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr uint8_t kEntryKind = 0x01;

absl::Status Damaged(uint64_t number, std::string_view what) {
  return absl::DataLossError(Concat("entry ", number, " of the audit log ", what));
}

absl::Status CheckSize(std::string_view what, std::string_view text, size_t min, size_t max) {
  if (text.size() >= min && text.size() <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the ", what, " of an audit entry has ", text.size(),
                                           " bytes; it must have ", min, " to ", max));
}

}  // namespace

std::string NoAuditHash() { return std::string(2 * kSha256Bytes, '0'); }

std::string EncodeAuditEntry(const AuditEntry& entry) {
  const AuditDraft& change = entry.change;
  std::string value;
  PutByte(value, kEntryKind);
  PutBe64(value, entry.number);
  PutBe64(value, static_cast<uint64_t>(change.time_us));
  value += absl::HexStringToBytes(entry.previous);
  for (const std::string* text : {&entry.tenant, &change.actor, &change.action, &change.subject,
                                  &change.reason, &change.before, &change.after}) {
    PutBlock(value, *text);
  }
  return value.append(Sha256Of(value));
}

absl::StatusOr<AuditEntry> DecodeAuditEntry(std::string_view value) {
  const absl::Status damaged = absl::DataLossError("an entry of the audit log is damaged");
  if (value.size() < kSha256Bytes) return damaged;
  const std::string_view content = value.substr(0, value.size() - kSha256Bytes);
  const std::string_view hash = value.substr(content.size());
  if (Sha256Of(content) != hash) return damaged;
  Decoder decoder(content);
  AuditEntry entry;
  const bool kind = decoder.Byte() == kEntryKind;
  entry.number = decoder.Be64();
  entry.change.time_us = static_cast<int64_t>(decoder.Be64());
  entry.previous = HexOf(decoder.Bytes(kSha256Bytes));
  for (std::string* text :
       {&entry.tenant, &entry.change.actor, &entry.change.action, &entry.change.subject,
        &entry.change.reason, &entry.change.before, &entry.change.after}) {
    *text = decoder.Block();
  }
  entry.hash = HexOf(hash);
  if (!kind || !decoder.Done()) return damaged;
  return entry;
}

absl::Status CheckAuditDraft(const AuditDraft& draft) {
  for (const auto& [what, text, min, max] :
       {std::tuple{"actor", &draft.actor, size_t{1}, Journal::kMaxSubjectBytes},
        std::tuple{"action", &draft.action, size_t{1}, Journal::kMaxActionBytes},
        std::tuple{"subject", &draft.subject, size_t{1}, Journal::kMaxSubjectBytes},
        std::tuple{"reason", &draft.reason, size_t{0}, Journal::kMaxReasonBytes},
        std::tuple{"state before", &draft.before, size_t{0}, Journal::kMaxStateBytes},
        std::tuple{"state after", &draft.after, size_t{0}, Journal::kMaxStateBytes}}) {
    if (absl::Status status = CheckSize(what, *text, min, max); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<AuditTable::End> AuditTable::EndOf(TenantNumber tenant) const {
  {
    const std::lock_guard lock(mu_);
    if (const auto found = ends_.find(tenant); found != ends_.end()) return found->second;
  }
  const std::string begin = AuditKeyPrefix(tenant);
  const auto key = rocks_.LastKey(Family::kAudit, begin, PrefixEnd(begin));
  if (!key.ok()) return key.status();
  End end{0, NoAuditHash()};
  if (key->has_value()) {
    const auto value = rocks_.Get(Family::kAudit, **key);
    if (!value.ok()) return value.status();
    if (!value->has_value()) return absl::DataLossError("the end of the audit log is missing");
    absl::StatusOr<AuditEntry> entry = DecodeAuditEntry(**value);
    if (!entry.ok()) return entry.status();
    end = {entry->number, std::move(entry->hash)};
  }
  const std::lock_guard lock(mu_);
  return ends_.try_emplace(tenant, std::move(end)).first->second;
}

absl::StatusOr<std::vector<AuditEntry>> AuditTable::Append(TenantNumber tenant,
                                                           std::string_view name,
                                                           const std::vector<AuditDraft>& drafts,
                                                           rocksdb::WriteBatch& batch) const {
  std::vector<AuditEntry> entries;
  if (drafts.empty()) return entries;
  absl::StatusOr<End> end = EndOf(tenant);
  if (!end.ok()) return end.status();
  for (const AuditDraft& draft : drafts) {
    AuditEntry entry{.number = ++end->number,
                     .tenant = std::string(name),
                     .change = draft,
                     .previous = std::move(end->hash)};
    const std::string value = EncodeAuditEntry(entry);
    entry.hash = end->hash = HexOf(std::string_view(value).substr(value.size() - kSha256Bytes));
    batch.Put(rocks_.handle(Family::kAudit), AuditKey(tenant, entry.number), value);
    entries.push_back(std::move(entry));
  }
  return entries;
}

void AuditTable::Advance(TenantNumber tenant, const AuditEntry& last) {
  const std::lock_guard lock(mu_);
  ends_[tenant] = {last.number, last.hash};
}

absl::Status AuditTable::PutRecord(TenantNumber tenant, const RecordChange& change,
                                   rocksdb::WriteBatch& batch) const {
  if (change.name.empty() || change.name.size() > EvaluationTable::kMaxNameBytes) {
    return absl::InvalidArgumentError(Concat("the name of a journal record has ",
                                             change.name.size(), " bytes; it must have 1 to ",
                                             EvaluationTable::kMaxNameBytes));
  }
  const std::string key = JournalRecordKey(tenant, change.name);
  if (change.bytes.has_value()) {
    batch.Put(rocks_.handle(Family::kAudit), key,
              EncodeEvaluationRecord({change.name, *change.bytes}));
  } else {
    batch.Delete(rocks_.handle(Family::kAudit), key);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> AuditTable::Size(TenantNumber tenant) const {
  const absl::StatusOr<End> end = EndOf(tenant);
  if (!end.ok()) return end.status();
  return end->number;
}

absl::Status AuditTable::Scan(TenantNumber tenant, std::string_view name, uint64_t first,
                              const std::function<bool(AuditEntry&&)>& visit) const {
  uint64_t expected = std::max<uint64_t>(first, 1);
  std::string previous = expected == 1 ? NoAuditHash() : "";
  absl::Status status;
  const auto take = [&](std::string_view, std::string_view value) {
    absl::StatusOr<AuditEntry> entry = DecodeAuditEntry(value);
    if (!entry.ok()) {
      status = Damaged(expected, "is damaged");
    } else if (entry->number != expected || entry->tenant != name) {
      status = Damaged(expected, "is missing");
    } else if (!previous.empty() && entry->previous != previous) {
      status = Damaged(expected, Concat("does not follow from entry ", expected - 1));
    }
    if (!status.ok()) return false;
    ++expected;
    previous = entry->hash;
    return visit(*std::move(entry));
  };
  const absl::Status scanned =
      rocks_.Scan(Family::kAudit, AuditKey(tenant, expected), PrefixEnd(AuditKeyPrefix(tenant)), take);
  return status.ok() ? scanned : status;
}

absl::StatusOr<std::optional<std::string>> AuditTable::GetRecord(TenantNumber tenant,
                                                                 std::string_view name) const {
  const auto value = rocks_.Get(Family::kAudit, JournalRecordKey(tenant, name));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::optional<std::string>();
  absl::StatusOr<NamedRecord> record = DecodeEvaluationRecord(name, **value);
  if (!record.ok())
    return absl::DataLossError(Concat("the journal record \"", Escape(name), "\" is damaged"));
  return std::optional<std::string>(std::move(record->bytes));
}

absl::Status AuditTable::ScanRecords(
    TenantNumber tenant, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const {
  const std::string begin = JournalRecordKey(tenant, prefix);
  const size_t skipped = JournalRecordKey(tenant, "").size();
  absl::Status status;
  const absl::Status scanned =
      rocks_.Scan(Family::kAudit, begin, PrefixEnd(begin),
                  [&](std::string_view key, std::string_view value) {
                    const std::string_view name = key.substr(skipped);
                    const absl::StatusOr<NamedRecord> record = DecodeEvaluationRecord(name, value);
                    if (!record.ok()) {
                      status = absl::DataLossError(
                          Concat("the journal record \"", Escape(name), "\" is damaged"));
                      return false;
                    }
                    return visit(record->name, record->bytes);
                  });
  return status.ok() ? scanned : status;
}

}  // namespace vouch
