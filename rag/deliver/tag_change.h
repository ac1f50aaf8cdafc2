#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/deliver/hook_runner.h"

namespace vouch {

// A tag of a collection that is made or removed in one transaction with its entry of the audit log,
// after hooks of before.tag were asked. `hooks` may be null.
struct TagAuthor {
  Principal principal = {};
  const HookRunner* hooks = nullptr;
  CancelToken cancel = {};
};
// As Collection::CreateTag. FAILED_PRECONDITION: a hook refused.
absl::StatusOr<Tag> CreateTagOnRecord(Database& database, Collection& collection,
                                      const std::string& name, const ReadAt& at,
                                      const TagAuthor& author);
absl::Status DeleteTagOnRecord(Database& database, Collection& collection, const std::string& name,
                               const TagAuthor& author);

}  // namespace vouch
