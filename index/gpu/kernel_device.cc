#include "index/gpu/kernel_device.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

constexpr uint64_t kPlaceGranularity = uint64_t{2} << 20;  // CUDA maps device memory in pages of this size
constexpr uint32_t kSpanOfAll = 4 * gpu::kThreads;         // nodes a block takes at a time; small columns spread over more blocks
constexpr uint32_t kSpanOfList = gpu::kThreads;
constexpr uint32_t kBlocksPerProcessor = 6;
constexpr size_t kSideLanes = 2;

uint64_t UpTo(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

uint64_t WordsOf(uint32_t nodes) { return (uint64_t{nodes} + 63) / 64; }

// Bytes of a value where rows are vectors that are padded to sixteen of them.
uint32_t ValueBytes(VectorType type) {
  switch (type) {
    case VectorType::kF32: return 4;
    case VectorType::kF16: return 2;
    case VectorType::kI8: return 1;
    case VectorType::kBit: return 0;
  }
  return 0;
}

bool IsFloatVectors(const GpuShape& shape) {
  return shape.content == GpuContent::kVectors && shape.type != VectorType::kBit;
}

// The query as the column's form takes it, `units` of them.
void PackQuery(const KernelColumn& column, const GpuQuery& query, uint32_t units, gpu::Unit* out) {
  std::memset(out, 0, size_t{units} * sizeof(gpu::Unit));
  if (column.form() == gpu::RowFormKind::kCodes) {
    std::memcpy(out, query.code.data(), query.code.size());
  } else if (column.form() == gpu::RowFormKind::kBits) {
    std::memcpy(out, query.bits.data(), query.bits.size());
  } else {
    std::memcpy(out, query.vector.data(), query.vector.size() * sizeof(float));
  }
}

uint32_t QueryUnits(const KernelColumn& column) {
  return gpu::WithForm(column.form(), [&](auto form) {
    return column.layout().row_units * (decltype(form)::kQueryBytes / gpu::kUnitBytes);
  });
}

// Tells spans apart by what memory they are, so that what many queries share is copied once.
class SharedSpans {
 public:
  // Its number; count() before the call where it is new.
  template <typename T>
  size_t Number(std::span<const T> span) {
    return numbers_.try_emplace({span.data(), span.size()}, numbers_.size()).first->second;
  }
  template <typename T>
  bool IsNew(std::span<const T> span) {
    const size_t before = count();
    return Number(span) == before;
  }
  size_t count() const { return numbers_.size(); }

 private:
  std::map<std::pair<const void*, size_t>, size_t> numbers_;
};

// The nodes of a list are looked at where it is new.
absl::Status CheckQuery(const GpuShape& shape, const GpuQuery& query, GpuNodes nodes, bool new_list) {
  const auto wrong = [](const char* what, size_t has, size_t needs) {
    return absl::InvalidArgumentError(absl::StrCat("a query of a device has ", has, " ", what, "; it takes ", needs));
  };
  if (query.nodes != nodes) return absl::InvalidArgumentError("queries of one batch look at different kinds of node sets");
  if (nodes == GpuNodes::kBitmap && query.words.size() != WordsOf(shape.nodes)) {
    return wrong("words", query.words.size(), WordsOf(shape.nodes));
  }
  for (const uint32_t node : new_list ? query.list : std::span<const uint32_t>()) {
    if (node >= shape.nodes) return wrong("as a node", node, shape.nodes);
  }
  switch (shape.content) {
    case GpuContent::kVectors:
      if (shape.type == VectorType::kBit) {
        return query.bits.size() == shape.record_bytes ? absl::OkStatus() : wrong("bytes", query.bits.size(), shape.record_bytes);
      }
      return query.vector.size() == shape.dim ? absl::OkStatus() : wrong("values", query.vector.size(), shape.dim);
    case GpuContent::kCodes:
      return query.code.size() == shape.record_bytes ? absl::OkStatus()
                                                     : wrong("code values", query.code.size(), shape.record_bytes);
    case GpuContent::kProductCodes:
      if (query.nodes == GpuNodes::kList) return absl::InvalidArgumentError("product codes are compared by cells, not by a list");
      for (const gpu::CellPart& part : query.parts) {
        if (part.block >= shape.blocks || part.count > gpu::kPartNodes || part.place >= shape.nodes ||
            part.count > shape.nodes - part.place) {
          return wrong("as a cell's part", part.block, shape.blocks);
        }
      }
      return query.table.size() == size_t{shape.groups} * 16 ? absl::OkStatus()
                                                              : wrong("table entries", query.table.size(), shape.groups * 16);
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view GpuContentName(GpuContent content) {
  switch (content) {
    case GpuContent::kVectors: return "vectors";
    case GpuContent::kCodes: return "codes";
    case GpuContent::kProductCodes: return "product codes";
  }
  return "";
}

KernelColumn::KernelColumn(const GpuShape& shape, uint64_t bytes, std::shared_ptr<GpuDriver> driver, void* memory)
    : GpuColumn(shape, bytes), layout_(shape), driver_(std::move(driver)), memory_(memory) {}

KernelColumn::~KernelColumn() { driver_->Free(memory_); }

KernelColumn::Layout::Layout(const GpuShape& shape) {
  if (shape.content == GpuContent::kProductCodes) {
    place_biases = KernelLane::Aligned(uint64_t{shape.nodes} * sizeof(uint32_t));
    blocks = place_biases + KernelLane::Aligned(uint64_t{shape.nodes} * sizeof(float));
    size = blocks + KernelLane::Aligned(uint64_t{shape.blocks} * shape.groups * 16);
    return;
  }
  const uint64_t row_bytes = IsFloatVectors(shape) ? UpTo(shape.dim, 16) * ValueBytes(shape.type)
                                                   : UpTo(shape.record_bytes, gpu::kUnitBytes);
  row_units = static_cast<uint32_t>(row_bytes / gpu::kUnitBytes);
  lengths = KernelLane::Aligned(uint64_t{shape.nodes} * row_bytes);
  has_lengths = IsFloatVectors(shape) && shape.type != VectorType::kI8 && shape.metric == Metric::kL2;
  size = lengths + (has_lengths ? KernelLane::Aligned(uint64_t{shape.nodes} * sizeof(float)) : 0);
}

gpu::RowFormKind KernelColumn::form() const {
  if (shape().content == GpuContent::kCodes) return gpu::RowFormKind::kCodes;
  const bool l2 = shape().metric == Metric::kL2;
  switch (shape().type) {
    case VectorType::kF32: return l2 ? gpu::RowFormKind::kF32L2 : gpu::RowFormKind::kF32Product;
    case VectorType::kF16: return l2 ? gpu::RowFormKind::kF16L2 : gpu::RowFormKind::kF16Product;
    case VectorType::kI8: return l2 ? gpu::RowFormKind::kI8L2 : gpu::RowFormKind::kI8Product;
    case VectorType::kBit: return gpu::RowFormKind::kBits;
  }
  return gpu::RowFormKind::kBits;
}

absl::StatusOr<std::unique_ptr<KernelDevice>> KernelDevice::Open(std::shared_ptr<GpuDriver> driver,
                                                                 KernelDeviceOptions options) {
  options.streams = std::max<size_t>(1, options.streams);
  std::unique_ptr<KernelDevice> device(new KernelDevice(std::move(driver), options));
  for (size_t i = 0; i < options.streams; ++i) {
    absl::StatusOr<std::unique_ptr<KernelLane>> lane = KernelLane::Open(device->driver_, options.stream_bytes, false);
    if (!lane.ok()) return lane.status();
    device->lanes_.Add(*std::move(lane));
  }
  for (size_t i = 0; i < kSideLanes; ++i) {
    absl::StatusOr<std::unique_ptr<KernelLane>> lane = KernelLane::Open(device->driver_, options.stream_bytes / kSideLanes, true);
    if (!lane.ok()) return lane.status();
    device->side_lanes_.Add(*std::move(lane));
  }
  return device;
}

uint64_t KernelDevice::BytesOf(const GpuShape& shape) const {
  return UpTo(std::max<uint64_t>(1, KernelColumn::Layout(shape).size), kPlaceGranularity);
}

absl::StatusOr<const KernelColumn*> KernelDevice::Check(const GpuColumn& column, size_t k,
                                                        std::span<const GpuQuery> queries, size_t places) const {
  const auto* own = dynamic_cast<const KernelColumn*>(&column);
  if (own == nullptr || own->driver() != driver_.get()) {
    return absl::InvalidArgumentError("a column is searched on the device that holds it");
  }
  if (k == 0 || k > kMaxK) return absl::InvalidArgumentError(absl::StrCat("k is ", k, "; a device takes 1 to ", kMaxK));
  if (places != queries.size()) return absl::InvalidArgumentError("a batch has as many places as queries");
  SharedSpans lists;
  for (const GpuQuery& query : queries) {
    absl::Status status = CheckQuery(column.shape(), query, queries.front().nodes, lists.IsNew(query.list));
    if (!status.ok()) return status;
  }
  return own;
}

uint32_t KernelDevice::BlocksFor(uint64_t work, uint32_t span, size_t queries) const {
  const uint64_t wanted = uint64_t{kBlocksPerProcessor} * static_cast<uint64_t>(std::max(1, properties().multiprocessors));
  const uint64_t share = std::max<uint64_t>(1, wanted / std::max<size_t>(1, queries));
  return static_cast<uint32_t>(std::clamp<uint64_t>((work + span - 1) / span, 1, share));
}

size_t KernelDevice::FittingQueries(const KernelLane& lane, const Batch& batch) const {
  const KernelColumn& column = batch.column;
  const uint64_t k_bytes = KernelLane::Aligned(uint64_t{batch.k} * sizeof(uint64_t));
  const uint64_t most_blocks = BlocksFor(column.shape().nodes, kSpanOfList, 1) + 1;
  uint64_t used = 16 * KernelLane::kAlignment;
  const ProductRoom products = RoomForProducts(batch);
  const bool by_products = ProductsPay(batch) && products.bytes <= lane.bytes() / 2;
  if (by_products) used += products.bytes;
  SharedSpans bitmaps;
  SharedSpans lists;
  size_t count = 0;
  for (const GpuQuery& query : batch.queries) {
    if (bitmaps.IsNew(query.words)) used += KernelLane::Aligned(query.words.size_bytes());
    if (lists.IsNew(query.list)) used += query.list.size_bytes();
    used += query.parts.size_bytes() + query.table.size_bytes() + 64;
    if (by_products) used += products.of_query;
    if (column.shape().content != GpuContent::kProductCodes) used += uint64_t{QueryUnits(column)} * gpu::kUnitBytes;
    // The blocks are shared among the queries; each has one at least.
    used += (1 + gpu::kQueriesAtOnce * most_blocks / (count + 1)) * k_bytes + k_bytes;
    if (used > lane.bytes() && count > 0) break;
    ++count;
  }
  return count;
}

absl::StatusOr<std::chrono::nanoseconds> KernelDevice::Search(const GpuColumn& column, size_t k,
                                                              std::span<const GpuQuery> queries,
                                                              std::span<std::vector<GpuFound>> found, bool behind) {
  absl::StatusOr<const KernelColumn*> own = Check(column, k, queries, found.size());
  if (!own.ok()) return own.status();
  KernelLanes::Lease lane = (behind ? side_lanes_ : lanes_).Take();
  const auto began = std::chrono::steady_clock::now();
  while (!queries.empty()) {
    Batch batch{**own, static_cast<uint32_t>(k), queries, found};
    const size_t count = FittingQueries(*lane, batch);
    batch.queries = queries.first(count);
    batch.found = found.first(count);
    lane->Reset();
    absl::Status status = column.shape().content == GpuContent::kProductCodes ? ScanCells(*lane, batch)
                          : ProductsPay(batch)                               ? SearchByProducts(*lane, batch)
                                                                             : ScanRows(*lane, batch);
    if (!status.ok()) return status;
    queries = queries.subspan(count);
    found = found.subspan(count);
  }
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began);
}

absl::StatusOr<PlacedWords> PutWords(KernelLane& lane, std::span<const GpuQuery> queries, uint32_t nodes) {
  if (queries.front().nodes != GpuNodes::kBitmap) return PlacedWords();
  const uint64_t stride = WordsOf(nodes);
  SharedSpans bitmaps;
  std::vector<uint64_t> starts;
  for (const GpuQuery& query : queries) starts.push_back(bitmaps.Number(query.words) * stride);
  absl::StatusOr<uint64_t*> words = lane.Take<uint64_t>(stride * bitmaps.count());
  if (!words.ok()) return words.status();
  size_t placed = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    if (starts[i] < placed * stride) continue;
    absl::Status status = lane.stream().CopyIn(*words + starts[i], queries[i].words.data(), queries[i].words.size_bytes());
    if (!status.ok()) return status;
    ++placed;
  }
  const absl::StatusOr<const uint64_t*> start = lane.Put(starts);
  if (!start.ok()) return start.status();
  return PlacedWords{*words, *start};
}

absl::Status KernelDevice::ScanRows(KernelLane& lane, const Batch& batch) const {
  const KernelColumn& column = batch.column;
  const size_t count = batch.queries.size();
  const GpuNodes nodes = batch.queries.front().nodes;
  const uint32_t query_units = QueryUnits(column);
  std::vector<gpu::Unit> packed(count * query_units);
  std::vector<float> scales(count);
  std::vector<int32_t> shifts(count);
  SharedSpans distinct_lists;
  std::vector<uint32_t> lists;
  std::vector<uint64_t> first_of;  // by distinct list
  std::vector<uint64_t> list_start;
  std::vector<uint64_t> list_end;
  uint64_t longest_list = 0;
  for (size_t i = 0; i < count; ++i) {
    const GpuQuery& query = batch.queries[i];
    PackQuery(column, query, query_units, packed.data() + i * query_units);
    scales[i] = query.scale;
    shifts[i] = query.shift;
    const size_t list_number = distinct_lists.Number(query.list);
    if (list_number == first_of.size()) {
      first_of.push_back(lists.size());
      lists.insert(lists.end(), query.list.begin(), query.list.end());
    }
    list_start.push_back(first_of[list_number]);
    list_end.push_back(first_of[list_number] + query.list.size());
    longest_list = std::max<uint64_t>(longest_list, query.list.size());
  }
  const uint32_t at_once = nodes == GpuNodes::kAll && count > 1 && batch.k <= gpu::kThreads ? gpu::kQueriesAtOnce : 1;
  const size_t groups = (count + at_once - 1) / at_once;
  gpu::RowScanArgs args;
  args.rows = column.At<gpu::Unit>(column.layout().rows);
  args.row_units = column.layout().row_units;
  args.nodes = column.shape().nodes;
  args.query_units = query_units;
  args.query_count = static_cast<uint32_t>(count);
  args.k = batch.k;
  args.span = nodes == GpuNodes::kAll ? kSpanOfAll : nodes == GpuNodes::kList ? kSpanOfList : gpu::kMaxSpan;
  const uint64_t work = nodes == GpuNodes::kList ? longest_list : args.nodes;
  const uint32_t blocks = BlocksFor(work, args.span, groups);
  const absl::StatusOr<const gpu::Unit*> queries = lane.Put(packed);
  if (!queries.ok()) return queries.status();
  const absl::StatusOr<const float*> scale = lane.Put(scales);
  if (!scale.ok()) return scale.status();
  const absl::StatusOr<const int32_t*> shift = lane.Put(shifts);
  if (!shift.ok()) return shift.status();
  args.queries = *queries;
  args.scales = {*scale, *shift};
  const absl::StatusOr<PlacedWords> words = PutWords(lane, batch.queries, args.nodes);
  if (!words.ok()) return words.status();
  args.words = words->words;
  args.word_start = words->start;
  if (nodes == GpuNodes::kList) {
    lists.push_back(0);  // so that there is a list where all are empty
    const absl::StatusOr<const uint32_t*> list = lane.Put(lists);
    if (!list.ok()) return list.status();
    const absl::StatusOr<const uint64_t*> start = lane.Put(list_start);
    if (!start.ok()) return start.status();
    const absl::StatusOr<const uint64_t*> end = lane.Put(list_end);
    if (!end.ok()) return end.status();
    args.list = *list;
    args.list_start = *start;
    args.list_end = *end;
  }
  absl::StatusOr<uint64_t*> out = lane.Take<uint64_t>(count * blocks * batch.k);
  if (!out.ok()) return out.status();
  args.out = *out;
  const GpuGrid grid{.blocks = blocks, .queries = static_cast<uint32_t>(groups)};
  if (absl::Status status = lane.stream().Run(column.form(), at_once, args, grid); !status.ok()) return status;
  return Collect(lane, batch, *out, blocks);
}

absl::Status KernelDevice::ScanCells(KernelLane& lane, const Batch& batch) const {
  const KernelColumn& column = batch.column;
  const size_t count = batch.queries.size();
  std::vector<gpu::CellPart> parts;
  std::vector<uint64_t> part_start(1, 0);
  std::vector<uint8_t> tables;
  std::vector<float> steps;
  uint64_t most_parts = 0;
  for (const GpuQuery& query : batch.queries) {
    parts.insert(parts.end(), query.parts.begin(), query.parts.end());
    part_start.push_back(parts.size());
    most_parts = std::max<uint64_t>(most_parts, query.parts.size());
    tables.insert(tables.end(), query.table.begin(), query.table.end());
    steps.push_back(query.step);
  }
  parts.emplace_back();
  const absl::StatusOr<const gpu::CellPart*> part = lane.Put(parts);
  if (!part.ok()) return part.status();
  const absl::StatusOr<const uint64_t*> start = lane.Put(part_start);
  if (!start.ok()) return start.status();
  const absl::StatusOr<const uint8_t*> table = lane.Put(tables);
  if (!table.ok()) return table.status();
  const absl::StatusOr<const float*> step = lane.Put(steps);
  if (!step.ok()) return step.status();
  const absl::StatusOr<PlacedWords> words = PutWords(lane, batch.queries, column.shape().nodes);
  if (!words.ok()) return words.status();
  const uint32_t blocks = BlocksFor(most_parts * gpu::kPartNodes, gpu::kThreads, count);
  absl::StatusOr<uint64_t*> out = lane.Take<uint64_t>(count * blocks * batch.k);
  if (!out.ok()) return out.status();
  const gpu::CellScanArgs args{.codes = column.At<uint8_t>(column.layout().blocks),
                               .node = column.At<uint32_t>(column.layout().place_nodes),
                               .bias = column.At<float>(column.layout().place_biases),
                               .groups = column.shape().groups,
                               .parts = *part,
                               .part_start = *start,
                               .tables = *table,
                               .steps = *step,
                               .factor = batch.queries.front().factor,
                               .words = words->words,
                               .word_start = words->start,
                               .k = batch.k,
                               .out = *out};
  const GpuGrid grid{.blocks = blocks, .queries = static_cast<uint32_t>(count)};
  if (absl::Status status = lane.stream().Run(args, grid); !status.ok()) return status;
  return Collect(lane, batch, *out, blocks);
}

absl::Status KernelDevice::Collect(KernelLane& lane, const Batch& batch, const uint64_t* keys, uint32_t blocks) const {
  const size_t count = batch.queries.size();
  const uint64_t* best = keys;
  if (blocks > 1) {
    absl::StatusOr<uint64_t*> merged = lane.Take<uint64_t>(count * batch.k);
    if (!merged.ok()) return merged.status();
    const gpu::MergeKeysArgs args{.keys = keys,
                                  .out = *merged,
                                  .count = uint64_t{blocks} * batch.k,
                                  .stride = uint64_t{blocks} * batch.k,
                                  .out_stride = batch.k,
                                  .k = batch.k};
    const GpuGrid grid{.blocks = 1, .queries = static_cast<uint32_t>(count)};
    if (absl::Status status = lane.stream().Run(args, grid); !status.ok()) return status;
    best = *merged;
  }
  std::vector<uint64_t> here(count * batch.k);
  absl::Status status = lane.stream().CopyOut(here.data(), best, here.size() * sizeof(uint64_t));
  if (!status.ok()) {
    lane.stream().Finish().IgnoreError();  // the copy may be on its way to `here`
    return status;
  }
  if (status = lane.stream().Finish(); !status.ok()) return status;
  for (size_t i = 0; i < count; ++i) {
    batch.found[i] = FoundOf(std::span<const uint64_t>(here).subspan(i * batch.k, batch.k));
  }
  return absl::OkStatus();
}

std::vector<GpuFound> FoundOf(std::span<const uint64_t> keys) {
  std::vector<GpuFound> found;
  for (const uint64_t key : keys) {
    if (key == gpu::kNoKey) break;
    found.push_back({gpu::DistanceOfKey(key), gpu::NodeOfKey(key)});
  }
  return found;
}

}  // namespace vouch
