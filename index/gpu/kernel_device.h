#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "index/gpu/gpu_device.h"
#include "index/gpu/kernel_lane.h"
#include "index/gpu/product_selection.h"

namespace vouch {

struct KernelDeviceOptions {
  // Of the device, for each stream: what searches cut their arrays from. More: larger batches in one go.
  uint64_t stream_bytes = uint64_t{256} << 20;
  size_t streams = 2;  // searches that run side by side; more: copies and kernels overlap, and more of the buffers above
  // From so many queries on, all rows of f16 and f32 vectors are compared by matrix units, and the best of them in the engine's
  // order. Fewer: row by row, which reads the rows once for four queries.
  size_t product_queries = 16;
  uint32_t product_nodes = 4096;    // columns of fewer nodes are compared row by row
  uint32_t product_slice_floats = uint32_t{8} << 20;  // products at a time: 32 MiB, which the device's cache holds
};

// What KernelDevice holds of a column: one piece of device memory.
class KernelColumn final : public GpuColumn {
 public:
  // `memory` goes back to the driver with the column.
  KernelColumn(const GpuShape& shape, uint64_t bytes, std::shared_ptr<GpuDriver> driver, void* memory);
  ~KernelColumn() override;

  // Where its arrays lie.
  struct Layout {
    uint32_t row_units = 0;
    uint64_t rows = 0;
    uint64_t lengths = 0;  // |y|² of vectors that matrix units compare under L2
    uint64_t place_nodes = 0;
    uint64_t place_biases = 0;
    uint64_t blocks = 0;
    uint64_t size = 0;
    bool has_lengths = false;
    explicit Layout(const GpuShape& shape);
  };
  const Layout& layout() const { return layout_; }
  template <typename T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(memory_) + offset);
  }
  const GpuDriver* driver() const { return driver_.get(); }
  gpu::RowFormKind form() const;
  // The longest vector's length, where matrix units may compare them.
  double longest_row() const { return longest_row_; }
  void set_longest_row(double length) { longest_row_ = length; }

 private:
  const Layout layout_;
  const std::shared_ptr<GpuDriver> driver_;
  void* const memory_;
  double longest_row_ = 0;
};

// A device that runs the kernels of kernels/, whatever drives it: CUDA, or the host in tests.
class KernelDevice final : public GpuDevice {
 public:
  // RESOURCE_EXHAUSTED: the device has no room for the buffers of searches.
  static absl::StatusOr<std::unique_ptr<KernelDevice>> Open(std::shared_ptr<GpuDriver> driver, KernelDeviceOptions options);

  const GpuProperties& properties() const override { return driver_->properties(); }
  absl::StatusOr<GpuMemory> MeasureMemory() override { return driver_->MeasureMemory(); }
  uint64_t workspace_bytes() const override { return (options_.streams + 1) * options_.stream_bytes; }
  uint64_t BytesOf(const GpuShape& shape) const override;
  absl::StatusOr<std::shared_ptr<const GpuColumn>> Place(const GpuShape& shape, const GpuSource& source) override;
  absl::StatusOr<std::chrono::nanoseconds> Search(const GpuColumn& column, size_t k, std::span<const GpuQuery> queries,
                                                  std::span<std::vector<GpuFound>> found, bool behind = false) override;
  absl::Status ChooseLinks(const GpuColumn& column, std::span<const GpuLinkTask> tasks, const LinkCounts& counts,
                           std::span<uint32_t> links) override;
  absl::Status FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) override;

 private:
  KernelDevice(std::shared_ptr<GpuDriver> driver, KernelDeviceOptions options)
      : driver_(std::move(driver)), options_(options) {}

  struct Batch {
    const KernelColumn& column;
    uint32_t k;
    std::span<const GpuQuery> queries;
    std::span<std::vector<GpuFound>> found;
  };
  absl::StatusOr<const KernelColumn*> Check(const GpuColumn& column, size_t k, std::span<const GpuQuery> queries,
                                            size_t places) const;
  // --- kernel_placing.cc
  absl::Status PlaceRows(KernelLane& lane, KernelColumn& column, const GpuSource& source) const;
  // The lengths of the rows that are there.
  absl::Status MeasureRows(KernelLane& lane, KernelColumn& column) const;
  absl::Status PlaceCells(KernelLane& lane, const KernelColumn& column, const GpuSource& source) const;

  // --- kernel_device.cc
  // How many blocks share a scan of `work` nodes, where `queries` groups of queries are scanned side by side.
  uint32_t BlocksFor(uint64_t work, uint32_t span, size_t queries) const;
  // As many of the queries, from the first on, as the lane's buffer holds. Bitmaps and lists that are the same memory count once.
  size_t FittingQueries(const KernelLane& lane, const Batch& batch) const;

  absl::Status ScanRows(KernelLane& lane, const Batch& batch) const;
  absl::Status ScanCells(KernelLane& lane, const Batch& batch) const;
  // Merges what the blocks found, brings it here, and waits.
  absl::Status Collect(KernelLane& lane, const Batch& batch, const uint64_t* keys, uint32_t blocks) const;

  // --- kernel_products.cc
  bool ProductsPay(const Batch& batch) const;
  // What SelectByProducts takes of a lane's buffer.
  struct ProductRoom {
    uint64_t bytes = 0;
    uint64_t of_query = 0;  // besides
  };
  ProductRoom RoomForProducts(const Batch& batch) const;
  absl::Status SearchByProducts(KernelLane& lane, const Batch& batch) const;
  // The `wide` nearest by product of each query; keys[query * wide], here, after it.
  absl::Status SelectByProducts(KernelLane& lane, const KernelColumn& column, const ProductQueries& queries, uint32_t wide,
                                std::vector<uint64_t>& keys) const;

  // --- kernel_builds.cc
  // What choosing links takes of a lane's buffer, made once for many tasks.
  struct LinkRoom;
  absl::StatusOr<LinkRoom> RoomForLinks(KernelLane& lane, const KernelColumn& column, std::span<const GpuLinkTask> tasks,
                                        const LinkCounts& counts) const;
  // Of some of a task's nodes.
  absl::Status ChooseLinksOf(KernelLane& lane, const KernelColumn& column, LinkRoom& room, std::span<const uint32_t> own,
                             uint32_t others, std::span<uint32_t> links) const;

  const std::shared_ptr<GpuDriver> driver_;
  const KernelDeviceOptions options_;
  KernelLanes lanes_;      // of searches
  KernelLanes side_lanes_;  // of what takes longer, uploads and builds: two, each with half the buffer,
                            // behind the searches
};

// The bitmaps of queries on the device, each of them once, and where each query's begins; null where they have none.
struct PlacedWords {
  const uint64_t* words = nullptr;
  const uint64_t* start = nullptr;
};
absl::StatusOr<PlacedWords> PutWords(KernelLane& lane, std::span<const GpuQuery> queries, uint32_t nodes);

// Keys as kernels leave them: `k` ascending, kNoKey where there are no more.
std::vector<GpuFound> FoundOf(std::span<const uint64_t> keys);

}  // namespace vouch
