#pragma once

#include <cstdint>
#include <vector>

namespace vouch {

// What is known of a month's spending, in billionths of the currency.
struct MonthSoFar {
  std::vector<uint64_t> days = {};  // the latest whole days, the oldest first; they may lie in the month before
  uint64_t before_today_nano = 0;   // of the month's whole days
  uint64_t today_nano = 0;
  uint32_t days_left = 1;  // of the month, today among them
};

// What the month will have come to.
struct MonthForecast {
  bool known = false;         // false: there is no whole day to go by
  uint64_t expected_nano = 0;
  bool has_interval = false;  // from two days on
  uint64_t low_nano = 0;      // of the 95 % prediction interval; never below what is spent already
  uint64_t high_nano = 0;
};

// The days left cost what the known days did on average, today at least what it has cost already. The interval is that of a sum of r
// further days after n known ones, r * mean ± t(n - 1) * s * sqrt(r + r² / n), where a day that has cost more than the mean is none of
// the r: it takes days as alike and independent, so it knows nothing of weekends and growth.
MonthForecast ForecastMonth(const MonthSoFar& month);

}  // namespace vouch
