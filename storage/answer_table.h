#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/key_format.h"

namespace vouch {

class Rocks;

// The `answers` family: records by id, and the order in which they came. Thread safe.
//
// An answer's number is given by this process and is larger than all before it. A record put twice has two places in the
// order; the one whose number the record carries counts.
class AnswerTable {
 public:
  static constexpr size_t kMaxIdBytes = 256;
  static constexpr size_t kMaxRecordBytes = size_t{64} << 20;

  explicit AnswerTable(Rocks& rocks) : rocks_(rocks) {}

  absl::Status Put(TenantNumber tenant, std::string_view id, std::string_view record);
  absl::StatusOr<std::string> Get(TenantNumber tenant, std::string_view id) const;
  absl::StatusOr<std::vector<std::string>> List(TenantNumber tenant, size_t limit) const;
  // Newest first, until `visit` returns false.
  absl::Status Scan(TenantNumber tenant,
                    const std::function<bool(std::string_view id, std::string_view record)>& visit) const;

 private:
  absl::StatusOr<uint64_t> TakeNumber(TenantNumber tenant);

  Rocks& rocks_;
  std::mutex mu_;
  absl::flat_hash_map<TenantNumber, uint64_t> next_;  // guarded by mu_
};

}  // namespace vouch
