#include "index/gpu/kernel_lane.h"

#include <utility>

namespace vouch {

absl::StatusOr<std::unique_ptr<KernelLane>> KernelLane::Open(std::shared_ptr<GpuDriver> driver, uint64_t bytes, bool behind) {
  std::unique_ptr<KernelLane> lane(new KernelLane(std::move(driver), bytes));
  absl::StatusOr<void*> buffer = lane->driver_->Allocate(bytes);
  if (!buffer.ok()) return buffer.status();
  lane->buffer_ = static_cast<char*>(*buffer);
  absl::StatusOr<std::unique_ptr<GpuStream>> stream = lane->driver_->OpenStream(behind);
  if (!stream.ok()) return stream.status();
  lane->stream_ = *std::move(stream);
  return lane;
}

KernelLane::~KernelLane() {
  stream_.reset();
  if (buffer_ != nullptr) driver_->Free(buffer_);
}

absl::StatusOr<void*> KernelLane::TakeBytes(uint64_t bytes) {
  const uint64_t needed = Aligned(bytes);
  if (needed > bytes_ - used_) {
    return absl::ResourceExhaustedError(absl::StrCat("a search needs ", used_ + needed,
                                                     " bytes of the device's buffer, which has ", bytes_));
  }
  void* const place = buffer_ + used_;
  used_ += needed;
  return place;
}

KernelLanes::Lease KernelLanes::Take() {
  std::unique_lock lock(mu_);
  given_back_.wait(lock, [&] { return !free_.empty(); });
  std::unique_ptr<KernelLane> lane = std::move(free_.back());
  free_.pop_back();
  lane->Reset();
  return Lease(*this, std::move(lane));
}

std::unique_ptr<KernelLanes::Lease> KernelLanes::TryTake() {
  const std::lock_guard lock(mu_);
  if (free_.empty()) return nullptr;
  std::unique_ptr<KernelLane> lane = std::move(free_.back());
  free_.pop_back();
  lane->Reset();
  return std::make_unique<Lease>(*this, std::move(lane));
}

KernelLanes::Lease::~Lease() {
  // Whoever failed has not waited: copies may still be on their way to what goes now.
  lane_->stream().Finish().IgnoreError();
  {
    const std::lock_guard lock(lanes_.mu_);
    lanes_.free_.push_back(std::move(lane_));
  }
  lanes_.given_back_.notify_one();
}

}  // namespace vouch
