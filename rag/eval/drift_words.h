#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

class Analyzer;

// The different terms of a text by their hashes, ascending; of a long text some of them, chosen evenly.
using DriftWords = std::vector<uint64_t>;
inline constexpr size_t kMaxDriftWords = 256;
DriftWords DriftWordsOf(const Analyzer& analyzer, std::string_view text);

struct WordsComparison {
  double p = 1;
  double moved = 0;                 // share of the window, beyond that of the reference
  std::vector<double> rarity = {};  // of each text of the window: 0, each word is in all texts of the reference, … 1, in none
};

struct WordsOptions {
  double rare_share = 0.05;  // of all texts
  uint32_t draws = 999;      // at most
  uint64_t seed = 1;
  CancelToken cancel = {};
};

// How many of the window are among the share of all texts whose words are rarest in the reference. A text is as rare as the
// mean of its words' inverse document frequencies there (Laplace's), a text of the reference among the others of it: so no text knows
// itself, and none of the window knows another, which would make a topic of few words look known. A minority that came
// lies in that tail whatever an embedder makes of it, where a mean over all texts hardly moves.
// p by permutation, each time with the frequencies of the texts that are drawn as the reference: exact for any size, where texts of both
// are drawn alike. INVALID_ARGUMENT: an empty side.
absl::StatusOr<WordsComparison> CompareWords(std::span<const DriftWords> reference, std::span<const DriftWords> window,
                                             const WordsOptions& options);

}  // namespace vouch
