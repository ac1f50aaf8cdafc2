#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/result_options.h"

namespace vouch {

// The facets of a validated request over the allowed rows. Looks at each allowed row once a facet.
// RESOURCE_EXHAUSTED: over FacetRequest::kMaxDistinct values.
absl::StatusOr<std::vector<Facet>> CountFacets(const IndexReader& reader,
                                               const CollectionSchema& schema,
                                               const std::vector<FacetRequest>& requests,
                                               const RowMask& mask, const CancelToken& cancel);

}  // namespace vouch
