#include "rag/drift/cool_down.h"

#include <time.h>

#include <algorithm>
#include <fstream>

namespace vouch {
namespace {

int64_t Gone(const CoolMark& mark, const SteadyTime& now, int64_t wall_us) {
  const int64_t gone = mark.boot == now.boot ? now.us - mark.steady_us : wall_us - mark.wall_us;
  return std::max<int64_t>(0, gone);
}

}  // namespace

SteadyTime SteadyNow() {
  SteadyTime now;
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::getline(in, now.boot);
  timespec time = {};
  if (::clock_gettime(CLOCK_BOOTTIME, &time) == 0)
    now.us = int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1'000;
  return now;
}

CoolMark MarkNow(const SteadyTime& now, int64_t wall_us) {
  return {.boot = now.boot, .steady_us = now.us, .wall_us = wall_us};
}

int64_t CoolLeft(const CoolMark& mark, const SteadyTime& now, int64_t wall_us, int64_t cool_us) {
  return std::max<int64_t>(0, cool_us - Gone(mark, now, wall_us));
}

std::optional<CoolMark> Carry(const CoolMark& mark, const SteadyTime& now, int64_t wall_us) {
  if (mark.boot == now.boot) return std::nullopt;
  const int64_t gone = Gone(mark, now, wall_us);
  return CoolMark{.boot = now.boot, .steady_us = now.us - gone, .wall_us = wall_us - gone};
}

}  // namespace vouch
