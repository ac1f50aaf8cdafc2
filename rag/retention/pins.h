#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"

namespace vouch {

enum class PinKind : uint8_t { kTag, kAnswer, kEvaluation, kMigration };
std::string_view PinKindName(PinKind kind);  // "tag", "answer", "evaluation", "migration"

// What keeps a version of a collection readable, whatever its retention says.
struct VersionPin {
  PinKind kind = PinKind::kTag;
  std::string name = {};   // the tag's, the answer's or evaluation's id, or the collection that a migration goes to
  Version version = {};
  uint64_t count = 1;      // pins of the kind at the version; `name` is that of the newest
  bool and_later = false;  // all later versions, too
};

// All pins of a collection, by version and kind: its tags; answers and evaluations of it that are kept and, where the policy
// bounds that, were made within `policy.records_us` before `now_us`; migrations from it that still follow it. Cursors and
// exports pin nothing beyond the call that runs: who exports for long tags the version.
//
// Looks at every record of the tenant, at the first few bytes of each answer.
absl::StatusOr<std::vector<VersionPin>> CollectPins(Database& database, const CollectionInfo& info,
                                                    const RetentionPolicy& policy, int64_t now_us);

}  // namespace vouch
