// GpuDense's part in building indexes: the links of graphs, the cells of nodes, and product codes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/parallel.h"
#include "index/dense/vector_reader.h"
#include "index/gpu/gpu_dense.h"

namespace vouch {
namespace {

constexpr size_t kNodesAtOnce = 32'768;        // whose links are chosen between two looks at whether to go on
constexpr size_t kOthersAtOnce = size_t{1} << 20;  // among which that is done
constexpr uint32_t kQueriesAtOnce = 16'384;   // of nodes that look for their cells
constexpr size_t kEncodedAtOnce = 512;         // by one thread
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

absl::StatusOr<std::vector<std::vector<uint32_t>>> GpuDense::ChooseLinks(const DenseColumn& column,
                                                                         std::span<const NodeGroups> levels,
                                                                         const LinkCounts& counts,
                                                                         const BuildProgress& progress) {
  if (column.type() != VectorType::kF32 && column.type() != VectorType::kF16) {
    return absl::UnimplementedError("links are chosen among vectors of f32 or f16");
  }
  if (counts.links > GpuDevice::kMostLinks) {
    return absl::UnimplementedError(absl::StrCat("links are chosen where a node has at most ", GpuDevice::kMostLinks));
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
  std::vector<std::vector<uint32_t>> links(levels.size());
  for (size_t level = 0; level < levels.size() && status.ok(); ++level) {
    links[level].resize(levels[level].nodes.size() * counts.links);
    status = ChooseLinksOf(levels[level], counts, progress, *slot->device, **placed, links[level]);
  }
  if (!status.ok()) {
    NoteBuildFailed(*slot, status);
    return status;
  }
  ++counters_.builds;
  return links;
}

absl::Status GpuDense::ChooseLinksOf(const NodeGroups& groups, const LinkCounts& counts, const BuildProgress& progress,
                                     GpuDevice& device, const GpuColumn& column, std::span<uint32_t> links) const {
  std::vector<GpuLinkTask> tasks;
  std::vector<std::vector<uint32_t>> lists;  // of the tasks
  size_t nodes = 0;
  size_t others = 0;
  const auto run = [&] {
    const absl::Status chosen = device.ChooseLinks(column, tasks, counts, links.first(nodes * counts.links));
    links = links.subspan(nodes * counts.links);
    tasks.clear();
    nodes = others = 0;
    return chosen.ok() ? progress(0) : chosen;
  };
  for (size_t group = 0; group < groups.groups(); ++group) {
    std::span<const uint32_t> own = groups.NodesOf(group);
    if (own.empty()) continue;
    const std::vector<uint32_t>& near = groups.near[group];
    std::vector<uint32_t>& list = lists.emplace_back();
    for (const uint32_t one : near) list.insert(list.end(), groups.NodesOf(one).begin(), groups.NodesOf(one).end());
    while (!own.empty()) {
      tasks.push_back({.own = own.first(std::min(own.size(), kNodesAtOnce - nodes)), .others = list});
      own = own.subspan(tasks.back().own.size());
      nodes += tasks.back().own.size();
      others += list.size();
      if (nodes < kNodesAtOnce && others < kOthersAtOnce) continue;
      if (absl::Status status = run(); !status.ok()) return status;
    }
    if (tasks.empty()) lists.clear();
  }
  return tasks.empty() ? absl::OkStatus() : run();
}

absl::StatusOr<std::vector<uint32_t>> GpuDense::Assign(const CodeRecords& records, uint32_t count, int threads,
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
    ParallelFor(0, now, threads, kEncodedAtOnce, [&](size_t i, size_t) {
      query(begin + static_cast<uint32_t>(i), codes[i]);
      queries[i] = {.code = codes[i].values, .scale = codes[i].scale, .shift = codes[i].shift};
    });
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

absl::Status GpuDense::FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) {
  // Those that ask at once are done by one device after the other.
  const size_t first = next_entries_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[(first + i) % slots_.size()];
    if (slot.lost) continue;
    absl::Status status = slot.device->FindEntries(books, rows, nearest);
    if (!status.ok()) NoteBuildFailed(slot, status);
    return status;
  }
  return absl::ResourceExhaustedError("no GPU is there for the codes of a build");
}

}  // namespace vouch
