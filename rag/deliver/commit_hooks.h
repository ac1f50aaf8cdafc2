#pragma once

#include <memory>

#include "query/database.h"
#include "rag/deliver/hook_runner.h"

namespace vouch {

// The database as those see it who write for a caller: before each write of a collection the hooks
// that want "before.commit" are asked, in the caller's thread and before anything is read for it, so
// that no other write waits. Refused, it fails with FAILED_PRECONDITION and nothing is changed. What
// the engine writes of itself (points that expire, retention) is not asked for; that takes `database`.
//
// Null where no hook wants it, nor may one be applied that does: then writers take `database` itself, and it costs nothing.
// A hook that is applied meanwhile is asked of collections that are got from then on. Borrows both.
std::unique_ptr<Database> AskBeforeCommits(Database& database, const HookRunner& hooks);

}  // namespace vouch
