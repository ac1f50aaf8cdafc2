#include "storage/duration_text.h"

#include <array>
#include <charconv>

#include "storage/concat.h"

namespace vouch {

namespace {

struct Unit {
  std::string_view name;
  int64_t us;
};
constexpr std::array<Unit, 6> kUnits = {{{"d", int64_t{24} * 3600 * 1'000'000},
                                         {"h", int64_t{3600} * 1'000'000},
                                         {"m", int64_t{60} * 1'000'000},
                                         {"s", 1'000'000},
                                         {"ms", 1'000},
                                         {"us", 1}}};

}  // namespace

absl::StatusOr<int64_t> ParseDurationText(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (error != std::errc() || number < 1 || name != unit.name) continue;
    if (number > kMaxDurationUs / unit.us) break;
    return number * unit.us;
  }
  return absl::InvalidArgumentError(Concat("\"", Escape(text, 64),
                                           "\" is no span of time: a whole number above 0 and a unit of us, ms, s, m, h or "
                                           "d, as 30d; at most ",
                                           FormatDurationText(kMaxDurationUs)));
}

std::string FormatDurationText(int64_t us) {
  for (const Unit& unit : kUnits) {
    if (us % unit.us == 0) return Concat(us / unit.us, unit.name);
  }
  return Concat(us, "us");
}

}  // namespace vouch
