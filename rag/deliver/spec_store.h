#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/clock.h"
#include "storage/store.h"

namespace vouch {

// One version of a named specification in its canonical form.
struct SpecVersion {
  std::string name = {};
  uint64_t number = 0;    // from 1
  std::string hash = {};  // ContentHash of the canonical form
  int64_t created_us = 0;
  std::string canonical = {};
};

// Specifications of one kind ("gate", "slo") as numbered versions that never change. Thread safe; a
// change is durable on return, in one transaction with its entry of the audit log.
//
// Journal records: "spec/KIND/NAME" ({latest, listed}), "spec-version/KIND/NAME/NNNNNNNN".
class SpecStore {
 public:
  static constexpr size_t kMaxNames = 1'000;
  static constexpr uint64_t kMaxVersions = 100'000;
  static constexpr size_t kMaxNameBytes = 100;

  SpecStore(Store& store, const Clock& clock, std::string kind)
      : store_(store), clock_(clock), kind_(std::move(kind)) {}

  struct Applied {
    SpecVersion version = {};
    bool changed = false;
    std::string previous = {};  // canonical form before; empty where there is none
  };
  // The canonical form that is there already changes nothing.
  absl::StatusOr<Applied> Apply(std::string_view tenant, const std::string& name,
                                const std::string& canonical, bool dry_run, std::string_view actor);
  // NAME (the latest; NOT_FOUND where it was removed) or NAME@NUMBER.
  absl::StatusOr<SpecVersion> Get(std::string_view tenant, std::string_view reference) const;
  absl::StatusOr<std::vector<SpecVersion>> List(std::string_view tenant) const;  // by name
  // The same of those that can be read; `unread` hears of the others.
  using Unread = std::function<void(const std::string& name, const absl::Status& status)>;
  absl::StatusOr<std::vector<SpecVersion>> ListReadable(std::string_view tenant, const Unread& unread) const;
  // NOT_FOUND. Its versions stay. A latest version that is damaged is not in its way.
  absl::Status Remove(std::string_view tenant, const std::string& name, std::string_view actor);

  // 1 to kMaxNameBytes of [A-Za-z0-9._-], not starting with '.' or '-'.
  static absl::Status CheckName(std::string_view name);

 private:
  struct Entry {
    uint64_t latest = 0;
    bool listed = false;
  };
  absl::StatusOr<Entry> ReadEntry(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<SpecVersion> ReadVersion(std::string_view tenant, std::string_view name,
                                          uint64_t number) const;
  absl::Status NoSuchName(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::vector<std::string>> Names(std::string_view tenant) const;
  absl::StatusOr<std::vector<std::string>> NamesEver(std::string_view tenant) const;  // removed ones, too

  Store& store_;
  const Clock& clock_;
  const std::string kind_;
};

}  // namespace vouch
