#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/planner.h"
#include "query/search.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

// What the words of a field's text are marked by.
struct WordMarks {
  struct Prefix {
    std::string text = {};
    std::string own = {};  // the term of the prefix as a word
  };
  struct Fuzzy {
    std::string word = {};
    uint32_t edits = 0;
    uint32_t prefix_length = 0;
  };
  struct Phrase {
    std::vector<std::string> words = {};
    uint32_t slop = 0;
  };
  absl::flat_hash_set<std::string> terms = {};
  std::vector<Prefix> prefixes = {};
  std::vector<Fuzzy> fuzzy = {};
  std::vector<Phrase> phrases = {};

  bool Has(const std::string& term) const;
  // Which tokens of a text are marked; those of phrases where they are part of one.
  std::vector<bool> Of(std::span<const Token> tokens) const;
};

// Finds the words of hits' texts that a query's text leaves ask for; what a clause forbids is none
// of them. For one request on one thread; borrows all.
class Highlighter {
 public:
  // Takes all text leaves of the plan.
  static absl::StatusOr<Highlighter> Make(const IndexReader& reader, const CollectionSchema& schema,
                                          const PlannedNode& root);

  // Sets PointHit::highlights, in the order of fields, paths and bytes, at most
  // Highlight::kMaxPerHit a hit. Reads the payloads from the store.
  absl::Status Mark(const Store& store, const CollectionInfo& info, std::span<PointHit> hits,
                    const CancelToken& cancel) const;

 private:
  Highlighter(const IndexReader& reader, const CollectionSchema& schema)
      : reader_(reader), schema_(schema) {}
  absl::Status Collect(const PlannedNode& node);
  void MarkHit(std::string_view payload, PointHit& hit) const;

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  std::map<int, WordMarks> fields_;  // by ordinal in the schema
};

}  // namespace vouch
