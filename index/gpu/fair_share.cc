#include "index/gpu/fair_share.h"

#include <algorithm>

namespace vouch {

void FairShare::Wakes(const std::string& tenant) {
  Account& account = accounts_[tenant];
  account.virtual_time = std::max(account.virtual_time, now_);
}

std::string FairShare::Next(std::span<const std::string> waiting) const {
  const auto time_of = [&](const std::string& tenant) {
    const auto found = accounts_.find(tenant);
    return found == accounts_.end() ? now_ : found->second.virtual_time;
  };
  return *std::min_element(waiting.begin(), waiting.end(), [&](const std::string& a, const std::string& b) {
    return time_of(a) != time_of(b) ? time_of(a) < time_of(b) : a < b;
  });
}

void FairShare::Charge(const std::string& tenant, std::chrono::nanoseconds took) {
  Account& account = accounts_[tenant];
  now_ = std::max(now_, account.virtual_time);
  account.virtual_time += static_cast<double>(took.count()) / account.weight;
  account.used += took;
}

std::chrono::nanoseconds FairShare::Used(const std::string& tenant) const {
  const auto found = accounts_.find(tenant);
  return found == accounts_.end() ? std::chrono::nanoseconds(0) : found->second.used;
}

std::map<std::string, std::chrono::nanoseconds> FairShare::UsedByAll() const {
  std::map<std::string, std::chrono::nanoseconds> used;
  for (const auto& [tenant, account] : accounts_) {
    if (account.used.count() > 0) used[tenant] = account.used;
  }
  return used;
}

}  // namespace vouch
