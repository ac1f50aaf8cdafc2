#include "query/result_options.h"

#include "absl/strings/str_cat.h"
#include "query/planner.h"

namespace vouch {

absl::Status ValidateGroupBy(const GroupBy& group_by, const CollectionSchema& schema,
                             uint32_t limit, bool paged) {
  if (const absl::StatusOr<int> field = ResolveValueField(schema, group_by.path); !field.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("group_by: ", field.status().message()));
  }
  if (group_by.hits == 0 || group_by.hits > GroupBy::kMaxHits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "group_by: ", group_by.hits, " hits a group are not in 1 … ", GroupBy::kMaxHits));
  }
  const uint64_t wanted = uint64_t{limit} * group_by.hits;
  if (wanted > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(absl::StrCat("group_by: limit ", limit, " · ", group_by.hits,
                                                   " hits are over ", QueryLimits::kMaxLimit));
  }
  if (group_by.candidates > QueryLimits::kMaxLimit ||
      (group_by.candidates != 0 && group_by.candidates < wanted)) {
    return absl::InvalidArgumentError(absl::StrCat("group_by: ", group_by.candidates,
                                                   " candidates are not in ", wanted, " … ",
                                                   QueryLimits::kMaxLimit));
  }
  if (paged)
    return absl::InvalidArgumentError(
        "group_by: grouped results have no pages; leave offset and cursor out");
  return absl::OkStatus();
}

absl::Status ValidateFacets(const std::vector<FacetRequest>& facets,
                            const CollectionSchema& schema) {
  if (facets.size() > FacetRequest::kMaxFacets) {
    return absl::InvalidArgumentError(
        absl::StrCat("facets: ", facets.size(), ", over ", FacetRequest::kMaxFacets));
  }
  for (size_t i = 0; i < facets.size(); ++i) {
    if (const absl::StatusOr<int> field = ResolveValueField(schema, facets[i].path);
        !field.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("facets[", i, "]: ", field.status().message()));
    }
    if (facets[i].limit == 0 || facets[i].limit > FacetRequest::kMaxLimit) {
      return absl::InvalidArgumentError(absl::StrCat("facets[", i, "]: limit ", facets[i].limit,
                                                     " is not in 1 … ", FacetRequest::kMaxLimit));
    }
  }
  return absl::OkStatus();
}

}  // namespace vouch
