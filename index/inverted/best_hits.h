#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "index/hit.h"

namespace vouch {

// The best k hits so far, the worst of them on top of a heap. At least k = 1.
class BestHits {
 public:
  explicit BestHits(size_t k) : k_(k) {}

  bool full() const { return hits_.size() == k_; }
  // Where rows come in ascending order: a hit of this score or less changes nothing.
  float threshold() const {
    return full() ? hits_.front().score : -std::numeric_limits<float>::infinity();
  }
  void Offer(const Hit& hit) {
    if (!full()) {
      hits_.push_back(hit);
      std::push_heap(hits_.begin(), hits_.end());
    } else if (hit < hits_.front()) {
      std::pop_heap(hits_.begin(), hits_.end());
      hits_.back() = hit;
      std::push_heap(hits_.begin(), hits_.end());
    }
  }
  std::vector<Hit> Take() && {
    std::sort_heap(hits_.begin(), hits_.end());
    return std::move(hits_);
  }

 private:
  size_t k_;
  std::vector<Hit> hits_;
};

}  // namespace vouch
