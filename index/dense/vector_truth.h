#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"

namespace vouch {

// Where the vectors of a segment are read from when those in its file are not what was written.
// Thread safe.
class VectorTruth {
 public:
  // A row of the segment and its vector, empty where it has none.
  using Visit = std::function<void(uint32_t row, std::span<const float> vector)>;

  virtual ~VectorTruth() = default;

  // Says that the file is damaged; all calls but the first change nothing.
  virtual void ReportDamage() = 0;
  // The vectors of dense field `field` in rows [begin, end) of the segment, in order.
  virtual absl::Status Read(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) = 0;
  // Likewise the token vectors of multi-vector field `field`, one after the other.
  virtual absl::Status ReadTokens(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) = 0;
};

}  // namespace vouch
