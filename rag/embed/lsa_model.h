#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// What builtin/lsa has learned, as it is kept. Bytes, little-endian:
//
//   "VLSA"  u32 format (1)  u32 dim  u32 rank  u32 terms  u64 training texts  u16 size, language
//   terms × (u16 size, bytes), strictly ascending by bytes
//   terms × f64 idf
//   terms × rank × f32, row-major: one row a term
//   u64 XXH3-64 of all the bytes before it
struct LsaModel {
  static constexpr uint32_t kFormat = 1;
  static constexpr uint32_t kMaxTerms = 1'000'000;

  uint32_t dim = 0;   // of the vectors; those beyond `rank` are zero
  uint32_t rank = 0;  // 1 … dim
  uint64_t training_texts = 0;
  std::string language;
  std::vector<std::string> terms;
  std::vector<double> idf;      // finite, positive
  std::vector<float> loadings;  // finite

  std::string Serialize() const;
  // DATA_LOSS says what is wrong; FAILED_PRECONDITION: a newer program wrote it.
  static absl::StatusOr<LsaModel> Parse(std::string_view bytes);
};

}  // namespace vouch
