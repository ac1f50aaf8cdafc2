#include "index/dense/graph_build.h"

#include <faiss/IndexHNSW.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/dense/faiss_guard.h"

namespace vouch {
namespace {

absl::Status ValidateBuild(const DenseColumn& column, const HnswOptions& options) {
  if (column.nodes() == 0 || column.nodes() >= Graph::kMaxNodes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a graph takes 1 to ", Graph::kMaxNodes - 1, " vectors; there are ", column.nodes()));
  }
  if (options.m < 2 || options.m > 128) {
    return absl::InvalidArgumentError(absl::StrCat("hnsw m is ", options.m, "; it takes 2 to 128"));
  }
  if (options.ef_construction < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("hnsw ef_construction is ", options.ef_construction, "; it takes 1 or more"));
  }
  return absl::OkStatus();
}

// Adding initialises a lock for every row so far, so slices grow with the index: at most 128 of them, beside the
// first small ones.
size_t SliceRows(size_t done) { return std::max<size_t>(256, done / 128); }

absl::Status AddAll(const DenseColumn& column, faiss::IndexHNSWFlat& index, const BuildProgress& progress) {
  for (size_t done = 0; done < column.nodes();) {
    if (absl::Status status = progress(static_cast<double>(done) / column.nodes()); !status.ok()) return status;
    const size_t slice = std::min<size_t>(SliceRows(done), column.nodes() - done);
    index.add(static_cast<faiss::Index::idx_t>(slice), column.vector(static_cast<uint32_t>(done)));
    done += slice;
  }
  return progress(1.0);
}

template <typename T>
void WriteNumber(char* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

// Copies FAISS's links into our layout.
absl::StatusOr<std::shared_ptr<const Graph>> CopyOut(const faiss::HNSW& hnsw, uint32_t nodes, uint32_t m) {
  if (hnsw.levels.size() != nodes || hnsw.offsets.size() != size_t{nodes} + 1 || hnsw.entry_point < 0) {
    return absl::InternalError("FAISS gave a graph of another size than it was asked for");
  }
  uint64_t blocks = 0;
  for (int levels : hnsw.levels) blocks += static_cast<uint64_t>(levels - 1);
  const GraphLayout layout(nodes, m, blocks);
  auto buffer = std::make_shared<AlignedBuffer>(layout.size);
  if (buffer->data() == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for a graph of ", layout.size, " bytes"));
  }
  std::memset(buffer->data(), 0, layout.size);
  WriteNumber<uint32_t>(buffer->data(), nodes);
  WriteNumber<uint32_t>(buffer->data() + 4, m);
  WriteNumber<uint32_t>(buffer->data() + 8, static_cast<uint32_t>(hnsw.entry_point));
  WriteNumber<uint32_t>(buffer->data() + 12, static_cast<uint32_t>(hnsw.levels[hnsw.entry_point] - 1));
  WriteNumber<uint64_t>(buffer->data() + 16, blocks);
  auto* levels = reinterpret_cast<uint8_t*>(buffer->data() + layout.levels);
  auto* level0 = reinterpret_cast<uint32_t*>(buffer->data() + layout.level0);
  auto* upper = reinterpret_cast<uint32_t*>(buffer->data() + layout.upper);
  for (uint32_t node = 0; node < nodes; ++node) {
    const auto highest = static_cast<uint32_t>(hnsw.levels[node] - 1);
    levels[node] = static_cast<uint8_t>(std::min(highest, Graph::kMaxLevel + 1));
    for (uint32_t level = 0; level <= highest; ++level) {
      size_t begin = 0;
      size_t end = 0;
      hnsw.neighbor_range(node, static_cast<int>(level), &begin, &end);
      // FAISS pads with -1, which is kNoNode.
      uint32_t*& out = level == 0 ? level0 : upper;
      for (size_t i = begin; i < end; ++i) *out++ = static_cast<uint32_t>(hnsw.neighbors[i]);
    }
  }
  return Graph::Parse(buffer->view(), nodes, buffer);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Graph>> BuildGraph(const DenseColumn& column, const HnswOptions& options,
                                                        const BuildProgress& progress) {
  if (absl::Status status = ValidateBuild(column, options); !status.ok()) return status;
  std::shared_ptr<const Graph> graph;
  absl::Status status = GuardFaiss([&]() -> absl::Status {
    const faiss::MetricType metric =
        column.metric() == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    faiss::IndexHNSWFlat index(static_cast<int>(column.dim()), options.m, metric);
    index.hnsw.efConstruction = options.ef_construction;
    if (absl::Status added = AddAll(column, index, progress); !added.ok()) return added;
    absl::StatusOr<std::shared_ptr<const Graph>> copied =
        CopyOut(index.hnsw, column.nodes(), static_cast<uint32_t>(options.m));
    if (!copied.ok()) return copied.status();
    graph = *std::move(copied);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return graph;
}

}  // namespace vouch
