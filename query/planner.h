#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/query_tree.h"
#include "query/search.h"

namespace vouch {

// A node of the query with the planner's choices. Borrows the query.
struct PlannedNode {
  const QueryNode* node = nullptr;
  size_t limit = 0;  // hits that it gives to its parent
  size_t mask = 0;   // which of Plan::filters it searches under
  int field = -1;    // ordinal of a leaf's field in the schema, among those of its kind
  std::vector<PlannedNode> children;
};

// What a request will do. Borrows the request, which must outlive it.
struct Plan {
  // The distinct filters of the tree, each and-ed with those above it; null: no filter. [0] is the
  // request's own.
  std::vector<const Filter*> filters;
  std::vector<std::unique_ptr<Filter>>
      combined;  // owns what `filters` points to and the request does not hold
  PlannedNode root;
};

// Hits that the first page reaches, which sets the depth of fusions for all pages of a cursor (see
// PlanQuery).
struct PlanDepth {
  size_t first_page = 0;  // offset + limit of the first page
  size_t root_limit = 0;  // hits wanted from the root now
};

// `request` must be validated. A child of a fusion without a limit gives min(kMaxLimit, max(100, 4
// · first_page)) hits.
Plan PlanQuery(const SearchRequest& request, const CollectionSchema& schema, PlanDepth depth);

// The ordinal of a field; an empty name takes the only one. INVALID_ARGUMENT lists those there are.
absl::StatusOr<int> ResolveDenseField(const CollectionSchema& schema, std::string_view name);
absl::StatusOr<int> ResolveTextField(const CollectionSchema& schema, std::string_view name);
absl::StatusOr<int> ResolveSparseField(const CollectionSchema& schema, std::string_view name);

// "dense", "text", "all", "fuse", "sparse".
std::string_view NodeKind(const QueryNode& node);

}  // namespace vouch
