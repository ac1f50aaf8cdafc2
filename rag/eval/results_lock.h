#pragma once

#include <mutex>

namespace vouch {

// Held by who reads results of evaluations in order to write them anew: a judge that adds measures, and the forgetting that erases
// answers. Without it each would put back what the other has just changed. One process has a store open.
std::mutex& ResultsLock();

}  // namespace vouch
