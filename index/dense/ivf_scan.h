#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace vouch {

// What a search of an inverted file looks at, wherever it is done, so that it finds the same rows everywhere.

// Of the nearest cells, so many allowed rows are compared for each place in the beam.
inline constexpr uint64_t kIvfRowsPerEf = 64;
// Cells are taken so many at a time, until enough rows were compared (KeyOrder::Next).
inline constexpr uint64_t kIvfPart = 4;

// How many of the best rows by code are scored exactly: enough that what the codes misplace comes back (docs/architecture).
inline size_t Rescored(size_t k) { return 3 * k + 10; }
// The same by product codes, which are coarser.
inline size_t RescoredOfIvf(size_t k, size_t ef) { return std::max(2 * Rescored(k), ef); }

}  // namespace vouch
