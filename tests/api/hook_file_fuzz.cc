// Files of hooks are written by people, and may hold anything.
#include <cstdint>
#include <string>
#include <vector>

#include "api/hook_file.h"

std::vector<std::string> FuzzSeeds() {
  return {"hooks:\n  - {name: a, events: [after.*], url: 'http://h', attempts: 5}\n",
          "hooks: [{name: a, events: before.tag, command: [/bin/true, x], on_failure: allow}]\n",
          "hooks: &a [*a]\n", "? [x]\n: y\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto none = [](const std::string&) { return std::optional<std::string>(); };
  (void)vouch::ParseHookFile("f", std::string(reinterpret_cast<const char*>(data), size), none);
  return 0;
}
