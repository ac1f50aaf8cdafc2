#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "index/payload/filter.h"
#include "storage/schema.h"
#include "storage/sparse_vector.h"

namespace vouch {

struct QueryNode;

// Nearest neighbours of a vector. Text is made a vector above this layer (rag/embed).
struct DenseLeaf {
  std::string field = {};  // empty: the schema's only dense field
  std::vector<float> vector = {};
  int ef_search = 0;  // 0: the schema's
  bool exact = false;
};

// BM25 over a text field.
struct TextLeaf {
  std::string field = {};  // empty: the schema's only text field
  std::string text = {};
};

// Inner product with a sparse vector, in any order of its indices; zeros are as if they were not
// there, and none at all finds nothing.
struct SparseLeaf {
  std::string field = {};  // empty: the schema's only sparse field
  SparseVector vector = {};
};

// Visible points in row order, score 0: scroll and filter-only reads.
struct AllLeaf {};

// Reciprocal rank fusion: score = Σ weight_i / (k + rank_i), ranks from 1 (Cormack, Clarke and Büttcher, 2009).
struct FuseNode {
  double k = 60;
  std::vector<double> weights = {};  // empty: all 1; else one a child
  std::vector<QueryNode> children = {};
};

// One node of the query tree. `limit` is how many hits the node gives to its parent (0: the planner's choice, which is
// max(100, 4 · (offset + limit)), at most kMaxLimit, under a fusion and offset + limit at the root).
struct QueryNode {
  std::variant<AllLeaf, DenseLeaf, TextLeaf, FuseNode, SparseLeaf> node = {};
  std::optional<Filter> filter = {};  // and-ed with those above it
  uint32_t limit = 0;
};

struct QueryLimits {
  static constexpr uint32_t kMaxDepth = 8;
  static constexpr uint32_t kMaxNodes = 64;
  static constexpr uint32_t kMaxLimit = 10'000;     // limit and offset + limit
  static constexpr size_t kMaxQueryTextBytes = 64 << 10;
  static constexpr size_t kMaxSparseEntries = 4096;
};

// INVALID_ARGUMENT names the node by its path ("fuse[1].dense: …"), the value and the limit.
absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema);

}  // namespace vouch
