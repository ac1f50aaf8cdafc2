#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "index/inverted/analyzer.h"
#include "storage/schema.h"

namespace vouch {

// A schema with what the index makes of it once: an analyzer for each text field. Immutable, thread safe.
struct IndexSchema {
  CollectionSchema schema;
  std::vector<std::shared_ptr<const Analyzer>> analyzers;  // one a text field
  // Of all that the bytes of a segment file depend on; files of another fingerprint are not read.
  uint64_t fingerprint = 0;

  // INVALID_ARGUMENT: a language without analyzer.
  static absl::StatusOr<std::shared_ptr<const IndexSchema>> Create(const CollectionSchema& schema);
};

}  // namespace vouch
