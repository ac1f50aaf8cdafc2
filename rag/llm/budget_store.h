#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/catalog.h"

namespace vouch {

// What a day (UTC) of a pipeline, or of all of a tenant's, may cost, in billionths of the currency.
struct Budget {
  static constexpr size_t kMaxPipelineBytes = 128;

  std::string pipeline = {};  // empty: of all together
  uint64_t day_nano = 0;
  friend bool operator==(const Budget&, const Budget&) = default;
};

// The budgets of tenants, beside the limits of the server's own route: both hold. A tenant's setting
// `budgets`, JSON, format 1: {format, budgets: [{pipeline, day_nano}]} by pipeline. Thread safe; a
// change is durable on return, and holds from the next reservation on.
class BudgetStore {
 public:
  static constexpr size_t kMaxBudgets = 1'000;  // of a tenant

  explicit BudgetStore(Catalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<std::vector<Budget>> List(std::string_view tenant) const;  // by pipeline
  // What was there before. INVALID_ARGUMENT: the name. RESOURCE_EXHAUSTED: kMaxBudgets.
  absl::StatusOr<std::optional<uint64_t>> Set(std::string_view tenant, const Budget& budget);
  absl::Status Remove(std::string_view tenant, std::string_view pipeline);  // NOT_FOUND

 private:
  absl::Status Write(std::string_view tenant, const std::vector<Budget>& budgets);

  Catalog& catalog_;
};

// DATA_LOSS names the field; FAILED_PRECONDITION: a newer program wrote it.
std::string EncodeBudgets(const std::vector<Budget>& budgets);
absl::StatusOr<std::vector<Budget>> DecodeBudgets(std::string_view json);

// The limit of the pipeline, or with an empty name that of all together.
std::optional<uint64_t> LimitOf(const std::vector<Budget>& budgets, std::string_view pipeline);

// "1.500000000" of 1,500,000,000.
std::string FormatNano(uint64_t nano);

}  // namespace vouch
