#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "index/inverted/bm25.h"
#include "index/inverted/sparse_search.h"
#include "index/multi/max_sim.h"
#include "query/candidate_log.h"
#include "query/query_tree.h"
#include "query/result_options.h"
#include "storage/ids.h"
#include "storage/point_id.h"
#include "storage/principal.h"

namespace vouch {

// Which version a read takes.
struct ReadAt {
  struct Latest {};
  struct AtTime { int64_t time_us = 0; };  // the latest version committed at or before
  std::variant<Latest, Version, std::string /* tag */, AtTime> at = {};

  // "latest" or nothing, "v12" or "12", "@2026-11-23T10:00:00Z", else a tag's name. INVALID_ARGUMENT: a bad time or a
  // number over 64 bits.
  static absl::StatusOr<ReadAt> Parse(std::string_view text);
};

struct Projection {
  bool payload = true;
  std::vector<std::string> payload_keys = {};  // top-level keys; empty: all
  bool vectors = false;                   // dense, sparse and multi-vectors
  bool provenance = false;
  bool access = false;           // fill PointHit::access
  bool written_version = false;  // fill PointHit::written_version
};

struct SearchRequest {
  QueryNode query = {};
  std::optional<Filter> filter = {};  // for all leaves
  uint32_t limit = 10;
  uint32_t offset = 0;
  // From a response: goes on after its last hit, at the same version. Query, filter and version must be those of the
  // first page (INVALID_ARGUMENT otherwise); `offset` must be 0.
  std::string cursor = {};
  ReadAt at = {};
  Projection projection = {};
  std::optional<GroupBy> group_by = {};
  // Over the rows that `filter` allows, whatever the query finds.
  std::vector<FacetRequest> facets = {};
  bool highlight = false;  // fill PointHit::highlights
  bool explain = false;
  bool plan_only = false;  // fill SearchResponse.plan with what would be done, and search nothing
  Principal principal = {};
  CandidateLog* candidates = nullptr;  // what approximate searches give is kept there, or taken from there; null: neither
  CancelToken cancel = {};
};

// How one leaf or fusion saw a hit.
struct NodeScore {
  std::string node = {};  // path in the tree: "fuse[0].dense(embedding)"
  uint32_t rank = 0;   // from 1
  double score = 0;    // the node's own score
  // Under a fusion, what the score counts for by its method, and what it is weighted by; at the
  // root its score, and 1.
  double normalized = 0;
  double weight = 1;
  // What it adds to its parent's score; at the root its score; under a reranking, which scores anew,
  // 0.
  double contribution = 0;
  std::vector<TermContribution> terms = {};           // text leaves
  std::vector<SparseContribution> sparse_terms = {};  // sparse leaves
  // multi_vector leaves and maxsim rerankings: one a query token; their scores, added in order, are the node's
  std::vector<TokenMatch> token_matches = {};
  std::string note = {};  // rerankings: what the new score was made of, for people
};

struct PointHit {
  PointId id = {};
  RowId row = {};
  double score = 0;
  std::string payload = {};     // JSON; empty where not asked for
  std::string provenance = {};  // likewise
  std::map<std::string, std::vector<float>> vectors = {};
  std::map<std::string, SparseVector> sparse_vectors = {};
  std::map<std::string, MultiVector> multi_vectors = {};
  std::vector<NodeScore> explanation = {};  // with explain: root first
  std::vector<Highlight> highlights = {};  // with highlight
  std::vector<std::string> access = {};
  Version written_version = {};  // of the commit that wrote the point last; 0 where not asked for
};

// A term that a text leaf searched for after feedback.
struct QueryTerm {
  std::string term = {};
  double weight = 0;   // its frequency in the question, as it were
  bool added = false;  // the question does not have it
};

// Hits that share a value: the next `hits` of SearchResponse::hits.
struct HitGroup {
  PayloadValue value = {};
  uint32_t hits = 0;
};

// What a node did, or with plan_only would do: then only `node` and `plan` are set.
struct PlanStep {
  std::string node = {};
  std::string plan = {};  // for people
  uint64_t hits = 0;
  uint64_t distances = 0;
  uint64_t rows_visited = 0;
  int64_t time_us = 0;
  std::vector<QueryTerm> terms = {};  // of a text leaf with feedback, by weight descending
  // Of a dense leaf: SearchStats::recall_estimate. -1 where none is known.
  double recall_estimate = -1;
};

struct SearchResponse {
  Version version = {};
  std::vector<PointHit> hits = {};    // with group_by the groups' hits, one group after the other
  std::vector<HitGroup> groups = {};  // with group_by: by their best hits
  std::vector<Facet> facets = {};     // as asked
  // Empty: no more hits. Where a graph gave all that it was asked for, there may or may not be
  // more.
  std::string next_cursor = {};
  // With explain (`plan` and `visible_rows` with plan_only as well):
  uint64_t visible_rows = 0;
  uint64_t allowed_rows = 0;
  std::vector<PlanStep> plan = {};
  std::vector<std::string> build_ids = {};  // of the index files behind it; always set
  // What was not done as asked, and why: a cross-encoder that failed where the request says to go on.
  std::vector<std::string> warnings = {};
};

}  // namespace vouch
