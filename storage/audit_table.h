#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/journal.h"
#include "storage/key_format.h"

namespace rocksdb {
class WriteBatch;
}  // namespace rocksdb

namespace vouch {

class Rocks;

// The value of an entry: byte 01, be64 number, be64 time, the 32 bytes of the hash before it, blocks
// tenant, actor, action, subject, reason, before, after; then SHA-256 of all that. `entry.hash` is not read.
std::string EncodeAuditEntry(const AuditEntry& entry);
// DATA_LOSS: it does not decode, or its hash is another.
absl::StatusOr<AuditEntry> DecodeAuditEntry(std::string_view value);
// INVALID_ARGUMENT names the limit.
absl::Status CheckAuditDraft(const AuditDraft& draft);
// 64 zeros: what stands before the first entry.
std::string NoAuditHash();

// The `audit` family: entries of each tenant's chain, and records by name. Thread safe; Append and
// Advance are called by the only writer.
class AuditTable {
 public:
  explicit AuditTable(Rocks& rocks) : rocks_(rocks) {}

  // Adds the entries to the batch; once it is written, Advance makes them the chain's end.
  absl::StatusOr<std::vector<AuditEntry>> Append(TenantNumber tenant, std::string_view name,
                                                 const std::vector<AuditDraft>& drafts,
                                                 rocksdb::WriteBatch& batch) const;
  void Advance(TenantNumber tenant, const AuditEntry& last);
  absl::Status PutRecord(TenantNumber tenant, const RecordChange& change,
                         rocksdb::WriteBatch& batch) const;

  absl::StatusOr<uint64_t> Size(TenantNumber tenant) const;
  absl::Status Scan(TenantNumber tenant, std::string_view name, uint64_t first,
                    const std::function<bool(AuditEntry&&)>& visit) const;
  absl::StatusOr<std::optional<std::string>> GetRecord(TenantNumber tenant,
                                                       std::string_view name) const;
  absl::Status ScanRecords(
      TenantNumber tenant, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const;

 private:
  struct End {
    uint64_t number = 0;
    std::string hash = {};
  };
  absl::StatusOr<End> EndOf(TenantNumber tenant) const;

  Rocks& rocks_;
  mutable std::mutex mu_;
  mutable std::map<TenantNumber, End> ends_;  // guarded by mu_
};

}  // namespace vouch
