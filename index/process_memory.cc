#include "index/process_memory.h"

#include <fstream>
#include <sstream>
#include <string>

namespace vouch {

ProcessMemory ReadProcessMemory() {
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t kilobytes = 0;
    if (!(words >> name >> kilobytes)) continue;
    if (name == "VmRSS:") memory.resident = kilobytes << 10;
    if (name == "RssAnon:") memory.anonymous = kilobytes << 10;
  }
  return memory;
}

}  // namespace vouch
