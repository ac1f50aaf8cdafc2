#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/gpu/gpu_device.h"
#include "index/gpu/kernels/cell_scan.h"
#include "index/gpu/kernels/link_choice.h"
#include "index/gpu/kernels/nearest_entry.h"
#include "index/gpu/kernels/product_select.h"
#include "index/gpu/kernels/row_form_kind.h"
#include "index/gpu/kernels/row_lengths.h"
#include "index/gpu/kernels/row_scan.h"
#include "index/gpu/kernels/top_keys.h"

namespace vouch {

struct GpuGrid {
  uint32_t blocks = 1;
  uint32_t queries = 1;
};

// How the rows are compared that links are chosen among.
struct LinkForm {
  bool half = false;
  bool l2 = false;
};

// Inner products of rows and queries, by matrix units where they are of f16 or may be rounded: products[query][row] over `values` values
// each.
struct GpuProducts {
  bool half = false;          // f16 values; else f32
  bool rounded = true;        // f32 values are rounded to TF32: much faster
  const void* rows = nullptr;
  uint64_t row_count = 0;
  const void* queries = nullptr;
  uint64_t query_count = 0;
  uint64_t values = 0;        // of a row and of a query, with padding
  float* products = nullptr;
};

// A queue of a device's work: what is given to it runs in order. One thread at a time.
class GpuStream {
 public:
  virtual ~GpuStream() = default;
  // `from` may change after it returns.
  virtual absl::Status CopyIn(void* device, const void* from, uint64_t bytes) = 0;
  // `to` holds the bytes after Finish.
  virtual absl::Status CopyOut(void* to, const void* device, uint64_t bytes) = 0;
  virtual absl::Status Fill(void* device, uint8_t value, uint64_t bytes) = 0;
  // `queries_at_once`: 1, or 4 where no query has a bitmap or a list; the grid's queries are whole groups of them.
  virtual absl::Status Run(gpu::RowFormKind form, uint32_t queries_at_once, const gpu::RowScanArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(const gpu::CellScanArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(const gpu::ProductSelectArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(const gpu::MergeKeysArgs& args, GpuGrid grid) = 0;
  // `half`: rows of f16, else of f32.
  virtual absl::Status Run(bool half, const gpu::RowLengthsArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(const gpu::GatherArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(LinkForm form, const gpu::LinkChoiceArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Run(const gpu::NearestEntryArgs& args, GpuGrid grid) = 0;
  virtual absl::Status Multiply(const GpuProducts& products) = 0;
  // Waits for all of it, whatever fails.
  virtual absl::Status Finish() = 0;
};

// What KernelDevice needs of a device: memory, and kernels that run. Thread safe. Statuses as GpuDevice's.
class GpuDriver {
 public:
  virtual ~GpuDriver() = default;
  virtual const GpuProperties& properties() const = 0;
  virtual absl::StatusOr<GpuMemory> MeasureMemory() = 0;
  virtual absl::StatusOr<void*> Allocate(uint64_t bytes) = 0;
  virtual void Free(void* device) = 0;
  // `behind`: the device does what other streams have first, as far as it can choose.
  virtual absl::StatusOr<std::unique_ptr<GpuStream>> OpenStream(bool behind) = 0;
};

}  // namespace vouch
