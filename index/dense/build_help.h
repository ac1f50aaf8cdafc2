#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// Asked every few hundred rows with the share of the work done, 0 to 1; anything but OK ends the build with it.
using BuildProgress = std::function<absl::Status(double fraction)>;

// The nodes nearest to each node of a column, by whoever finds them fast: at most `count` others of each, in any order. An error: the
// graph is built without. `progress` is asked on the way; what it says ends the finding.
using FindNearestNodes = std::function<absl::StatusOr<std::vector<std::vector<uint32_t>>>(const DenseColumn& column, size_t count,
                                                                                          const BuildProgress& progress)>;

// Records as VectorCodes::KeysOf takes them.
struct CodeRecords {
  const uint8_t* records = nullptr;
  uint32_t count = 0;
  size_t stride = 0;
};
// For each of the queries [0, count) that `query` makes, on any thread, which of the records has the least key, the first of equal
// ones: just what VectorCodes::KeysOf gives, by whoever does it fast. An error: it is done here.
using AssignCodes = std::function<absl::StatusOr<std::vector<uint32_t>>(
    const CodeRecords& records, uint32_t count, const std::function<void(uint32_t i, CodeQuery& out)>& query)>;

// Who helps building; empty: nobody.
struct DenseBuildHelp {
  FindNearestNodes nearest = {};
  AssignCodes assign = {};
};

}  // namespace vouch
