#pragma once

#include <cstdint>

#include "index/gpu/kernels/cell_scan.h"
#include "index/gpu/kernels/link_choice.h"
#include "index/gpu/kernels/nearest_entry.h"
#include "index/gpu/kernels/product_select.h"
#include "index/gpu/kernels/row_form_kind.h"
#include "index/gpu/kernels/row_lengths.h"
#include "index/gpu/kernels/row_scan.h"
#include "index/gpu/kernels/top_keys.h"

namespace vouch::gpu {

// Kernels, put into a stream (a cudaStream_t) of the current device. Each gives CUDA's error code, 0: none. So that only
// kernels.cu is compiled by nvcc, nothing of CUDA stands here.
struct LaunchGrid {
  uint32_t blocks = 1;
  uint32_t queries = 1;
};
int LaunchRowScan(RowFormKind form, uint32_t queries_at_once, const RowScanArgs& args, LaunchGrid grid, void* stream);
int LaunchCellScan(const CellScanArgs& args, LaunchGrid grid, void* stream);
int LaunchProductSelect(const ProductSelectArgs& args, LaunchGrid grid, void* stream);
int LaunchMergeKeys(const MergeKeysArgs& args, LaunchGrid grid, void* stream);
int LaunchRowLengths(bool half, const RowLengthsArgs& args, LaunchGrid grid, void* stream);
int LaunchGather(const GatherArgs& args, LaunchGrid grid, void* stream);
int LaunchLinkChoice(bool half, bool l2, const LinkChoiceArgs& args, LaunchGrid grid, void* stream);
int LaunchNearestEntry(const NearestEntryArgs& args, LaunchGrid grid, void* stream);

}  // namespace vouch::gpu
