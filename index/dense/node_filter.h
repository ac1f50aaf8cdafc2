#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vouch {

// Keeps of `count` nodes, in order, those whose bit is set; the number of them. `bits` as Bitmap's
// words; `out` has count + kFilterSlack places, of which those after the result may be written
// over.
using NodeFilter = size_t (*)(const uint64_t* bits, const uint32_t* nodes, size_t count,
                              uint32_t* out);
inline constexpr size_t kFilterSlack = 16;

// The fastest variant that this processor runs.
NodeFilter BestNodeFilter();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const NodeFilter> AvailableNodeFilters();

}  // namespace vouch
