#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "index/gpu/batch_planner.h"

namespace vouch {

// Collects searches that come at about the same time into batches for one device, and runs these on threads of its own.
//
// Thread safe. A search is submitted and then awaited by one thread, or let go, at any time. What an item holds must live as long
// as the item: a batch that runs goes on when its caller has left.
//
// Invariants:
// 1. An item runs in at most one batch, and every wait for it ends: it has run, or the token said so, or the batcher goes.
// 2. Items of one batch have one key and stand in the order in which they were submitted.
// 3. A search that has been submitted waits for others at most BatchLimits::wait, and then for the device.
class MicroBatcher {
 public:
  using Item = std::shared_ptr<BatchItem>;
  // On one of the batcher's threads; leaves results in the items and gives the device's time.
  using Run = std::function<std::chrono::nanoseconds(const BatchKey& key, std::span<const Item> items)>;

  // `threads`: batches that run side by side on the device.
  MicroBatcher(BatchLimits limits, size_t threads, Run run);
  ~MicroBatcher();  // as Stop
  MicroBatcher(const MicroBatcher&) = delete;
  MicroBatcher& operator=(const MicroBatcher&) = delete;

  // False: too many wait.
  bool Submit(Item item);
  // OK: the item has run. The token's status, within some milliseconds, where it says so first; the item may run all the same
  // then. UNAVAILABLE: the batcher goes.
  absl::Status Await(const BatchItem& item, const CancelToken& cancel);
  // It need not run any more.
  void LetGo(const BatchItem& item);

  // Takes no more, and ends what waits with UNAVAILABLE: the device is lost.
  void Close();
  // Closes, and waits for the batches that run, which may still use it meanwhile. Not by one of these.
  void Stop();

  void SetWeight(const std::string& tenant, double weight);
  struct Counts {
    uint64_t batches = 0;
    uint64_t searches = 0;
    size_t waiting = 0;
    std::map<std::string, std::chrono::nanoseconds> used = {};  // of the device, by tenant
  };
  Counts counts() const;
  size_t waiting() const;
  // Searches that wait or run, but for background ones.
  size_t foreground() const;
  // When the oldest of the batches that run began; none: none runs.
  std::optional<BatchPlanner::Time> OldestRun() const;

 private:
  enum class State : uint8_t { kWaiting, kRunning, kDone };

  void Work(size_t thread);
  void Drop(const BatchItem& item);  // under mu_

  const Run run_;
  mutable std::mutex mu_;
  std::condition_variable wake_;   // of the threads
  std::condition_variable ended_;  // of those who wait for items
  // --- guarded by mu_
  BatchPlanner planner_;
  std::map<const BatchItem*, State> states_;  // of items that were submitted and neither awaited to the end nor let go
  std::vector<std::optional<BatchPlanner::Time>> began_;  // by thread: its batch
  uint64_t batches_ = 0;
  uint64_t searches_ = 0;
  size_t foreground_ = 0;
  bool closed_ = false;
  bool stopping_ = false;
  // ---
  std::vector<std::thread> threads_;
};

}  // namespace vouch
