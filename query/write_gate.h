#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace vouch {

// Lets writes through, but while someone has closed it: then they wait, and who closed it is alone. Thread safe.
class WriteGate {
 public:
  // A write on its way through.
  class Pass {
   public:
    explicit Pass(WriteGate& gate) : gate_(gate) {
      std::unique_lock lock(gate_.mu_);
      gate_.changed_.wait(lock, [this] { return !gate_.closed_; });
      ++gate_.inside_;
    }
    ~Pass() {
      const std::lock_guard lock(gate_.mu_);
      if (--gate_.inside_ == 0) gate_.changed_.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    WriteGate& gate_;
  };
  // Waits for those that are inside. One at a time.
  class Closed {
   public:
    explicit Closed(WriteGate& gate) : gate_(gate) {
      std::unique_lock lock(gate_.mu_);
      gate_.changed_.wait(lock, [this] { return !gate_.closed_; });
      gate_.closed_ = true;
      gate_.changed_.wait(lock, [this] { return gate_.inside_ == 0; });
    }
    ~Closed() {
      const std::lock_guard lock(gate_.mu_);
      gate_.closed_ = false;
      gate_.changed_.notify_all();
    }
    Closed(const Closed&) = delete;
    Closed& operator=(const Closed&) = delete;

   private:
    WriteGate& gate_;
  };

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool closed_ = false;   // guarded by mu_
  size_t inside_ = 0;     // guarded by mu_
};

}  // namespace vouch
