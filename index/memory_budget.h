#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace vouch {

// Keeps what a database holds in memory under a limit: what would go over it is refused before it begins, so that the
// system need not kill the process. Reads are never refused.
//
// Counted are the bytes of the indexes (MemoryAccount), of the store, and what running writes and builds reserved.
//
// Thread safe. `store_bytes` and `relieve` are called on any thread and without a lock of the budget.
class MemoryBudget {
 public:
  struct Options {
    uint64_t limit_bytes = 0;  // 0: none
    std::function<uint64_t()> store_bytes = {};
    // Asked to give up what can be had again, caches first; `pressed`: over kPressed of the limit. Called often.
    std::function<void(bool pressed)> relieve = {};
  };
  // Of the limit: from here on caches shrink and fresh rows are sealed early.
  static constexpr double kPressed = 0.8;
  // Fresh rows of one collection that hold this part of the limit are sealed in any case.
  static constexpr uint64_t kFreshShare = 8;

  // What a write or build may need, until it goes.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(MemoryBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Reservation() {
      if (budget_ != nullptr) budget_->Release(bytes_);
    }

   private:
    MemoryBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  struct Use {
    uint64_t limit = 0;  // 0: none
    uint64_t indexes = 0;
    uint64_t store = 0;
    uint64_t reserved = 0;
    uint64_t total() const { return indexes + store + reserved; }
  };

  explicit MemoryBudget(Options options) : options_(std::move(options)) {}

  uint64_t limit_bytes() const { return options_.limit_bytes; }
  // What the index of `owner` holds now; 0 when it goes.
  void SetIndexBytes(const void* owner, uint64_t bytes);
  Use Measure() const;
  // RESOURCE_EXHAUSTED naming `what`, what it needs, what is held and the limit.
  absl::StatusOr<Reservation> Reserve(uint64_t bytes, std::string_view what);

 private:
  void Release(uint64_t bytes);

  const Options options_;
  mutable std::mutex mu_;
  absl::flat_hash_map<const void*, uint64_t> indexes_;  // guarded by mu_
  uint64_t index_bytes_ = 0;                            // guarded by mu_; their sum
  uint64_t reserved_ = 0;                               // guarded by mu_
};

// "1.5 GiB", "20 MiB", "512 bytes".
std::string DescribeBytes(uint64_t bytes);

}  // namespace vouch
