#pragma once

#include <functional>

#include "absl/status/status.h"

namespace vouch {

// The one boundary to FAISS: runs `body` and turns what it throws into a status: RESOURCE_EXHAUSTED for memory,
// INTERNAL with FAISS's words for the rest. Arguments are validated before, since FAISS_ASSERT aborts.
//
// FAISS's OpenMP threads are held at one in the calling thread: the engine owns the threads, and a graph built by one
// thread is the same each time.
absl::Status GuardFaiss(const std::function<absl::Status()>& body);

}  // namespace vouch
