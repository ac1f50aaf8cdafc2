#include "rag/eval/permutation_p.h"

#include <cmath>

namespace vouch {
namespace {

constexpr uint32_t kDrawsACheck = 16;  // of the token; a draw takes up to a millisecond
constexpr uint32_t kEnough = 20;

}  // namespace

absl::StatusOr<double> PermutationP(double observed, uint32_t most, const CancelToken& cancel,
                                    const std::function<double()>& draw) {
  uint32_t as_large = 0;
  uint32_t drawn = 0;
  while (drawn < most && as_large < kEnough) {
    if (drawn % kDrawsACheck == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    ++drawn;
    // Equal up to how it was added up.
    if (draw() >= observed - 1e-12 * std::abs(observed)) ++as_large;
  }
  if (as_large == kEnough) return static_cast<double>(kEnough) / drawn;
  return (as_large + 1.0) / (drawn + 1.0);
}

}  // namespace vouch
