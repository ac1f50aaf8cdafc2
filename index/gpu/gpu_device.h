#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/dense/build_help.h"
#include "index/gpu/kernels/cell_scan.h"
#include "index/gpu/kernels/link_choice.h"
#include "storage/schema.h"

namespace vouch {

struct GpuProperties {
  int ordinal = 0;
  std::string name = {};
  int major = 0;  // compute capability
  int minor = 0;
  uint64_t memory_bytes = 0;
  int multiprocessors = 0;
  int clock_mhz = 0;
  std::string driver = {};  // version: "13.0"
};

struct GpuMemory {
  uint64_t total = 0;
  uint64_t free = 0;  // as the driver sees it: other processes hold some of the rest
};

// What a device holds of a column.
enum class GpuContent : uint8_t {
  kVectors = 1,       // as they are kept: distances are the engine's, bit by bit
  kCodes = 2,         // of a graph's vectors or of cells' (index/dense/vector_codes.h): keys
  kProductCodes = 3,  // of an inverted file (index/dense/ivf.h): keys
};
std::string_view GpuContentName(GpuContent content);  // "vectors", "codes", "product codes"

struct GpuShape {
  GpuContent content = GpuContent::kVectors;
  VectorType type = VectorType::kF32;
  Metric metric = Metric::kL2;
  uint32_t dim = 0;
  uint32_t nodes = 0;
  uint32_t record_bytes = 0;  // of a vector as it is kept, or of a code's record
  uint32_t groups = 0;        // of product codes
  uint32_t blocks = 0;        // likewise
};

// Where the bytes come from that a device is to hold.
struct GpuSource {
  // Copies the records of the nodes [begin, end) to `out`, one after the other. Of vectors and codes.
  std::function<absl::Status(uint32_t begin, uint32_t end, char* out)> records = {};
  // Of product codes: by place in the cells, and the blocks of all cells.
  std::span<const uint32_t> place_nodes = {};
  std::span<const float> place_biases = {};
  std::span<const uint8_t> blocks = {};
};

// What a device holds of one column; goes with the last owner, and its memory with it. Immutable, thread safe.
class GpuColumn {
 public:
  virtual ~GpuColumn() = default;
  const GpuShape& shape() const { return shape_; }
  uint64_t bytes() const { return bytes_; }

 protected:
  GpuColumn(const GpuShape& shape, uint64_t bytes) : shape_(shape), bytes_(bytes) {}

 private:
  const GpuShape shape_;
  const uint64_t bytes_;
};

// Which nodes a query looks at.
enum class GpuNodes : uint8_t { kAll = 1, kBitmap = 2, kList = 3 };

// One search. What it points to stays until the search ends.
struct GpuQuery {
  GpuNodes nodes = GpuNodes::kAll;
  std::span<const uint64_t> words = {};  // kBitmap: a bit a node, the lowest first
  std::span<const uint32_t> list = {};   // kList: each node once
  // Of vectors: dim floats; of bit vectors, as they are kept.
  std::span<const float> vector = {};
  std::span<const char> bits = {};
  // Of codes: as CodeQuery (index/dense/vector_codes.h), as many values as a record has bytes.
  std::span<const int8_t> code = {};
  float scale = 0;
  int32_t shift = 0;
  // Of product codes: as Ivf::Query. The parts are those of the cells to look at; `nodes` is kAll or kBitmap.
  std::span<const gpu::CellPart> parts = {};
  std::span<const uint8_t> table = {};
  float step = 0;
  float factor = 0;
};

struct GpuFound {
  float distance = 0;  // or key
  uint32_t node = 0;
  friend bool operator==(const GpuFound&, const GpuFound&) = default;
};

// Nodes whose links are chosen among others, which may have them among themselves.
struct GpuLinkTask {
  std::span<const uint32_t> own = {};
  std::span<const uint32_t> others = {};
};

// A device, or what stands for one in tests. Thread safe: calls run side by side as far as the device lets them.
//
// Invariants:
// 1. What Search finds depends on the query and the column only: not on the other queries, on what runs beside it, or on the
//    device. Distances and keys have the bits that the processor's kernels give, and ties fall by node.
// 2. A call ends, with a status where the device fails: RESOURCE_EXHAUSTED (no memory there), UNAVAILABLE (the device is lost:
//    every later call says so, too), INTERNAL (this call failed), UNIMPLEMENTED (the device cannot do that).
class GpuDevice {
 public:
  static constexpr size_t kMaxK = gpu::kMaxTop;
  static constexpr size_t kMostLinks = gpu::kMostLinks;

  virtual ~GpuDevice() = default;
  virtual const GpuProperties& properties() const = 0;
  virtual absl::StatusOr<GpuMemory> MeasureMemory() = 0;
  // What is taken of its memory whatever is placed: buffers of searches.
  virtual uint64_t workspace_bytes() const = 0;

  // What a column of the shape takes there.
  virtual uint64_t BytesOf(const GpuShape& shape) const = 0;
  // Copies a column there. An error of the source is handed on as it is.
  virtual absl::StatusOr<std::shared_ptr<const GpuColumn>> Place(const GpuShape& shape, const GpuSource& source) = 0;
  // The `k` nearest (at most kMaxK) nodes of each query, ascending by (distance, node), fewer where it looks at fewer, to
  // found[i]. All queries have the same GpuNodes. `behind`: for a build, which no search waits for. Gives the time that the device spent.
  virtual absl::StatusOr<std::chrono::nanoseconds> Search(const GpuColumn& column, size_t k,
                                                          std::span<const GpuQuery> queries,
                                                          std::span<std::vector<GpuFound>> found, bool behind = false) = 0;

  // --- builds
  // The links of each task's own nodes, one task's after the other's, counts.links places each, as ChooseLinks has them
  // (index/dense/build_help.h). Of vectors in f32 or f16; UNIMPLEMENTED: more than kMostLinks of a node, or other vectors.
  virtual absl::Status ChooseLinks(const GpuColumn& column, std::span<const GpuLinkTask> tasks, const LinkCounts& counts,
                                   std::span<uint32_t> links) = 0;
  // As vouch::FindEntries has them, bit by bit. ABORTED: others have the device just now.
  virtual absl::Status FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) = 0;
};

}  // namespace vouch
