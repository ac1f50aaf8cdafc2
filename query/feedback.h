#pragma once

#include <span>
#include <vector>

#include "index/inverted/analyzer.h"
#include "index/inverted/bm25.h"
#include "query/query_tree.h"

namespace vouch {

// A document that feedback learns from: its terms, and the score that it was found with.
struct FeedbackText {
  AnalyzedText text;
  double score = 0;
};

// RM3 (Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD", 2004). With |x| the length of a
// text in terms:
//
//   p(t) = Σ over documents d: share(d) · tf(t, d) / |d|     share(d): d's part of the sum of the
//   scores
//
// of which the `terms` greatest are kept (equal ones ascending by term bytes) and scaled to the
// sum 1. The weight of a term is original_weight · tf(t, query) + (1 − original_weight) · |query| ·
// p(t); the terms of weight > 0, ascending by bytes. Without documents (those without terms count
// as none), the query as it is. Shares are equal where a score is below 0 or their sum is not above
// it.
std::vector<WeightedTerm> ExpandByRm3(const AnalyzedText& query,
                                      std::span<const FeedbackText> documents, const Rm3& options);

// alpha · query + beta · Σ documents / their number, each value in double and rounded once
// (Rocchio, 1971); without documents the query as it is. All of one dimension.
std::vector<float> ExpandByRocchio(std::span<const float> query,
                                   std::span<const std::span<const float>> documents,
                                   const Rocchio& options);

}  // namespace vouch
