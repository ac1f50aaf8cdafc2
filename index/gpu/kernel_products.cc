// KernelDevice's searches by matrix units.
//
// Products of f16 (or TF32) values in an order of their own order rows nearly as the engine does. So somewhat more rows than asked
// for are taken by them, and these are compared again in the engine's order. A row that was left out is, by its product, at least
// as far as the last one taken; where that, less what products may be wrong by (product_bound.h), is still beyond the last hit, no
// row that was left out can be a hit. Where it is not, which takes many rows at nearly one distance, the query is compared with all
// rows in the engine's order. Either way hits are those of the processor.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "index/gpu/kernel_device.h"
#include "index/gpu/product_bound.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

constexpr uint32_t kLeastSlice = 1024;      // rows
constexpr float kMostHalf = 65504.0f;
constexpr uint32_t kSlicesAtOnce = 128;     // given to the device before it is waited for

// How many rows are taken by product.
uint32_t WideFor(uint32_t k, bool tf32) { return std::min(gpu::kMaxTop, tf32 ? 4 * k + 64 : 2 * k + 32); }

// The query as the column keeps vectors, and what that changes of it. False: a value is beyond those of the type.
bool RoundQuery(VectorType type, std::span<const float> vector, std::span<float> rounded, char* out) {
  for (size_t i = 0; i < vector.size(); ++i) {
    if (type == VectorType::kF32) {
      rounded[i] = vector[i];
      continue;
    }
    if (!(std::fabs(vector[i]) < kMostHalf)) return false;
    rounded[i] = FloatOfHalf(HalfOfFloat(vector[i]));
  }
  EncodeVector(type, rounded, out);
  return true;
}

}  // namespace

bool KernelDevice::ProductsPay(const Batch& batch) const {
  const GpuShape& shape = batch.column.shape();
  const bool tf32 = shape.type == VectorType::kF32;
  return shape.content == GpuContent::kVectors && (tf32 || shape.type == VectorType::kF16) &&
         batch.queries.front().nodes != GpuNodes::kList && batch.queries.size() >= options_.product_queries &&
         shape.nodes >= options_.product_nodes && batch.k + 16 <= WideFor(batch.k, tf32);
}

KernelDevice::ProductRoom KernelDevice::RoomForProducts(const Batch& batch) const {
  const uint64_t nodes = batch.column.shape().nodes;
  const uint64_t key_bytes = WideFor(batch.k, batch.column.shape().type == VectorType::kF32) * sizeof(uint64_t);
  const uint64_t floats = std::min<uint64_t>(options_.product_slice_floats, nodes * batch.queries.size());
  return {.bytes = floats * sizeof(float) + (floats / ProductSelection::kRowsOfBlock + 1) * key_bytes,
          .of_query = std::min<uint64_t>(kLeastSlice, nodes) * sizeof(float) + 3 * key_bytes};
}

absl::Status KernelDevice::SelectByProducts(KernelLane& lane, const KernelColumn& column, const ProductQueries& queries,
                                            uint32_t wide, std::vector<uint64_t>& keys) const {
  const GpuShape& shape = column.shape();
  const uint64_t row_bytes = uint64_t{column.layout().row_units} * gpu::kUnitBytes;
  const auto slice = static_cast<uint32_t>(std::min<uint64_t>(
      shape.nodes, std::max<uint64_t>(kLeastSlice, options_.product_slice_floats / queries.count)));
  absl::StatusOr<ProductSelection> selection = ProductSelection::Begin(
      lane, {.half = shape.type == VectorType::kF16, .row_bytes = row_bytes, .wide = wide, .slice = slice}, queries);
  if (!selection.ok()) return selection.status();
  uint32_t slices = 0;
  for (uint32_t first = 0; first < shape.nodes;) {
    const uint32_t rows = std::min(slice, shape.nodes - first);
    absl::Status status =
        selection->Add({.rows = column.At<char>(column.layout().rows + first * row_bytes),
                        .count = rows,
                        .lengths = column.layout().has_lengths ? column.At<float>(column.layout().lengths) + first : nullptr,
                        .first_node = first,
                        .last = first + rows == shape.nodes});
    first += rows;
    // So that a device that hangs is noticed here, and not by a launch that waits for room among those before it.
    if (status.ok() && ++slices % kSlicesAtOnce == 0) status = lane.stream().Finish();
    if (!status.ok()) return status;
  }
  keys.resize(uint64_t{wide} * queries.count);
  const absl::Status status = lane.stream().CopyOut(keys.data(), selection->found(), keys.size() * sizeof(uint64_t));
  const absl::Status finished = lane.stream().Finish();
  return status.ok() ? finished : status;
}

absl::Status KernelDevice::SearchByProducts(KernelLane& lane, const Batch& batch) const {
  const KernelColumn& column = batch.column;
  const GpuShape& shape = column.shape();
  const size_t count = batch.queries.size();
  const bool tf32 = shape.type == VectorType::kF32;
  const bool l2 = shape.metric == Metric::kL2;
  const uint32_t wide = WideFor(batch.k, tf32);
  const size_t row_bytes = size_t{column.layout().row_units} * gpu::kUnitBytes;
  std::vector<char> packed(count * row_bytes, '\0');
  std::vector<float> rounded(shape.dim);
  std::vector<double> errors(count);
  for (size_t i = 0; i < count; ++i) {
    const std::span<const float> vector = batch.queries[i].vector;
    if (!RoundQuery(shape.type, vector, rounded, packed.data() + i * row_bytes)) {
      errors[i] = INFINITY;
      continue;
    }
    errors[i] = ProductBound{.query_length = LengthOf(vector),
                             .query_rounding = tf32 ? 0 : DistanceBetween(vector, rounded),
                             .longest_row = column.longest_row(),
                             .values = row_bytes / (tf32 ? 4 : 2),
                             .tf32 = tf32,
                             .l2 = l2}
                    .Error();
  }
  const absl::StatusOr<const char*> rows = lane.Put(packed);
  if (!rows.ok()) return rows.status();
  const absl::StatusOr<PlacedWords> words = PutWords(lane, batch.queries, shape.nodes);
  if (!words.ok()) return words.status();
  std::vector<uint64_t> keys;
  const ProductQueries queries{.rows = *rows,
                               .count = static_cast<uint32_t>(count),
                               .words = words->words,
                               .word_start = words->start,
                               .own = nullptr};
  absl::Status status = SelectByProducts(lane, column, queries, wide, keys);
  if (absl::IsResourceExhausted(status)) {
    // The buffer is too small for products; row by row it may do.
    lane.Reset();
    return ScanRows(lane, batch);
  }
  if (!status.ok()) return status;

  // The rows taken, in the engine's order.
  std::vector<std::vector<uint32_t>> lists(count);
  std::vector<GpuQuery> listed(batch.queries.begin(), batch.queries.end());
  for (size_t i = 0; i < count; ++i) {
    for (uint32_t j = 0; j < wide && keys[i * wide + j] != gpu::kNoKey; ++j) {
      lists[i].push_back(gpu::NodeOfKey(keys[i * wide + j]));
    }
    listed[i].nodes = GpuNodes::kList;
    listed[i].words = {};
    listed[i].list = lists[i];
  }
  lane.Reset();
  if (status = ScanRows(lane, {column, batch.k, listed, batch.found}); !status.ok()) return status;

  // Those of which products leave open whether they have found all; together, as all of the batch fit.
  std::vector<size_t> open;
  std::vector<GpuQuery> open_queries;
  for (size_t i = 0; i < count; ++i) {
    if (lists[i].size() < wide && std::isfinite(errors[i])) continue;  // nothing was left out
    const std::vector<GpuFound>& hits = batch.found[i];
    const double nearest_left_out = double{gpu::DistanceOfKey(keys[i * wide + wide - 1])} - errors[i];
    const double query_length = l2 ? LengthOf(batch.queries[i].vector) : 0;
    const double last_hit = hits.size() < batch.k ? INFINITY : double{hits.back().distance} - query_length * query_length;
    if (last_hit < nearest_left_out) continue;
    open.push_back(i);
    open_queries.push_back(batch.queries[i]);
  }
  if (open.empty()) return absl::OkStatus();
  std::vector<std::vector<GpuFound>> found(open.size());
  lane.Reset();
  if (status = ScanRows(lane, {column, batch.k, open_queries, found}); !status.ok()) return status;
  for (size_t i = 0; i < open.size(); ++i) batch.found[open[i]] = std::move(found[i]);
  return absl::OkStatus();
}

}  // namespace vouch
