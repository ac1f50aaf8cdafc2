#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "index/cancel.h"
#include "storage/catalog.h"
#include "storage/retention.h"
#include "storage/schema_change.h"

namespace vouch {

// What of the history goes.
struct LetGoRequest {
  Version horizon = {};              // the oldest version that is to stay; one below that of before changes nothing
  std::vector<Version> pinned = {};  // older ones that are to stay, too, beside those that have a tag
  Principal actor = {};
  CancelToken cancel = {};
};

struct LetGoResult {
  RetentionState state = {};  // afterwards
  uint64_t rows = 0;          // that this call deleted
};

// An alteration of the schema.
struct AlterRequest {
  SchemaChange change = {};
  bool dry_run = false;  // checks the change, and makes none
  Principal principal = {};
  std::string request_id = {};
  CancelToken cancel = {};
  std::function<void(double fraction)> progress = {};  // of the indexes that are built; may be empty
};

struct AlterReply {
  CollectionInfo info = {};  // with the new schema
  Version version = {};      // that the change made; the latest where it changed nothing
  bool replayed = false;     // the request id was known
  bool builds = false;       // indexes were built anew for it
};

}  // namespace vouch
