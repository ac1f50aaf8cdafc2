#include "query/together.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "index/job_pool.h"

namespace vouch {
namespace {

// What the caller and its helpers share; helpers may outlive the call, which they then see in `next_`.
class Shared {
 public:
  Shared(size_t count, const std::function<bool(size_t)>& work) : count_(count), work_(work) {}

  void Take() {
    std::unique_lock lock(mu_);
    while (next_ < count_) {
      const size_t i = next_++;
      ++running_;
      lock.unlock();
      const bool go_on = work_(i);
      lock.lock();
      if (!go_on) next_ = count_;
      --running_;
    }
    if (running_ == 0) ended_.notify_all();
  }
  void WaitForOthers() {
    std::unique_lock lock(mu_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  const size_t count_;
  const std::function<bool(size_t)>& work_;  // the caller's; not used once next_ is count_ and nothing runs
  std::mutex mu_;
  std::condition_variable ended_;
  size_t next_ = 0;     // guarded by mu_
  size_t running_ = 0;  // guarded by mu_
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
