#pragma once

#include <cstddef>
#include <span>

namespace vouch {

// How far distances that matrix units give may be off those of the engine's order, for one query. By it a search knows
// whether the rows that it left out may be left out.
//
// With q the query, r what is left of it in the units' values, y a row of length at most Y, n values and u = 2^-24:
//   the product's error      |q - r| Y  +  (n + 16) 4u |q| Y  [+ (2^-9 + 2^-20) |q| Y where rows and query are rounded to TF32]
//   the engine's own error   (n / 16 + 8) 2u of |q| Y, or of (|q| + Y)² under L2
//   lengths and the sum      4u (Y² + 2 |q| Y) under L2
//   values near 0            n 2^-126 (1 + |q| + Y), which is what numbers too small for f32 are off by
// Where sums might be too large for f32, no bound is known.
// The units are taken to add one value after the other and to cut off what does not fit (4u each), which is more than they were
// seen to do.
struct ProductBound {
  double query_length = 0;    // |q|
  double query_rounding = 0;  // |q - r|
  double longest_row = 0;     // Y
  size_t values = 0;          // n
  bool tf32 = false;
  bool l2 = false;

  // Of a distance (|y|² - 2⟨q, y⟩ under L2, else -⟨q, y⟩) against the engine's (less |q|² under L2). Infinite where none is known.
  double Error() const;
};

// sqrt(Σ v²) and sqrt(Σ (a - b)²) in double.
double LengthOf(std::span<const float> vector);
double DistanceBetween(std::span<const float> a, std::span<const float> b);

}  // namespace vouch
