#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace vouch {

struct SandboxLimits {
  uint64_t memory_bytes = 0;  // address space
  uint64_t cpu_seconds = 0;
  uint64_t file_bytes = 0;    // of a file that is written, in memory too
};

// Gives up for ever, for this process and all that it starts, what parsing a document does not need:
//  - memory, processor time, written bytes and core files by limits (setrlimit);
//  - new privileges, and living on without the parent;
//  - sockets, tracing and signalling other processes, mounts, keys, and the like (seccomp, where the kernel has it);
//  - all writing, and reading outside of the system's own folders and `readable` (Landlock, where the kernel has it).
// The last two hold as far as the kernel goes along: where it has none of it, the limits are all there is. An error: the
// limits themselves could not be set.
absl::Status EnterSandbox(const SandboxLimits& limits, const std::vector<std::string>& readable);

// False in a build with a sanitizer, which needs all of the address space and takes signals for itself.
bool SandboxLimitsMemory();

}  // namespace vouch
