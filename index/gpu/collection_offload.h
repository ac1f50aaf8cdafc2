#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "index/gpu/gpu_dense.h"

namespace vouch {

// One index's segments as units of the devices. Thread safe.
class CollectionOffload final : public SegmentOffload {
 public:
  CollectionOffload(GpuDense& dense, std::string tenant, std::string collection)
      : dense_(dense), tenant_(std::move(tenant)), collection_(std::move(collection)) {}
  ~CollectionOffload() override;

  void Publish(const std::vector<SegmentPtr>& segments) override;
  std::unique_ptr<OffloadedSearch> Begin(const Request& request) override;
  void NoteSearchedHere(const Request& request, std::chrono::nanoseconds took) override;
  DenseBuildHelp BuildHelp() override;

 private:
  using Units = std::vector<std::shared_ptr<DenseUnit>>;  // one a dense field; null where it cannot be placed
  std::shared_ptr<DenseUnit> UnitOf(const Segment& segment, size_t field) const;

  GpuDense& dense_;
  const std::string tenant_;
  const std::string collection_;
  mutable std::mutex mu_;
  absl::flat_hash_map<const Segment*, Units> units_;  // guarded by mu_; of published sealed segments, which the units keep
};

}  // namespace vouch
