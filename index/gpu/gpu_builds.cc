// GpuDense's part in building indexes: nearest nodes for graphs, and the cells of nodes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/vector_reader.h"
#include "index/gpu/gpu_dense.h"

namespace vouch {
namespace {

constexpr uint32_t kNodesAtOnce = 32'768;    // whose nearest nodes are found between two looks at whether to go on
constexpr uint32_t kQueriesAtOnce = 2048;    // of nodes that look for their cells
constexpr uint64_t kLeastAssigned = 1 << 20;  // comparisons; fewer take no time here

}  // namespace

GpuDense::Slot* GpuDense::Roomiest(const GpuShape& shape) {
  Slot* best = nullptr;
  uint64_t best_free = 0;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->lost) continue;
    const absl::StatusOr<GpuMemory> memory = slot->device->MeasureMemory();
    if (!memory.ok() || memory->free < slot->device->BytesOf(shape) || memory->free <= best_free) continue;
    best = slot.get();
    best_free = memory->free;
  }
  return best;
}

void GpuDense::NoteBuildFailed(Slot& slot, const absl::Status& status) {
  if (absl::IsUnavailable(status)) {
    const auto is_it = [&](const std::unique_ptr<Slot>& one) { return one.get() == &slot; };
    Lose(static_cast<size_t>(std::find_if(slots_.begin(), slots_.end(), is_it) - slots_.begin()), std::string(status.message()));
  } else if (!absl::IsCancelled(status)) {
    Warn(absl::StrCat("a GPU did not help a build, which goes on without: ", status.message()));
  }
}

absl::StatusOr<std::vector<std::vector<uint32_t>>> GpuDense::FindNearest(const DenseColumn& column, size_t count,
                                                                         const BuildProgress& progress) {
  if (column.type() != VectorType::kF32 && column.type() != VectorType::kF16) {
    return absl::UnimplementedError("nearest nodes are found among vectors of f32 or f16");
  }
  const GpuShape shape{.content = GpuContent::kVectors,
                       .type = column.type(),
                       .metric = column.metric(),
                       .dim = column.dim(),
                       .nodes = column.nodes(),
                       .record_bytes = static_cast<uint32_t>(column.vector_bytes())};
  Slot* const slot = Roomiest(shape);
  if (slot == nullptr) return absl::ResourceExhaustedError("no GPU has room for the vectors of a build");
  GpuSource source;
  source.records = [&](uint32_t begin, uint32_t end, char* out) {
    VectorReader reader(column);
    for (uint32_t node = begin; node < end; ++node, out += column.vector_bytes()) {
      std::memcpy(out, reader.ReadNextBytes(node), column.vector_bytes());
    }
    return reader.status().ok() ? progress(0) : reader.status();
  };
  absl::StatusOr<std::shared_ptr<const GpuColumn>> placed = slot->device->Place(shape, source);
  absl::Status status = placed.status();
  std::vector<std::vector<uint32_t>> nearest(column.nodes());
  std::vector<std::vector<GpuFound>> found;
  for (uint32_t begin = 0; begin < column.nodes() && status.ok(); begin += kNodesAtOnce) {
    const uint32_t end = std::min(column.nodes(), begin + std::min(kNodesAtOnce, column.nodes() - begin));
    found.assign(end - begin, {});
    status = slot->device->NearestNodes(**placed, begin, end, std::min(count, GpuDevice::kMaxK), found);
    for (uint32_t node = begin; node < end && status.ok(); ++node) {
      nearest[node].reserve(found[node - begin].size());
      for (const GpuFound& one : found[node - begin]) nearest[node].push_back(one.node);
    }
    if (status.ok()) status = progress(0);
  }
  if (!status.ok()) {
    NoteBuildFailed(*slot, status);
    return status;
  }
  ++counters_.builds;
  return nearest;
}

absl::StatusOr<std::vector<uint32_t>> GpuDense::Assign(const CodeRecords& records, uint32_t count,
                                                       const std::function<void(uint32_t, CodeQuery&)>& query) {
  if (uint64_t{records.count} * count < kLeastAssigned) return absl::UnimplementedError("too few to be worth it");
  const GpuShape shape{.content = GpuContent::kCodes,
                       .nodes = records.count,
                       .record_bytes = static_cast<uint32_t>(records.stride)};
  Slot* const slot = Roomiest(shape);
  if (slot == nullptr) return absl::ResourceExhaustedError("no GPU has room for the cells of a build");
  GpuSource source;
  source.records = [&](uint32_t begin, uint32_t end, char* out) {
    std::memcpy(out, records.records + begin * records.stride, (end - begin) * records.stride);
    return absl::OkStatus();
  };
  absl::StatusOr<std::shared_ptr<const GpuColumn>> placed = slot->device->Place(shape, source);
  absl::Status status = placed.status();
  std::vector<uint32_t> assigned;
  std::vector<CodeQuery> codes(std::min(count, kQueriesAtOnce));
  std::vector<GpuQuery> queries(codes.size());
  std::vector<std::vector<GpuFound>> found(codes.size());
  while (status.ok() && assigned.size() < count) {
    const auto begin = static_cast<uint32_t>(assigned.size());
    const uint32_t now = std::min(count - begin, kQueriesAtOnce);
    for (uint32_t i = 0; i < now; ++i) {
      query(begin + i, codes[i]);
      queries[i] = {.code = codes[i].values, .scale = codes[i].scale, .shift = codes[i].shift};
    }
    status = slot->device->Search(**placed, 1, std::span<const GpuQuery>(queries).first(now),
                                  std::span<std::vector<GpuFound>>(found).first(now))
                 .status();
    for (uint32_t i = 0; i < now && status.ok(); ++i) {
      if (found[i].empty()) {
        status = absl::InternalError("a GPU found no cell of a node");
      } else {
        assigned.push_back(found[i].front().node);
      }
    }
  }
  if (!status.ok()) {
    NoteBuildFailed(*slot, status);
    return status;
  }
  return assigned;
}

}  // namespace vouch
