#include "index/inverted/block_codec.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace vouch {
namespace {

constexpr size_t kLanes = 4;
constexpr size_t kSteps = kBlockPostings / kLanes;
static_assert(std::endian::native == std::endian::little, "packed numbers are used as they lie");

// A word at any address.
typedef uint32_t UnalignedWord __attribute__((aligned(1), may_alias));

template <uint32_t kBits>
void UnpackBlock(const char* packed, uint32_t* numbers) {
  if constexpr (kBits == 0) {
    std::memset(numbers, 0, kBlockPostings * sizeof(uint32_t));
  } else {
    const auto* words = reinterpret_cast<const UnalignedWord*>(packed);
    constexpr uint32_t kMask = kBits == 32 ? ~uint32_t{0} : (uint32_t{1} << (kBits % 32)) - 1;
#pragma GCC unroll 32
    for (uint32_t step = 0; step < kSteps; ++step) {
      const uint32_t word = step * kBits / 32 * kLanes;
      const uint32_t shift = step * kBits % 32;
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        uint32_t number = words[word + lane] >> shift;
        if (shift + kBits > 32) number |= words[word + kLanes + lane] << ((32 - shift) % 32);
        numbers[step * kLanes + lane] = number & kMask;
      }
    }
  }
}

using Unpacker = void (*)(const char*, uint32_t*);
template <size_t... kBits>
constexpr std::array<Unpacker, sizeof...(kBits)> MakeUnpackers(std::index_sequence<kBits...>) {
  return {UnpackBlock<kBits>...};
}
constexpr auto kUnpackers = MakeUnpackers(std::make_index_sequence<33>());

void PackBlock(const uint32_t* numbers, uint32_t bits, std::string* out) {
  std::array<uint32_t, kBlockPostings> words{};
  for (uint32_t i = 0; i < kBlockPostings; ++i) {
    const uint32_t at = i / kLanes * bits;
    uint32_t* word = &words[at / 32 * kLanes + i % kLanes];
    word[0] |= numbers[i] << (at % 32);
    if (at % 32 + bits > 32) word[kLanes] |= numbers[i] >> (32 - at % 32);
  }
  out->append(reinterpret_cast<const char*>(words.data()), PackedBytes(kBlockPostings, bits));
}

}  // namespace

uint32_t BitsFor(const uint32_t* numbers, size_t count) {
  uint32_t all = 0;
  for (size_t i = 0; i < count; ++i) all |= numbers[i];
  return static_cast<uint32_t>(std::bit_width(all));
}

void PackNumbers(const uint32_t* numbers, size_t count, uint32_t bits, std::string* out) {
  if (bits == 0) return;
  if (count == kBlockPostings) return PackBlock(numbers, bits, out);
  uint64_t pending = 0;
  uint32_t held = 0;
  for (size_t i = 0; i < count; ++i) {
    pending |= uint64_t{numbers[i]} << held;
    for (held += bits; held >= 8; held -= 8, pending >>= 8)
      out->push_back(static_cast<char>(pending));
  }
  if (held > 0) out->push_back(static_cast<char>(pending));
}

void UnpackNumbers(const char* packed, size_t count, uint32_t bits, uint32_t* numbers) {
  if (count == kBlockPostings) return kUnpackers[bits](packed, numbers);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (size_t i = 0; i < count; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, packed + i * bits / 8, sizeof(word));
    numbers[i] = static_cast<uint32_t>(word >> (i * bits % 8) & mask);
  }
}

}  // namespace vouch
