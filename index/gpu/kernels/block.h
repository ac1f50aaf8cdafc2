#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#define VOUCH_KERNEL __host__ __device__ inline
#else
#define VOUCH_KERNEL inline
#endif
// Of the device only: the host's compiler does not know it.
#if defined(__CUDA_ARCH__)
#define VOUCH_UNROLL _Pragma("unroll")
#else
#define VOUCH_UNROLL
#endif

// Kernels are written once, for a block of threads, and run in two ways: by CUDA, and by plain loops on the host, which is how
// they are tested where there is no device (tests/support/host_block.h).
//
// A block has
//   Each(phase)         calls phase(thread, registers) for every thread; all have done it before anything after it
//   Read(shared)        a shared value, the same in all threads, read before any thread writes it again
//   AddTo(shared, n)    adds to a shared counter and gives what it was; in a phase
//   index(), count()    which of the grid's blocks it is
//   query()             the grid's second coordinate: the first query of the block
// Between phases all threads take the same way: what decides it comes from arguments or Read.
namespace vouch::gpu {

inline constexpr uint32_t kThreads = 128;  // of a block
inline constexpr uint32_t kUnitBytes = 16;  // what a thread loads at once; rows are whole units

struct alignas(kUnitBytes) Unit {
  uint32_t word[4];
};

// Rounded one by one, never fused: the engine's distances are defined so (index/dense/kernels.h).
VOUCH_KERNEL float Add(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}
VOUCH_KERNEL float Subtract(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fsub_rn(a, b);
#else
  return a - b;
#endif
}
VOUCH_KERNEL float Multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

VOUCH_KERNEL float FloatOfBits(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
#endif
}
VOUCH_KERNEL uint32_t BitsOfFloat(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
#endif
}

// A binary16 value, exactly.
VOUCH_KERNEL float FloatOfHalfBits(uint32_t half) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(static_cast<unsigned short>(half)));
#else
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t fraction = half & 1023u;
  if (exponent == 31) return FloatOfBits(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0) return FloatOfBits(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float value = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -value : value;
#endif
}

VOUCH_KERNEL uint32_t CountBits(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return static_cast<uint32_t>(__popc(bits));
#else
  return static_cast<uint32_t>(__builtin_popcount(bits));
#endif
}

// sum + the inner product of four signed bytes each.
VOUCH_KERNEL int32_t AddProducts(uint32_t a, uint32_t b, int32_t sum) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), sum);
#else
  for (int i = 0; i < 4; ++i) {
    sum += int32_t{static_cast<int8_t>(a >> (8 * i))} * int32_t{static_cast<int8_t>(b >> (8 * i))};
  }
  return sum;
#endif
}

VOUCH_KERNEL uint32_t Least(uint32_t a, uint32_t b) { return a < b ? a : b; }

}  // namespace vouch::gpu
