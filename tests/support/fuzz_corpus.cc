// Puts a fuzz target's seeds into its corpus folder, the first argument that is not a flag, before
// libFuzzer reads it.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

// Each target gives some valid inputs.
std::vector<std::string> FuzzSeeds();

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path folder = (*argv)[i];
    std::error_code error;
    if (folder.string().starts_with('-') || std::filesystem::is_regular_file(folder, error))
      continue;
    std::filesystem::create_directories(folder, error);
    int number = 0;
    for (const std::string& seed : FuzzSeeds()) {
      std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    }
    break;
  }
  return 0;
}
