#include "storage/collection_directory.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {

namespace {

absl::Status NoCollection(CollectionId collection) {
  return absl::NotFoundError(Concat("no collection has the id ", collection.value));
}

}  // namespace

void CollectionDirectory::Add(std::shared_ptr<const CollectionEntry> entry,
                              const CollectionTip& tip) {
  std::lock_guard lock(mu_);
  const CollectionId id = entry->id;
  slots_[id] = Slot{.entry = std::move(entry), .tip = tip};
}

void CollectionDirectory::Remove(CollectionId collection) {
  std::lock_guard lock(mu_);
  slots_.erase(collection);
}

void CollectionDirectory::SetTip(CollectionId collection, const CollectionTip& tip) {
  std::lock_guard lock(mu_);
  const auto at = slots_.find(collection);
  if (at != slots_.end()) at->second.tip = tip;
}

void CollectionDirectory::SetEntry(std::shared_ptr<const CollectionEntry> entry) {
  std::lock_guard lock(mu_);
  const auto at = slots_.find(entry->id);
  if (at != slots_.end()) at->second.entry = std::move(entry);
}

void CollectionDirectory::SetRetention(CollectionId collection, RetentionState state) {
  auto shared = std::make_shared<const RetentionState>(std::move(state));
  std::lock_guard lock(mu_);
  const auto at = slots_.find(collection);
  if (at != slots_.end()) at->second.retention = std::move(shared);
}

absl::StatusOr<std::shared_ptr<const RetentionState>> CollectionDirectory::Retention(
    CollectionId collection) const {
  std::lock_guard lock(mu_);
  const auto at = slots_.find(collection);
  if (at == slots_.end()) return NoCollection(collection);
  return at->second.retention;
}

absl::StatusOr<std::shared_ptr<const CollectionEntry>> CollectionDirectory::Find(
    CollectionId collection) const {
  std::lock_guard lock(mu_);
  const auto at = slots_.find(collection);
  if (at == slots_.end()) return NoCollection(collection);
  return at->second.entry;
}

absl::StatusOr<CollectionTip> CollectionDirectory::Tip(CollectionId collection) const {
  std::lock_guard lock(mu_);
  const auto at = slots_.find(collection);
  if (at == slots_.end()) return NoCollection(collection);
  return at->second.tip;
}

std::vector<std::shared_ptr<const CollectionEntry>> CollectionDirectory::All() const {
  std::vector<std::shared_ptr<const CollectionEntry>> all;
  {
    std::lock_guard lock(mu_);
    for (const auto& [id, slot] : slots_) all.push_back(slot.entry);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->id < b->id; });
  return all;
}

}  // namespace vouch
