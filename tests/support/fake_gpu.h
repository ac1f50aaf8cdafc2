#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "index/gpu/gpu_device.h"

namespace vouch {

// A device that is none: it holds columns in the host's memory, finds what a search finds by plain loops over the engine's scalar
// kernels, and fails when it is told to. Its memory is one piece that columns are cut from, first fit, so that it can be full of
// holes. Time passes only as told.
class FakeGpu final : public GpuDevice {
 public:
  struct Options {
    int ordinal = 0;
    uint64_t memory_bytes = uint64_t{64} << 20;
    uint64_t granularity = 4096;
    int major = 9;
    std::chrono::nanoseconds batch_time{50'000};   // that each Search says it took
    std::chrono::nanoseconds query_time{1'000};    // and for each query
  };
  explicit FakeGpu(Options options);
  ~FakeGpu() override;

  const GpuProperties& properties() const override { return properties_; }
  absl::StatusOr<GpuMemory> MeasureMemory() override;
  uint64_t workspace_bytes() const override { return 0; }
  uint64_t BytesOf(const GpuShape& shape) const override;
  absl::StatusOr<std::shared_ptr<const GpuColumn>> Place(const GpuShape& shape, const GpuSource& source) override;
  absl::StatusOr<std::chrono::nanoseconds> Search(const GpuColumn& column, size_t k, std::span<const GpuQuery> queries,
                                                  std::span<std::vector<GpuFound>> found, bool behind = false) override;
  absl::Status ChooseLinks(const GpuColumn& column, std::span<const GpuLinkTask> tasks, const LinkCounts& counts,
                           std::span<uint32_t> links) override;
  absl::Status FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) override;

  // --- faults
  // The next so many searches end so; UNAVAILABLE lasts.
  void FailSearches(uint64_t count, absl::Status status);
  void FailPlacings(uint64_t count, absl::Status status);
  // Called in each search, before it is done: to wait, or to lose the device in the middle of it.
  void OnSearch(std::function<void()> hook);
  // Another process takes so much, or gives it back.
  void SetTakenByOthers(uint64_t bytes);

  uint64_t searches() const { return searches_; }
  uint64_t queries() const { return queries_; }
  uint64_t largest_batch() const { return largest_batch_; }
  uint64_t placings() const { return placings_; }
  uint64_t entry_rows() const { return entry_rows_; }  // that FindEntries was asked for

 private:
  friend class FakeColumn;
  struct Memory;
  // One of the failures that are due, or OK.
  absl::Status Fails(uint64_t& left, absl::Status& status);

  const Options options_;
  const GpuProperties properties_;
  const std::shared_ptr<Memory> memory_;  // columns may outlive the device
  std::atomic<uint64_t> searches_{0};
  std::atomic<uint64_t> queries_{0};
  std::atomic<uint64_t> largest_batch_{0};
  std::atomic<uint64_t> placings_{0};
  std::atomic<uint64_t> entry_rows_{0};
  std::mutex mu_;
  // --- guarded by mu_
  uint64_t searches_to_fail_ = 0;
  absl::Status search_failure_;
  uint64_t placings_to_fail_ = 0;
  absl::Status placing_failure_;
  std::function<void()> on_search_;
};

}  // namespace vouch
