#pragma once

#include <cstddef>
#include <functional>

namespace vouch {

class JobPool;

// Calls work(i) for each i of [0, count), ascending and each once, on the caller's thread and on up to `helpers` threads of the
// pool, and returns when all that were begun have ended. Where work(i) says false, none that was not begun by then is begun.
// Helpers that come late find nothing to do: it never waits for the pool, so it may be called on its threads too. `pool` may be
// null. Work must not throw.
void WorkTogether(JobPool* pool, size_t helpers, size_t count, const std::function<bool(size_t)>& work);

}  // namespace vouch
