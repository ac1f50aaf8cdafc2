#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/query_tree.h"
#include "query/ranked_row.h"

namespace vouch {

// The candidates by MaxSim of the query's tokens and theirs (index/multi/max_sim.h), in total order.
// Those without tokens in multi-vector field `field` fall out, as they do in a multi_vector leaf.
absl::StatusOr<std::vector<RankedRow>> RerankByMaxSim(std::span<const RankedRow> candidates,
                                                      const MultiVector& query, int field,
                                                      const IndexReader& reader,
                                                      const CancelToken& cancel,
                                                      SearchStats* stats);

}  // namespace vouch
