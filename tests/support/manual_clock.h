#pragma once

#include <cstdint>

#include "storage/clock.h"

namespace vouch {

// A clock that stands still until it is moved.
class ManualClock final : public Clock {
 public:
  int64_t NowMicros() const override { return now_us; }
  int64_t now_us = 1'790'000'000'000'000;  // 2026-09-21T14:13:20Z
};

}  // namespace vouch
