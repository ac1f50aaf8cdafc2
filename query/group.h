#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/ranked_row.h"
#include "query/result_options.h"

namespace vouch {

// Ranked hits in groups by the values of a payload field.
struct GroupedHits {
  struct Group {
    PayloadValue value;
    std::vector<RankedRow> hits;  // in the order of the list
  };
  std::vector<Group> groups;  // by their first hits
  bool full = false;          // no further hit could change anything
};

struct GroupLimits {
  int field = 0;  // ordinal in the schema
  size_t groups = 0;
  size_t hits = 0;  // of each group
};

// Goes through the list once: a hit opens the group of its value where there are fewer than
// `limits.groups`, and joins it where it has fewer than `limits.hits`. A hit with several values
// belongs to the group of each, one without is left out.
absl::StatusOr<GroupedHits> GroupHits(const IndexReader& reader, std::span<const RankedRow> hits,
                                      const GroupLimits& limits, const CancelToken& cancel);

// Hits of the root that are taken first, and at most, where so many are wanted in all groups
// together.
size_t FirstGroupDepth(size_t wanted);
size_t LastGroupDepth(const GroupBy& group_by, size_t wanted);

}  // namespace vouch
