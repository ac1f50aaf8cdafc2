#pragma once

#include <chrono>
#include <cstdint>

namespace vouch {

// Times a node for explain; without it reads no clock.
class NodeTimer {
 public:
  NodeTimer(bool enabled, int64_t& out) : enabled_(enabled), out_(out) {
    if (enabled_) start_ = std::chrono::steady_clock::now();
  }
  ~NodeTimer() {
    if (!enabled_) return;
    out_ = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start_)
               .count();
  }
  NodeTimer(const NodeTimer&) = delete;
  NodeTimer& operator=(const NodeTimer&) = delete;

 private:
  const bool enabled_;
  int64_t& out_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace vouch
