#include "query/rerank_max_sim.h"

#include <algorithm>
#include <optional>

namespace vouch {

absl::StatusOr<std::vector<RankedRow>> RerankByMaxSim(std::span<const RankedRow> candidates,
                                                      const MultiVector& query, int field,
                                                      const IndexReader& reader,
                                                      const CancelToken& cancel,
                                                      SearchStats* stats) {
  std::vector<RowId> rows;
  rows.reserve(candidates.size());
  for (const RankedRow& candidate : candidates) rows.push_back(candidate.row);
  const absl::StatusOr<std::vector<std::optional<float>>> scores =
      reader.ScoreMultiVector(field, query, rows, cancel, stats);
  if (!scores.ok()) return scores.status();
  std::vector<RankedRow> hits;
  hits.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if ((*scores)[i]) hits.push_back({rows[i], *(*scores)[i]});
  }
  std::sort(hits.begin(), hits.end());
  return hits;
}

}  // namespace vouch
