#include "index/gpu/cuda/cuda_driver.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/gpu/cuda/launch.h"
#include "index/gpu/deferred_free.h"

namespace vouch {
namespace {

constexpr uint64_t kPinnedBytes = uint64_t{16} << 20;  // of each stream: copies go through it
constexpr uint64_t kPinnedAlignment = 256;
// A stream that has not ended after so long hangs. No search takes a hundredth of it.
constexpr std::chrono::seconds kMostWait(10);
constexpr int kBusyLooks = 2000;  // before a thread that waits sleeps between two looks
constexpr std::chrono::microseconds kSleep(20);
constexpr std::chrono::milliseconds kFreePatience(2000);
// The first products, of rows of zeros; half of the bytes are theirs.
constexpr uint64_t kTrialRows = 4096;
constexpr uint64_t kTrialQueries = 32;
constexpr uint64_t kTrialValues = 64;
constexpr uint64_t kTrialBytes = uint64_t{2} << 20;
static_assert(kTrialRows * kTrialValues * sizeof(float) <= kTrialBytes / 2);
static_assert(kTrialRows * kTrialQueries * sizeof(float) <= kTrialBytes / 2);

// What CUDA says, in the words of GpuDevice. After an error of a kernel's memory or instructions every later call of the process
// fails on that device, so it is lost.
absl::Status StatusOf(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return absl::OkStatus();
  cudaGetLastError();  // so that the next launch is not blamed for it
  const std::string message = absl::StrCat("CUDA: ", what, ": ", cudaGetErrorName(error), ", ", cudaGetErrorString(error));
  switch (error) {
    case cudaErrorMemoryAllocation: return absl::ResourceExhaustedError(message);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidPtx: return absl::UnimplementedError(message);
    case cudaErrorInvalidValue:
    case cudaErrorInvalidConfiguration:
    case cudaErrorLaunchOutOfResources: return absl::InternalError(message);
    default: return absl::UnavailableError(message);
  }
}

absl::Status StatusOf(cublasStatus_t error, const char* what) {
  if (error == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  const std::string message = absl::StrCat("cuBLAS: ", what, ": ", cublasGetStatusString(error));
  if (error == CUBLAS_STATUS_ALLOC_FAILED) return absl::ResourceExhaustedError(message);
  if (error == CUBLAS_STATUS_ARCH_MISMATCH || error == CUBLAS_STATUS_NOT_SUPPORTED) return absl::UnimplementedError(message);
  if (error == CUBLAS_STATUS_EXECUTION_FAILED) return absl::UnavailableError(message);
  return absl::InternalError(message);
}

gpu::LaunchGrid GridOf(GpuGrid grid) { return {.blocks = grid.blocks, .queries = grid.queries}; }

// Shared by a driver, its streams and the thread that frees: true once a stream hung. From then on nothing is asked of the device, since
// whatever waits for it would wait for ever; what it holds goes with the process.
using Hangs = std::shared_ptr<std::atomic<bool>>;

class CudaStream final : public GpuStream {
 public:
  CudaStream(int ordinal, Hangs hangs) : ordinal_(ordinal), hangs_(std::move(hangs)) {}
  ~CudaStream() override {
    if (*hangs_) return;
    cudaSetDevice(ordinal_);
    if (blas_ != nullptr) cublasDestroy(blas_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    if (pinned_ != nullptr) cudaFreeHost(pinned_);
  }

  absl::Status Open(bool behind) {
    if (absl::Status status = Use(); !status.ok()) return status;
    int lowest = 0;
    int highest = 0;
    absl::Status status = StatusOf(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "its priorities");
    if (!status.ok()) return status;
    status = StatusOf(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, behind ? lowest : highest), "a stream");
    if (status.ok()) {
      void* pinned = nullptr;
      status = StatusOf(cudaMallocHost(&pinned, kPinnedBytes), "pinned memory");
      pinned_ = static_cast<char*>(pinned);
    }
    if (status.ok()) status = StatusOf(cublasCreate(&blas_), "a handle");
    if (status.ok()) status = StatusOf(cublasSetStream(blas_, stream_), "its stream");
    return status;
  }

  absl::Status CopyIn(void* device, const void* from, uint64_t bytes) override {
    if (absl::Status status = Use(); !status.ok()) return status;
    for (uint64_t done = 0; done < bytes;) {
      const absl::StatusOr<Piece> piece = TakePinned(bytes - done);
      if (!piece.ok()) return piece.status();
      std::memcpy(piece->at, static_cast<const char*>(from) + done, piece->bytes);
      absl::Status status = StatusOf(
          cudaMemcpyAsync(static_cast<char*>(device) + done, piece->at, piece->bytes, cudaMemcpyHostToDevice, stream_), "a copy in");
      if (!status.ok()) return status;
      done += piece->bytes;
    }
    return absl::OkStatus();
  }

  absl::Status CopyOut(void* to, const void* device, uint64_t bytes) override {
    if (absl::Status status = Use(); !status.ok()) return status;
    for (uint64_t done = 0; done < bytes;) {
      const absl::StatusOr<Piece> piece = TakePinned(bytes - done);
      if (!piece.ok()) return piece.status();
      absl::Status status = StatusOf(cudaMemcpyAsync(piece->at, static_cast<const char*>(device) + done, piece->bytes,
                                                     cudaMemcpyDeviceToHost, stream_),
                                     "a copy out");
      if (!status.ok()) return status;
      out_.push_back({static_cast<char*>(to) + done, *piece});
      done += piece->bytes;
    }
    return absl::OkStatus();
  }

  absl::Status Fill(void* device, uint8_t value, uint64_t bytes) override {
    if (absl::Status status = Use(); !status.ok()) return status;
    return StatusOf(cudaMemsetAsync(device, value, bytes, stream_), "filling");
  }
  absl::Status Run(gpu::RowFormKind form, uint32_t queries_at_once, const gpu::RowScanArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchRowScan(form, queries_at_once, args, GridOf(grid), UseStream()), "the scan of rows");
  }
  absl::Status Run(const gpu::CellScanArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchCellScan(args, GridOf(grid), UseStream()), "the scan of cells");
  }
  absl::Status Run(const gpu::ProductSelectArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchProductSelect(args, GridOf(grid), UseStream()), "the choice by products");
  }
  absl::Status Run(const gpu::MergeKeysArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchMergeKeys(args, GridOf(grid), UseStream()), "the merge");
  }
  absl::Status Run(bool half, const gpu::RowLengthsArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchRowLengths(half, args, GridOf(grid), UseStream()), "the lengths of rows");
  }
  absl::Status Run(const gpu::GatherArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchGather(args, GridOf(grid), UseStream()), "the gathering of rows");
  }
  absl::Status Run(LinkForm form, const gpu::LinkChoiceArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchLinkChoice(form.half, form.l2, args, GridOf(grid), UseStream()), "the choice of links");
  }
  absl::Status Run(const gpu::NearestEntryArgs& args, GpuGrid grid) override {
    return Launched(gpu::LaunchNearestEntry(args, GridOf(grid), UseStream()), "the nearest entries");
  }

  // Rows and queries lie row by row, which cuBLAS takes for columns: products = rowsᵀ queries, a column for each query.
  absl::Status Multiply(const GpuProducts& products) override {
    if (absl::Status status = Use(); !status.ok()) return status;
    const float one = 1;
    const float none = 0;
    const cudaDataType type = products.half ? CUDA_R_16F : CUDA_R_32F;
    const auto rows = static_cast<int>(products.row_count);
    const auto values = static_cast<int>(products.values);
    return StatusOf(cublasGemmEx(blas_, CUBLAS_OP_T, CUBLAS_OP_N, rows, static_cast<int>(products.query_count), values, &one,
                                 products.rows, type, values, products.queries, type, values, &none, products.products,
                                 CUDA_R_32F, rows, products.half || !products.rounded ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32,
                                 CUBLAS_GEMM_DEFAULT),
                    "products");
  }

  absl::Status Finish() override {
    if (absl::Status status = Use(); !status.ok()) return status;
    absl::Status status = Wait();
    // After a failure nothing is delivered: where it was to go may be gone.
    for (const Delivery& delivery : out_) {
      if (status.ok()) std::memcpy(delivery.to, delivery.piece.at, delivery.piece.bytes);
    }
    out_.clear();
    used_ = 0;
    return status;
  }

 private:
  struct Piece {
    char* at = nullptr;
    uint64_t bytes = 0;
  };
  struct Delivery {
    char* to = nullptr;
    Piece piece = {};
  };

  absl::Status Use() const {
    if (*hangs_) return absl::UnavailableError("CUDA: the device hangs");
    return StatusOf(cudaSetDevice(ordinal_), "the device");
  }
  // cudaStreamSynchronize with an end.
  absl::Status Wait() {
    const auto until = std::chrono::steady_clock::now() + kMostWait;
    for (int looks = 0;; ++looks) {
      const cudaError_t error = cudaStreamQuery(stream_);
      if (error != cudaErrorNotReady) return StatusOf(error, "waiting for the stream");
      cudaGetLastError();  // as above
      if (looks < kBusyLooks) {
        std::this_thread::yield();
        continue;
      }
      if (std::chrono::steady_clock::now() > until) {
        *hangs_ = true;
        return absl::UnavailableError(absl::StrCat("CUDA: the device gave no answer for ", kMostWait.count(), " s"));
      }
      std::this_thread::sleep_for(kSleep);
    }
  }
  void* UseStream() const {
    cudaSetDevice(ordinal_);  // a failure comes again with the launch
    cudaGetLastError();       // which is not blamed for what cuBLAS tried before
    return stream_;
  }
  static absl::Status Launched(int error, const char* what) { return StatusOf(static_cast<cudaError_t>(error), what); }

  // Up to so many bytes of the pinned buffer; what went through it before has arrived where it is full.
  absl::StatusOr<Piece> TakePinned(uint64_t bytes) {
    if (used_ == kPinnedBytes) {
      if (absl::Status status = Finish(); !status.ok()) return status;
    }
    const Piece piece{pinned_ + used_, std::min(bytes, kPinnedBytes - used_)};
    used_ = std::min(kPinnedBytes, (used_ + piece.bytes + kPinnedAlignment - 1) / kPinnedAlignment * kPinnedAlignment);
    return piece;
  }

  const int ordinal_;
  const Hangs hangs_;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  char* pinned_ = nullptr;
  uint64_t used_ = 0;
  std::vector<Delivery> out_;
};

class CudaDriver final : public GpuDriver {
 public:
  explicit CudaDriver(const GpuProperties& properties)
      : properties_(properties),
        freer_(
            [ordinal = properties.ordinal, hangs = hangs_](void* device) {
              if (*hangs) return;
              cudaSetDevice(ordinal);
              cudaFree(device);  // of a lost device nothing is left to be freed
            },
            kFreePatience) {}

  const GpuProperties& properties() const override { return properties_; }

  absl::StatusOr<GpuMemory> MeasureMemory() override {
    if (absl::Status status = Use(); !status.ok()) return status;
    size_t free = 0;
    size_t total = 0;
    if (absl::Status status = StatusOf(cudaMemGetInfo(&free, &total), "its memory"); !status.ok()) return status;
    return GpuMemory{.total = total, .free = free};
  }

  absl::StatusOr<void*> Allocate(uint64_t bytes) override {
    if (absl::Status status = Use(); !status.ok()) return status;
    freer_.Drain(kFreePatience);  // what was let go is room
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (absl::Status status = StatusOf(error, "device memory"); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat(status.message(), " (", bytes, " bytes)"));
    }
    return memory;
  }
  void Free(void* device) override { freer_.Free(device); }

  absl::StatusOr<std::unique_ptr<GpuStream>> OpenStream(bool behind) override {
    auto stream = std::make_unique<CudaStream>(properties_.ordinal, hangs_);
    if (absl::Status status = stream->Open(behind); !status.ok()) return status;
    return stream;
  }

 private:
  absl::Status Use() const {
    if (*hangs_) return absl::UnavailableError("CUDA: the device hangs");
    return StatusOf(cudaSetDevice(properties_.ordinal), "the device");
  }

  const GpuProperties properties_;
  const Hangs hangs_ = std::make_shared<std::atomic<bool>>(false);
  DeferredFree freer_;
};

}  // namespace

absl::StatusOr<std::vector<GpuProperties>> ListCudaDevices() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  int driver = 0;
  cudaDriverGetVersion(&driver);
  // Without a driver there is no GPU that could be used; an old one is a matter to be told.
  const bool none = error == cudaErrorNoDevice || (error == cudaErrorInsufficientDriver && driver == 0);
  if (error != cudaSuccess && !none) {
    return absl::UnavailableError(
        absl::StrCat("CUDA cannot be asked for devices: ", cudaGetErrorName(error), ", ", cudaGetErrorString(error)));
  }
  if (none) count = 0;
  std::vector<GpuProperties> devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    cudaDeviceProp properties;
    int clock_khz = 0;
    if (absl::Status status = StatusOf(cudaGetDeviceProperties(&properties, ordinal), "its properties"); !status.ok()) {
      return status;
    }
    cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, ordinal);
    devices.push_back({.ordinal = ordinal,
                       .name = properties.name,
                       .major = properties.major,
                       .minor = properties.minor,
                       .memory_bytes = properties.totalGlobalMem,
                       .multiprocessors = properties.multiProcessorCount,
                       .clock_mhz = clock_khz / 1000,
                       .driver = absl::StrCat(driver / 1000, ".", driver % 1000 / 10)});
  }
  return devices;
}

absl::StatusOr<std::shared_ptr<GpuDriver>> OpenCudaDriver(const GpuProperties& properties) {
  auto driver = std::make_shared<CudaDriver>(properties);
  const absl::StatusOr<GpuMemory> memory = driver->MeasureMemory();
  if (!memory.ok()) return memory.status();
  // A kernel that does nothing says whether the device has code of them.
  absl::StatusOr<std::unique_ptr<GpuStream>> stream = driver->OpenStream(false);
  if (!stream.ok()) return stream.status();
  absl::StatusOr<void*> place = driver->Allocate(kTrialBytes);
  if (!place.ok()) return place.status();
  auto* const keys = static_cast<uint64_t*>(*place);
  absl::Status status = (*stream)->Run(
      gpu::MergeKeysArgs{.keys = keys, .out = keys, .count = 0, .stride = 1, .out_stride = 1, .k = 1}, GpuGrid());
  const bool has_code = !absl::IsUnimplemented(status);
  // cuBLAS loads its code with the first product of a kind, which takes longer than a search may wait, and memory that the budget
  // is not to count on.
  absl::Status started = (*stream)->Finish();
  if (status.ok()) status = started;
  if (status.ok()) status = (*stream)->Fill(*place, 0, kTrialBytes);
  for (const bool half : {true, false}) {
    if (!status.ok()) break;
    auto* const products = static_cast<float*>(*place) + kTrialBytes / sizeof(float) / 2;
    status = (*stream)->Multiply({.half = half,
                                  .rows = *place,
                                  .row_count = kTrialRows,
                                  .queries = *place,
                                  .query_count = kTrialQueries,
                                  .values = kTrialValues,
                                  .products = products});
  }
  if (absl::Status ended = (*stream)->Finish(); status.ok()) status = ended;
  driver->Free(*place);
  if (!has_code || absl::IsUnimplemented(started)) {
    return absl::UnimplementedError(absl::StrCat("GPU ", properties.ordinal, " (", properties.name, ", compute capability ",
                                                 properties.major, ".", properties.minor,
                                                 ") has no code in this build: CMAKE_CUDA_ARCHITECTURES says for which it is"));
  }
  if (!status.ok()) return status;
  return driver;
}

}  // namespace vouch
