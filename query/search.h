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
#include "query/query_tree.h"
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
  bool vectors = false;                   // dense and sparse
  bool provenance = false;
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
  bool explain = false;
  Principal principal = {};
  CancelToken cancel = {};
};

// How one leaf or fusion saw a hit.
struct NodeScore {
  std::string node = {};  // path in the tree: "fuse[0].dense(embedding)"
  uint32_t rank = 0;   // from 1
  double score = 0;    // the node's own score
  double contribution = 0;  // what it adds to its parent's score: weight / (k + rank); at the root, its score
  std::vector<TermContribution> terms = {};  // text leaves
  std::vector<SparseContribution> sparse_terms = {};  // sparse leaves
};

struct PointHit {
  PointId id = {};
  RowId row = {};
  double score = 0;
  std::string payload = {};     // JSON; empty where not asked for
  std::string provenance = {};  // likewise
  std::map<std::string, std::vector<float>> vectors = {};
  std::map<std::string, SparseVector> sparse_vectors = {};
  std::vector<NodeScore> explanation = {};  // with explain: root first
};

struct PlanStep {
  std::string node = {};
  std::string plan = {};  // for people
  uint64_t hits = 0;
  uint64_t distances = 0;
  uint64_t rows_visited = 0;
  int64_t time_us = 0;
};

struct SearchResponse {
  Version version = {};
  std::vector<PointHit> hits = {};
  // Empty: no more hits. Where a graph gave all that it was asked for, there may or may not be more.
  std::string next_cursor = {};
  // With explain:
  uint64_t visible_rows = 0;
  uint64_t allowed_rows = 0;
  std::vector<PlanStep> plan = {};
  std::vector<std::string> build_ids = {};  // of the index files behind it; always set
};

}  // namespace vouch
