#include "index/memory_budget.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace vouch {

std::string DescribeBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.*f %s", value < 100 ? 1 : 0, value, kUnits[unit]);
}

void MemoryBudget::SetIndexBytes(const void* owner, uint64_t bytes) {
  const std::lock_guard lock(mu_);
  uint64_t& held = indexes_[owner];
  index_bytes_ += bytes - held;  // of unsigned numbers: right whichever is the larger
  held = bytes;
  if (bytes == 0) indexes_.erase(owner);
}

MemoryBudget::Use MemoryBudget::Measure() const {
  Use use;
  use.limit = options_.limit_bytes;
  if (options_.store_bytes) use.store = options_.store_bytes();
  const std::lock_guard lock(mu_);
  use.indexes = index_bytes_;
  use.reserved = reserved_;
  return use;
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::Reserve(uint64_t bytes, std::string_view what) {
  const uint64_t limit = options_.limit_bytes;
  if (limit == 0) return Reservation();
  Use use = Measure();
  if (options_.relieve) {
    options_.relieve(static_cast<double>(use.total() + bytes) > kPressed * static_cast<double>(limit));
    use.store = Measure().store;
  }
  const std::lock_guard lock(mu_);
  use.indexes = index_bytes_;
  use.reserved = reserved_;
  if (use.total() + bytes <= limit) {
    reserved_ += bytes;
    return Reservation(this, bytes);
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      std::string(what), " needs about ", DescribeBytes(bytes), " of memory; ", DescribeBytes(use.total()),
      " are held (indexes ", DescribeBytes(use.indexes), ", store ", DescribeBytes(use.store), ", running work ",
      DescribeBytes(use.reserved), ") of a memory_limit of ", DescribeBytes(limit),
      "; searches go on. Raise the limit, drop a collection, or try again when builds are done"));
}

void MemoryBudget::Release(uint64_t bytes) {
  const std::lock_guard lock(mu_);
  reserved_ -= bytes;
}

}  // namespace vouch
