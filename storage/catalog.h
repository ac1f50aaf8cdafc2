#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/commit.h"
#include "storage/ids.h"
#include "storage/schema.h"

namespace vouch {

struct CollectionInfo {
  CollectionId id = {};
  std::string tenant = {};
  std::string name = {};
  CollectionSchema schema = {};
  int64_t created_us = 0;
  Version schema_version = {};  // the commit that altered the schema last; 0: it is as it was made
  uint64_t index_number = 0;    // goes up with each alteration that another index was built for
};

// A new schema of a collection. It is a commit like any other, without rows: it has a version, a time, an actor and a request
// id.
struct Alteration {
  CollectionId collection = {};
  CollectionSchema schema = {};
  Version schema_version = {};  // of the schema that the new one was made from
  bool new_index = false;       // raises the index number
  Principal actor = {};
  int64_t time_us = 0;
  std::string request_id = {};  // empty: none. A known id changes nothing and gets the first reply
};

struct AlterResult {
  CommitResult commit = {};
  CollectionInfo info = {};
};

struct Tag {
  std::string name = {};
  Version version = {};
  int64_t created_us = 0;
};

// A second name of a collection, which moves from one to another in one step.
struct Alias {
  std::string name = {};
  std::string collection = {};
  int64_t moved_us = 0;
};

// One step of a move: where the alias leads afterwards; no collection: the alias is removed.
struct AliasMove {
  std::string alias = {};
  std::string collection = {};
};

// Collections, tags, aliases and named settings. Thread safe; each change is durable on return.
//
// Names are 1 to Limits::kMaxNameBytes characters of [A-Za-z0-9._-], not starting with '.' or '-'.
class Catalog {
 public:
  virtual ~Catalog() = default;

  // ALREADY_EXISTS, INVALID_ARGUMENT (name or schema).
  virtual absl::StatusOr<CollectionInfo> CreateCollection(std::string_view tenant, std::string_view name,
                                                          const CollectionSchema& schema, int64_t now_us) = 0;
  // By its name or an alias of it; what is returned has the name. NOT_FOUND lists up to ten that exist.
  virtual absl::StatusOr<CollectionInfo> GetCollection(std::string_view tenant, std::string_view name) const = 0;
  virtual absl::StatusOr<std::vector<CollectionInfo>> ListCollections(std::string_view tenant) const = 0;
  virtual absl::StatusOr<std::vector<CollectionInfo>> ListAllCollections() const = 0;
  // Removes the collection with all rows, versions and tags. NOT_FOUND. FAILED_PRECONDITION: `name` is an alias, or
  // an alias leads to the collection.
  virtual absl::Status DropCollection(std::string_view tenant, std::string_view name) = 0;

  // Puts another schema in the place of a collection's, at a new version. `publish` is called once that is durable and before
  // the commit's listener is: nothing is committed between. Commits that were made for the schema before are ABORTED from then
  // on. ABORTED: the schema was altered meanwhile. INVALID_ARGUMENT: the schema is not valid. FAILED_PRECONDITION: the
  // collection takes no writes.
  virtual absl::StatusOr<AlterResult> AlterCollection(
      const Alteration& alteration, const std::function<void(const CollectionInfo&)>& publish) = 0;
  // The schemas that there were before, each with the version that ended it, ascending.
  virtual absl::StatusOr<std::vector<std::pair<Version, CollectionSchema>>> ListSchemas(
      CollectionId collection) const = 0;

  static constexpr size_t kMaxAliasMoves = 1'000;  // in one call
  static constexpr size_t kMaxAliases = 10'000;    // of a tenant
  // All moves in one step: who reads sees none of them or all. ALREADY_EXISTS: a collection has the alias's name.
  // NOT_FOUND: no such collection, or no such alias to remove. INVALID_ARGUMENT: an alias twice, or a bad name.
  virtual absl::Status MoveAliases(std::string_view tenant, std::span<const AliasMove> moves, int64_t now_us) = 0;
  virtual absl::StatusOr<std::vector<Alias>> ListAliases(std::string_view tenant) const = 0;  // by name

  // A tag never moves: ALREADY_EXISTS where it names another version. NOT_FOUND: version never committed.
  // OUT_OF_RANGE: retention has let it go.
  virtual absl::StatusOr<Tag> CreateTag(CollectionId collection, std::string_view name, Version version,
                                        int64_t now_us) = 0;
  virtual absl::StatusOr<Tag> GetTag(CollectionId collection, std::string_view name) const = 0;
  virtual absl::StatusOr<std::vector<Tag>> ListTags(CollectionId collection) const = 0;
  virtual absl::Status DeleteTag(CollectionId collection, std::string_view name) = 0;

  // Settings of a collection: small values by key, for the layers above (which embedder model is current).
  virtual absl::Status PutSetting(CollectionId collection, std::string_view key, std::string_view value) = 0;
  // nullopt where there is none.
  virtual absl::StatusOr<std::optional<std::string>> GetSetting(CollectionId collection,
                                                                std::string_view key) const = 0;

  // The same of a tenant, as what it has spent today. Gives the tenant a number where it has none.
  virtual absl::Status PutTenantSetting(std::string_view tenant, std::string_view key, std::string_view value) = 0;
  virtual absl::StatusOr<std::optional<std::string>> GetTenantSetting(std::string_view tenant,
                                                                      std::string_view key) const = 0;
};

}  // namespace vouch
