#include "rag/drift/monitor_busy.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

namespace vouch {
namespace {

constexpr std::chrono::milliseconds kCheckEvery{20};

}  // namespace

struct MonitorBusy::Table {
  std::mutex mu;
  std::condition_variable freed;
  std::set<Key> keys;  // guarded by mu
};

MonitorBusy::Table& MonitorBusy::All() {
  static auto& all = *new Table();
  return all;
}

MonitorBusy::MonitorBusy(const Store& store, const std::string& tenant, const std::string& name,
                         With with)
    : key_(&store, tenant, name, with) {
  const std::lock_guard<std::mutex> lock(All().mu);
  taken_ = All().keys.insert(key_).second;
}

MonitorBusy::~MonitorBusy() {
  if (!taken_) return;
  {
    const std::lock_guard<std::mutex> lock(All().mu);
    All().keys.erase(key_);
  }
  All().freed.notify_all();
}

absl::Status MonitorBusy::Wait(const CancelToken& cancel) {
  std::unique_lock<std::mutex> lock(All().mu);
  while (!taken_) {
    taken_ = All().keys.insert(key_).second;
    if (taken_) break;
    All().freed.wait_for(lock, kCheckEvery);
    // Not under the lock: the token asks its owner.
    lock.unlock();
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    lock.lock();
  }
  return absl::OkStatus();
}

}  // namespace vouch
