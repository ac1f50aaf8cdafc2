#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/ids.h"

namespace vouch {

// Bytes that Seal adds.
inline constexpr size_t kSealBytes = 8;

// The seed of a value's seal says where the value belongs, so that a value under another's key is noticed too.
uint64_t SealSeed(CollectionId collection, uint64_t number);

// Appends the big-endian XXH3-64 of all bytes before it.
void Seal(std::string& value, uint64_t seed);
// Writes the seal into the last kSealBytes bytes, which stand ready.
void SealInPlace(std::string& value, uint64_t seed);
// What stands before the seal; false where the seal does not match.
bool Unseal(std::string_view value, uint64_t seed, std::string_view& content);

// 32 lower-case hexadecimal digits, as ContentHash writes them.
bool IsContentHash(std::string_view text);

}  // namespace vouch
