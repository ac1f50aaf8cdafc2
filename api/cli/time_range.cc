#include "api/cli/time_range.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/cli/invocation.h"

namespace vouch {
namespace {

absl::Status ReadTime(const char* option, const std::string& text, int64_t* time_us) {
  if (text.empty()) return absl::OkStatus();
  absl::Time time;
  std::string why;
  const bool read = text.size() == 10 ? absl::ParseTime("%Y-%m-%d", text, &time, &why)
                                      : absl::ParseTime(absl::RFC3339_full, text, &time, &why);
  // 0 stands for nothing.
  if (read && time > absl::UnixEpoch()) {
    *time_us = absl::ToUnixMicros(time);
    return absl::OkStatus();
  }
  return UsageError(absl::StrCat(option, " is '", text,
                                 "'; it takes a day (2026-11-26, its begin in UTC) or a time (2026-11-26T10:00:00Z)"));
}

}  // namespace

void AddTimeRangeOptions(CLI::App& command, const std::string& what, TimeRangeOptions* options) {
  command.add_option("--from", options->from, what + " from a day (2026-11-01, UTC) or time (2026-11-01T10:00:00Z) on")
      ->type_name("TIME");
  command.add_option("--to", options->to, "up to this day or time, which is not in it")->type_name("TIME");
}

absl::Status ReadTimeRange(const TimeRangeOptions& options, int64_t* from_us, int64_t* to_us) {
  if (absl::Status status = ReadTime("--from", options.from, from_us); !status.ok()) return status;
  if (absl::Status status = ReadTime("--to", options.to, to_us); !status.ok()) return status;
  if (*to_us != 0 && *to_us < *from_us)
    return UsageError(absl::StrCat("--to ", options.to, " is before --from ", options.from));
  return absl::OkStatus();
}

}  // namespace vouch
