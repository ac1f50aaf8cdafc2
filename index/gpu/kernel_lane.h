#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "index/gpu/gpu_driver.h"

namespace vouch {

// A stream of a device with a buffer there that a search cuts its arrays from. One thread at a time.
class KernelLane {
 public:
  // `behind`: as GpuDriver::OpenStream.
  static absl::StatusOr<std::unique_ptr<KernelLane>> Open(std::shared_ptr<GpuDriver> driver, uint64_t bytes, bool behind);
  ~KernelLane();
  KernelLane(const KernelLane&) = delete;
  KernelLane& operator=(const KernelLane&) = delete;

  GpuStream& stream() { return *stream_; }
  uint64_t bytes() const { return bytes_; }

  // An array of `count` in the buffer, until Reset. RESOURCE_EXHAUSTED: no room.
  template <typename T>
  absl::StatusOr<T*> Take(uint64_t count) {
    absl::StatusOr<void*> place = TakeBytes(count * sizeof(T));
    if (!place.ok()) return place.status();
    return static_cast<T*>(*place);
  }
  // The same with what `values` holds.
  template <typename T>
  absl::StatusOr<const T*> Put(const std::vector<T>& values) {
    absl::StatusOr<T*> place = Take<T>(values.size());
    if (!place.ok()) return place.status();
    if (absl::Status status = stream_->CopyIn(*place, values.data(), values.size() * sizeof(T)); !status.ok()) return status;
    return *place;
  }
  static constexpr uint64_t kAlignment = 256;
  static constexpr uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  void Reset() { used_ = 0; }
  uint64_t used() const { return used_; }
  // Lets go what was taken after that.
  void ResetTo(uint64_t used) { used_ = used; }

 private:
  KernelLane(std::shared_ptr<GpuDriver> driver, uint64_t bytes) : driver_(std::move(driver)), bytes_(bytes) {}
  absl::StatusOr<void*> TakeBytes(uint64_t bytes);

  const std::shared_ptr<GpuDriver> driver_;
  const uint64_t bytes_;
  char* buffer_ = nullptr;
  uint64_t used_ = 0;
  std::unique_ptr<GpuStream> stream_;
};

// The lanes of a device, each used by one search at a time.
class KernelLanes {
 public:
  // A lane until it goes; then all that was given to it has ended.
  class Lease {
   public:
    Lease(KernelLanes& lanes, std::unique_ptr<KernelLane> lane) : lanes_(lanes), lane_(std::move(lane)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    KernelLane& operator*() { return *lane_; }
    KernelLane* operator->() { return lane_.get(); }

   private:
    KernelLanes& lanes_;
    std::unique_ptr<KernelLane> lane_;
  };

  void Add(std::unique_ptr<KernelLane> lane) { free_.push_back(std::move(lane)); }
  // Waits until one is free: as long as the device takes for what it is used for.
  Lease Take();
  // Does not wait; null: none is free.
  std::unique_ptr<Lease> TryTake();

 private:
  std::mutex mu_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<KernelLane>> free_;  // guarded by mu_, but for what Add does at the beginning
};

}  // namespace vouch
