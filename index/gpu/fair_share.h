#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace vouch {

// Shares a device's time among tenants: of those that wait, the one goes next that had the least of it by its weight (start-time
// fair queuing, Goyal, Vin and Cheng 1996). One that comes back after a pause starts where the others are, so that it neither makes
// up for its pause nor waits for what it had before.
//
// Not thread safe.
//
// Invariants:
// 1. Two tenants that wait all the time get time in the proportion of their weights, but for the batches that run at a time.
// 2. What a tenant has used while it was alone is not held against it, nor can one that was away take all the time when it is back.
class FairShare {
 public:
  // Above 0; 1 where none was set. More: more of the time.
  void SetWeight(const std::string& tenant, double weight) { accounts_[tenant].weight = weight; }
  // The tenant has work that waits, and had none before.
  void Wakes(const std::string& tenant);
  // Which of the waiting tenants is next; ties by name. `waiting` is not empty.
  std::string Next(std::span<const std::string> waiting) const;
  // The tenant's batch took so long.
  void Charge(const std::string& tenant, std::chrono::nanoseconds took);

  std::chrono::nanoseconds Used(const std::string& tenant) const;
  // All that were charged.
  std::map<std::string, std::chrono::nanoseconds> UsedByAll() const;

 private:
  struct Account {
    double weight = 1;
    double virtual_time = 0;  // nanoseconds by weight
    std::chrono::nanoseconds used{0};
  };
  std::map<std::string, Account> accounts_;
  double now_ = 0;  // the virtual time of the last one served, when it was served
};

}  // namespace vouch
