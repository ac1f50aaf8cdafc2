// What runs that have ended leave behind, and what is left of one whose record cannot be read.
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "rag/deliver/experiment_book.h"
#include "rag/deliver/experiment_records.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Each is a write that is waited for, and others may come between two of them.
constexpr size_t kDroppedAtATime = 4'000;
constexpr int kParts = 256;  // of a run's callers, by the first two digits of their hashes

// "experiment-caller/cheaper/00000002/6f…" → "00000002"
std::string_view RunOf(std::string_view record, std::string_view prefix) {
  record.remove_prefix(prefix.size());
  return record.substr(0, record.find('/'));
}

uint64_t NumberOf(std::string_view run) {
  uint64_t number = 0;
  return absl::SimpleAtoi(ToAbsl(run), &number) ? number : 0;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExperimentBook::NamesOfRuns(std::string_view tenant) const {
  std::vector<std::string> names;
  const std::string prefix = ExperimentStateName("");
  const absl::Status scanned = Journal::Of(store_).ScanJournalRecords(
      tenant, prefix, [&](std::string_view record, std::string_view) {
        names.emplace_back(record.substr(prefix.size()));
        return true;
      });
  if (!scanned.ok()) return scanned;
  return names;
}

absl::StatusOr<uint64_t> ExperimentBook::LiveRun(std::string_view tenant, const std::string& name) const {
  const absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (absl::IsNotFound(entry.status())) return 0;  // it was removed
  if (!entry.ok()) return entry.status();
  return IsActive(entry->state.status) ? entry->state.run : 0;
}

absl::Status ExperimentBook::DropLeftovers(std::string_view tenant, const std::string& name,
                                           const CancelToken& cancel) {
  if (absl::Status status = DropLateEvents(tenant, name, cancel); !status.ok()) return status;
  const std::string prefix = ExperimentCallersOf(name);
  while (true) {
    std::string first;
    const absl::Status scanned = Journal::Of(store_).ScanJournalRecords(
        tenant, prefix, [&](std::string_view record, std::string_view) {
          first = std::string(record);
          return false;
        });
    if (!scanned.ok()) return scanned;
    if (first.empty()) return absl::OkStatus();
    // Read after the record was found: a run that has marks and is not the active one by now never will be.
    const absl::StatusOr<uint64_t> live = LiveRun(tenant, name);
    if (!live.ok()) return live.status();
    const std::string_view run = RunOf(first, prefix);
    if (*live != 0 && NumberOf(run) >= *live) return absl::OkStatus();
    if (absl::Status status = DropCallers(tenant, Concat(prefix, run, "/"), cancel); !status.ok()) return status;
  }
}

// Part by part, since a scan that starts over reads everything that was deleted before it again; and without the book's
// lock, since nobody reads or writes what an ended run noted.
absl::Status ExperimentBook::DropCallers(std::string_view tenant, const std::string& run, const CancelToken& cancel) {
  Journal& journal = Journal::Of(store_);
  JournalChange change;
  const auto commit = [&]() -> absl::Status {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    return change.records.empty() ? absl::OkStatus() : journal.Commit(tenant, std::exchange(change, {})).status();
  };
  for (int part = 0; part <= kParts; ++part) {
    // At last whatever has another name.
    const std::string prefix = part < kParts ? Concat(run, absl::StrFormat("%02x", part)) : run;
    if (part == kParts) {
      if (absl::Status status = commit(); !status.ok()) return status;
    }
    bool more = true;
    while (more) {
      more = false;
      const absl::Status scanned =
          journal.ScanJournalRecords(tenant, prefix, [&](std::string_view record, std::string_view) {
            change.records.push_back({std::string(record), std::nullopt});
            more = change.records.size() >= kDroppedAtATime;
            return !more;
          });
      if (!scanned.ok()) return scanned;
      if (!more) break;
      if (absl::Status status = commit(); !status.ok()) return status;
    }
  }
  return commit();
}

// Few: those of questions that were being asked when it ended. A run that begins takes its own.
absl::Status ExperimentBook::DropLateEvents(std::string_view tenant, const std::string& name,
                                            const CancelToken& cancel) {
  while (true) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const std::lock_guard<std::mutex> lock(mu_);
    const absl::StatusOr<uint64_t> live = LiveRun(tenant, name);
    if (!live.ok()) return live.status();
    if (*live != 0) return absl::OkStatus();
    JournalChange change;
    const absl::Status scanned = Journal::Of(store_).ScanJournalRecords(
        tenant, ExperimentEventsOf(name), [&](std::string_view record, std::string_view) {
          change.records.push_back({std::string(record), std::nullopt});
          return change.records.size() < kDroppedAtATime;
        });
    if (!scanned.ok()) return scanned;
    if (change.records.empty()) return absl::OkStatus();
    if (absl::Status status = Journal::Of(store_).Commit(tenant, change).status(); !status.ok()) return status;
  }
}

absl::Status ExperimentBook::StopUnread(std::string_view tenant, const std::string& name, std::string_view actor) {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto record = Journal::Of(store_).GetJournalRecord(tenant, ExperimentStateName(name));
  if (!record.ok() && !absl::IsDataLoss(record.status())) return record.status();
  if (record.ok() && !record->has_value()) return absl::OkStatus();
  absl::StatusOr<ExperimentState> state =
      record.ok() ? ExperimentStateFromJson(**record) : absl::StatusOr<ExperimentState>(record.status());
  ExperimentSpec spec;
  spec.name = name;
  if (!state.ok()) {
    // Its number is not known: a later one than any that callers were noted for.
    uint64_t run = 0;
    const std::string prefix = ExperimentCallersOf(name);
    const absl::Status scanned = Journal::Of(store_).ScanJournalRecords(
        tenant, prefix, [&](std::string_view mark, std::string_view) {
          run = NumberOf(RunOf(mark, prefix));
          return true;
        });
    if (!scanned.ok()) return scanned;
    state = NewRun(spec, 0, run + 1);
  } else if (!IsActive(state->status)) {
    return absl::OkStatus();
  }
  state->status = ExperimentStatus::kStopped;
  state->reason = "removed; its record could not be read";
  state->ended_us = clock_.NowMicros();
  JournalChange change;
  change.records.push_back({ExperimentStateName(name), ExperimentStateToJson(*state)});
  change.entries.push_back(ExperimentDraft(spec, *state, "experiment.stop", actor, state->ended_us));
  return Journal::Of(store_).Commit(tenant, change).status();
}

}  // namespace vouch
