#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "index/payload/filter.h"
#include "query/cross_encoder.h"
#include "query/text_clause.h"
#include "storage/multi_vector.h"
#include "storage/point_id.h"
#include "storage/schema.h"
#include "storage/sparse_vector.h"

namespace vouch {

struct QueryNode;

// Pseudo-relevance feedback into a text query: the relevance model RM3 (Abdul-Jaleel et al., "UMass
// at TREC 2004: Novelty and HARD", 2004), see query/feedback.h.
struct Rm3 {
  uint32_t documents = 10;  // first hits that it learns from, 1 … kMaxFeedbackDocuments
  uint32_t terms = 30;      // best terms of them, 1 … kMaxFeedbackTerms; more: wider and slower
  double original_weight =
      0.5;  // of the question's own terms, 0 … 1; the rest is that of the learned ones
  friend bool operator==(const Rm3&, const Rm3&) = default;
};

// Pseudo-relevance feedback into a vector: alpha · query + beta · mean of the first hits' vectors
// (Rocchio, "Relevance feedback in information retrieval", 1971; no negative examples). The
// defaults are SMART's.
struct Rocchio {
  uint32_t documents = 5;  // 1 … kMaxFeedbackDocuments
  double alpha = 1;        // 0 … 1000; not both 0
  double beta = 0.75;
  friend bool operator==(const Rocchio&, const Rocchio&) = default;
};

// Nearest neighbours of a vector. Text is made a vector above this layer (rag/embed).
struct DenseLeaf {
  std::string field = {};  // empty: the schema's only dense field
  std::vector<float> vector = {};
  int ef_search = 0;  // 0: the schema's
  bool exact = false;
  bool background = false;  // nobody waits for it: a device does it only while it has nothing else to do
  // Set: the leaf is run for its first hits, and what it gives are the hits of the vector that
  // Rocchio makes of them.
  std::optional<Rocchio> feedback = std::nullopt;
};

// BM25 over a text field, or BM25F over several: any of the words of `text`, or what a clause, or a
// query as people type it (text_query_parser.h), asks for; one of the three.
struct TextLeaf {
  std::string field = {};  // empty: the schema's only text field
  std::string text = {};
  std::optional<Rm3> feedback = std::nullopt;  // likewise; only with `text` in one field
  // Instead of `field`; of one language. Words are counted in all of them, by their boosts, before
  // their frequency saturates (index/inverted/text_expression.h).
  std::vector<TextFieldBoost> fields = {};
  std::optional<TextClause> clause = std::nullopt;
  std::string query = {};
};

// Inner product with a sparse vector, in any order of its indices; zeros are as if they were not
// there, and none at all finds nothing.
struct SparseLeaf {
  std::string field = {};  // empty: the schema's only sparse field
  SparseVector vector = {};
};

// Late interaction: points by MaxSim of the query's tokens and theirs (index/multi/max_sim.h). Exact:
// compares each token of the query with each of every allowed row. Those without tokens in the field
// are no hits.
struct MultiVectorLeaf {
  std::string field = {};   // empty: the schema's only multi-vector field
  MultiVector tokens = {};  // 1 … QueryLimits::kMaxQueryTokens; normalised here under cosine
};

// Visible points, score 0: in row order (scroll and filter-only reads), or by a payload field. Rows
// without a value come last; of several values the least counts where values ascend, the greatest
// where they descend; ties go by row.
struct AllLeaf {
  std::string order_by = {};  // a path of the schema's payload fields; empty: row order
  bool descending = false;
};

// What a hit of a child counts for before its weight; query/score_scale.h says how each is
// computed.
enum class FusionMethod : uint8_t {
  kRrf,     // 1 / (k + rank): reciprocal rank fusion
  kMinMax,  // 0 for the list's last hit, 1 for its first
  kZScore,  // standard deviations above the list's last hit
  kBounds,  // 0 for the lowest score that the child could give, 1 for the list's first
  kDbsf,    // 0 to 1 from three standard deviations below the list's mean to three above
};
std::string_view FusionMethodName(
    FusionMethod method);  // "rrf", "min_max", "z_score", "bounds", "dbsf"

// Feedback from the first hits of the children's fusion: text leaves give a second leg by RM3, dense
// ones by Rocchio, and the result is the fusion of children and legs. A leg does not search: it scores
// as many of those hits, that its child could give, as the child's limit says (Diaz, "Condensed List
// Relevance Models", ICTIR 2015). A leaf's own feedback searches again.
struct FusionFeedback {
  std::optional<Rm3> text = std::nullopt;  // unset: no legs of text leaves
  std::optional<Rocchio> dense = std::nullopt;
  double text_weight = 1;  // of a leg, as a share of its child's weight
  double dense_weight = 1;
};

// score = Σ weight_i · what a hit counts for in child i, over the children that have it.
struct FuseNode {
  FusionMethod method = FusionMethod::kRrf;
  double k = 60;                     // kRrf only
  std::vector<double> weights = {};  // empty: all 1; else one a child
  std::vector<QueryNode> children;
  // Multiplies the weight of each dense leaf by how far its first hits stand out of its scores,
  // query by query (query/reliability.h): a leg that knows little of a query counts little.
  bool by_reliability = false;
  std::optional<FusionFeedback> feedback = std::nullopt;
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

// What becomes of a cross-encoder's reranking whose model fails, or does not answer in time.
enum class CrossEncoderFailure : uint8_t {
  kError,      // the request fails
  kKeepOrder,  // the child's hits as they are; the response says so
};

// Scores the child's hits by a model that reads question and text together (query/cross_encoder.h).
// Those without a text fall out.
struct CrossEncoderRerank {
  std::string model = {};  // a name of DatabaseOptions::cross_encoders; empty: the only one
  std::string text = {};   // the question
  // Of the payload's texts, several are read one after the other; empty: the model's, else the
  // collection's only text field.
  std::string path = {};
  CrossEncoderFailure on_failure = CrossEncoderFailure::kError;
};

// Scores the child's hits anew by MaxSim, as a MultiVectorLeaf would. Those without tokens in the
// field fall out.
struct MaxSimRerank {
  std::string field = {};  // empty: the schema's only multi-vector field
  MultiVector tokens = {};
};

// Orders the hits of its one child anew: as many as the child's limit says, and no others.
struct RerankNode {
  std::variant<ExactRerank, MmrRerank, FormulaRerank, CrossEncoderRerank, MaxSimRerank> method = {};
  std::vector<QueryNode> children;  // one; a vector since QueryNode is not complete here
};

// One node of the query tree. `limit` is how many hits the node gives to its parent (0: the
// planner's choice, which is max(100, 4 · (offset + limit)), at most kMaxLimit, under a fusion or a
// reranking and offset + limit at the root).
struct QueryNode {
  std::variant<AllLeaf, DenseLeaf, TextLeaf, FuseNode, SparseLeaf, RecommendLeaf, RerankNode,
               MultiVectorLeaf>
      node = {};
  std::optional<Filter> filter = {};  // and-ed with those above it
  uint32_t limit = 0;
};

struct QueryLimits {
  static constexpr uint32_t kMaxDepth = 8;
  static constexpr uint32_t kMaxNodes = 64;
  static constexpr uint32_t kMaxLimit = 10'000;     // limit and offset + limit
  static constexpr size_t kMaxQueryTextBytes = 64 << 10;
  static constexpr uint32_t kMaxFeedbackDocuments = 100;
  static constexpr uint32_t kMaxFeedbackTerms = 200;
  static constexpr uint32_t kMaxMmrCandidates = 1'000;
  static constexpr uint32_t kMaxCrossEncoderCandidates = 1'000;
  static constexpr size_t kMaxCrossEncoderQuestionBytes = 8 << 10;
  static constexpr size_t kMaxDocumentPathBytes = 256;
  static constexpr size_t kMaxExamples = 100;  // of one recommendation
  static constexpr size_t kMaxSparseEntries = 4096;
  static constexpr size_t kMaxQueryTokens = 256;  // of a multi_vector leaf or a maxsim reranking
};

// INVALID_ARGUMENT names the node by its path ("fuse[1].dense: …"), the value and the limit. Models
// of rerankings are looked up in `encoders`.
absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema,
                           const CrossEncoders& encoders = {});

}  // namespace vouch
