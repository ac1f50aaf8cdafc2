#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace vouch {

// FAISS's indexes on GPU 0, as they are: the rivals of bench_gpu. None where this build has no FAISS with CUDA, or FAISS fails.
class FaissGpuIndex {
 public:
  virtual ~FaissGpuIndex() = default;
  // `count` queries of its dim, row-major; the rows of the k nearest of each to `rows`.
  virtual void Search(const float* queries, size_t count, size_t k, std::vector<int64_t>& rows) = 0;
  // How many cells a search of an inverted file looks at.
  virtual void SetProbes(int probes) = 0;
};
bool HasFaissGpu();
// Inner product over `nodes` vectors in f16, which `fill` gives as floats, from a node on.
std::unique_ptr<FaissGpuIndex> MakeFaissGpuFlat(uint32_t dim, uint32_t nodes,
                                                const std::function<void(uint32_t first, uint32_t count, float* out)>& fill);
// What the cells of an inverted file hold: vectors, product codes of 8 bits for two values each, or scalar codes of 8 bits.
enum class IvfContent { kVectors, kProductCodes, kScalarCodes };
// L2 over row-major vectors, in so many cells.
std::unique_ptr<FaissGpuIndex> MakeFaissGpuIvf(IvfContent content, uint32_t dim, uint32_t cells, std::span<const float> rows);

// Bytes a second that GPU 0 copies within its memory, read and written counted; none where this build cannot say.
std::optional<double> MeasureCopyBandwidth();

}  // namespace vouch
