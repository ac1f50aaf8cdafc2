// The kernels of kernels/ for CUDA: a block of theirs is a block of the device.
#include <cuda_runtime.h>

#include "index/gpu/cuda/launch.h"

namespace vouch::gpu {
namespace {

// Declared for the host, too, since the kernels' templates are; it never runs there.
template <typename Registers>
class DeviceBlock {
 public:
  __host__ __device__ explicit DeviceBlock(uint32_t query_step) : query_step_(query_step) {}

  template <typename Phase>
  __host__ __device__ void Each(const Phase& phase) {
#if defined(__CUDA_ARCH__)
    phase(threadIdx.x, registers_);
    __syncthreads();
#endif
  }
  template <typename T>
  __host__ __device__ T Read(const T& shared) const {
#if defined(__CUDA_ARCH__)
    const T value = shared;
    __syncthreads();
    return value;
#else
    return shared;
#endif
  }
  __host__ __device__ uint32_t AddTo(uint32_t* shared, uint32_t n) {
#if defined(__CUDA_ARCH__)
    return atomicAdd(shared, n);
#else
    return *shared + n;
#endif
  }
  __host__ __device__ uint32_t index() const {
#if defined(__CUDA_ARCH__)
    return blockIdx.x;
#else
    return 0;
#endif
  }
  __host__ __device__ uint32_t count() const {
#if defined(__CUDA_ARCH__)
    return gridDim.x;
#else
    return 1;
#endif
  }
  __host__ __device__ uint32_t query() const {
#if defined(__CUDA_ARCH__)
    return blockIdx.y * query_step_;
#else
    return 0;
#endif
  }

 private:
  Registers registers_;
  uint32_t query_step_;
};

struct NoRegisters {};

// As many blocks of one query as shared memory holds on a processor may have all the registers that they need there.
template <typename Form, uint32_t kQueries>
__global__ void __launch_bounds__(kThreads, kQueries == 1 ? 6 : 4) RowScanKernel(RowScanArgs args) {
  __shared__ RowScanShared<Form, kQueries> shared;
  extern __shared__ uint64_t slots[];
  DeviceBlock<RowScanRegisters<Form, kQueries>> block(kQueries);
  RowScanBlock<Form, kQueries>(block, args, shared, slots);
}

__global__ void __launch_bounds__(kThreads) CellScanKernel(CellScanArgs args) {
  __shared__ CellScanShared shared;
  extern __shared__ uint64_t slots[];
  DeviceBlock<NoRegisters> block(1);
  CellScanBlock(block, args, shared, slots);
}

__global__ void __launch_bounds__(kThreads) ProductSelectKernel(ProductSelectArgs args) {
  __shared__ ProductSelectShared shared;
  extern __shared__ uint64_t slots[];
  DeviceBlock<NoRegisters> block(1);
  ProductSelectBlock(block, args, shared, slots);
}

__global__ void __launch_bounds__(kThreads) MergeKeysKernel(MergeKeysArgs args) {
  __shared__ MergeKeysShared shared;
  extern __shared__ uint64_t slots[];
  DeviceBlock<NoRegisters> block(1);
  MergeKeysBlock(block, args, shared, slots);
}

template <typename Value>
__global__ void __launch_bounds__(kThreads) RowLengthsKernel(RowLengthsArgs args) {
  DeviceBlock<NoRegisters> block(1);
  RowLengthsBlock<Value>(block, args);
}

__global__ void __launch_bounds__(kThreads) GatherKernel(GatherArgs args) {
  DeviceBlock<NoRegisters> block(1);
  GatherBlock(block, args);
}

template <typename Value, bool kL2>
__global__ void __launch_bounds__(kThreads) LinkChoiceKernel(LinkChoiceArgs args) {
  __shared__ LinkChoiceShared shared;
  DeviceBlock<LinkChoiceRegisters> block(1);
  LinkChoiceBlock<Value, kL2>(block, args, shared);
}

__global__ void __launch_bounds__(kThreads) NearestEntryKernel(NearestEntryArgs args) {
  DeviceBlock<NoRegisters> block(1);
  NearestEntryBlock(block, args);
}

// Static and dynamic shared memory together: what every device gives without being asked.
constexpr size_t kSharedBytes = 48 * 1024;
static_assert(sizeof(RowScanShared<I8Form<true>, 1>) + SlotsForMost() * sizeof(uint64_t) <= kSharedBytes);
static_assert(sizeof(RowScanShared<I8Form<true>, kQueriesAtOnce>) + kQueriesAtOnce * 4 * kThreads * sizeof(uint64_t) <= kSharedBytes);
static_assert(sizeof(LinkChoiceShared) <= kSharedBytes);
static_assert(sizeof(CellScanShared) + SlotsForMost() * sizeof(uint64_t) <= kSharedBytes);

template <uint32_t kQueries>
int RunRowScan(RowFormKind form, const RowScanArgs& args, LaunchGrid grid, void* stream) {
  return WithForm(form, [&](auto of) {
    const size_t slots = size_t{kQueries} * SlotsFor(args.k) * sizeof(uint64_t);
    RowScanKernel<decltype(of), kQueries>
        <<<dim3(grid.blocks, grid.queries), kThreads, slots, static_cast<cudaStream_t>(stream)>>>(args);
    return static_cast<int>(cudaGetLastError());
  });
}

}  // namespace

int LaunchRowScan(RowFormKind form, uint32_t queries_at_once, const RowScanArgs& args, LaunchGrid grid, void* stream) {
  return queries_at_once == 1 ? RunRowScan<1>(form, args, grid, stream)
                              : RunRowScan<kQueriesAtOnce>(form, args, grid, stream);
}

int LaunchCellScan(const CellScanArgs& args, LaunchGrid grid, void* stream) {
  CellScanKernel<<<dim3(grid.blocks, grid.queries), kThreads, SlotsFor(args.k) * sizeof(uint64_t),
                   static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

int LaunchProductSelect(const ProductSelectArgs& args, LaunchGrid grid, void* stream) {
  ProductSelectKernel<<<dim3(grid.blocks, grid.queries), kThreads, SlotsFor(args.k) * sizeof(uint64_t),
                        static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

int LaunchMergeKeys(const MergeKeysArgs& args, LaunchGrid grid, void* stream) {
  MergeKeysKernel<<<dim3(grid.blocks, grid.queries), kThreads, SlotsFor(args.k) * sizeof(uint64_t),
                    static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

int LaunchRowLengths(bool half, const RowLengthsArgs& args, LaunchGrid grid, void* stream) {
  const dim3 blocks(grid.blocks, grid.queries);
  const auto of = static_cast<cudaStream_t>(stream);
  if (half) {
    RowLengthsKernel<Half><<<blocks, kThreads, 0, of>>>(args);
  } else {
    RowLengthsKernel<float><<<blocks, kThreads, 0, of>>>(args);
  }
  return static_cast<int>(cudaGetLastError());
}

int LaunchGather(const GatherArgs& args, LaunchGrid grid, void* stream) {
  GatherKernel<<<dim3(grid.blocks, grid.queries), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

int LaunchLinkChoice(bool half, bool l2, const LinkChoiceArgs& args, LaunchGrid grid, void* stream) {
  const dim3 blocks(grid.blocks, grid.queries);
  const auto of = static_cast<cudaStream_t>(stream);
  if (half && l2) LinkChoiceKernel<Half, true><<<blocks, kThreads, 0, of>>>(args);
  if (half && !l2) LinkChoiceKernel<Half, false><<<blocks, kThreads, 0, of>>>(args);
  if (!half && l2) LinkChoiceKernel<float, true><<<blocks, kThreads, 0, of>>>(args);
  if (!half && !l2) LinkChoiceKernel<float, false><<<blocks, kThreads, 0, of>>>(args);
  return static_cast<int>(cudaGetLastError());
}

int LaunchNearestEntry(const NearestEntryArgs& args, LaunchGrid grid, void* stream) {
  NearestEntryKernel<<<dim3(grid.blocks, grid.queries), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

}  // namespace vouch::gpu
