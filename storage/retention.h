#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/ids.h"
#include "storage/principal.h"

namespace vouch {

// Which versions of a collection are to stay readable. Without a rule all do; with both a version stays where either keeps it.
// The latest version always stays, and so does what a pin needs (a tag, an answer, an evaluation, a migration).
struct RetentionPolicy {
  int64_t history_us = 0;  // what was the latest version at any time of this span before now; 0: no such rule
  uint64_t versions = 0;   // the last so many versions; 0: no such rule
  // For how long an answer or evaluation pins the version that it read, from when it was made; 0: as long as it is kept.
  int64_t records_us = 0;

  bool keeps_all() const { return history_us == 0 && versions == 0; }
  friend bool operator==(const RetentionPolicy&, const RetentionPolicy&) = default;
};

// When points expire. Neither is set: never.
struct TtlPolicy {
  std::string field = {};  // a datetime field of the payload; empty: the time at which the point was last written
  int64_t after_us = 0;    // so long after it; with a field it may be 0

  bool empty() const { return field.empty() && after_us == 0; }
  friend bool operator==(const TtlPolicy&, const TtlPolicy&) = default;
};

// What can still be read of a collection's history. It changes by Store::RaiseHorizon alone.
struct RetentionState {
  Version horizon = {};            // this version and all later ones are readable; 0: all are
  std::vector<Version> kept = {};  // versions below it that are readable, too, as pins needed them; ascending
  int64_t raised_us = 0;           // when it was last changed
  std::string actor = {};          // and by whom
  bool pending = false;            // rows that no readable version shows may still be there
  uint64_t purged_rows = 0;        // let go, ever

  bool IsReadable(Version version) const {
    return version >= horizon || version == Version(0) ||
           std::binary_search(kept.begin(), kept.end(), version);
  }
  // The oldest readable version but for `kept`; 1 where all are.
  Version oldest() const { return std::max(horizon, Version(1)); }
};

// A change of what can be read: the one way in which history goes. Clock and pins come in with it.
struct HorizonRaise {
  CollectionId collection = {};
  Version horizon = {};              // not below the one before, not above the latest version
  std::vector<Version> pinned = {};  // beside the tags, which are looked up where the change is ordered
  int64_t time_us = 0;
  Principal actor = {};
};

// What one step of a purge did.
struct PurgeStep {
  RowId next = {};    // where the next step begins
  bool done = false;  // there is none
  std::vector<RowRange> purged = {};
};

}  // namespace vouch
