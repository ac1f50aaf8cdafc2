#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace vouch {

// Frees a device's memory on a thread of its own: freeing waits for all that the device does, and for ever where that hangs, and who
// lets the last of a column go is a search that has its answer.
//
// Thread safe. What is given to Free is freed once, in that order, unless the device hangs.
class DeferredFree {
 public:
  // `patience`: how long the end waits for what is still to be freed. Then it is left, with the thread.
  DeferredFree(std::function<void(void* memory)> free, std::chrono::milliseconds patience);
  ~DeferredFree();
  DeferredFree(const DeferredFree&) = delete;
  DeferredFree& operator=(const DeferredFree&) = delete;

  // Returns at once.
  void Free(void* memory);
  // Waits until all is freed; false: it is not after so long.
  bool Drain(std::chrono::milliseconds most);

 private:
  struct State;
  const std::shared_ptr<State> state_;  // the thread's, too, which may be left behind
  const std::chrono::milliseconds patience_;
  std::thread thread_;
};

}  // namespace vouch
