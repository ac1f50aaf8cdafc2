#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

// What --from and --to say, as it was typed.
struct TimeRangeOptions {
  std::string from = {};
  std::string to = {};
};
// `what`: whose times they are, for the help: "answers".
void AddTimeRangeOptions(CLI::App& command, const std::string& what, TimeRangeOptions* options);
// Microseconds since the epoch, 0 where nothing was said. A usage error names the option, the text, and what it takes.
absl::Status ReadTimeRange(const TimeRangeOptions& options, int64_t* from_us, int64_t* to_us);

}  // namespace vouch
