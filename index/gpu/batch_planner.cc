#include "index/gpu/batch_planner.h"

#include <algorithm>
#include <utility>

namespace vouch {
namespace {

constexpr double kLatest = 0.2;  // the weight of the last interval in the mean
constexpr size_t kMostRates = 4096;

}  // namespace

void BatchPlanner::Note(const BatchKey& key, Time now) {
  if (rates_.size() >= kMostRates && !rates_.contains(key)) rates_.clear();  // columns that went
  const auto [found, fresh] = rates_.try_emplace(key, Rate{now, 0});
  if (fresh) return;
  Rate& rate = found->second;
  const double interval = std::chrono::duration<double, std::micro>(now - rate.last).count();
  rate.interval_us = rate.interval_us == 0 ? std::max(interval, 0.01) : (1 - kLatest) * rate.interval_us + kLatest * interval;
  rate.last = now;
}

bool BatchPlanner::ExpectsMore(const BatchKey& key) const {
  const auto found = rates_.find(key);
  return found != rates_.end() && found->second.interval_us > 0 &&
         found->second.interval_us < static_cast<double>(limits_.wait.count());
}

BatchPlanner::Time BatchPlanner::DueOf(const Queue& queue) const {
  return ExpectsMore(queue.items.front()->key) ? queue.came.front() + limits_.wait : queue.came.front();
}

bool BatchPlanner::Add(Item item, Time now) {
  if (waiting_ >= limits_.most_waiting || waiting_of_[item->tenant] >= limits_.most_waiting - waiting_) return false;
  Note(item->key, now);
  if (waiting_of_[item->tenant]++ == 0) fairness_.Wakes(item->tenant);
  ++waiting_;
  Queue& queue = queues_[item->key];
  queue.items.push_back(std::move(item));
  queue.came.push_back(now);
  if (queue.items.size() == 1) queue.due = DueOf(queue);
  if (queue.items.size() >= limits_.most) queue.due = std::min(queue.due, now);
  return true;
}

bool BatchPlanner::Remove(const BatchItem& item) {
  const auto queue = queues_.find(item.key);
  if (queue == queues_.end()) return false;
  std::deque<Item>& items = queue->second.items;
  const auto found = std::find_if(items.begin(), items.end(), [&](const Item& one) { return one.get() == &item; });
  if (found == items.end()) return false;
  const bool first = found == items.begin();
  queue->second.came.erase(queue->second.came.begin() + (found - items.begin()));
  --waiting_;
  --waiting_of_[item.tenant];
  items.erase(found);  // `item` may go with it
  if (items.empty()) {
    queues_.erase(queue);
  } else if (first && items.size() < limits_.most) {
    queue->second.due = DueOf(queue->second);
  }
  return true;
}

std::vector<BatchPlanner::Item> BatchPlanner::Next(Time now) {
  std::vector<std::string> tenants;
  for (const auto& [key, queue] : queues_) {
    if (queue.due <= now) tenants.push_back(queue.items.front()->tenant);
  }
  if (tenants.empty()) return {};
  const std::string tenant = fairness_.Next(tenants);
  auto chosen = queues_.end();
  for (auto queue = queues_.begin(); queue != queues_.end(); ++queue) {
    if (queue->second.due > now || queue->second.items.front()->tenant != tenant) continue;
    if (chosen == queues_.end() || queue->second.came.front() < chosen->second.came.front()) chosen = queue;
  }
  Queue& queue = chosen->second;
  const size_t count = std::min(limits_.most, queue.items.size());
  std::vector<Item> batch(std::make_move_iterator(queue.items.begin()),
                          std::make_move_iterator(queue.items.begin() + static_cast<ptrdiff_t>(count)));
  queue.items.erase(queue.items.begin(), queue.items.begin() + static_cast<ptrdiff_t>(count));
  queue.came.erase(queue.came.begin(), queue.came.begin() + static_cast<ptrdiff_t>(count));
  waiting_ -= count;
  waiting_of_[tenant] -= count;
  if (queue.items.empty()) {
    queues_.erase(chosen);
  } else {
    queue.due = queue.items.size() >= limits_.most ? now : DueOf(queue);
  }
  return batch;
}

std::optional<BatchPlanner::Time> BatchPlanner::NextDue() const {
  std::optional<Time> due;
  for (const auto& [key, queue] : queues_) due = due ? std::min(*due, queue.due) : queue.due;
  return due;
}

}  // namespace vouch
