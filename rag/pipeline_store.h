#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/pipeline.h"
#include "storage/clock.h"
#include "storage/journal.h"

namespace vouch {

class Store;

// Who changes something when nobody is named.
inline constexpr char kSystemActor[] = "default/system";

// The pipelines of a store's tenants: names, numbered versions, aliases. Thread safe; a change is
// durable on return, in one transaction with its entry of the audit log.
//
// Invariants:
// 1. A version never changes, and none goes: what gave an answer can be asked again.
// 2. Numbers of a name count up from 1 without gaps, also after it was removed and applied anew.
// 3. An alias's revision grows by one with each move, also over a removal of the name; a move that
//    was decided on another revision than the one it finds is refused.
//
// A tenant's settings, all JSON: `pipelines` (the names, sorted), `pipeline/NAME` ({latest,
// aliases, moves}), `pipeline/NAME/NUMBER` ({created_us, hash, spec} with the canonical form).
class PipelineStore {
 public:
  static constexpr size_t kMaxPipelines = 1'000;
  static constexpr uint64_t kMaxVersions = 100'000;
  static constexpr size_t kMaxAliases = 100;
  static constexpr size_t kKeptSteps = 50;  // of an alias

  using Aliases = std::vector<std::pair<std::string, uint64_t>>;  // by name

  PipelineStore(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Applied {
    PipelineVersion version = {};  // where nothing is kept: as it would be
    bool changed = false;
    std::string previous = {};  // canonical form of the version before; empty where there is none
  };
  // Checks by CheckPipeline. A specification equal to the latest version's changes nothing, unless
  // the name was removed. `dry_run` changes nothing at all.
  absl::StatusOr<Applied> Apply(std::string_view tenant, const PipelineSpec& spec, bool dry_run,
                                std::string_view actor = kSystemActor);

  // NAME, NAME@NUMBER, NAME@ALIAS. NOT_FOUND says what there is. A number is found though the name
  // is removed.
  absl::StatusOr<std::shared_ptr<const PipelineVersion>> Get(std::string_view tenant,
                                                             std::string_view reference) const;
  absl::StatusOr<Aliases> AliasesOf(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::vector<std::string>> Names(std::string_view tenant) const;  // ascending
  // NOT_FOUND. The name and its aliases go.
  absl::Status Remove(std::string_view tenant, std::string_view name,
                      std::string_view actor = kSystemActor);

  struct AliasStep {
    uint64_t number = 0;  // that it leads to
    int64_t since_us = 0;
  };
  struct AliasState {
    uint64_t number = 0;    // 0: there is no such alias
    uint64_t revision = 0;  // how often it was moved
    std::vector<uint64_t> earlier = {};  // where rollbacks lead to, the next one last
    std::vector<AliasStep> steps = {};   // the latest kKeptSteps, the current one last
  };
  // NOT_FOUND: no such pipeline. INVALID_ARGUMENT: the alias is no name, or all digits.
  absl::StatusOr<AliasState> GetAlias(std::string_view tenant, std::string_view name,
                                      std::string_view alias) const;
  struct AliasTarget {
    uint64_t number = 0;             // of a version
    uint64_t expected_revision = 0;  // that the move was decided on
    bool back = false;               // a rollback: `number` is the last of `earlier`, and leaves it
  };
  // Makes the alias, or moves it, in one transaction with `also`. ABORTED: its revision is another,
  // since somebody moved it meanwhile. NOT_FOUND: no such version.
  absl::StatusOr<std::vector<AuditEntry>> MoveAlias(std::string_view tenant, std::string_view name,
                                                    std::string_view alias,
                                                    const AliasTarget& target,
                                                    JournalChange also);

 private:
  struct Entry;
  absl::StatusOr<Entry> ReadEntry(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::shared_ptr<const PipelineVersion>> ReadVersion(std::string_view tenant,
                                                                     std::string_view name,
                                                                     uint64_t number) const;
  absl::StatusOr<bool> Has(std::string_view tenant, std::string_view name) const;
  absl::Status NoSuchName(std::string_view tenant, std::string_view name) const;

  Store& store_;
  const Clock& clock_;
};

}  // namespace vouch
