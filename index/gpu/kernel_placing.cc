// KernelDevice's columns: how they come to the device.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/gpu/kernel_device.h"

namespace vouch {
namespace {

constexpr uint64_t kUploadBytes = uint64_t{8} << 20;  // at a time

}  // namespace

absl::StatusOr<std::shared_ptr<const GpuColumn>> KernelDevice::Place(const GpuShape& shape, const GpuSource& source) {
  if (shape.nodes == 0) return absl::InvalidArgumentError("a column without vectors is not placed on a device");
  if (shape.content == GpuContent::kProductCodes) {
    if (shape.groups == 0 || shape.groups > gpu::kMaxGroups || source.place_nodes.size() != shape.nodes ||
        source.place_biases.size() != shape.nodes || source.blocks.size() != size_t{shape.blocks} * shape.groups * 16) {
      return absl::InvalidArgumentError("product codes for a device are not those of their shape");
    }
  }
  const uint64_t bytes = BytesOf(shape);
  absl::StatusOr<void*> memory = driver_->Allocate(bytes);
  if (!memory.ok()) return memory.status();
  auto column = std::make_shared<KernelColumn>(shape, bytes, driver_, *memory);
  KernelLanes::Lease lane = side_lanes_.Take();
  absl::Status status = shape.content == GpuContent::kProductCodes ? PlaceCells(*lane, *column, source)
                                                                   : PlaceRows(*lane, *column, source);
  if (!status.ok()) return status;
  return column;
}

absl::Status KernelDevice::PlaceRows(KernelLane& lane, KernelColumn& column, const GpuSource& source) const {
  const GpuShape& shape = column.shape();
  const size_t row_bytes = size_t{column.layout().row_units} * gpu::kUnitBytes;
  const auto rows = static_cast<uint32_t>(std::clamp<uint64_t>(kUploadBytes / row_bytes, 1, shape.nodes));
  const bool whole = row_bytes == shape.record_bytes;
  std::vector<char> records(size_t{rows} * shape.record_bytes);
  std::vector<char> padded(whole ? 0 : size_t{rows} * row_bytes, '\0');
  for (uint32_t begin = 0; begin < shape.nodes; begin += rows) {
    const uint32_t count = std::min(rows, shape.nodes - begin);
    if (absl::Status status = source.records(begin, begin + count, records.data()); !status.ok()) return status;
    for (uint32_t i = 0; i < count && !whole; ++i) {
      std::memcpy(padded.data() + i * row_bytes, records.data() + size_t{i} * shape.record_bytes, shape.record_bytes);
    }
    absl::Status status = lane.stream().CopyIn(column.At<char>(column.layout().rows + begin * row_bytes),
                                               whole ? records.data() : padded.data(), count * row_bytes);
    if (!status.ok()) return status;
  }
  const bool measured = shape.content == GpuContent::kVectors && (shape.type == VectorType::kF32 || shape.type == VectorType::kF16);
  return measured ? MeasureRows(lane, column) : lane.stream().Finish();
}

absl::Status KernelDevice::MeasureRows(KernelLane& lane, KernelColumn& column) const {
  const GpuShape& shape = column.shape();
  const auto rows = static_cast<uint32_t>(std::clamp<uint64_t>(lane.bytes() / 2 / sizeof(float), 1, shape.nodes));
  absl::StatusOr<float*> place = lane.Take<float>(rows);
  if (!place.ok()) return place.status();
  std::vector<float> lengths(rows);
  float longest = 0;
  for (uint32_t begin = 0; begin < shape.nodes; begin += rows) {
    const uint32_t count = std::min(rows, shape.nodes - begin);
    float* const out = column.layout().has_lengths ? column.At<float>(column.layout().lengths) + begin : *place;
    const gpu::RowLengthsArgs args{.rows = column.At<gpu::Unit>(column.layout().rows) + uint64_t{begin} * column.layout().row_units,
                                   .row_units = column.layout().row_units,
                                   .count = count,
                                   .out = out};
    absl::Status status = lane.stream().Run(shape.type == VectorType::kF16, args, GpuGrid{.blocks = BlocksFor(count, gpu::kThreads, 1)});
    if (status.ok()) status = lane.stream().CopyOut(lengths.data(), out, count * sizeof(float));
    const absl::Status finished = lane.stream().Finish();
    if (!status.ok()) return status;
    if (!finished.ok()) return finished;
    longest = std::max(longest, *std::max_element(lengths.begin(), lengths.begin() + count));
  }
  // What rounding to f32 may have taken off; squares too small for it are 0 there.
  column.set_longest_row(std::sqrt(double{longest}) * (1 + 0x1p-22) + 0x1p-74);
  return absl::OkStatus();
}

absl::Status KernelDevice::PlaceCells(KernelLane& lane, const KernelColumn& column, const GpuSource& source) const {
  const KernelColumn::Layout& layout = column.layout();
  absl::Status status = lane.stream().CopyIn(column.At<uint32_t>(layout.place_nodes), source.place_nodes.data(),
                                             source.place_nodes.size_bytes());
  if (status.ok()) {
    status = lane.stream().CopyIn(column.At<float>(layout.place_biases), source.place_biases.data(),
                                  source.place_biases.size_bytes());
  }
  if (status.ok()) {
    status = lane.stream().CopyIn(column.At<uint8_t>(layout.blocks), source.blocks.data(), source.blocks.size_bytes());
  }
  return status.ok() ? lane.stream().Finish() : status;
}

}  // namespace vouch
