#include "rag/deliver/watch_job.h"

#include <utility>

namespace vouch {

WatchJob::WatchJob(std::chrono::seconds every, std::function<void(const CancelToken&)> look)
    : every_(every), look_(std::move(look)), thread_([this] { Run(); }) {}

WatchJob::~WatchJob() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void WatchJob::Run() {
  const CancelToken cancel(absl::InfiniteFuture(), [this] {
    const std::lock_guard<std::mutex> lock(mu_);
    return stopping_;
  });
  std::unique_lock<std::mutex> lock(mu_);
  while (!stopping_) {
    lock.unlock();
    look_(cancel);
    lock.lock();
    wake_.wait_for(lock, every_, [this] { return stopping_; });
  }
}

}  // namespace vouch
