#include "rag/llm/latency_window.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vouch {

void LatencyWindow::Add(int64_t us) {
  const std::lock_guard<std::mutex> lock(mu_);
  times_us_.push_back(us);
  if (times_us_.size() > kTimes) times_us_.pop_front();
}

std::optional<int64_t> LatencyWindow::Quantile(double quantile, size_t min_samples) const {
  std::vector<int64_t> times;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (times_us_.empty() || times_us_.size() < min_samples) return std::nullopt;
    times.assign(times_us_.begin(), times_us_.end());
  }
  const double count = static_cast<double>(times.size());
  const auto place = static_cast<size_t>(std::clamp(std::ceil(quantile * count), 1.0, count)) - 1;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(place), times.end());
  return times[place];
}

}  // namespace vouch
