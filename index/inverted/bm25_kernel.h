#pragma once

#include <cstdint>

namespace vouch {

// What BM25 needs to score postings of one term in one segment.
struct Bm25TermKernel {
  static constexpr uint32_t kTableLengths = 512;

  const uint32_t* lengths = nullptr;  // by row
  const double* norms =
      nullptr;  // k1 · (1 − b + b · length / average_length) of lengths [0, kTableLengths)
  double k1 = 0;
  double b = 0;
  double average_length = 0;
  double weight = 0;  // query_weight · idf

  // The one formula behind scores, bounds and explanations; the order of operations is that of
  // bm25.h.
  double Norm(uint32_t length) const {
    return k1 * (1 - b + b * static_cast<double>(length) / average_length);
  }
  double OfNorm(uint32_t frequency, double norm) const {
    const double tf = static_cast<double>(frequency);
    return weight * tf * (k1 + 1) / (tf + norm);
  }
  double Of(uint32_t frequency, uint32_t length) const {
    return OfNorm(frequency, length < kTableLengths ? norms[length] : Norm(length));
  }
};

// Contributions of `count` postings. All give the same bits: each operation of the formula is one
// IEEE operation.
using Bm25Kernel = void (*)(const Bm25TermKernel& term, const uint32_t* rows,
                            const uint32_t* frequencies, uint32_t count, double* out);
void ScalarBm25Kernel(const Bm25TermKernel& term, const uint32_t* rows, const uint32_t* frequencies,
                      uint32_t count, double* out);
// Null where the processor has no AVX2.
Bm25Kernel Avx2Bm25Kernel();
// The fastest here.
Bm25Kernel BestBm25Kernel();

}  // namespace vouch
