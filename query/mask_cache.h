#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "index/index_reader.h"
#include "index/payload/filter.h"

namespace vouch {

// Row masks by filter, for several requests of one principal over one reader. Thread safe; what Find gives stays as long as
// the cache.
class MaskCache {
 public:
  // Null: not there. `filter` null: no filter.
  const RowMask* Find(const Filter* filter) const {
    const std::lock_guard lock(mu_);
    for (const auto& [known, mask] : masks_) {
      if (known.has_value() == (filter != nullptr) && (filter == nullptr || *known == *filter))
        return &mask;
    }
    return nullptr;
  }
  void Add(const Filter* filter, const RowMask& mask) {
    const std::lock_guard lock(mu_);
    masks_.emplace_back(filter == nullptr ? std::nullopt : std::optional<Filter>(*filter), mask);
  }

 private:
  mutable std::mutex mu_;
  std::deque<std::pair<std::optional<Filter>, RowMask>> masks_;  // guarded by mu_
};

}  // namespace vouch
