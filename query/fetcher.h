#pragma once

#include <span>

#include "absl/status/status.h"
#include "query/search.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

// Whether a projection needs anything that only the store has.
bool NeedsStore(const Projection& projection);

// Fills payload, provenance and vectors of `hits` from the store, as the projection asks. Touches
// the store only where NeedsStore. With payload_keys the payload holds these top-level keys, where
// present, and none other.
absl::Status FetchHits(const Store& store, const CollectionInfo& info, const Projection& projection,
                       std::span<PointHit> hits);

}  // namespace vouch
