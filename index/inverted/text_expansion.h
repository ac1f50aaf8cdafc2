#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/inverted/text_index.h"

namespace vouch {

// The terms of some text indexes that are like a word. Only terms that a visible row has count, so
// that neither segments nor retired rows change what a word becomes.

// One field of one segment; `visible` null: all rows.
struct ExpansionSource {
  const TextIndex* index = nullptr;
  const Bitmap* visible = nullptr;
};

struct TextExpansion {
  static constexpr size_t kMaxPrefixTerms = 1'024;
  static constexpr size_t kMaxFuzzyTerms = 256;
  static constexpr uint32_t kMaxEdits = 2;
};

struct ExpandedTerm {
  std::string term = {};
  uint32_t edits = 0;  // of a fuzzy word
  friend bool operator==(const ExpandedTerm&, const ExpandedTerm&) = default;
};

// Whether `term` is within `edits` (at most kMaxEdits) insertions, deletions or replacements of code
// points of `word` (Levenshtein, 1966), and shares its first `prefix_length` code points; if so,
// sets `distance`. Bytes that are not UTF-8 count as a code point each.
bool IsWithinEdits(std::string_view word, std::string_view term, uint32_t edits,
                   uint32_t prefix_length, uint32_t* distance);

// The terms that begin with `prefix` and, if there is one, the term `own`: what the analyzer makes
// of the prefix as a word, which a stemmer may have shortened. Ascending by bytes.
// RESOURCE_EXHAUSTED: over kMaxPrefixTerms.
absl::StatusOr<std::vector<ExpandedTerm>> ExpandPrefix(std::span<const ExpansionSource> sources,
                                                       std::string_view prefix,
                                                       std::string_view own,
                                                       const CancelToken& cancel);

// The terms within `edits` of `word`. Ascending by bytes. RESOURCE_EXHAUSTED: over kMaxFuzzyTerms.
absl::StatusOr<std::vector<ExpandedTerm>> ExpandFuzzy(std::span<const ExpansionSource> sources,
                                                      std::string_view word, uint32_t edits,
                                                      uint32_t prefix_length,
                                                      const CancelToken& cancel);

}  // namespace vouch
