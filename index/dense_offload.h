#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "index/collection_index.h"
#include "index/dense/build_help.h"
#include "index/dense/dense_search.h"
#include "index/segment.h"

namespace vouch {

// A segment's part of a search that goes on elsewhere: on another processor, of which a GPU is one. One thread at a time.
class OffloadedSearch {
 public:
  // Lets it go, whether it has ended or not.
  virtual ~OffloadedSearch() = default;
  // Waits for it. True: `top` has got the segment's best rows, with the scores that SearchDenseSegment gives. False: it could not
  // be done there, and nothing was pushed: the caller searches here. Else the token's status.
  virtual absl::StatusOr<bool> Await(const CancelToken& cancel, TopHits& top, DenseSegmentStats& stats) = 0;
};

// Where the sealed segments of a collection may also be searched. Thread safe.
//
// Invariant: it changes no answer, only when it comes: what is not taken, or fails, is searched here.
class SegmentOffload {
 public:
  struct Request {
    const Segment& segment;
    size_t field;  // of the dense ones
    const DenseSegmentSearch& search;
    std::shared_ptr<const Bitmap> allowed;  // search.allowed; lives as long as the search does
    const float* query;                     // copied
    bool background = false;                // only where nothing else is to be done there; it counts for no placing
  };

  virtual ~SegmentOffload() = default;
  // These are the segments from here on. Called under locks: it takes note and returns.
  virtual void Publish(const std::vector<SegmentPtr>& segments) = 0;
  // Null: the caller searches here.
  virtual std::unique_ptr<OffloadedSearch> Begin(const Request& request) = 0;
  // The search took so long here: what the offload would have saved.
  virtual void NoteSearchedHere(const Request& request, std::chrono::nanoseconds took) = 0;
  // What helps building indexes of segments; it is used while the offload lives.
  virtual DenseBuildHelp BuildHelp() = 0;
};

// What gives collections their offloads. Thread safe.
class DenseOffloads {
 public:
  virtual ~DenseOffloads() = default;
  // For one index of the collection; goes with it.
  virtual std::shared_ptr<SegmentOffload> ForCollection(const std::string& tenant, const std::string& collection) = 0;
};

// From here on the index's sealed segments may be searched there, too. Before the index is searched; once.
void UseOffload(CollectionIndex& index, std::shared_ptr<SegmentOffload> offload);

}  // namespace vouch
