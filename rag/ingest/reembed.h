#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/ingest/model_keeper.h"

namespace vouch {

struct ReembedResult {
  bool committed = false;
  uint64_t rows = 0;
};

// Trains a new model on the texts of all ingested rows and embeds those again, in one commit, so that no version mixes two
// models. Rows that users wrote themselves (without an ingested chunk's provenance) are left as they are. Commits nothing
// where the new model is the old one. RESOURCE_EXHAUSTED: more than Limits::kMaxCommitRows rows or
// Limits::kMaxCommitBytes.
absl::StatusOr<ReembedResult> Reembed(Collection& collection, ModelKeeper& model, const Principal& principal,
                                      const CancelToken& cancel, const std::function<void(double)>& progress);

}  // namespace vouch
