#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index/gpu/fair_share.h"

namespace vouch {

// Which searches may share a batch.
struct BatchKey {
  const void* column = nullptr;
  uint32_t k = 0;
  uint32_t kind = 0;
  friend auto operator<=>(const BatchKey&, const BatchKey&) = default;
};

// A search that waits for a batch.
struct BatchItem {
  virtual ~BatchItem() = default;
  BatchKey key = {};
  std::string tenant = {};  // the column's; the same for all items of a key
  bool background = false;
};

struct BatchLimits {
  size_t most = 256;  // searches of one batch; more: better use of matrix units, longer batches
  // How long the first search of a batch may wait for others. More: larger batches where searches come one by one, and later
  // answers.
  std::chrono::microseconds wait{200};
  size_t most_waiting = 4096;  // in all; more are not taken, and of a tenant no more than there is room left: others find some
};

// Decides which searches go together, and when: a batch goes when it is full, or when nothing is to be gained by waiting. How many
// more are to be expected is known from how often searches of the same key came: where less than one is expected within the
// wait, a search goes at once.
//
// Not thread safe, and it knows no clock: times come with the calls, never going back.
class BatchPlanner {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Item = std::shared_ptr<BatchItem>;

  explicit BatchPlanner(BatchLimits limits) : limits_(limits) {}

  // False: too many wait, or too many of its tenant, and it was not taken.
  bool Add(Item item, Time now);
  // False: it does not wait.
  bool Remove(const BatchItem& item);
  // The next batch, in the order in which they came; none where none is due. Of several that are due, that of the tenant that had
  // the least of the device, and of these the one that waits the longest.
  std::vector<Item> Next(Time now);
  // When one will be due; none where nothing waits.
  std::optional<Time> NextDue() const;
  // A batch took so long.
  void Charge(const std::string& tenant, std::chrono::nanoseconds took) { fairness_.Charge(tenant, took); }

  size_t waiting() const { return waiting_; }
  FairShare& fairness() { return fairness_; }
  const FairShare& fairness() const { return fairness_; }

 private:
  struct Queue {
    std::deque<Item> items;
    std::deque<Time> came;  // by item
    Time due;               // of the first
  };
  // How often searches of a key come.
  struct Rate {
    Time last;
    double interval_us = 0;  // a moving mean; 0: not known yet
  };

  Time DueOf(const Queue& queue) const;
  void Note(const BatchKey& key, Time now);
  bool ExpectsMore(const BatchKey& key) const;

  const BatchLimits limits_;
  FairShare fairness_;
  std::map<BatchKey, Queue> queues_;  // none is empty
  std::map<BatchKey, Rate> rates_;
  std::map<std::string, size_t> waiting_of_;  // by tenant
  size_t waiting_ = 0;
};

}  // namespace vouch
