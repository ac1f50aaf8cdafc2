#include "query/facets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace vouch {

absl::StatusOr<std::vector<Facet>> CountFacets(const IndexReader& reader,
                                               const CollectionSchema& schema,
                                               const std::vector<FacetRequest>& requests,
                                               const RowMask& mask, const CancelToken& cancel) {
  std::vector<Facet> facets;
  for (const FacetRequest& request : requests) {
    absl::StatusOr<std::vector<ValueCount>> counts = reader.CountValues(
        schema.FindPayload(request.path), mask, FacetRequest::kMaxDistinct, cancel);
    if (!counts.ok()) {
      return absl::Status(counts.status().code(),
                          absl::StrCat("facets: ", counts.status().message()));
    }
    Facet& facet = facets.emplace_back();
    facet.path = request.path;
    facet.distinct = counts->size();
    const size_t given = std::min<size_t>(request.limit, counts->size());
    if (!request.by_value) {
      // Values ascend, so that of equal counts the lesser value comes first.
      std::stable_sort(counts->begin(), counts->end(),
                       [](const ValueCount& a, const ValueCount& b) { return a.rows > b.rows; });
    }
    counts->resize(given);
    facet.values = *std::move(counts);
  }
  return facets;
}

}  // namespace vouch
