#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/llm/spend_book.h"
#include "rag/llm/token_usage.h"
#include "storage/catalog.h"
#include "storage/clock.h"

namespace vouch {

// What a day (UTC) may cost, in billionths of the currency; nothing: no limit.
struct SpendLimits {
  std::optional<uint64_t> tenant_day_nano = {};
  std::optional<uint64_t> pipeline_day_nano = {};  // of one pipeline of a tenant
};

// Who may still spend what: money is reserved before a call and settled after it. Thread safe.
//
// Invariants:
// 1. Spent, lapsed and reserved together never pass a limit at the time of a reservation: neither one
//    that the caller brings nor a budget of the tenant (BudgetStore).
// 2. A reservation is durable before its call is made, and its settlement when Settle returns. A
// call
//    whose process died counts with all that was reserved, once its lease has ended: what it cost
//    nobody knows.
// 3. A call counts on the day on which it was reserved.
//
// A tenant's days are its settings `spend/YYYY-MM-DD`.
class SpendLedger {
 public:
  SpendLedger(Catalog& catalog, const Clock& clock) : catalog_(catalog), clock_(clock) {}

  struct Ticket {
    std::string tenant;
    std::string day;
    std::string pipeline;
    uint64_t id = 0;
    uint64_t nano = 0;
  };
  // RESOURCE_EXHAUSTED names the limit, what is spent of it, and what was asked for.
  absl::StatusOr<Ticket> Reserve(std::string_view tenant, std::string_view pipeline, uint64_t nano,
                                 const SpendLimits& limits, int64_t lease_ms);
  // What the call took; nothing where the server never took it.
  absl::Status Settle(const Ticket& ticket, const std::optional<TokenUsage>& usage,
                      uint64_t cost_nano);

  // `day` is "YYYY-MM-DD"; an empty book where nothing was spent.
  absl::StatusOr<SpendBook> Read(std::string_view tenant, std::string_view day) const;
  std::string Today() const;

 private:
  Catalog& catalog_;
  const Clock& clock_;
  // Held across a book's reading and writing, since the next one must see it; calls to models last
  // a thousand times longer.
  std::mutex mu_;
};

}  // namespace vouch
