#pragma once

#include <cstdint>

#include "index/gpu/kernels/row_forms.h"

namespace vouch::gpu {

// Which form rows are compared in, where that is known at run time only.
enum class RowFormKind : uint8_t { kF32L2, kF32Product, kF16L2, kF16Product, kI8L2, kI8Product, kBits, kCodes };

// Calls run(form) with an object of the form's type.
template <typename Run>
auto WithForm(RowFormKind kind, const Run& run) {
  switch (kind) {
    case RowFormKind::kF32L2: return run(F32Form<true>());
    case RowFormKind::kF32Product: return run(F32Form<false>());
    case RowFormKind::kF16L2: return run(F16Form<true>());
    case RowFormKind::kF16Product: return run(F16Form<false>());
    case RowFormKind::kI8L2: return run(I8Form<true>());
    case RowFormKind::kI8Product: return run(I8Form<false>());
    case RowFormKind::kBits: return run(BitForm());
    case RowFormKind::kCodes: return run(CodeForm());
  }
  return run(CodeForm());
}

inline constexpr uint32_t kQueriesAtOnce = 4;

}  // namespace vouch::gpu
