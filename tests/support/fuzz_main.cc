// Runs a libFuzzer target without libFuzzer: on the empty input, on the target's seeds and on seeded mutations of them.
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Each target gives some valid inputs.
std::vector<std::string> FuzzSeeds();

int main() {
  constexpr int kMutations = 3000;
  std::mt19937_64 random(20261123);
  std::vector<std::string> seeds = FuzzSeeds();
  seeds.emplace_back();
  for (const std::string& seed : seeds) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(seed.data()), seed.size());
  }
  for (int i = 0; i < kMutations; ++i) {
    std::string input = seeds[random() % seeds.size()];
    for (uint64_t edits = 1 + random() % 8; edits > 0; --edits) {
      const size_t at = input.empty() ? 0 : random() % input.size();
      switch (random() % 4) {
        case 0: if (!input.empty()) input[at] = static_cast<char>(random()); break;
        case 1: input.insert(at, 1, static_cast<char>(random())); break;
        case 2: input.resize(at); break;
        case 3: if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << (random() % 8))); break;
      }
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::printf("%d mutations of %zu seeds\n", kMutations, seeds.size());
  return 0;
}
