#pragma once

#include <cstdint>

namespace vouch {

// The wall clock, injected: what is applied and what is searched never reads it.
class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since the Unix epoch.
  virtual int64_t NowMicros() const = 0;

  static const Clock& System();
};

}  // namespace vouch
