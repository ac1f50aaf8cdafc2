#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/dense/dense_search.h"
#include "index/dense/graph_build.h"

namespace vouch {

// The recall that a segment's search has at each beam, as it was measured when the segment was built: of the 10 and of
// the 100 nearest, where all rows are allowed and where a filter that has nothing to do with the vectors leaves a share.
//
// Queries are rows of the segment that are held out: a walk goes as if the row were not there, and the row is no hit.
// Which rows, and which ones a filter leaves, is drawn with a fixed seed, so equal segments give equal curves. What is
// measured is the search itself (dense_search.h), with all its choices of plan.
//
// Bytes (little-endian):
//   u32 version = 1, u32 queries, u32 curves
//   curve: u32 k, f32 share, u32 points, point…        k then share ascending
//   point: u32 ef, f32 recall, f32 error               ef ascending; error: the standard error of the mean
//
// Immutable, thread safe.
class RecallCurves {
 public:
  static constexpr std::array<uint32_t, 2> kKs = {10, 100};
  static constexpr std::array<float, 4> kShares = {0.01f, 0.1f, 0.5f, 1.0f};

  struct Point {
    uint32_t ef = 0;
    float recall = 0;
    float error = 0;
    friend bool operator==(const Point&, const Point&) = default;
  };

  // `search` names column (in private memory), graph and codes; its k, ef, filter and rows do not count. At most some
  // seconds of work on `threads` threads, whatever the segment's size; `progress` is asked between its parts and may end
  // it. At least one node.
  static absl::StatusOr<std::shared_ptr<const RecallCurves>> Measure(const DenseSegmentSearch& search, int threads,
                                                                     const BuildProgress& progress);
  // DATA_LOSS: not what Serialize gives.
  static absl::StatusOr<std::shared_ptr<const RecallCurves>> Parse(std::string_view bytes);
  std::string Serialize() const;

  // The least beam measured whose recall is above `target` by its standard error, where a filter leaves `share` of the
  // rows; where none is, the one of the best recall. For a k between the measured ones that of the next larger; beyond
  // the largest, as much more as k is.
  size_t EfFor(double target, size_t k, double share) const;
  // The recall to be expected of a beam, interpolated between those measured and not above the best of them.
  double RecallAt(size_t ef, size_t k, double share) const;

  uint32_t queries() const { return queries_; }
  // By k, then by share.
  const std::vector<Point>& points(size_t k, size_t share) const { return curves_[k * kShares.size() + share]; }
  size_t memory_bytes() const;

 private:
  friend class RecallMeasure;
  // The curves of k around the share: those measured next below and above it.
  struct Around {
    const std::vector<Point>* low = nullptr;
    const std::vector<Point>* high = nullptr;
    double scale = 1;  // of beams: that of k to the k measured
  };
  Around CurvesFor(size_t k, double share) const;

  uint32_t queries_ = 0;
  std::vector<std::vector<Point>> curves_;
};

}  // namespace vouch
