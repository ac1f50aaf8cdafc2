#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/answer_chain.h"
#include "storage/answer_records.h"
#include "storage/key_format.h"

namespace vouch {

class Rocks;

// The `answers` family: records by id, the order in which they came, and the chain that vouches for them. Thread safe.
//
// An answer's number is given by this process and is larger than all before it. A record put twice has two places in the
// order; the one whose number the record carries counts.
//
// Invariants (with those of AnswerRecords):
// 1. One thread at a time writes (the leader): it takes all records that wait, links them in the order in which they came,
//    and makes them durable by one synced batch. Digests are computed before, by each thread for itself.
// 2. What is known of a chain's tip in memory is what the last batch made durable. After a failed write the store only
//    reads, so that a tip that was not written is never followed.
class AnswerTable {
 public:
  static constexpr size_t kMaxIdBytes = 256;
  static constexpr size_t kMaxRecordBytes = size_t{64} << 20;
  static constexpr size_t kMaxGroupBytes = size_t{8} << 20;  // of records; a group has at least one

  explicit AnswerTable(Rocks& rocks) : rocks_(rocks) {}

  absl::StatusOr<AnswerLink> Put(TenantNumber tenant, std::string_view id, std::string_view record,
                                 std::string_view salt);
  absl::StatusOr<std::string> Get(TenantNumber tenant, std::string_view id) const;
  absl::StatusOr<std::vector<std::string>> List(TenantNumber tenant, size_t limit) const;
  // Newest first, until `visit` returns false.
  absl::Status Scan(TenantNumber tenant,
                    const std::function<bool(std::string_view id, std::string_view record)>& visit) const;
  absl::StatusOr<std::optional<AnswerLink>> GetLink(TenantNumber tenant, std::string_view id) const;
  absl::StatusOr<Digest> GetLinkHash(TenantNumber tenant, uint64_t number) const;
  // As AnswerRecords::ScanAnswerLinks.
  absl::Status ScanLinks(TenantNumber tenant, uint64_t first, const std::function<bool(AnswerProof&&)>& visit) const;
  absl::StatusOr<uint32_t> EraseTexts(TenantNumber tenant, std::string_view id, const std::set<std::string>& paths);

 private:
  // A record that waits to be written.
  struct Pending {
    TenantNumber tenant;
    std::string_view id;
    std::string_view record;
    StoredLink stored = {};
    absl::Status status = {};
    bool done = false;
  };
  std::vector<Pending*> TakeGroup();  // with mu_ held
  void WriteGroup(const std::vector<Pending*>& group);
  absl::StatusOr<ChainTip> TipOf(TenantNumber tenant);
  absl::StatusOr<std::string> GetValue(TenantNumber tenant, std::string_view id) const;

  Rocks& rocks_;

  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<Pending*> waiting_;  // guarded by mu_
  bool leading_ = false;           // guarded by mu_: a thread writes, or erases
  absl::flat_hash_map<TenantNumber, ChainTip> tips_;  // touched by the leader alone
};

}  // namespace vouch
