#pragma once

#include <cstdint>

namespace vouch {

// What the system counts of this process; 0 where it does not say (/proc/self/status of Linux).
struct ProcessMemory {
  uint64_t resident = 0;  // VmRSS: with the pages of mapped files that lie in memory
  uint64_t anonymous = 0;  // RssAnon: its private memory alone
};
ProcessMemory ReadProcessMemory();

}  // namespace vouch
