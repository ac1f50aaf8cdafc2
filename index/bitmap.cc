#include "index/bitmap.h"

#include "index/simd_limit.h"

#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

size_t CountPortable(const uint64_t* words, size_t count) {
  size_t bits = 0;
  for (size_t i = 0; i < count; ++i) bits += static_cast<size_t>(std::popcount(words[i]));
  return bits;
}

#define VOUCH_BIT_LOOPS(suffix, attributes)                                                                        \
  attributes void And##suffix(uint64_t* to, const uint64_t* from, size_t size) {                                   \
    for (size_t i = 0; i < size; ++i) to[i] &= from[i];                                                            \
  }                                                                                                                \
  attributes void AndNot##suffix(uint64_t* to, const uint64_t* from, size_t size) {                                \
    for (size_t i = 0; i < size; ++i) to[i] &= ~from[i];                                                           \
  }                                                                                                                \
  attributes void Or##suffix(uint64_t* to, const uint64_t* from, size_t size) {                                    \
    for (size_t i = 0; i < size; ++i) to[i] |= from[i];                                                            \
  }                                                                                                                \
  attributes void Difference##suffix(uint64_t* to, const uint64_t* high, const uint64_t* low, size_t size) {       \
    for (size_t i = 0; i < size; ++i) to[i] = high[i] & ~low[i];                                                   \
  }

VOUCH_BIT_LOOPS(Portable, )

#if defined(__x86_64__)

__attribute__((target("popcnt"))) size_t CountPopcnt(const uint64_t* words, size_t count) {
  size_t bits = 0;
  for (size_t i = 0; i < count; ++i) bits += static_cast<size_t>(_mm_popcnt_u64(words[i]));
  return bits;
}

// Mula, Kurz and Lemire, "Faster Population Counts Using AVX2 Instructions", 2018: half bytes by a table, bytes summed.
__attribute__((target("avx2,popcnt"))) size_t CountAvx2(const uint64_t* words, size_t count) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(0x0F);
  __m256i sums = _mm256_setzero_si256();
  size_t i = 0;
  while (i + 4 <= count) {
    // A byte takes 8 at most each time, so that 31 times fit.
    __m256i bytes = _mm256_setzero_si256();
    for (int round = 0; round < 31 && i + 4 <= count; ++round, i += 4) {
      const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + i));
      const __m256i lows = _mm256_shuffle_epi8(table, _mm256_and_si256(four, low));
      const __m256i highs = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(four, 4), low));
      bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(lows, highs));
    }
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + CountPopcnt(words + i, count - i);
}

__attribute__((target("avx512f,avx512vpopcntdq"))) size_t CountAvx512(const uint64_t* words, size_t count) {
  __m512i sums = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(_mm512_loadu_si512(words + i)));
  }
  if (i < count) {
    const auto rest = static_cast<__mmask8>((1u << (count - i)) - 1);
    sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(_mm512_maskz_loadu_epi64(rest, words + i)));
  }
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, sums);
  size_t bits = 0;
  for (uint64_t lane : lanes) bits += lane;
  return bits;
}

VOUCH_BIT_LOOPS(Avx2, __attribute__((target("avx2"))))

BitKernels Pick() {
  BitKernels kernels{CountPortable, AndPortable, AndNotPortable, OrPortable, DifferencePortable};
  if (__builtin_cpu_supports("popcnt")) kernels.count = CountPopcnt;
  if (MayUseAvx2() && __builtin_cpu_supports("avx2")) {
    kernels = {CountAvx2, AndAvx2, AndNotAvx2, OrAvx2, DifferenceAvx2};
  }
  if (MayUseAvx512() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vpopcntdq")) kernels.count = CountAvx512;
  return kernels;
}

#else

BitKernels Pick() { return {CountPortable, AndPortable, AndNotPortable, OrPortable, DifferencePortable}; }

#endif

constexpr std::align_val_t kAlignment{64};

struct Buffer {
  void* at = nullptr;
  size_t bytes = 0;
};

// Buffers kept by one thread, the last left first. A bitmap that outlives its thread's state goes to the heap.
struct KeptBuffers {
  Buffer buffers[BitmapBuffers::kMaxKept];
  size_t count = 0;

  ~KeptBuffers() {
    while (count > 0) operator delete(buffers[--count].at, kAlignment);
  }
};

thread_local bool kept_gone = false;

KeptBuffers* Kept() {
  struct Owner {
    KeptBuffers kept;
    ~Owner() { kept_gone = true; }
  };
  if (kept_gone) return nullptr;
  thread_local Owner owner;
  return &owner.kept;
}

// So that bitmaps of like sizes share buffers.
size_t RoundUp(size_t bytes) { return (bytes + 1023) / 1024 * 1024; }

}  // namespace

void* BitmapBuffers::Take(size_t bytes) {
  const size_t size = RoundUp(bytes);
  KeptBuffers* kept = size <= kMaxKeptBytes ? Kept() : nullptr;
  for (size_t i = kept == nullptr ? 0 : kept->count; i > 0; --i) {
    if (kept->buffers[i - 1].bytes != size) continue;
    void* const buffer = kept->buffers[i - 1].at;
    kept->buffers[i - 1] = kept->buffers[--kept->count];
    return buffer;
  }
  return operator new(size, kAlignment);
}

void BitmapBuffers::Leave(void* buffer, size_t bytes) {
  const size_t size = RoundUp(bytes);
  KeptBuffers* kept = size <= kMaxKeptBytes ? Kept() : nullptr;
  if (kept == nullptr) return operator delete(buffer, kAlignment);
  if (kept->count == kMaxKept) {
    // The oldest goes: sizes that are no longer asked for leave in time.
    operator delete(kept->buffers[0].at, kAlignment);
    for (size_t i = 1; i < kept->count; ++i) kept->buffers[i - 1] = kept->buffers[i];
    --kept->count;
  }
  kept->buffers[kept->count++] = {buffer, size};
}

const BitKernels& BestBitKernels() {
  static const BitKernels kernels = Pick();
  return kernels;
}

}  // namespace vouch
