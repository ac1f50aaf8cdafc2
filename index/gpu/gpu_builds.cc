// GpuDense's part in building indexes: the links of graphs, the cells of nodes, and product codes.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/parallel.h"
#include "index/dense/vector_reader.h"
#include "index/gpu/gpu_dense.h"

namespace vouch {
namespace {

constexpr int kLinkThreads = 2;               // that make lists of nodes and ask the device, each on a stream of its own
constexpr uint32_t kQueriesAtOnce = 16'384;   // of nodes that look for their cells
constexpr size_t kEncodedAtOnce = 512;        // by one thread
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
  size_t all = 0;
  size_t done = 0;
  for (const NodeGroups& level : levels) all += level.nodes.size();
  for (size_t level = 0; level < levels.size() && status.ok(); ++level) {
    const size_t nodes = levels[level].nodes.size();
    links[level].resize(nodes * counts.links);
    const BuildProgress of_level = [&](double fraction) {
      return progress((static_cast<double>(done) + fraction * static_cast<double>(nodes)) / static_cast<double>(all));
    };
    status = ChooseLinksOf(levels[level], counts, of_level, *slot->device, **placed, links[level]);
    done += nodes;
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
  // Parts of groups, so many at a time that the device is not waited for all too often, and is not at one of them for long.
  struct Part {
    size_t group = 0;
    size_t begin = 0;  // among the group's nodes
    size_t end = 0;
  };
  struct Batch {
    std::vector<Part> parts = {};
    size_t first = 0;  // of its nodes, among all
    size_t nodes = 0;
  };
  std::vector<Batch> batches;
  size_t all = 0;
  for (size_t group = 0; group < groups.groups(); ++group) {
    const size_t nodes = groups.NodesOf(group).size();
    for (size_t begin = 0; begin < nodes;) {
      if (batches.empty() || batches.back().nodes >= options_.build_nodes || batches.back().parts.size() >= options_.build_groups) {
        batches.push_back({.first = all});
      }
      Batch& batch = batches.back();
      const size_t end = std::min(nodes, begin + options_.build_nodes - batch.nodes);
      batch.parts.push_back({group, begin, end});
      batch.nodes += end - begin;
      all += end - begin;
      begin = end;
    }
  }
  std::atomic<bool> ended{false};
  absl::Status statuses[kLinkThreads];
  ParallelFor(0, batches.size(), kLinkThreads, 1, [&](size_t number, size_t thread) {
    if (ended) return;
    const Batch& batch = batches[number];
    std::vector<std::vector<uint32_t>> others;
    std::vector<GpuLinkTask> tasks;
    for (const Part& part : batch.parts) others.push_back(groups.OthersOf(part.group));
    for (size_t i = 0; i < others.size(); ++i) {
      const Part& part = batch.parts[i];
      tasks.push_back({.own = groups.NodesOf(part.group).subspan(part.begin, part.end - part.begin), .others = others[i]});
    }
    absl::Status& status = statuses[thread];
    status = device.ChooseLinks(column, tasks, counts, links.subspan(batch.first * counts.links, batch.nodes * counts.links));
    // The caller's is the first of the threads.
    if (status.ok() && thread == 0) status = progress(static_cast<double>(batch.first) / static_cast<double>(all));
    if (!status.ok()) ended = true;
  });
  // That a device is lost matters to others, too.
  absl::Status first;
  for (const absl::Status& status : statuses) {
    if (absl::IsUnavailable(status)) return status;
    if (first.ok()) first = status;
  }
  return first;
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
                                  std::span<std::vector<GpuFound>>(found).first(now), /*behind=*/true)
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
    if (absl::IsAborted(status)) continue;
    if (!status.ok()) NoteBuildFailed(slot, status);
    return status;
  }
  const auto is_lost = [](const std::unique_ptr<Slot>& slot) { return slot->lost.load(); };
  if (std::all_of(slots_.begin(), slots_.end(), is_lost)) return absl::ResourceExhaustedError("no GPU is there for the codes of a build");
  return absl::AbortedError("all GPUs are at others' work");
}

}  // namespace vouch
