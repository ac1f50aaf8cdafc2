#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/eval/seeded_random.h"

namespace vouch {

// Brings `count` of the items, chosen at random, to the front.
template <typename T>
void DrawToFront(size_t count, SeededRandom& random, std::vector<T>* items) {
  for (size_t i = 0; i < count; ++i) std::swap((*items)[i], (*items)[i + random.Below(items->size() - i)]);
}

// The p-value of `observed` among at most `most` draws of its distribution without drift; ends early where it is
// plainly not small (Besag and Clifford, 1991). An error is the token's.
absl::StatusOr<double> PermutationP(double observed, uint32_t most, const CancelToken& cancel,
                                    const std::function<double()>& draw);

}  // namespace vouch
