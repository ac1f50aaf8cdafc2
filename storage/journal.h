#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/evaluation_records.h"
#include "storage/ids.h"

namespace vouch {

class Store;

// What is said of a change for good. `before` and `after` are JSON, or empty.
struct AuditDraft {
  int64_t time_us = 0;
  std::string actor = {};    // "tenant/subject"
  std::string action = {};   // "promote", 1 to 100 bytes
  std::string subject = {};  // "pipeline/support@champion", 1 to 1,000 bytes
  std::string reason = {};
  std::string before = {};
  std::string after = {};
};

// One link of a tenant's chain.
struct AuditEntry {
  uint64_t number = 0;  // from 1, without gaps
  std::string tenant = {};
  AuditDraft change = {};
  std::string previous = {};  // hash of the entry before it, 64 hexadecimal digits; of the first one zeros
  std::string hash = {};      // SHA-256 of all the above as they are kept
};

// A tenant's setting (Catalog::PutTenantSetting); nullopt: it is not there, or goes.
struct SettingValue {
  std::string key = {};
  std::optional<std::string> value = {};
};
// A record of the journal, by name; nullopt: it goes.
struct RecordChange {
  std::string name = {};
  std::optional<std::string> bytes = {};
};
struct TagChange {
  CollectionId collection = {};
  std::string name = {};
  Version version = {};  // 0: the tag goes
};

// One transaction of a tenant: all of it or nothing.
struct JournalChange {
  std::vector<SettingValue> conditions = {};  // as they must stand, else nothing is changed
  std::vector<SettingValue> settings = {};
  std::vector<RecordChange> records = {};
  std::vector<NamedRecord> evaluations = {};
  std::optional<TagChange> tag = {};
  std::vector<AuditDraft> entries = {};
};

// Changes that are on record: what is changed and what the audit log says of it are one write. The
// log of a tenant is a chain, each entry with the hash of the one before it, so that no entry can be
// changed, taken out or put in without another hash at its end. Thread safe; lives as long as the store.
//
// Invariants:
// 1. A tenant's entries are numbered 1, 2, 3 … in the order of their transactions, and never change.
// 2. Entries of a transaction are there if and only if its changes are.
class Journal {
 public:
  static constexpr size_t kMaxActionBytes = 100;
  static constexpr size_t kMaxSubjectBytes = 1'000;
  static constexpr size_t kMaxReasonBytes = 4'096;
  static constexpr size_t kMaxStateBytes = size_t{1} << 20;  // `before` and `after`, each
  static constexpr size_t kMaxEntries = 100;                 // of a transaction

  static Journal& Of(Store& store);
  virtual ~Journal() = default;

  // Durable on return, with the entries as they are kept. ABORTED: a condition does not hold.
  // INVALID_ARGUMENT: over a limit. A tag as Catalog::CreateTag and DeleteTag.
  virtual absl::StatusOr<std::vector<AuditEntry>> Commit(std::string_view tenant,
                                                         const JournalChange& change) = 0;
  // Entries there are, which is the number of the last one.
  virtual absl::StatusOr<uint64_t> AuditSize(std::string_view tenant) const = 0;
  // Calls `visit` with each entry from number `first` on, ascending, until it returns false. DATA_LOSS
  // names an entry that is damaged, missing, or not what the one before it leads to.
  virtual absl::Status ScanAudit(std::string_view tenant, uint64_t first,
                                 const std::function<bool(AuditEntry&&)>& visit) const = 0;
  // nullopt where there is none; DATA_LOSS where it is damaged.
  virtual absl::StatusOr<std::optional<std::string>> GetJournalRecord(
      std::string_view tenant, std::string_view name) const = 0;
  // Those whose names start with `prefix`, ascending by bytes, until `visit` returns false.
  virtual absl::Status ScanJournalRecords(
      std::string_view tenant, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const = 0;
  virtual std::vector<std::string> Tenants() const = 0;  // ascending
};

}  // namespace vouch
