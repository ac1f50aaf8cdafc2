#include "index/inverted/bm25_rows.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "index/inverted/bm25_kernel.h"

namespace vouch {
namespace {

// A lookup in postings decodes a block: about what so many tokens cost to count.
constexpr size_t kTokensPerLookup = 40;
constexpr size_t kSlotsPerTerm = 4;

}  // namespace

Bm25Rows::Bm25Rows(const TextIndex& index, const TextStatistics& statistics,
                   const Bm25Params& params)
    : index_(index), params_(params), average_length_(statistics.average_length) {
  const size_t slots = std::bit_ceil(std::max<size_t>(2, kSlotsPerTerm * statistics.terms.size()));
  slots_.resize(slots);
  shift_ = 32 - static_cast<uint32_t>(std::bit_width(slots - 1));
  terms_.reserve(statistics.terms.size());
  for (const TermStatistics& term : statistics.terms) {
    const size_t ordinal = index.dictionary().Find(term.term);
    if (ordinal == TermDictionary::kNotFound || term.document_frequency == 0) continue;
    Insert(static_cast<uint32_t>(ordinal), static_cast<uint32_t>(terms_.size()));
    terms_.push_back(
        {.postings = index.postings_of(ordinal), .weight = term.query_weight * term.idf});
  }
}

void Bm25Rows::Insert(uint32_t ordinal, uint32_t term) {
  size_t at = Home(ordinal);
  while (slots_[at].ordinal != kFree) at = (at + 1) % slots_.size();
  slots_[at] = {.ordinal = ordinal, .term = term};
}

void Bm25Rows::CountTokens(uint32_t row) {
  index_.ReadTokens(row, &tokens_);
  const size_t last = slots_.size() - 1;
  for (const uint32_t token : tokens_) {
    size_t at = Home(token);
    while (slots_[at].ordinal != token && slots_[at].ordinal != kFree) at = (at + 1) & last;
    if (slots_[at].ordinal == token) ++terms_[slots_[at].term].frequency;
  }
}

void Bm25Rows::LookUpTerms(uint32_t row) {
  for (Term& term : terms_) term.frequency = term.postings.Find(row).value_or(0);
}

float Bm25Rows::Score(uint32_t row) {
  if (row >= index_.rows() || terms_.empty()) return 0;
  for (Term& term : terms_) term.frequency = 0;
  const uint32_t length = index_.length(row);
  if (length > kTokensPerLookup * terms_.size()) {
    LookUpTerms(row);
  } else {
    CountTokens(row);
  }
  Bm25TermKernel kernel{.k1 = params_.k1, .b = params_.b, .average_length = average_length_};
  const double norm = kernel.Norm(length);
  double sum = 0;
  for (const Term& term : terms_) {
    if (term.frequency == 0) continue;
    kernel.weight = term.weight;
    sum += kernel.OfNorm(term.frequency, norm);
  }
  return static_cast<float>(sum);
}

}  // namespace vouch
