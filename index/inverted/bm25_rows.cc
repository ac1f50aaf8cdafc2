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
    terms_.push_back({.postings = index.postings_of(ordinal), .statistics = &term});
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

void Bm25Rows::Count(uint32_t row) {
  for (Term& term : terms_) term.frequency = 0;
  if (index_.length(row) > kTokensPerLookup * terms_.size()) {
    LookUpTerms(row);
  } else {
    CountTokens(row);
  }
}

template <typename Visit>
void Bm25Rows::ForEachShare(uint32_t row, const Visit& visit) {
  if (row >= index_.rows() || terms_.empty()) return;
  Count(row);
  Bm25TermKernel kernel{.k1 = params_.k1, .b = params_.b, .average_length = average_length_};
  const double norm = kernel.Norm(index_.length(row));
  for (const Term& term : terms_) {
    if (term.frequency == 0) continue;
    kernel.weight = term.statistics->query_weight * term.statistics->idf;
    visit(term, kernel.OfNorm(term.frequency, norm));
  }
}

float Bm25Rows::Score(uint32_t row) {
  double sum = 0;
  ForEachShare(row, [&](const Term&, double share) { sum += share; });
  return static_cast<float>(sum);
}

std::vector<TermContribution> Bm25Rows::Explain(uint32_t row) {
  std::vector<TermContribution> contributions;
  ForEachShare(row, [&](const Term& term, double share) {
    contributions.push_back({.term = term.statistics->term,
                             .frequency = term.frequency,
                             .document_frequency = term.statistics->document_frequency,
                             .query_weight = term.statistics->query_weight,
                             .idf = term.statistics->idf,
                             .score = share,
                             .field = {},
                             .asked = {}});
  });
  return contributions;
}

}  // namespace vouch
