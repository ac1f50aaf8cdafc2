#pragma once

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

// Finds the words of hits' texts that a query's text leaves ask for. For one request on one thread;
// borrows all.
class Highlighter {
 public:
  // Takes the terms of all text leaves of the plan.
  Highlighter(const IndexReader& reader, const CollectionSchema& schema, const PlannedNode& root);

  // Sets PointHit::highlights, in the order of fields, paths and bytes, at most
  // Highlight::kMaxPerHit a hit. Reads the payloads from the store.
  absl::Status Mark(const Store& store, const CollectionInfo& info, std::span<PointHit> hits,
                    const CancelToken& cancel) const;

 private:
  struct Terms {
    int field = 0;  // ordinal in the schema
    absl::flat_hash_set<std::string> terms;
  };
  void Collect(const PlannedNode& node);
  void MarkHit(std::string_view payload, PointHit& hit) const;

  const IndexReader& reader_;
  const CollectionSchema& schema_;
  std::vector<Terms> fields_;  // ascending by field
};

}  // namespace vouch
