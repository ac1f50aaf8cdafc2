#pragma once

#include <ctime>

namespace vouch {

// The processor time of this thread, in milliseconds: what a search costs where other work runs beside
// it. Of searches that run in their caller's thread alone.
inline double ThreadMilliseconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace vouch
