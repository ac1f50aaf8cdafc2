#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// What one pipeline has spent of a tenant's day. Money in billionths of the currency.
struct SpendAccount {
  std::string pipeline = {};
  uint64_t calls = 0;  // tries that a server took
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t spent_nano = 0;
  uint64_t lapsed_nano = 0;  // of reservations whose calls never came back: counts as spent
  friend bool operator==(const SpendAccount&, const SpendAccount&) = default;
};

// Money held for a call that runs.
struct SpendReservation {
  uint64_t id = 0;
  std::string pipeline = {};
  uint64_t nano = 0;
  int64_t lease_until_us = 0;  // past it the call is taken for lost with its process
  friend bool operator==(const SpendReservation&, const SpendReservation&) = default;
};

// A tenant's spending of one day (UTC), as it is kept: JSON, format 1. Sums stop at the largest
// number instead of overflowing.
struct SpendBook {
  static constexpr size_t kMaxAccounts = 1'000;
  static constexpr size_t kMaxReservations = 2'000;

  uint64_t next_id = 1;
  std::vector<SpendAccount> accounts = {};          // ascending by pipeline
  std::vector<SpendReservation> reservations = {};  // ascending by id

  // The pipeline's account, made where there is none.
  SpendAccount& Account(std::string_view pipeline);
  // Spent, lapsed and reserved; of all pipelines without a name.
  uint64_t CommittedNano(std::optional<std::string_view> pipeline) const;
  // Moves reservations whose lease has ended to `lapsed_nano`.
  void LapseAt(int64_t now_us);

  std::string Encode() const;
  // DATA_LOSS names the field; FAILED_PRECONDITION: a newer program wrote it.
  static absl::StatusOr<SpendBook> Decode(std::string_view json);

  friend bool operator==(const SpendBook&, const SpendBook&) = default;
};

// a + b, at most the largest number.
uint64_t AddNano(uint64_t a, uint64_t b);

}  // namespace vouch
