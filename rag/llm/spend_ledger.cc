#include "rag/llm/spend_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/refused_limits.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::string BookKey(std::string_view day) { return Concat("spend/", day); }

absl::Status CheckLimit(std::string_view whose, const std::optional<uint64_t>& limit,
                        uint64_t committed, uint64_t nano) {
  if (!limit || AddNano(committed, nano) <= *limit) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      Concat(whose, " may spend ", FormatNano(*limit), " a day; ", FormatNano(committed),
             " of it is spent or reserved, and this call may cost ", FormatNano(nano)));
}

}  // namespace

std::string SpendLedger::Today() const {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(clock_.NowMicros()),
                          absl::UTCTimeZone());
}

absl::StatusOr<SpendBook> SpendLedger::Read(std::string_view tenant, std::string_view day) const {
  const absl::StatusOr<std::optional<std::string>> kept =
      catalog_.GetTenantSetting(tenant, BookKey(day));
  if (!kept.ok()) return kept.status();
  return kept->has_value() ? SpendBook::Decode(**kept) : SpendBook();
}

absl::StatusOr<SpendLedger::Ticket> SpendLedger::Reserve(std::string_view tenant,
                                                         std::string_view pipeline, uint64_t nano,
                                                         const SpendLimits& limits,
                                                         int64_t lease_ms) {
  Ticket ticket{.tenant = std::string(tenant),
                .day = Today(),
                .pipeline = std::string(pipeline),
                .nano = nano};
  const int64_t now_us = clock_.NowMicros();
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<SpendBook> book = Read(tenant, ticket.day);
  if (!book.ok()) return book.status();
  book->LapseAt(now_us);
  const absl::StatusOr<std::vector<Budget>> budgets = BudgetStore(catalog_).List(tenant);
  if (!budgets.ok()) return budgets.status();
  const uint64_t of_all = book->CommittedNano(std::nullopt);
  const uint64_t of_one = book->CommittedNano(pipeline);
  const std::string tenant_name = Concat("tenant ", tenant);
  const std::string pipeline_name = Concat("pipeline ", pipeline);
  for (const auto& [whose, allowed] :
       {std::pair(std::string_view(), CheckLimit(tenant_name, limits.tenant_day_nano, of_all, nano)),
        std::pair(std::string_view(), CheckLimit(tenant_name, LimitOf(*budgets, ""), of_all, nano)),
        std::pair(pipeline, CheckLimit(pipeline_name, limits.pipeline_day_nano, of_one, nano)),
        std::pair(pipeline,
                  CheckLimit(pipeline_name, LimitOf(*budgets, pipeline), of_one, nano))}) {
    if (allowed.ok()) continue;
    // For who watches limits (rag/deliver/budget_monitor.h); the refusal stands without it too.
    NoteRefusedLimit(catalog_, tenant, ticket.day, whose).IgnoreError();
    return allowed;
  }
  (void)book->Account(pipeline);
  if (book->accounts.size() > SpendBook::kMaxAccounts ||
      book->reservations.size() >= SpendBook::kMaxReservations) {
    return absl::ResourceExhaustedError(Concat("a day's book holds ", SpendBook::kMaxAccounts,
                                               " pipelines and ", SpendBook::kMaxReservations,
                                               " running calls of a tenant at most"));
  }
  ticket.id = book->next_id++;
  book->reservations.push_back({.id = ticket.id,
                                .pipeline = ticket.pipeline,
                                .nano = nano,
                                .lease_until_us = std::max<int64_t>(now_us, 0) + 1000 * lease_ms});
  if (absl::Status status = catalog_.PutTenantSetting(tenant, BookKey(ticket.day), book->Encode());
      !status.ok()) {
    return status;
  }
  return ticket;
}

absl::Status SpendLedger::Settle(const Ticket& ticket, const std::optional<TokenUsage>& usage,
                                 uint64_t cost_nano) {
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<SpendBook> book = Read(ticket.tenant, ticket.day);
  if (!book.ok()) return book.status();
  SpendAccount& account = book->Account(ticket.pipeline);
  const bool held = std::erase_if(book->reservations, [&](const SpendReservation& reservation) {
                      return reservation.id == ticket.id;
                    }) > 0;
  // It came back after its lease.
  if (!held) account.lapsed_nano -= std::min(account.lapsed_nano, ticket.nano);
  if (usage) {
    account.calls = AddNano(account.calls, 1);
    account.prompt_tokens = AddNano(account.prompt_tokens, usage->prompt_tokens);
    account.completion_tokens = AddNano(account.completion_tokens, usage->completion_tokens);
    account.spent_nano = AddNano(account.spent_nano, cost_nano);
  }
  return catalog_.PutTenantSetting(ticket.tenant, BookKey(ticket.day), book->Encode());
}

}  // namespace vouch
