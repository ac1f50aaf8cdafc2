// KernelDevice's part in building indexes.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "index/gpu/kernel_device.h"

namespace vouch {
namespace {

constexpr uint64_t kMostLinked = 1024;       // nodes whose links are chosen at once
constexpr uint64_t kLeastLinked = 64;
constexpr uint64_t kLinkedBytes = uint64_t{16} << 20;   // of their rows
constexpr uint64_t kLeastGathered = 1024;    // rows
constexpr uint64_t kMostGathered = uint64_t{32} << 20;  // bytes
constexpr uint32_t kComparedAtOnce = 64;     // slices given to the device before it is waited for
constexpr uint32_t kCopyBlocks = 512;

absl::Status CheckLinkTasks(const GpuShape& shape, std::span<const GpuLinkTask> tasks, const LinkCounts& counts, size_t places) {
  if (shape.content != GpuContent::kVectors || (shape.type != VectorType::kF32 && shape.type != VectorType::kF16)) {
    return absl::UnimplementedError("links are chosen among vectors of f32 or f16");
  }
  if (counts.links > GpuDevice::kMostLinks) {
    return absl::UnimplementedError(
        absl::StrCat("links of a node to be chosen on a device: ", counts.links, ", at most ", GpuDevice::kMostLinks));
  }
  size_t nodes = 0;
  for (const GpuLinkTask& task : tasks) {
    nodes += task.own.size();
    for (const std::span<const uint32_t> list : {task.own, task.others}) {
      uint32_t most = 0;  // without a way out, so that many are looked at together
      for (const uint32_t node : list) most = std::max(most, node);
      if (most >= shape.nodes) return absl::InvalidArgumentError(absl::StrCat("node ", most, " of ", shape.nodes));
    }
  }
  if (counts.links == 0 || counts.candidates == 0 || places != nodes * counts.links) {
    return absl::InvalidArgumentError(absl::StrCat(counts.links, " links of ", counts.candidates, " candidates of ", nodes,
                                                   " nodes, with ", places, " places"));
  }
  return absl::OkStatus();
}

}  // namespace

struct KernelDevice::LinkRoom {
  uint32_t candidates = 0;
  uint32_t linked = 0;    // most nodes whose links are chosen at once
  uint32_t links = 0;
  uint32_t gathered = 0;  // most rows at a time
  uint64_t products = 0;  // likewise, of the products of these and the linked nodes
  uint32_t* own = nullptr;
  uint32_t* others = nullptr;
  char* own_rows = nullptr;
  char* rows = nullptr;
  float* lengths = nullptr;
  uint32_t* out = nullptr;
  uint64_t used = 0;      // of the lane's buffer
  uint32_t slices = 0;    // given to the device since it was waited for
};

absl::StatusOr<KernelDevice::LinkRoom> KernelDevice::RoomForLinks(KernelLane& lane, const KernelColumn& column,
                                                                  std::span<const GpuLinkTask> tasks,
                                                                  const LinkCounts& counts) const {
  const uint64_t row_bytes = uint64_t{column.layout().row_units} * gpu::kUnitBytes;
  size_t most_others = 1;
  for (const GpuLinkTask& task : tasks) most_others = std::max(most_others, task.others.size());
  LinkRoom room{.candidates = static_cast<uint32_t>(std::min<size_t>(counts.candidates, gpu::kMostLinkCandidates)),
                .links = static_cast<uint32_t>(counts.links)};
  // Products, and rows, have a quarter of the buffer at most.
  const uint64_t gathered = std::min(kMostGathered, lane.bytes() / 4) / row_bytes;
  room.gathered = static_cast<uint32_t>(std::min<uint64_t>(most_others, std::max(kLeastGathered, gathered)));
  room.products = std::min<uint64_t>(options_.product_slice_floats, lane.bytes() / 4 / sizeof(float));
  room.linked = static_cast<uint32_t>(
      std::clamp(std::min(kLinkedBytes / row_bytes, room.products / kLeastGathered), kLeastLinked, kMostLinked));
  absl::Status status;
  const auto take = [&]<typename T>(T*& place, uint64_t count) {
    if (!status.ok()) return;
    absl::StatusOr<T*> taken = lane.Take<T>(count);
    status = taken.status();
    if (taken.ok()) place = *taken;
  };
  take(room.own, room.linked);
  take(room.others, most_others);
  take(room.own_rows, room.linked * row_bytes);
  take(room.rows, room.gathered * row_bytes);
  take(room.lengths, room.gathered);
  take(room.out, uint64_t{room.linked} * room.links);
  if (!status.ok()) return status;
  room.used = lane.used();
  return room;
}

absl::Status KernelDevice::ChooseLinksOf(KernelLane& lane, const KernelColumn& column, LinkRoom& room,
                                         std::span<const uint32_t> own, uint32_t others, std::span<uint32_t> links) const {
  const GpuShape& shape = column.shape();
  GpuStream& stream = lane.stream();
  const auto count = static_cast<uint32_t>(own.size());
  float* const lengths = column.layout().has_lengths ? room.lengths : nullptr;
  const auto gather = [&](const uint32_t* list, uint32_t rows, char* out, float* out_lengths) {
    const uint64_t units = uint64_t{rows} * column.layout().row_units;
    const auto blocks = static_cast<uint32_t>(std::clamp<uint64_t>(units / gpu::kThreads, 1, kCopyBlocks));
    return stream.Run(gpu::GatherArgs{.rows = column.At<gpu::Unit>(column.layout().rows),
                                      .row_units = column.layout().row_units,
                                      .lengths = out_lengths == nullptr ? nullptr : column.At<float>(column.layout().lengths),
                                      .list = list,
                                      .count = rows,
                                      .out = reinterpret_cast<gpu::Unit*>(out),
                                      .out_lengths = out_lengths},
                      GpuGrid{.blocks = blocks});
  };
  if (absl::Status status = stream.CopyIn(room.own, own.data(), own.size_bytes()); !status.ok()) return status;
  if (absl::Status status = gather(room.own, count, room.own_rows, nullptr); !status.ok()) return status;
  lane.ResetTo(room.used);
  const auto slice = static_cast<uint32_t>(
      std::min<uint64_t>({others, room.gathered, std::max(kLeastGathered, room.products / count)}));
  absl::StatusOr<ProductSelection> selection =
      ProductSelection::Begin(lane,
                              {.half = shape.type == VectorType::kF16,
                               .rounded = false,
                               .row_bytes = uint64_t{column.layout().row_units} * gpu::kUnitBytes,
                               .wide = room.candidates,
                               .slice = slice},
                              {.rows = room.own_rows, .count = count, .own = room.own});
  if (!selection.ok()) return selection.status();
  for (uint32_t first = 0; first < others;) {
    const uint32_t rows = std::min(slice, others - first);
    if (absl::Status status = gather(room.others + first, rows, room.rows, lengths); !status.ok()) return status;
    absl::Status status = selection->Add({.rows = room.rows,
                                          .count = rows,
                                          .lengths = lengths,
                                          .list = room.others + first,
                                          .last = first + rows == others});
    first += rows;
    // So that a device that hangs is noticed here, and not by a launch that waits for room among those before it.
    if (status.ok() && ++room.slices % kComparedAtOnce == 0) status = stream.Finish();
    if (!status.ok()) return status;
  }
  const gpu::LinkChoiceArgs choice{.rows = column.At<gpu::Unit>(column.layout().rows),
                                   .row_units = column.layout().row_units,
                                   .own = room.own,
                                   .nearest = selection->found(),
                                   .candidates = room.candidates,
                                   .links = room.links,
                                   .out = room.out};
  // Vectors of length 1 are ordered by squared distances as by products, and copies are told by these.
  const LinkForm form{.half = shape.type == VectorType::kF16, .l2 = shape.metric != Metric::kInnerProduct};
  if (absl::Status status = stream.Run(form, choice, {.blocks = 1, .queries = count}); !status.ok()) return status;
  return stream.CopyOut(links.data(), room.out, links.size_bytes());
}

absl::Status KernelDevice::ChooseLinks(const GpuColumn& column, std::span<const GpuLinkTask> tasks, const LinkCounts& counts,
                                       std::span<uint32_t> links) {
  absl::StatusOr<const KernelColumn*> own = Check(column, 1, {}, 0);
  if (!own.ok()) return own.status();
  if (absl::Status status = CheckLinkTasks(column.shape(), tasks, counts, links.size()); !status.ok()) return status;
  KernelLanes::Lease lane = side_lanes_.Take();
  absl::StatusOr<LinkRoom> room = RoomForLinks(*lane, **own, tasks, counts);
  if (!room.ok()) return room.status();
  absl::Status status;
  for (const GpuLinkTask& task : tasks) {
    const auto others = static_cast<uint32_t>(task.others.size());
    if (others == 0) {
      std::fill_n(links.begin(), task.own.size() * counts.links, gpu::kNoLink);
      links = links.subspan(task.own.size() * counts.links);
      continue;
    }
    if (status.ok()) status = lane->stream().CopyIn(room->others, task.others.data(), task.others.size_bytes());
    for (size_t first = 0; first < task.own.size() && status.ok(); first += room->linked) {
      const size_t nodes = std::min<size_t>(room->linked, task.own.size() - first);
      status = ChooseLinksOf(*lane, **own, *room, task.own.subspan(first, nodes), others, links.first(nodes * counts.links));
      links = links.subspan(nodes * counts.links);
    }
  }
  const absl::Status finished = lane->stream().Finish();
  return status.ok() ? finished : status;
}

absl::Status KernelDevice::FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) {
  const size_t width = size_t{books.groups} * books.size;
  const size_t count = width == 0 ? 0 : rows.size() / width;
  if (width == 0 || rows.size() != count * width || nearest.size() != count * books.groups) {
    return absl::InvalidArgumentError(absl::StrCat(rows.size(), " values in ", books.groups, " groups of ", books.size, ", with ",
                                                   nearest.size(), " places"));
  }
  // Whoever asks can do it as well: it does not wait.
  const std::unique_ptr<KernelLanes::Lease> lease = side_lanes_.TryTake();
  if (lease == nullptr) return absl::AbortedError("the device is at others' work");
  KernelLane* const lane = &**lease;
  absl::StatusOr<float*> entries = lane->Take<float>(16 * width);
  if (!entries.ok()) return entries.status();
  const uint64_t row_bytes = width * sizeof(float) + books.groups;
  const uint64_t room = lane->bytes() - std::min(lane->bytes(), lane->used() + 2 * KernelLane::kAlignment);
  const auto at_once = static_cast<uint32_t>(std::min<uint64_t>(std::max<uint64_t>(1, count), room / row_bytes));
  if (at_once == 0) return absl::ResourceExhaustedError(absl::StrCat("a device's buffer does not hold a row of ", row_bytes, " bytes"));
  absl::StatusOr<float*> values = lane->Take<float>(at_once * width);
  if (!values.ok()) return values.status();
  absl::StatusOr<uint8_t*> out = lane->Take<uint8_t>(uint64_t{at_once} * books.groups);
  if (!out.ok()) return out.status();
  absl::Status status = lane->stream().CopyIn(*entries, books.entries, 16 * width * sizeof(float));
  for (size_t first = 0; first < count && status.ok(); first += at_once) {
    const auto now = static_cast<uint32_t>(std::min<size_t>(at_once, count - first));
    status = lane->stream().CopyIn(*values, rows.data() + first * width, now * width * sizeof(float));
    if (!status.ok()) break;
    const gpu::NearestEntryArgs args{
        .rows = *values, .count = now, .groups = books.groups, .size = books.size, .books = *entries, .out = *out};
    const uint32_t blocks = std::clamp((now + gpu::kThreads - 1) / gpu::kThreads, 1u, kCopyBlocks);
    status = lane->stream().Run(args, GpuGrid{.blocks = blocks, .queries = books.groups});
    if (status.ok()) status = lane->stream().CopyOut(nearest.data() + first * books.groups, *out, uint64_t{now} * books.groups);
  }
  const absl::Status finished = lane->stream().Finish();
  return status.ok() ? finished : status;
}

}  // namespace vouch
