#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/inverted/text_expression.h"
#include "query/query_tree.h"
#include "query/search.h"

namespace vouch {

class Formula;
struct Examples;

// A node of the query with the planner's choices. Borrows the query.
struct PlannedNode {
  const QueryNode* node = nullptr;
  size_t limit = 0;  // hits that it gives to its parent
  size_t mask = 0;   // which of Plan::filters it searches under
  int field = -1;    // ordinal of the node's field in the schema, among those of its kind; -1: none
  std::shared_ptr<const Examples> examples = {};  // of a recommend leaf, once ExampleResolver found them
  std::shared_ptr<const Formula> formula = {};    // of a formula reranking
  // Of a text leaf: the fields it looks in, the first of which is `field`, and either the text whose
  // words it ranks by in that one field, or the clause.
  std::vector<TextFieldWeight> text_fields = {};
  std::string text = {};
  std::shared_ptr<const TextClause> clause = {};
  // Of a fusion: its children, then the legs that its feedback adds.
  std::vector<PlannedNode> children = {};
  // Of a leg that feedback adds: the child by whose leaf, after feedback, it scores the fusion's first
  // hits. Else -1.
  int expands = -1;
};

// What a request will do. Borrows the request, which must outlive it.
struct Plan {
  // The distinct filters of the tree, each and-ed with those above it; null: no filter. [0] is the
  // request's own.
  std::vector<const Filter*> filters = {};
  std::vector<std::unique_ptr<Filter>>
      combined = {};  // owns what `filters` points to and the request does not hold
  PlannedNode root = {};
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
absl::StatusOr<int> ResolvePayloadField(const CollectionSchema& schema, std::string_view path);
// Likewise, of a field whose values can be ordered and counted: not geo, not text.
absl::StatusOr<int> ResolveValueField(const CollectionSchema& schema, std::string_view path);
absl::StatusOr<int> ResolveSparseField(const CollectionSchema& schema, std::string_view name);
absl::StatusOr<int> ResolveMultiVectorField(const CollectionSchema& schema, std::string_view name);

// What the weight of a fusion's child is, legs of feedback included, before reliability.
double WeightOfChild(const FuseNode& fuse, const PlannedNode& node, size_t child);

// "dense", "text", "all", "fuse", "sparse", "recommend", "rerank", "multi_vector".
std::string_view NodeKind(const QueryNode& node);

}  // namespace vouch
