#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/llm/price_table.h"
#include "rag/migrate/comparison.h"
#include "rag/migrate/estimate.h"
#include "rag/migrate/migration_record.h"

namespace vouch {

struct MigrationRequest {
  std::string collection = {};  // its name or an alias
  std::string field = {};
  std::string embedder = {};  // the new spec
  ComparisonRequest comparison = {};
  double min_ndcg_ratio = 0.95;  // new / old, of judged questions; 0: not asked for
  double min_overlap = 0;        // of all questions
  bool switch_over = true;       // false: build and compare alone
  bool unchecked = false;        // switch also where there is no question to compare by
  const PriceTable* prices = nullptr;
  Principal principal = {};
  CancelToken cancel = {};
};

struct MigrationProgress {
  std::string phase = {};  // "embedding", "comparing", "switching"
  double fraction = 0;
};

struct MigrationReport {
  MigrationRecord record = {};
  MigrationEstimate estimate = {};  // of what was left when the call began
  uint64_t rows = 0;                // embedded by this call
};

// Replaces the embedder of a dense field: a second collection follows the first one with the field embedded anew, both are
// asked the same questions, and where the new one passes the gate, all aliases that led to the old one lead to it, in one
// step. README.md of this folder gives the invariants and what it costs.
//
// Each call goes on where an earlier one, cut at any moment, has stopped. Thread safe; of one collection one call at a time.
class Migrator {
 public:
  using ProgressSink = std::function<void(const MigrationProgress&)>;

  Migrator(Database& database, EmbedderRegistry& embedders)
      : database_(database), embedders_(embedders), records_(database.store().catalog()) {}

  // What is left to be embedded; changes nothing. Errors as Migrate's.
  absl::StatusOr<MigrationReport> Estimate(const MigrationRequest& request);
  // NOT_FOUND, INVALID_ARGUMENT: no such field or spec. FAILED_PRECONDITION: the field has no embedder, or that one; no alias
  // leads to the collection; there is no question to compare by; the gate refused (the record says by which figures); another
  // call is under way. ABORTED: writes come faster than they can be embedded.
  absl::StatusOr<MigrationReport> Migrate(const MigrationRequest& request, const ProgressSink& progress);
  // Moves the aliases back, after the old collection has taken in what was written since. `collection`: of either
  // collection the name, or an alias. FAILED_PRECONDITION: nothing was switched.
  absl::StatusOr<MigrationReport> RollBack(const std::string& collection, const Principal& principal,
                                           const CancelToken& cancel, const ProgressSink& progress);
  // Drops the new collection, and lets the old one take writes. FAILED_PRECONDITION: aliases lead to the new one.
  absl::StatusOr<MigrationRecord> Cancel(const std::string& collection, const Principal& principal);
  absl::StatusOr<std::vector<MigrationRecord>> List(const Principal& principal) const {
    return records_.List(principal.tenant);
  }

 private:
  struct Plan;  // what a request means
  absl::StatusOr<Plan> MakePlan(const MigrationRequest& request);
  absl::StatusOr<std::string> FreeName(const Principal& principal, const std::string& source) const;
  absl::StatusOr<std::shared_ptr<Collection>> OpenTarget(const Plan& plan, const Principal& principal);
  absl::StatusOr<std::optional<MigrationRecord>> Find(
      const Principal& principal, const std::string& collection,
      const std::function<bool(const MigrationRecord&, const std::string& name)>& fits) const;
  absl::Status Save(const Principal& principal, MigrationRecord* record);
  absl::Status CheckGate(const MigrationRequest& request, MigrationRecord* record);
  absl::StatusOr<std::vector<std::string>> AliasesOf(const Principal& principal,
                                                     const std::string& collection) const;
  absl::StatusOr<bool> WereMoved(Collection& from, Collection& to, const Principal& principal,
                                 const MigrationRecord& record) const;
  absl::StatusOr<uint64_t> SwitchOver(Collection& from, Collection& to, const Principal& principal,
                                      const CancelToken& cancel, const ProgressSink& progress,
                                      MigrationRecord* record);

  Database& database_;
  EmbedderRegistry& embedders_;
  MigrationStore records_;
};

}  // namespace vouch
