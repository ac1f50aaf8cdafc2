#include "rag/cost/forecast.h"

#include <algorithm>
#include <cmath>

#include "rag/eval/distributions.h"
#include "rag/llm/spend_book.h"

namespace vouch {
namespace {

constexpr double kLargest = 0x1p63;  // a forecast beyond it says nothing

uint64_t WholeNano(double value) { return static_cast<uint64_t>(std::clamp(std::round(value), 0.0, kLargest)); }

}  // namespace

MonthForecast ForecastMonth(const MonthSoFar& month) {
  MonthForecast forecast;
  if (month.days.empty()) return forecast;
  const uint64_t spent = AddNano(month.before_today_nano, month.today_nano);
  const auto n = static_cast<double>(month.days.size());
  double mean = 0;
  for (const uint64_t day : month.days) mean += static_cast<double>(day) / n;
  // What today has cost beyond a day's mean is spent, and takes nothing from the days after it.
  const auto today = static_cast<double>(month.today_nano);
  const bool dear = today > mean;
  const double later = std::max<uint32_t>(month.days_left, 1) - 1;
  const double whole = static_cast<double>(month.before_today_nano) + std::max(today, mean) + later * mean;
  forecast.known = true;
  forecast.expected_nano = std::max(spent, WholeNano(whole));
  if (month.days.size() < 2) return forecast;
  double squares = 0;
  for (const uint64_t day : month.days) squares += (static_cast<double>(day) - mean) * (static_cast<double>(day) - mean);
  const double deviation = std::sqrt(squares / (n - 1));
  const double open = dear ? later : later + 1;  // days of which nothing is known
  const double half = StudentQuantile(0.975, n - 1) * deviation * std::sqrt(open + open * open / n);
  forecast.has_interval = true;
  forecast.low_nano = std::max(spent, WholeNano(whole - half));
  forecast.high_nano = std::max(spent, WholeNano(whole + half));
  return forecast;
}

}  // namespace vouch
