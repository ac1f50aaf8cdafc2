#include "api/http/worker_threads.h"

#include <utility>

namespace vouch {

bool WorkerThreads::Run(std::function<void()> job) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (joining_ || running_ >= limit_) return false;
  if (running_ >= threads_.size()) {
    try {
      threads_.emplace_back([this] { Work(); });
    } catch (const std::exception&) {
      return false;  // the system has no more threads for us
    }
  }
  ++running_;
  jobs_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

void WorkerThreads::Work() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    changed_.wait(lock, [this] { return joining_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
    --running_;
  }
}

void WorkerThreads::Join() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    joining_ = true;
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

size_t WorkerThreads::running() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return running_;
}

}  // namespace vouch
