#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "index/payload/filter.h"
#include "storage/point_id.h"
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

// Visible points, score 0: in row order (scroll and filter-only reads), or by a payload field. Rows
// without a value come last; of several values the least counts where values ascend, the greatest
// where they descend; ties go by row.
struct AllLeaf {
  std::string order_by = {};  // a path of the schema's payload fields; empty: row order
  bool descending = false;
};

// Reciprocal rank fusion: score = Σ weight_i / (k + rank_i), ranks from 1 (Cormack, Clarke and Büttcher, 2009).
struct FuseNode {
  double k = 60;
  std::vector<double> weights = {};  // empty: all 1; else one a child
  std::vector<QueryNode> children = {};
};

// An example of a recommendation: a point of the collection, or a vector.
using Example = std::variant<PointId, std::vector<float>>;

enum class RecommendStrategy : uint8_t {
  // Neighbours of 2 · mean(positive) − mean(negative); at least one positive example.
  kAverageVector,
  // By the nearest example of each kind (query/recommend.h); compares all allowed rows.
  kBestScore,
};

// Points like the positive examples and unlike the negative ones. Points among the examples are no
// hits.
struct RecommendLeaf {
  std::string field = {};  // empty: the schema's only dense field
  std::vector<Example> positive = {};
  std::vector<Example> negative = {};
  RecommendStrategy strategy = RecommendStrategy::kAverageVector;
  int ef_search = 0;  // of kAverageVector, as is `exact`
  bool exact = false;
};

// Scores the child's hits anew by their exact similarity to a vector. Those without a vector in the
// field fall out.
struct ExactRerank {
  std::string field = {};  // empty: the schema's only dense field
  std::vector<float> vector = {};
};

// Picks hits of the child that are like the vector and unlike one another (query/rerank_mmr.h). In
// the order of choice.
struct MmrRerank {
  std::string field = {};  // empty: the schema's only dense field
  std::vector<float> vector = {};
  // 0 … 1: 1 is likeness to the vector alone, 0 unlikeness to what is chosen alone.
  double lambda = 0.5;
};

// Scores the child's hits by an expression over score and payload (query/formula.h).
struct FormulaRerank {
  std::string formula = {};
  double missing = 0;  // the score of a hit for which the formula has no value; finite
};

// Orders the hits of its one child anew: as many as the child's limit says, and no others.
struct RerankNode {
  std::variant<ExactRerank, MmrRerank, FormulaRerank> method;
  std::vector<QueryNode> children = {};  // one; a vector since QueryNode is not complete here
};

// One node of the query tree. `limit` is how many hits the node gives to its parent (0: the
// planner's choice, which is max(100, 4 · (offset + limit)), at most kMaxLimit, under a fusion or a
// reranking and offset + limit at the root).
struct QueryNode {
  std::variant<AllLeaf, DenseLeaf, TextLeaf, FuseNode, SparseLeaf, RecommendLeaf, RerankNode> node =
      {};
  std::optional<Filter> filter = {};  // and-ed with those above it
  uint32_t limit = 0;
};

struct QueryLimits {
  static constexpr uint32_t kMaxDepth = 8;
  static constexpr uint32_t kMaxNodes = 64;
  static constexpr uint32_t kMaxLimit = 10'000;     // limit and offset + limit
  static constexpr size_t kMaxQueryTextBytes = 64 << 10;
  static constexpr uint32_t kMaxMmrCandidates = 1'000;
  static constexpr size_t kMaxExamples = 100;  // of one recommendation
  static constexpr size_t kMaxSparseEntries = 4096;
};

// INVALID_ARGUMENT names the node by its path ("fuse[1].dense: …"), the value and the limit.
absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema);

}  // namespace vouch
