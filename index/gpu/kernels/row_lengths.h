#pragma once

#include "index/gpu/kernels/row_forms.h"

namespace vouch::gpu {

// |y|² of rows, added up in double and rounded once.
struct RowLengthsArgs {
  const Unit* rows = nullptr;  // [count][row_units]
  uint32_t row_units = 0;
  uint32_t count = 0;
  float* out = nullptr;
};

// Value: float or Half.
template <typename Value, typename Block>
VOUCH_KERNEL void RowLengthsBlock(Block& block, const RowLengthsArgs& args) {
  constexpr uint32_t kUnits = VectorForm<Value, sizeof(Value) == sizeof(float) ? 4 : 2, true>::kUnitsOfSixteen;
  const uint64_t step = uint64_t{block.count()} * kThreads;
  block.Each([&](uint32_t thread, auto&) {
    for (uint64_t row = uint64_t{block.index()} * kThreads + thread; row < args.count; row += step) {
      double sum = 0;
      for (uint32_t unit = 0; unit < args.row_units; unit += kUnits) {
        float values[16];
        DecodeSixteen(args.rows + row * args.row_units + unit, values, Value());
        VOUCH_UNROLL for (uint32_t i = 0; i < 16; ++i) sum += double{values[i]} * double{values[i]};
      }
      args.out[row] = static_cast<float>(sum);
    }
  });
}

}  // namespace vouch::gpu
