#include "index/gpu/deferred_free.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace vouch {

struct DeferredFree::State {
  std::function<void(void*)> free;
  std::mutex mu;
  std::condition_variable changed;
  // --- guarded by mu
  std::deque<void*> waiting;
  bool freeing = false;
  bool stopping = false;

  void Work() {
    std::unique_lock lock(mu);
    while (true) {
      changed.wait(lock, [&] { return stopping || !waiting.empty(); });
      if (waiting.empty()) return;
      void* const memory = waiting.front();
      waiting.pop_front();
      freeing = true;
      lock.unlock();
      free(memory);
      lock.lock();
      freeing = false;
      changed.notify_all();
    }
  }
};

DeferredFree::DeferredFree(std::function<void(void*)> free, std::chrono::milliseconds patience)
    : state_(std::make_shared<State>()), patience_(patience) {
  state_->free = std::move(free);
  thread_ = std::thread([state = state_] { state->Work(); });
}

DeferredFree::~DeferredFree() {
  const bool drained = Drain(patience_);
  {
    const std::lock_guard lock(state_->mu);
    state_->stopping = true;
    if (!drained) state_->waiting.clear();
  }
  state_->changed.notify_all();
  if (drained) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void DeferredFree::Free(void* memory) {
  {
    const std::lock_guard lock(state_->mu);
    state_->waiting.push_back(memory);
  }
  state_->changed.notify_all();
}

bool DeferredFree::Drain(std::chrono::milliseconds most) {
  std::unique_lock lock(state_->mu);
  return state_->changed.wait_for(lock, most, [&] { return state_->waiting.empty() && !state_->freeing; });
}

}  // namespace vouch
