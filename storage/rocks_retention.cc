// What RocksStore keeps of history, and lets go.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/purger.h"
#include "storage/retention_table.h"
#include "storage/rocks_store.h"

namespace vouch {

absl::StatusOr<RetentionState> RocksStore::GetRetention(CollectionId collection) const {
  const auto state = directory_.Retention(collection);
  if (!state.ok()) return state.status();
  return **state;
}

absl::Status RocksStore::WriteRetention(const CollectionEntry& entry, const RetentionState& state) {
  rocksdb::WriteBatch batch;
  batch.Put(rocks_->handle(Family::kCatalog), RetentionKey(entry.prefix), EncodeRetention(entry.id, state));
  if (auto s = rocks_->Write(batch); !s.ok()) return s;
  directory_.SetRetention(entry.id, state);
  return absl::OkStatus();
}

absl::StatusOr<RetentionState> RocksStore::Raised(const Place& place, const HorizonRaise& raise) const {
  absl::StatusOr<RetentionState> state = GetRetention(raise.collection);
  if (!state.ok()) return state;
  if (raise.horizon < state->horizon) {
    return absl::InvalidArgumentError(Concat("the horizon cannot go back from version ", state->horizon.value, " to ",
                                             raise.horizon.value, ": what was let go is gone"));
  }
  if (raise.horizon > place.state.latest) {
    return absl::OutOfRangeError(Concat("version ", raise.horizon.value, " is not committed yet; the latest is ",
                                        place.state.latest.value));
  }
  const absl::StatusOr<std::vector<Tag>> tags = catalog_.ListTags(raise.collection);
  if (!tags.ok()) return tags.status();
  std::vector<Version> pinned = raise.pinned;
  for (const Tag& tag : *tags) pinned.push_back(tag.version);
  std::erase_if(pinned, [&](Version version) {
    return version == Version(0) || version >= raise.horizon || !state->IsReadable(version);
  });
  std::sort(pinned.begin(), pinned.end());
  pinned.erase(std::unique(pinned.begin(), pinned.end()), pinned.end());
  if (raise.horizon == state->horizon && pinned == state->kept) return state;
  state->horizon = raise.horizon;
  state->kept = std::move(pinned);
  state->raised_us = raise.time_us;
  state->actor = Concat(raise.actor.tenant, "/", raise.actor.subject);
  state->pending = true;
  return state;
}

absl::StatusOr<RetentionState> RocksStore::RaiseHorizon(const HorizonRaise& raise) {
  absl::StatusOr<RetentionState> raised = RetentionState();
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    const absl::StatusOr<Place> place = Find(raise.collection);
    if (!place.ok()) return place.status();
    const absl::StatusOr<RetentionState> before = GetRetention(raise.collection);
    if (!before.ok()) return before.status();
    raised = Raised(*place, raise);
    if (!raised.ok()) return raised.status();
    if (raised->horizon == before->horizon && raised->kept == before->kept) return absl::OkStatus();
    return WriteRetention(*place->entry, *raised);
  });
  if (!status.ok()) return status;
  return raised;
}

absl::StatusOr<PurgeStep> RocksStore::Purge(CollectionId collection, RowId from, std::span<const Version> held) {
  PurgeStep step;
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    const absl::StatusOr<Place> place = Find(collection);
    if (!place.ok()) return place.status();
    absl::StatusOr<RetentionState> state = GetRetention(collection);
    if (!state.ok()) return state.status();
    Purger purger(*rocks_, *place->entry, *state);
    if (auto s = purger.Load(held, place->state.latest); !s.ok()) return s;
    rocksdb::WriteBatch batch;
    absl::StatusOr<PurgeStep> made = purger.Step(from, batch);
    if (!made.ok()) return made.status();
    step = *std::move(made);
    if (batch.Count() == 0) return absl::OkStatus();
    RetentionState after = *std::move(state);
    for (const RowRange& rows : step.purged) after.purged_rows += rows.size();
    batch.Put(rocks_->handle(Family::kCatalog), RetentionKey(place->entry->prefix), EncodeRetention(collection, after));
    if (auto s = rocks_->Write(batch); !s.ok()) return s;
    directory_.SetRetention(collection, std::move(after));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return step;
}

absl::Status RocksStore::EndPurge(CollectionId collection, const RetentionState& state) {
  return log_.RunExclusive([&]() -> absl::Status {
    auto entry = directory_.Find(collection);
    if (!entry.ok()) return entry.status();
    absl::StatusOr<RetentionState> now = GetRetention(collection);
    if (!now.ok()) return now.status();
    if (!now->pending || now->horizon != state.horizon || now->kept != state.kept) return absl::OkStatus();
    now->pending = false;
    return WriteRetention(**entry, *now);
  });
}

absl::StatusOr<uint64_t> RocksStore::CountPurgeable(const HorizonRaise& raise) const {
  const absl::StatusOr<Place> place = Find(raise.collection);
  if (!place.ok()) return place.status();
  const absl::StatusOr<RetentionState> state = Raised(*place, raise);
  if (!state.ok()) return state.status();
  Purger purger(*rocks_, *place->entry, *state);
  if (auto s = purger.Load({}, place->state.latest); !s.ok()) return s;
  return purger.Count();
}

absl::StatusOr<PurgedRows> RocksStore::ReadPurged(CollectionId collection) const {
  const absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return RetentionTable(*rocks_).LoadPurged(*place->entry, {RowId(0), RowId(place->state.rows)});
}

}  // namespace vouch
