#include "api/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace vouch {

Progress::Progress(bool enabled) : enabled_(enabled), last_(std::chrono::steady_clock::now()) {
  const char* term = std::getenv("TERM");
  terminal_ = ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string(term) != "dumb";
}

void Progress::Update(const std::string& text, double fraction) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1000)))
    return;
  last_ = now;
  Draw(text, fraction);
}

void Progress::Draw(const std::string& text, double fraction) {
  const double bounded = std::clamp(fraction, 0.0, 1.0);
  if (!terminal_) {
    if (fraction < 0) {
      std::fprintf(stderr, "%s\n", text.c_str());
    } else {
      std::fprintf(stderr, "%s (%.0f %%)\n", text.c_str(), 100 * bounded);
    }
    return;
  }
  drawn_ = true;
  if (fraction < 0) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
  } else {
    constexpr int kWidth = 30;
    const int full = static_cast<int>(bounded * kWidth);
    std::fprintf(stderr, "\r\033[K[%s%s] %3.0f %%  %s", std::string(full, '#').c_str(),
                 std::string(kWidth - full, '.').c_str(), 100 * bounded, text.c_str());
  }
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

ProgressWatch::ProgressWatch(Progress& progress, std::string text, std::function<double()> look)
    : thread_([this, &progress, text = std::move(text), look = std::move(look)] {
        std::unique_lock<std::mutex> lock(mu_);
        while (!wake_.wait_for(lock, std::chrono::milliseconds(200), [this] { return ended_; })) {
          progress.Update(text, look());
        }
      }) {}

ProgressWatch::~ProgressWatch() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    ended_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

}  // namespace vouch
