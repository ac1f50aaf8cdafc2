#pragma once

#include <exception>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {

// Runs what returns a status. What the libraries below throw (out of memory) comes back as one: on a thread of our own
// nobody else would catch it, and it would end the process.
template <class Action>
absl::Status Guarded(Action&& action) {
  try {
    return std::forward<Action>(action)();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the process is out of memory for this");
  } catch (const std::exception& error) {
    return absl::InternalError(Concat("unexpected: ", error.what()));
  }
}

}  // namespace vouch
