#include "index/inverted/sparse_search.h"

#include <bit>
#include <optional>
#include <utility>

#include "index/inverted/ranked_scan.h"

namespace vouch {
namespace {

// What RankedScan asks of a term.
class WeightScorer {
 public:
  static constexpr bool kPositive = true;  // weights are, on both sides
  static constexpr uint32_t kWindowRows =
      4096;  // a posting costs little here, so a window must hold many

  explicit WeightScorer(float query_weight) : query_weight_(query_weight) {}

  void Score(const PostingBlock& block, uint32_t from, uint32_t to, double* out) const {
    for (uint32_t i = from; i < to; ++i) out[i - from] = Of(block.values[i]);
  }
  double ScoreOne(uint32_t /*row*/, uint32_t value) const { return Of(value); }
  // Exact, so nothing is to be made good.
  double Highest(const PostingBound& bound) const { return Of(bound.a); }
  double Magnitude(const PostingBound& bound) const { return Of(bound.a); }

 private:
  double Of(uint32_t bits) const {
    return query_weight_ * static_cast<double>(std::bit_cast<float>(bits));
  }

  double query_weight_;
};

}  // namespace

absl::StatusOr<std::vector<Hit>> SearchSparse(std::span<const SparseSegment> segments,
                                              const SparseVector& query, size_t k,
                                              const CancelToken& cancel, RankedScanStats* stats) {
  if (k == 0) return std::vector<Hit>();
  BestHits best(k);
  for (const SparseSegment& segment : segments) {
    std::vector<ScanTerm<WeightScorer>> terms;
    for (size_t i = 0; i < query.indices.size(); ++i) {
      const PostingList list = segment.index->postings(query.indices[i]);
      if (!list.empty()) terms.push_back({list, WeightScorer(query.values[i])});
    }
    RankedScan<WeightScorer> scan(terms, segment.first_row, segment.index->rows(), segment.allowed);
    if (absl::Status status = scan.Run(cancel, &best, stats); !status.ok()) return status;
  }
  return std::move(best).Take();
}

std::vector<SparseContribution> ExplainSparse(const SparseIndex& index, uint32_t row,
                                              const SparseVector& query) {
  std::vector<SparseContribution> contributions;
  for (size_t i = 0; i < query.indices.size(); ++i) {
    const PostingList list = index.postings(query.indices[i]);
    if (list.empty()) continue;
    const std::optional<uint32_t> value = list.Find(row);
    if (!value) continue;
    contributions.push_back({.index = query.indices[i],
                             .query_weight = query.values[i],
                             .weight = std::bit_cast<float>(*value),
                             .score = WeightScorer(query.values[i]).ScoreOne(row, *value)});
  }
  return contributions;
}

}  // namespace vouch
