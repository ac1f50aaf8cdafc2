#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "storage/store.h"

namespace vouch {

// Times [from, to), microseconds since the Unix epoch.
struct TimeRange {
  int64_t from_us = 0;
  int64_t to_us = std::numeric_limits<int64_t>::max();
  bool Contains(int64_t time_us) const { return from_us <= time_us && time_us < to_us; }
};

// INVALID_ARGUMENT: it ends before it begins, or begins before 1970.
absl::Status CheckRange(const TimeRange& range);

struct KeptAnswer {
  std::string id = {};
  int64_t time_us = 0;
};

// The tenant's answers that were asked in the range, by time. RESOURCE_EXHAUSTED where they are more than `limit`. Times are
// read from the ids, which have them to the microsecond; only a record with another id is read for its time. However wrong the clock
// was meanwhile, none is left out.
absl::StatusOr<std::vector<KeptAnswer>> AnswersBetween(Store& store, std::string_view tenant,
                                                       const TimeRange& range, size_t limit,
                                                       const CancelToken& cancel);

// Of a UUIDv7 as MakeUuidV7 makes it; negative of any other text.
int64_t TimeOfUuidV7(std::string_view id);

}  // namespace vouch
