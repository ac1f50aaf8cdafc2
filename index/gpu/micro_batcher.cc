#include "index/gpu/micro_batcher.h"

#include <algorithm>
#include <utility>

namespace vouch {
namespace {

using Clock = std::chrono::steady_clock;

// How often a waiting caller looks at its token.
constexpr std::chrono::milliseconds kWaitSlice(2);

}  // namespace

MicroBatcher::MicroBatcher(BatchLimits limits, size_t threads, Run run)
    : run_(std::move(run)), planner_(limits), began_(std::max<size_t>(1, threads)) {
  for (size_t i = 0; i < began_.size(); ++i) threads_.emplace_back([this, i] { Work(i); });
}

MicroBatcher::~MicroBatcher() { Stop(); }

void MicroBatcher::Stop() {
  Close();
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool MicroBatcher::Submit(Item item) {
  {
    const std::lock_guard lock(mu_);
    if (closed_) return false;
    const BatchItem* const key = item.get();
    const bool background = item->background;
    if (!planner_.Add(std::move(item), Clock::now())) return false;
    if (!background) ++foreground_;
    states_[key] = State::kWaiting;
  }
  wake_.notify_one();
  return true;
}

absl::Status MicroBatcher::Await(const BatchItem& item, const CancelToken& cancel) {
  std::unique_lock lock(mu_);
  while (true) {
    const auto found = states_.find(&item);
    if (found == states_.end()) return absl::InternalError("a search was awaited that was not submitted");
    if (found->second == State::kDone) {
      states_.erase(found);
      return absl::OkStatus();
    }
    if (closed_ && found->second == State::kWaiting) {
      Drop(item);
      return absl::UnavailableError("the device is searched no more");
    }
    lock.unlock();
    absl::Status status = cancel.Check();
    lock.lock();
    if (!status.ok()) {
      Drop(item);
      return status;
    }
    const auto again = states_.find(&item);
    if (again != states_.end() && again->second == State::kDone) continue;
    ended_.wait_for(lock, kWaitSlice);
  }
}

void MicroBatcher::LetGo(const BatchItem& item) {
  const std::lock_guard lock(mu_);
  Drop(item);
}

void MicroBatcher::Drop(const BatchItem& item) {
  states_.erase(&item);
  const bool background = item.background;  // the item may go with its place in the queue
  if (planner_.Remove(item) && !background) --foreground_;
}

void MicroBatcher::Close() {
  {
    const std::lock_guard lock(mu_);
    closed_ = true;
  }
  ended_.notify_all();
  wake_.notify_all();
}

void MicroBatcher::SetWeight(const std::string& tenant, double weight) {
  const std::lock_guard lock(mu_);
  planner_.fairness().SetWeight(tenant, weight);
}

MicroBatcher::Counts MicroBatcher::counts() const {
  const std::lock_guard lock(mu_);
  return {.batches = batches_,
          .searches = searches_,
          .waiting = planner_.waiting(),
          .used = planner_.fairness().UsedByAll()};
}

size_t MicroBatcher::waiting() const {
  const std::lock_guard lock(mu_);
  return planner_.waiting();
}

size_t MicroBatcher::foreground() const {
  const std::lock_guard lock(mu_);
  return foreground_;
}

std::optional<BatchPlanner::Time> MicroBatcher::OldestRun() const {
  const std::lock_guard lock(mu_);
  std::optional<BatchPlanner::Time> oldest;
  for (const auto& began : began_) {
    if (began && (!oldest || *began < *oldest)) oldest = began;
  }
  return oldest;
}

void MicroBatcher::Work(size_t thread) {
  std::unique_lock lock(mu_);
  while (!stopping_) {
    std::vector<Item> batch;
    if (!closed_) batch = planner_.Next(Clock::now());
    if (batch.empty()) {
      const std::optional<BatchPlanner::Time> due = closed_ ? std::nullopt : planner_.NextDue();
      if (due) {
        wake_.wait_until(lock, *due);
      } else {
        wake_.wait(lock);
      }
      continue;
    }
    const auto set_state = [&](State state) {
      for (const Item& item : batch) {
        const auto found = states_.find(item.get());
        if (found != states_.end()) found->second = state;
      }
    };
    set_state(State::kRunning);
    ++batches_;
    searches_ += batch.size();
    // Others that are due may go on another thread.
    if (planner_.waiting() > 0) wake_.notify_one();
    const std::string tenant = batch.front()->tenant;
    began_[thread] = Clock::now();
    lock.unlock();
    const std::chrono::nanoseconds took = run_(batch.front()->key, batch);
    lock.lock();
    began_[thread].reset();
    planner_.Charge(tenant, took);
    for (const Item& item : batch) foreground_ -= item->background ? 0 : 1;
    set_state(State::kDone);
    lock.unlock();
    ended_.notify_all();
    batch.clear();  // columns may go with the last of their searches
    lock.lock();
  }
}

}  // namespace vouch
