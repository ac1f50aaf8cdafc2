#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/index_reader.h"
#include "storage/schema.h"

namespace vouch {

// Hits in groups by the values of a payload field; the request's limit is then the number of
// groups. Groups stand in the order of their best hits.
struct GroupBy {
  static constexpr uint32_t kMaxHits = 100;

  std::string path = {};
  uint32_t hits = 1;        // of each group, 1 … kMaxHits
  uint32_t candidates = 0;  // ranked hits looked at, at most; 0: max(1,000, 4 · groups · hits).
                            // More: fuller groups, slower
};

// How many of the rows that the request's filter allows have each value of a payload field.
struct FacetRequest {
  static constexpr size_t kMaxFacets = 16;  // of a request
  static constexpr uint32_t kMaxLimit = 10'000;
  static constexpr size_t kMaxDistinct = 1'000'000;  // values counted; more are an error

  std::string path = {};
  uint32_t limit = 10;    // values given, 1 … kMaxLimit
  bool by_value = false;  // ascending by value; else by rows descending, ties by value
};

struct Facet {
  std::string path = {};
  uint64_t distinct = 0;  // values that any allowed row has
  std::vector<ValueCount> values = {};
};

// A word of a hit's text that the query asks for.
struct Highlight {
  static constexpr size_t kMaxPerHit = 100;

  std::string field = {};     // the text field
  std::string path = {};      // of the payload
  uint32_t element = 0;  // which of the texts at the path, from 0
  uint32_t begin = 0;    // bytes [begin, end) of that text, which is UTF-8
  uint32_t end = 0;
  std::string term = {};  // as the field's analyzer made it
};

// INVALID_ARGUMENT: unknown paths, limits. `limit` and `paged` are those of the request.
absl::Status ValidateGroupBy(const GroupBy& group_by, const CollectionSchema& schema,
                             uint32_t limit, bool paged);
absl::Status ValidateFacets(const std::vector<FacetRequest>& facets,
                            const CollectionSchema& schema);

}  // namespace vouch
