#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/ranked_row.h"
#include "query/planner.h"
#include "query/rerank_cross.h"

namespace vouch {

// What a reranking borrows.
struct RerankContext {
  const IndexReader& reader;
  const CollectionSchema& schema;
  const CancelToken& cancel;
  CrossScorer& cross;
};

// The candidates, as the child gives them, in the reranking's order; mmr stops at the node's limit
// + 1.
absl::StatusOr<std::vector<RankedRow>> Rerank(const RerankNode& rerank, const PlannedNode& node,
                                              const RerankContext& context,
                                              std::span<const RankedRow> candidates,
                                              SearchStats* stats);

// What the new scores were made of, for explain: one text a hit, in the order of `hits`, which are
// the reranking's first ones. `candidates` as given to Rerank.
absl::StatusOr<std::vector<std::string>> RerankNotes(const RerankNode& rerank,
                                                     const PlannedNode& node,
                                                     const RerankContext& context,
                                                     std::span<const RankedRow> candidates,
                                                     std::span<const RankedRow> hits);

std::string_view RerankMethodName(const RerankNode& rerank);  // "exact", "mmr", "formula", "cross_encoder", "maxsim"
// For plans: "mmr lambda=0.5".
std::string RerankWords(const RerankNode& rerank);

}  // namespace vouch
