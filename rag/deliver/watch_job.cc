#include "rag/deliver/watch_job.h"

#include <utility>

#include "rag/deliver/guarded.h"

namespace vouch {

WatchJob::WatchJob(std::chrono::seconds every, std::function<void(const CancelToken&)> look,
                   std::function<void(const std::string&)> warn)
    : every_(every), look_(std::move(look)), warn_(std::move(warn)), thread_([this] { Run(); }) {}

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
    const absl::Status status = Guarded([&] {
      look_(cancel);
      return absl::OkStatus();
    });
    if (!status.ok() && warn_) warn_(std::string(status.message()));
    lock.lock();
    wake_.wait_for(lock, every_, [this] { return stopping_; });
  }
}

}  // namespace vouch
