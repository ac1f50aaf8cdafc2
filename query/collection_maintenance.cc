// What CollectionImpl takes away: versions that retention lets go, and points that have expired.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "query/collection_impl.h"

namespace vouch {
namespace {

// Of one commit: so that writers wait for none for long.
constexpr size_t kExpiredACommit = 10'000;

HorizonRaise RaiseOf(CollectionId collection, const LetGoRequest& request, const RetentionState& before, int64_t now_us) {
  return {.collection = collection,
          .horizon = std::max(request.horizon, before.horizon),
          .pinned = request.pinned,
          .time_us = now_us,
          .actor = request.actor};
}

}  // namespace

absl::StatusOr<RetentionState> CollectionImpl::Retention() const {
  if (const absl::StatusOr<Latest> open = Take(); !open.ok()) return open.status();
  return deps_.store->GetRetention(id_);
}

absl::StatusOr<LetGoResult> CollectionImpl::LetGo(const LetGoRequest& request) {
  const std::lock_guard maintenance(maintenance_mu_);
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  if (request.horizon > latest->version) {
    return absl::OutOfRangeError(absl::StrCat("version ", request.horizon.value, " of collection '", name_,
                                              "' is not committed yet; the latest is ", latest->version.value));
  }
  const absl::StatusOr<RetentionState> before = deps_.store->GetRetention(id_);
  if (!before.ok()) return before.status();
  {
    const std::lock_guard lock(holds_mu_);
    LetGoRequest but_held = request;
    const std::vector<Version> held = holds_->Held();
    but_held.pinned.insert(but_held.pinned.end(), held.begin(), held.end());
    const absl::StatusOr<RetentionState> raised =
        deps_.store->RaiseHorizon(RaiseOf(id_, but_held, *before, deps_.clock->NowMicros()));
    if (!raised.ok()) return Explained(raised.status());
  }
  const absl::StatusOr<uint64_t> rows = Purge(request.cancel);
  if (!rows.ok()) return Explained(rows.status());
  const absl::StatusOr<RetentionState> after = deps_.store->GetRetention(id_);
  if (!after.ok()) return Explained(after.status());
  return LetGoResult{.state = *after, .rows = *rows};
}

absl::StatusOr<uint64_t> CollectionImpl::CountLetGo(const LetGoRequest& request) const {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const absl::StatusOr<RetentionState> before = deps_.store->GetRetention(id_);
  if (!before.ok()) return before.status();
  return deps_.store->CountPurgeable(RaiseOf(id_, request, *before, deps_.clock->NowMicros()));
}

absl::StatusOr<uint64_t> CollectionImpl::Purge(const CancelToken& cancel) {
  const absl::StatusOr<RetentionState> state = deps_.store->GetRetention(id_);
  if (!state.ok()) return state.status();
  uint64_t rows = 0;
  bool complete = true;
  PurgeStep step{.next = RowId(0), .done = !state->pending};
  while (!step.done) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    std::vector<Version> held = leases_->Held();
    std::erase_if(held, [&](Version version) { return state->IsReadable(version); });
    complete = complete && held.empty();
    absl::StatusOr<PurgeStep> next = deps_.store->Purge(id_, step.next, held);
    if (!next.ok()) return next.status();
    step = *std::move(next);
    const absl::StatusOr<Latest> latest = Take();
    if (!latest.ok()) return latest.status();
    latest->index->Purge(step.purged);
    for (const RowRange& purged : step.purged) rows += purged.size();
  }
  // What a read held goes with the next call.
  if (state->pending && complete) {
    if (absl::Status status = deps_.store->EndPurge(id_, *state); !status.ok()) return status;
  }
  return rows;
}

absl::StatusOr<std::vector<RowId>> CollectionImpl::FindExpired(const Latest& latest, int64_t now_us,
                                                               const CancelToken& cancel) const {
  const CollectionSchema& schema = latest.schema->info.schema;
  const IndexReader reader = ReadLatest(latest);
  const int64_t until_us = now_us - schema.ttl.after_us;
  if (schema.ttl.field.empty()) {
    // Rows are in the order in which they were written.
    const absl::StatusOr<Version> until = deps_.store->FindVersionAt(id_, until_us);
    if (!until.ok()) return until.status();
    const absl::StatusOr<uint64_t> rows_end = RowsAt(latest, std::min(*until, latest.version));
    if (!rows_end.ok()) return rows_end.status();
    const absl::StatusOr<RowMask> mask = reader.MakeMaskOfAll(nullptr, cancel);
    if (!mask.ok()) return mask.status();
    std::vector<RowId> rows = reader.ScrollRows(*mask, kNoRow, kExpiredACommit);
    std::erase_if(rows, [&](RowId row) { return row.value >= *rows_end; });
    return rows;
  }
  const Filter expired{.op = FilterOp::kLe,
                       .path = schema.ttl.field,
                       .values = {absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(until_us), absl::UTCTimeZone())},
                       .children = {}};
  const absl::StatusOr<RowMask> mask = reader.MakeMaskOfAll(&expired, cancel);
  if (!mask.ok()) return mask.status();
  return reader.ScrollRows(*mask, kNoRow, kExpiredACommit);
}

absl::StatusOr<WriteResult> CollectionImpl::TryExpire(const Latest& latest, int64_t now_us, const CancelToken& cancel) {
  const absl::StatusOr<std::vector<RowId>> rows = FindExpired(latest, now_us, cancel);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return WriteResult{.version = latest.version};
  CommitRequest commit;
  commit.actor = {.tenant = tenant_, .subject = "ttl", .groups = {}};
  const IndexReader reader = ReadLatest(latest);
  for (const RowId row : *rows) {
    commit.deletes.push_back(reader.IdOf(row));
    commit.conditions.push_back({.id = commit.deletes.back(), .row = {row, RowId(row.value + 1)}, .aborts = true});
  }
  return Commit(latest, std::move(commit));
}

absl::StatusOr<uint64_t> CollectionImpl::Expire(int64_t now_us, const CancelToken& cancel) {
  uint64_t expired = 0;
  while (true) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const WriteGate::Pass pass(gate_);
    absl::StatusOr<WriteResult> result = Retry("", std::nullopt, [&](const Latest& latest) -> absl::StatusOr<WriteResult> {
      if (latest.schema->info.schema.ttl.empty()) return WriteResult{.version = latest.version};
      return TryExpire(latest, now_us, cancel);
    });
    if (!result.ok()) return result.status();
    expired += result->retired;
    if (result->retired < kExpiredACommit) return expired;
  }
}

}  // namespace vouch
