#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

class Store;

struct NamedRecord {
  std::string name = {};
  std::string bytes = {};
};

// What evaluations keep of a tenant in a store: bytes by name (1 to 512 bytes). Datasets, runs and
// their results live here; only rag/eval knows of it. Thread safe; lives as long as the store.
class EvaluationRecords {
 public:
  static EvaluationRecords& Of(Store& store);
  virtual ~EvaluationRecords() = default;

  // All records or none, durable on return. `only_new`: ALREADY_EXISTS where one of them is there.
  virtual absl::Status PutEvaluationRecords(std::string_view tenant,
                                            std::span<const NamedRecord> records,
                                            bool only_new) = 0;
  // nullopt where there is none; DATA_LOSS where it is damaged.
  virtual absl::StatusOr<std::optional<std::string>> GetEvaluationRecord(
      std::string_view tenant, std::string_view name) const = 0;
  // Calls `visit` with each record whose name starts with `prefix`, ascending by bytes, until it
  // returns false.
  virtual absl::Status ScanEvaluationRecords(
      std::string_view tenant, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const = 0;
};

}  // namespace vouch
