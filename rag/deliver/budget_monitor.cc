#include "rag/deliver/budget_monitor.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/refused_limits.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr char kActor[] = "default/system";
constexpr char kRecord[] = "budget-state";

enum Level : uint64_t { kNothing = 0, kNear = 1, kSpent = 2 };
using Told = std::map<std::string, std::map<std::string, uint64_t>>;  // by day and pipeline

absl::StatusOr<Told> ReadTold(const Journal& journal, const std::string& tenant) {
  const auto bytes = journal.GetJournalRecord(tenant, kRecord);
  if (!bytes.ok()) return bytes.status();
  Told told;
  if (!bytes->has_value()) return told;
  const RecordJson json = RecordJson::parse(**bytes, nullptr, /*allow_exceptions=*/false);
  const absl::Status damaged = absl::DataLossError("what was told of budgets is damaged");
  if (!json.is_object() || !json.contains("days") || !json["days"].is_object()) return damaged;
  for (const auto& [day, levels] : json["days"].items()) {
    if (!levels.is_object()) return damaged;
    for (const auto& [pipeline, level] : levels.items()) {
      if (!level.is_number_unsigned()) return damaged;
      told[day][pipeline] = level.get<uint64_t>();
    }
  }
  return told;
}

std::string EncodeTold(const Told& told) {
  RecordJson days = RecordJson::object();
  for (const auto& [day, levels] : told) {
    RecordJson json = RecordJson::object();
    for (const auto& [pipeline, level] : levels) json[pipeline] = level;
    days[day] = std::move(json);
  }
  return DumpRecord({{"format", 1}, {"days", std::move(days)}});
}

std::optional<uint64_t> Smaller(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::string DayOf(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

}  // namespace

absl::Status BudgetMonitor::Look(const CancelToken& cancel) {
  absl::Status first;
  for (const std::string& tenant : Journal::Of(store_).Tenants()) {
    if (absl::Status stopped = cancel.Check(); !stopped.ok()) return stopped;
    const absl::Status status = LookAt(tenant);
    if (first.ok()) first = status;
  }
  return first;
}

absl::Status BudgetMonitor::LookAt(const std::string& tenant) {
  const absl::StatusOr<SpendLimits> limits = limits_of_(tenant);
  if (!limits.ok()) return limits.status();
  const absl::StatusOr<std::vector<Budget>> budgets = BudgetStore(store_.catalog()).List(tenant);
  if (!budgets.ok()) return budgets.status();
  if (budgets->empty() && !limits->tenant_day_nano && !limits->pipeline_day_nano)
    return absl::OkStatus();
  Journal& journal = Journal::Of(store_);
  const absl::StatusOr<Told> before = ReadTold(journal, tenant);
  if (!before.ok()) return before.status();
  const int64_t now_us = clock_.NowMicros();
  const SpendLedger ledger(store_.catalog(), clock_);
  const std::string days[] = {DayOf(now_us - int64_t{86'400} * 1'000'000), DayOf(now_us)};
  JournalChange change;
  Told told;
  for (const std::string& day : days) {
    if (const auto known = before->find(day); known != before->end()) told[day] = known->second;
  }
  for (const std::string& day : days) {
    absl::StatusOr<SpendBook> book = ledger.Read(tenant, day);
    if (!book.ok()) return book.status();
    book->LapseAt(now_us);
    const auto refused = ReadRefusedLimits(store_.catalog(), tenant, day);
    if (!refused.ok()) return refused.status();
    std::vector<std::string> names = {""};
    for (const SpendAccount& account : book->accounts) {
      if (!account.pipeline.empty()) names.push_back(account.pipeline);
    }
    for (const std::string& name : *refused) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    for (const std::string& name : names) {
      const std::optional<uint64_t> limit =
          Smaller(LimitOf(*budgets, name),
                  name.empty() ? limits->tenant_day_nano : limits->pipeline_day_nano);
      if (!limit) continue;
      const uint64_t committed =
          name.empty() ? book->CommittedNano(std::nullopt) : book->CommittedNano(name);
      const bool has_refused = std::find(refused->begin(), refused->end(), name) != refused->end();
      const double share = *limit == 0 ? 1 : static_cast<double>(committed) / static_cast<double>(*limit);
      const uint64_t level =
          has_refused || committed >= *limit ? kSpent : share >= kNearShare ? kNear : kNothing;
      uint64_t& known = told[day][name];
      if (level <= known) continue;
      known = level;
      change.entries.push_back(
          {.time_us = now_us,
           .actor = kActor,
           .action = level == kSpent ? "budget.spent" : "budget.near",
           .subject = Concat("budget/", name.empty() ? "(all pipelines)" : name),
           .after = DumpRecord({{"day", day},
                                {"pipeline", name},
                                {"limit", FormatNano(*limit)},
                                {"spent_or_reserved", FormatNano(committed)},
                                {"share", share},
                                {"refused", has_refused}})});
      if (change.entries.size() == Journal::kMaxEntries) break;  // the next look goes on
    }
    if (change.entries.size() == Journal::kMaxEntries) break;
  }
  if (change.entries.empty()) return absl::OkStatus();
  change.records.push_back({kRecord, EncodeTold(told)});
  return journal.Commit(tenant, change).status();
}

}  // namespace vouch
