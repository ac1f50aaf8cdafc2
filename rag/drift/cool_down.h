#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vouch {

// Time that no setting of a clock moves: microseconds since the machine was started, and which start
// that was. It goes on while the machine sleeps.
struct SteadyTime {
  std::string boot = {};
  int64_t us = 0;
};
SteadyTime SteadyNow();

// When something was begun.
struct CoolMark {
  std::string boot = {};
  int64_t steady_us = 0;
  int64_t wall_us = 0;
};

CoolMark MarkNow(const SteadyTime& now, int64_t wall_us);
// What is left of `cool_us` since the mark; 0: it is over. A clock that is set changes nothing while
// the machine runs. Over a restart of the machine the clock is all there is: one that was set back
// counts as no time gone, and Carry sees to it that this is so once.
int64_t CoolLeft(const CoolMark& mark, const SteadyTime& now, int64_t wall_us, int64_t cool_us);
// The mark in terms of this start of the machine; nullopt where it is already.
std::optional<CoolMark> Carry(const CoolMark& mark, const SteadyTime& now, int64_t wall_us);

}  // namespace vouch
