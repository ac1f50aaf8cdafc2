#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/evaluation_records.h"
#include "storage/key_format.h"

namespace vouch {

class Rocks;

// The value of an evaluation record: byte 01, block name, block bytes, seal. The name stands inside,
// so that a value under another's key is noticed.
std::string EncodeEvaluationRecord(const NamedRecord& record);
// DATA_LOSS.
absl::StatusOr<NamedRecord> DecodeEvaluationRecord(std::string_view name, std::string_view value);

// The `evaluations` family: what evaluations keep of a tenant, by name. Thread safe.
//
// Invariants:
// 1. The records of one Put are all there or none, and durable when it returns.
// 2. Of two puts of a new record at once, one wins and the other is ALREADY_EXISTS.
class EvaluationTable {
 public:
  static constexpr size_t kMaxNameBytes = 512;
  static constexpr size_t kMaxRecordBytes = size_t{64} << 20;

  explicit EvaluationTable(Rocks& rocks) : rocks_(rocks) {}

  absl::Status Put(TenantNumber tenant, std::span<const NamedRecord> records, bool only_new);
  absl::StatusOr<std::optional<std::string>> Get(TenantNumber tenant, std::string_view name) const;
  absl::Status Scan(TenantNumber tenant, std::string_view prefix,
                    const std::function<bool(std::string_view name, std::string_view bytes)>& visit)
      const;

 private:
  Rocks& rocks_;
  std::mutex mu_;  // held over the check and the write of new records
};

}  // namespace vouch
