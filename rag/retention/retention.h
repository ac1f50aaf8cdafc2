#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/database.h"
#include "rag/retention/pins.h"

namespace vouch {

// What a collection keeps of its history, and what its policy would let go now.
struct RetentionReport {
  RetentionPolicy policy = {};
  RetentionState state = {};
  Version latest = {};
  Version due = {};               // the oldest version that would stay, pins apart
  std::vector<VersionPin> pins = {};  // what holds versions below the one that the policy alone would keep as the oldest
  uint64_t versions_to_go = 0;    // that can be read now and could not afterwards
  uint64_t rows_to_go = 0;        // that would be deleted
  uint64_t rows_deleted = 0;      // that this call deleted
};

// The oldest version that the policy keeps at `now_us`; 0 where it keeps all. NOT_FOUND: no such collection.
absl::StatusOr<Version> HorizonOf(const Store& store, CollectionId collection, const RetentionPolicy& policy, Version latest,
                                  int64_t now_us);

// What is kept and what would go.
absl::StatusOr<RetentionReport> InspectRetention(Database& database, Collection& collection);
// Lets go what the policy does not keep and nothing pins; the report is of afterwards. `actor` is recorded.
absl::StatusOr<RetentionReport> RunRetention(Database& database, Collection& collection, const Principal& actor,
                                             const CancelToken& cancel);

}  // namespace vouch
