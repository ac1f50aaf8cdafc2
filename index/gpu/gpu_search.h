#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/dense_offload.h"
#include "index/gpu/batch_planner.h"
#include "index/gpu/dense_unit.h"

namespace vouch {

// One segment's search on a device: what the device is asked, and what came of it. Everything that the device reads lies in it
// or is kept by it, so that it outlives its caller.
struct GpuSearchItem final : BatchItem {
  std::shared_ptr<const DenseUnit> unit = {};
  std::shared_ptr<const PlacedColumn> placed = {};
  std::shared_ptr<const Bitmap> allowed = {};
  GpuQuery query = {};
  size_t found_k = 0;   // asked of the device
  bool rescored = false;  // found are candidates by code, which are scored here
  bool exact = false;
  bool ivf = false;
  size_t ef = 0;
  uint64_t compared = 0;  // nodes that it looks at
  // --- what `query` points to
  std::vector<float> vector = {};
  std::string bits = {};
  CodeQuery code = {};
  std::vector<uint64_t> words = {};
  std::vector<uint32_t> list = {};
  std::shared_ptr<const std::vector<uint32_t>> shared_list = {};  // with the searches of the same filter
  std::vector<gpu::CellPart> parts = {};
  Ivf::Query ivf_query = {};
  // --- results; written by the batch, read once it is done
  absl::Status status = {};
  std::vector<GpuFound> found = {};
};

// Whether a device is asked for such a search of a unit at all: not for what takes no time here, for what it cannot find exactly
// though it must be, for more rows than it can keep, or of bits for what is none. `query`: as many floats as the field has.
bool SuitsDevice(const DenseUnit& unit, const float* query, const DenseSegmentSearch& search, uint64_t few_rows);

// The search as the device takes it, which suits it. `placed` holds the unit's column.
std::shared_ptr<GpuSearchItem> MakeGpuSearch(std::shared_ptr<const DenseUnit> unit,
                                             std::shared_ptr<const PlacedColumn> placed,
                                             const SegmentOffload::Request& request);

// Pushes what was found, with the engine's scores. Not OK: vectors could not be read, and hits may have been pushed.
absl::Status PushFound(const GpuSearchItem& item, TopHits& top, DenseSegmentStats& stats);

}  // namespace vouch
