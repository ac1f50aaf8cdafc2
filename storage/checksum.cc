#include "storage/checksum.h"

#include <xxhash.h>

#include "storage/coding.h"
#include "storage/store.h"

namespace vouch {

uint64_t SealSeed(CollectionId collection, uint64_t number) {
  // The odd multiplier of SplitMix64 keeps neighbouring collections and numbers apart.
  return collection.value * 0x9E3779B97F4A7C15u ^ number;
}

void Seal(std::string& value, uint64_t seed) {
  PutBe64(value, XXH3_64bits_withSeed(value.data(), value.size(), seed));
}

void SealInPlace(std::string& value, uint64_t seed) {
  const size_t size = value.size() - kSealBytes;
  WriteBe64(value.data() + size, XXH3_64bits_withSeed(value.data(), size, seed));
}

bool Unseal(std::string_view value, uint64_t seed, std::string_view& content) {
  if (value.size() < kSealBytes) return false;
  content = value.substr(0, value.size() - kSealBytes);
  return ReadBe64(value.data() + content.size()) ==
         XXH3_64bits_withSeed(content.data(), content.size(), seed);
}

bool IsContentHash(std::string_view text) {
  if (text.size() != 32) return false;
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

std::string ContentHash(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(32);
  for (const uint64_t half : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) text.push_back(kDigits[half >> shift & 15]);
  }
  return text;
}

}  // namespace vouch
