#include "api/cli/apply_plan.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"

namespace vouch {

using Json = nlohmann::ordered_json;

void ApplyPlan::Add(const char* action, const char* kind, const std::string& name, const std::string& diff) {
  steps_.push_back({{"action", action}, {"kind", kind}, {"name", name}, {"diff", diff}});
}

void ApplyPlan::Report(bool json, bool dry_run) const {
  std::map<std::string, int> counts;
  for (const Json& step : steps_) ++counts[step["action"].get<std::string>()];
  const bool changes = counts["create"] + counts["change"] + counts["remove"] > 0;
  if (json) return Print(FormatJson({{"dry_run", dry_run}, {"changes", changes}, {"steps", steps_}}));
  const std::map<std::string, const char*> signs = {
      {"create", "+"}, {"change", "~"}, {"remove", "-"}, {"same", "="}};
  for (const Json& step : steps_) {
    Print(absl::StrCat(signs.at(step["action"].get<std::string>()), " ", step["kind"].get<std::string>(), " ",
                       step["name"].get<std::string>(), "\n", step["diff"].get<std::string>()));
  }
  Print(absl::StrCat(counts["create"], " created, ", counts["change"], " changed, ", counts["remove"], " removed, ",
                     counts["same"], " as they were", dry_run ? " (a dry run: nothing was done)" : "", "\n"));
}

}  // namespace vouch
