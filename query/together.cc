#include "query/together.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "index/job_pool.h"

namespace vouch {
namespace {

// How long the caller watches for its helpers' last pieces before it sleeps: waking it takes longer than most of these.
constexpr std::chrono::microseconds kWatch(50);

// What the caller and its helpers share; helpers may outlive the call, which they then see in `next_`.
class Shared {
 public:
  Shared(size_t count, const std::function<bool(size_t)>& work) : count_(count), work_(work) {}

  void Take() {
    // Before a piece is taken, so that who sees none at work knows that none is left.
    at_work_.fetch_add(1);
    for (size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
      if (!work_(i)) next_.store(count_);
    }
    if (at_work_.fetch_sub(1) > 1) return;
    const std::lock_guard lock(mu_);
    ended_.notify_all();
  }
  void WaitForOthers() {
    const auto until = std::chrono::steady_clock::now() + kWatch;
    while (at_work_ > 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    if (at_work_ == 0) return;
    std::unique_lock lock(mu_);
    ended_.wait(lock, [this] { return at_work_ == 0; });
  }

 private:
  const size_t count_;
  const std::function<bool(size_t)>& work_;  // the caller's; not used once next_ is count_ and nobody is at work
  std::atomic<size_t> next_{0};
  std::atomic<int> at_work_{0};
  std::mutex mu_;  // of who sleeps
  std::condition_variable ended_;
};

}  // namespace

void WorkTogether(JobPool* pool, size_t helpers, size_t count, const std::function<bool(size_t)>& work) {
  const auto shared = std::make_shared<Shared>(count, work);
  if (pool != nullptr && count > 1) {
    for (size_t i = 0; i < std::min(helpers, count - 1); ++i) pool->Submit([shared] { shared->Take(); });
  }
  shared->Take();
  shared->WaitForOthers();
}

}  // namespace vouch
