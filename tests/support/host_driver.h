#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "index/gpu/gpu_driver.h"

namespace vouch {

// Stands for CUDA where there is no device: memory is the host's, kernels run as loops (host_block.h), and matrix units are
// emulated with their roundings and an order of their own.
class HostDriver final : public GpuDriver {
 public:
  struct Options {
    uint64_t memory_bytes = uint64_t{1} << 30;
    int multiprocessors = 3;
    // The products that all later Multiply give are off by this part of |q| |y|, to and fro: less than what ProductBound allows.
    double product_noise = 0;
  };
  explicit HostDriver(Options options);
  ~HostDriver() override;

  const GpuProperties& properties() const override { return properties_; }
  absl::StatusOr<GpuMemory> MeasureMemory() override;
  absl::StatusOr<void*> Allocate(uint64_t bytes) override;
  void Free(void* device) override;
  absl::StatusOr<std::unique_ptr<GpuStream>> OpenStream(bool behind) override;

  // From the so-manieth call of a stream on, all fail with the status, as of a device that is lost.
  void FailFrom(uint64_t call, absl::Status status);
  uint64_t calls() const { return calls_; }
  uint64_t row_scans() const { return row_scans_; }
  uint64_t scanned_queries() const { return scanned_queries_; }  // in these
  uint64_t products() const { return products_; }
  uint64_t entry_scans() const { return entry_scans_; }

 private:
  friend class HostStream;
  absl::Status Call();

  const Options options_;
  const GpuProperties properties_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<uint64_t> row_scans_{0};
  std::atomic<uint64_t> scanned_queries_{0};
  std::atomic<uint64_t> products_{0};
  std::atomic<uint64_t> entry_scans_{0};
  std::mutex mu_;
  std::map<void*, uint64_t> held_;      // guarded by mu_, as is all below
  uint64_t held_bytes_ = 0;
  std::optional<uint64_t> fail_from_;
  absl::Status failure_;
};

}  // namespace vouch
