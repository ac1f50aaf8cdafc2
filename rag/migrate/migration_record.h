#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/catalog.h"

namespace vouch {

// How far a migration has come. It is written before the step that it names is begun, and each step may be begun again.
enum class MigrationState : uint8_t {
  kBuilding,     // the copy is made; readers see the old collection
  kReady,        // the copy passed the gate; readers see the old collection
  kRefused,      // the copy did not pass the gate
  kSwitching,    // the aliases are about to be moved to the new collection
  kDone,         // they were
  kRollingBack,  // they are about to be moved back
  kRolledBack,   // they were
};
std::string_view MigrationStateName(MigrationState state);  // "building", "ready", …, "rolled-back"

// What the two spaces find for the same questions.
struct SpaceComparison {
  uint64_t questions = 0;
  std::string origin = {};    // "given" or "answers": the questions of kept answers
  uint32_t k = 0;
  double overlap = 0;         // mean share of the k best documents of one that are among those of the other
  double rank_agreement = 0;  // mean Kendall's tau over the documents that both found, -1 … 1
  uint64_t judged = 0;        // questions with judgements; the next two are means over them
  double ndcg_old = 0;        // nDCG@10
  double ndcg_new = 0;
  friend bool operator==(const SpaceComparison&, const SpaceComparison&) = default;
};

// One migration, by the collection that it starts from.
struct MigrationRecord {
  std::string source = {};
  std::string target = {};
  std::string field = {};
  std::string old_embedder = {};  // specs, as in the schema
  std::string embedder = {};
  MigrationState state = MigrationState::kBuilding;
  std::vector<std::string> aliases = {};  // that were moved, or were about to be
  SpaceComparison comparison = {};        // the last; no questions: none was made
  std::string reason = {};                // why it was refused
  uint64_t source_version = 0;            // the last one before the switch; 0: not switched yet
  int64_t created_us = 0;
  int64_t changed_us = 0;
  friend bool operator==(const MigrationRecord&, const MigrationRecord&) = default;
};

std::string EncodeMigrations(const std::vector<MigrationRecord>& records);
absl::StatusOr<std::vector<MigrationRecord>> DecodeMigrations(std::string_view json);  // DATA_LOSS

// The migrations of each tenant, kept as its setting `migrations`. Thread safe; a change is durable on return.
class MigrationStore {
 public:
  static constexpr size_t kMaxMigrations = 1'000;

  explicit MigrationStore(Catalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<std::vector<MigrationRecord>> List(std::string_view tenant) const;  // by source
  // Puts the record in the place of the one of its source.
  absl::Status Put(std::string_view tenant, const MigrationRecord& record);
  absl::Status Remove(std::string_view tenant, std::string_view source);

 private:
  Catalog& catalog_;
};

}  // namespace vouch
