#pragma once

#include <cstdint>
#include <vector>

#include "index/gpu/kernels/block.h"

namespace vouch::gpu {

struct NoRegisters {};

// A block of threads on the host: each phase is a loop over them. Threads take turns in an order that changes from phase to phase,
// so that what depends on it is noticed.
template <typename Registers>
class HostBlock {
 public:
  HostBlock(uint32_t index, uint32_t count, uint32_t query)
      : index_(index), count_(count), query_(query), registers_(kThreads) {}

  template <typename Phase>
  void Each(const Phase& phase) {
    turn_ = turn_ * 5 + 3;
    for (uint32_t i = 0; i < kThreads; ++i) {
      const uint32_t thread = (i ^ turn_) % kThreads;
      phase(thread, registers_[thread]);
    }
  }
  template <typename T>
  T Read(const T& shared) const {
    return shared;
  }
  uint32_t AddTo(uint32_t* shared, uint32_t n) {
    const uint32_t was = *shared;
    *shared += n;
    return was;
  }
  uint32_t index() const { return index_; }
  uint32_t count() const { return count_; }
  uint32_t query() const { return query_; }

 private:
  const uint32_t index_;
  const uint32_t count_;
  const uint32_t query_;
  uint32_t turn_ = 0;
  std::vector<Registers> registers_;
};

}  // namespace vouch::gpu
