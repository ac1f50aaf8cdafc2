#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "bench/gpu_parts.h"
#include "index/dense/parallel.h"
#include "index/gpu/gpu_dense.h"

namespace vouch {

inline constexpr size_t kGpuTop = 10;
int GpuBenchThreads();

// One segment of one f32 field under L2, searched by the engine's code on GPU 0 and on the processor.
class GpuField {
 public:
  // `rows`: row-major; copied.
  GpuField(const std::vector<float>& rows, uint32_t dim, GpuDenseOptions options);

  const DenseColumn& column() const { return column_; }
  GpuDense& dense() { return *dense_; }
  SegmentOffload& offload() { return *offload_; }

  // The rows nearest to each query by comparing all, on the GPU.
  std::vector<std::vector<uint64_t>> NearestByGpu(const std::vector<float>& queries);

  // What searches go by from here on; either may be null.
  void UseIndex(std::shared_ptr<const Graph> graph, std::shared_ptr<const Ivf> ivf);
  // The same, and it lies on the GPU after that. Ends the program where it does not.
  void PlaceOnGpu(std::shared_ptr<const Graph> graph, std::shared_ptr<const Ivf> ivf);
  void TakeFromGpu();

  // On any thread. OnGpu ends the program where the GPU does not answer.
  std::vector<Hit> OnGpu(const float* query, size_t ef) const;
  std::vector<Hit> Here(const float* query, size_t ef) const;

 private:
  DenseSegmentSearch SearchOf(size_t ef) const;

  const uint32_t dim_;
  DenseColumn column_;
  std::unique_ptr<GpuDense> dense_;
  std::shared_ptr<SegmentOffload> offload_;
  SegmentPtr segment_;
};

// recall@10: `search(i)` gives the hits of the i-th query.
template <typename Search>
double RecallOf(const std::vector<std::vector<uint64_t>>& truth, const Search& search) {
  std::vector<size_t> right(truth.size());
  ParallelFor(0, truth.size(), GpuBenchThreads(), 4, [&](size_t i, size_t) {
    for (const Hit& hit : search(i)) right[i] += std::count(truth[i].begin(), truth[i].end(), hit.row.value);
  });
  return static_cast<double>(std::accumulate(right.begin(), right.end(), size_t{0})) / static_cast<double>(truth.size() * kGpuTop);
}

}  // namespace vouch
