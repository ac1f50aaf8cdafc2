#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/pipeline.h"
#include "storage/catalog.h"
#include "storage/clock.h"

namespace vouch {

// The pipelines of a store's tenants: names, numbered versions, aliases. Thread safe; a change is
// durable on return.
//
// Invariants:
// 1. A version never changes, and none goes: what gave an answer can be asked again.
// 2. Numbers of a name count up from 1 without gaps, also after it was removed and applied anew.
//
// A tenant's settings, all JSON: `pipelines` (the names, sorted), `pipeline/NAME` ({latest,
// aliases}), `pipeline/NAME/NUMBER` ({created_us, hash, spec} with the canonical form).
class PipelineStore {
 public:
  static constexpr size_t kMaxPipelines = 1'000;
  static constexpr uint64_t kMaxVersions = 100'000;
  static constexpr size_t kMaxAliases = 100;

  using Aliases = std::vector<std::pair<std::string, uint64_t>>;  // by name

  PipelineStore(Catalog& catalog, const Clock& clock) : catalog_(catalog), clock_(clock) {}

  struct Applied {
    PipelineVersion version = {};  // where nothing is kept: as it would be
    bool changed = false;
    std::string previous = {};  // canonical form of the version before; empty where there is none
  };
  // Checks by CheckPipeline. A specification equal to the latest version's changes nothing, unless
  // the name was removed. `dry_run` changes nothing at all.
  absl::StatusOr<Applied> Apply(std::string_view tenant, const PipelineSpec& spec, bool dry_run);

  // NAME, NAME@NUMBER, NAME@ALIAS. NOT_FOUND says what there is. A number is found though the name
  // is removed.
  absl::StatusOr<std::shared_ptr<const PipelineVersion>> Get(std::string_view tenant,
                                                             std::string_view reference) const;
  absl::StatusOr<Aliases> AliasesOf(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::vector<std::string>> Names(std::string_view tenant) const;  // ascending
  // `number` 0: the latest. NOT_FOUND: no such version. INVALID_ARGUMENT: the alias is no name, or
  // all digits.
  absl::Status SetAlias(std::string_view tenant, std::string_view name, std::string_view alias,
                        uint64_t number);
  // NOT_FOUND. The name and its aliases go.
  absl::Status Remove(std::string_view tenant, std::string_view name);

 private:
  struct Entry;
  absl::StatusOr<Entry> ReadEntry(std::string_view tenant, std::string_view name) const;
  absl::Status WriteEntry(std::string_view tenant, std::string_view name, const Entry& entry);
  absl::Status WriteNames(std::string_view tenant, const std::vector<std::string>& names);
  absl::StatusOr<std::shared_ptr<const PipelineVersion>> ReadVersion(std::string_view tenant,
                                                                     std::string_view name,
                                                                     uint64_t number) const;
  absl::StatusOr<bool> Has(std::string_view tenant, std::string_view name) const;
  absl::Status NoSuchName(std::string_view tenant, std::string_view name) const;

  Catalog& catalog_;
  const Clock& clock_;
};

}  // namespace vouch
