// The configuration file is written by people, and may hold anything.
#include <cstdint>
#include <string>
#include <vector>

#include "api/config.h"

std::vector<std::string> FuzzSeeds() {
  return {"listen: 127.0.0.1:7700\nseal_rows: 1000\n",
          "model_server:\n  base_url: http://127.0.0.1:1/v1\n",
          "# nothing\n",
          "log_level: [debug]\n",
          "a: &b {c: *b}\n",
          "? [x]\n: y\n",
          "\"data\": 'x''y'\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::ConfigSources sources;
  sources.environment = [](const std::string&) { return std::nullopt; };
  sources.file_name = "fuzz.yaml";
  sources.file_text.assign(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::Config> config = vouch::LoadConfig(sources);
  // A refusal always says where.
  if (!config.ok() && config.status().message().find("fuzz.yaml") == absl::string_view::npos)
    __builtin_trap();
  return 0;
}
