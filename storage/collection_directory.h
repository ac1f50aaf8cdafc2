#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "storage/ids.h"
#include "storage/retention.h"
#include "storage/schema.h"
#include "storage/store.h"

namespace vouch {

// What commits go by of a collection. It changes by an alteration alone, which puts another in its place.
struct CollectionEntry {
  CollectionId id;
  std::string prefix;               // key_format.h, CollectionPrefix
  std::vector<uint32_t> dims;       // of the dense fields, in the schema's order
  std::vector<VectorType> types;    // of the same
  std::vector<std::string> fields;  // their names
  std::vector<std::string> sparse_fields;
  std::vector<MultiVectorField> multi_vector_fields;
  Version schema_version;  // CollectionInfo's
};

// Where a collection stands: the public state, and the latest commit's time, which the next commit's is not before.
struct CollectionTip {
  CollectionState state;
  int64_t time_us = 0;
};

// The collections that exist, and where each stands, in memory. Thread safe; holds its lock for look-ups only.
class CollectionDirectory {
 public:
  void Add(std::shared_ptr<const CollectionEntry> entry, const CollectionTip& tip);
  void Remove(CollectionId collection);
  void SetTip(CollectionId collection, const CollectionTip& tip);
  // Of a collection that is there.
  void SetEntry(std::shared_ptr<const CollectionEntry> entry);
  void SetRetention(CollectionId collection, RetentionState state);

  // NOT_FOUND.
  absl::StatusOr<std::shared_ptr<const CollectionEntry>> Find(CollectionId collection) const;
  absl::StatusOr<CollectionTip> Tip(CollectionId collection) const;
  absl::StatusOr<std::shared_ptr<const RetentionState>> Retention(CollectionId collection) const;
  std::vector<std::shared_ptr<const CollectionEntry>> All() const;  // by id

 private:
  struct Slot {
    std::shared_ptr<const CollectionEntry> entry;
    CollectionTip tip;
    std::shared_ptr<const RetentionState> retention = std::make_shared<RetentionState>();
  };

  mutable std::mutex mu_;
  absl::flat_hash_map<CollectionId, Slot> slots_;  // guarded by mu_
};

}  // namespace vouch
