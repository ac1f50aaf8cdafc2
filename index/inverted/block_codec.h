#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vouch {

// Numbers of 32 bits packed to as few bits as the largest of them needs.
//
// A full block holds kBlockPostings numbers in four lanes, number i in lane i % 4, each lane a
// little-endian stream of bits in every fourth 32-bit word (the layout of Lemire and Boytsov's
// "Decoding billions of integers per second through vectorization", 2015): a compiler makes it one
// vector operation for four numbers, and it means the same without vectors. A tail of fewer numbers
// is one little-endian stream of bits, its last byte filled up with zeros.
inline constexpr size_t kBlockPostings = 128;
// UnpackTail may read, and ignores, so many bytes after its input.
inline constexpr size_t kUnpackSlackBytes = 8;

// Bits of the largest number, 0 … 32.
uint32_t BitsFor(const uint32_t* numbers, size_t count);
// `bits` of `count` numbers, packed.
inline constexpr size_t PackedBytes(size_t count, uint32_t bits) { return (count * bits + 7) / 8; }

// Appends PackedBytes(count, bits) bytes; no number may need more than `bits`. count <=
// kBlockPostings.
void PackNumbers(const uint32_t* numbers, size_t count, uint32_t bits, std::string* out);
// Reads what PackNumbers wrote.
void UnpackNumbers(const char* packed, size_t count, uint32_t bits, uint32_t* numbers);

}  // namespace vouch
