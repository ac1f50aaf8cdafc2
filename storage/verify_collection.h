#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "storage/catalog.h"
#include "storage/key_format.h"
#include "storage/store.h"

namespace vouch {

class Rocks;

// Gathers a report's problems up to VerifyReport's limit; the last place says that there are more.
// Thread compatible.
class ProblemList {
 public:
  static constexpr size_t kMaxProblems = 1000;

  explicit ProblemList(VerifyReport& report) : problems_(report.problems) {}

  void Add(std::string problem) {
    if (problems_.size() < kMaxProblems) {
      problems_.push_back(std::move(problem));
    } else {
      problems_.back() = "there are more problems than are listed here";
    }
  }

 private:
  std::vector<std::string>& problems_;
};

// Checks all that is stored under one collection's prefix, the tags included, and adds its counts
// to `report`. Holds 24 bytes a row and 17 a retired row in memory; everything else is read in
// passing.
void VerifyCollection(const Rocks& rocks, TenantNumber tenant, const CollectionInfo& info,
                      VerifyReport& report, ProblemList& problems, const VerifyProgress& progress);

}  // namespace vouch
