#include "index/gpu/gpu_search.h"

#include <algorithm>
#include <utility>

#include "index/dense/cell_order.h"
#include "index/dense/ivf_scan.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_reader.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

// From one in so many nodes on a list of the allowed ones is shorter than a bitmap, and saves the device from looking for them.
constexpr uint64_t kListShare = 32;

bool Allows(const GpuSearchItem& item, uint32_t node) {
  return item.allowed == nullptr || item.allowed->Test(item.unit->column().RowOf(node));
}

// Names the allowed nodes to the device; how many they are.
void NameNodes(const DenseSegmentSearch& search, GpuSearchItem& item) {
  const DenseColumn& column = item.unit->column();
  item.compared = search.allowed == nullptr ? column.nodes() : search.allowed_count;
  if (search.allowed == nullptr) return;
  const bool listed = search.allowed_count * kListShare < column.nodes();
  const bool same = column.dense_rows();
  if (listed) {
    item.shared_list = item.unit->NodesOf(item.allowed, search.allowed_count);
    item.query.list = *item.shared_list;
  } else if (same) {
    item.query.words = search.allowed->words();
  } else {
    item.words.resize((uint64_t{column.nodes()} + 63) / 64);
    for (uint32_t node = 0; node < column.nodes(); ++node) {
      item.words[node / 64] |= uint64_t{search.allowed->Test(column.RowOf(node))} << (node % 64);
    }
    item.query.words = item.words;
  }
  item.query.nodes = listed ? GpuNodes::kList : GpuNodes::kBitmap;
}

// Calls visit(cell) for the nearest cells, which counts item.compared, as SearchDenseSegment does.
template <typename Visit>
void ForEachNearCell(GpuSearchItem& item, const Visit& visit) {
  thread_local KeyOrder order;
  order.Begin(item.ivf_query.keys);
  while (item.compared < kIvfRowsPerEf * item.ef) {
    const std::span<const uint32_t> part = order.Next(kIvfPart);
    if (part.empty()) break;
    for (const uint32_t cell : part) visit(cell);
  }
}

// The allowed nodes of the nearest cells as a list.
void NameNodesOfCells(GpuSearchItem& item) {
  const Ivf& ivf = *item.unit->ivf();
  ForEachNearCell(item, [&](uint32_t cell) {
    for (const uint32_t node : ivf.NodesOf(cell)) {
      if (!Allows(item, node)) continue;
      item.list.push_back(node);
      ++item.compared;
    }
  });
  item.query.nodes = GpuNodes::kList;
  item.query.list = item.list;
}

// The nearest cells in parts of 32 places.
void NameParts(const DenseSegmentSearch& search, GpuSearchItem& item) {
  const Ivf& ivf = *item.unit->ivf();
  const uint32_t* const first_place = ivf.NodesOf(0).data();
  ForEachNearCell(item, [&](uint32_t cell) {
    const std::span<const uint32_t> nodes = ivf.NodesOf(cell);
    if (search.allowed == nullptr) {
      item.compared += nodes.size();
    } else {
      for (const uint32_t node : nodes) item.compared += Allows(item, node) ? 1 : 0;
    }
    const auto place = static_cast<uint32_t>(nodes.data() - first_place);
    const float product = item.ivf_query.products[cell] + item.ivf_query.base;
    for (uint32_t at = 0; at < nodes.size(); at += gpu::kPartNodes) {
      item.parts.push_back({.block = item.unit->first_block(cell) + at / gpu::kPartNodes,
                            .place = place + at,
                            .count = std::min<uint32_t>(gpu::kPartNodes, static_cast<uint32_t>(nodes.size()) - at),
                            .product = product});
    }
  });
  item.query.parts = item.parts;
  item.query.table = item.ivf_query.table;
  item.query.step = item.ivf_query.step;
  item.query.factor = item.ivf_query.factor;
}

// How many of the nearest by code are scored. Of cells as many as codes need: the processor would score all that are in them.
size_t CandidatesByCode(const DenseUnit& unit, const DenseSegmentSearch& search) {
  const size_t few = Rescored(search.k);
  return unit.ivf() != nullptr ? few : std::min(few, std::max(search.ef, search.k));
}

}  // namespace

bool SuitsDevice(const DenseUnit& unit, const float* query, const DenseSegmentSearch& search, uint64_t few_rows) {
  if (search.k == 0 || search.held_out != kNoNode || search.allowed_count <= few_rows) return false;
  // These the processor compares one by one, where it would else look at some cells only.
  if (unit.ivf() != nullptr && !search.exact && CountAllowedNodes(search) <= FewNodes(search.k)) return false;
  // Bit vectors are compared by counting, where the query is made of bits, too.
  if (unit.shape().type == VectorType::kBit && !IsRounded(VectorType::kBit, {query, unit.shape().dim})) return false;
  const size_t ef = std::max(search.ef, search.k);
  switch (unit.shape().content) {
    case GpuContent::kVectors: return search.k <= GpuDevice::kMaxK;
    case GpuContent::kCodes: return !search.exact && CandidatesByCode(unit, search) <= GpuDevice::kMaxK;
    case GpuContent::kProductCodes: return !search.exact && RescoredOfIvf(search.k, ef) <= GpuDevice::kMaxK;
  }
  return false;
}

std::shared_ptr<GpuSearchItem> MakeGpuSearch(std::shared_ptr<const DenseUnit> unit,
                                             std::shared_ptr<const PlacedColumn> placed,
                                             const SegmentOffload::Request& request) {
  const DenseSegmentSearch& search = request.search;
  auto item = std::make_shared<GpuSearchItem>();
  item->unit = std::move(unit);
  item->placed = std::move(placed);
  item->allowed = request.allowed;
  item->found_k = search.k;
  item->ef = std::max(search.ef, search.k);
  const DenseColumn& column = item->unit->column();
  const std::span<const float> query(request.query, column.dim());
  item->vector.assign(query.begin(), query.end());
  const Ivf* const ivf = item->unit->ivf();
  const bool by_cells = ivf != nullptr && !search.exact;
  if (by_cells) ivf->Prepare(request.query, column.metric(), item->ivf_query);
  switch (item->unit->shape().content) {
    case GpuContent::kVectors:
      item->query.vector = item->vector;
      if (column.type() == VectorType::kBit) {
        item->bits.resize(column.vector_bytes());
        EncodeVector(VectorType::kBit, query, item->bits.data());
        item->query.bits = item->bits;
      }
      item->exact = !by_cells;
      item->ivf = by_cells;
      if (by_cells) {
        NameNodesOfCells(*item);
      } else {
        NameNodes(search, *item);
      }
      break;
    case GpuContent::kCodes:
      item->found_k = CandidatesByCode(*item->unit, search);
      item->rescored = true;
      item->ivf = by_cells;
      item->unit->codes()->Encode(request.query, item->code);
      item->query.code = item->code.values;
      item->query.scale = item->code.scale;
      item->query.shift = item->code.shift;
      if (by_cells) {
        NameNodesOfCells(*item);
      } else {
        NameNodes(search, *item);
      }
      break;
    case GpuContent::kProductCodes:
      item->found_k = RescoredOfIvf(search.k, item->ef);
      item->rescored = true;
      item->ivf = true;
      NameNodes(search, *item);
      // The device looks at cells, and leaves out of them what a bitmap says.
      if (item->query.nodes == GpuNodes::kList) {
        item->words.assign((uint64_t{column.nodes()} + 63) / 64, 0);
        for (const uint32_t node : item->query.list) item->words[node / 64] |= uint64_t{1} << (node % 64);
        item->query.nodes = GpuNodes::kBitmap;
        item->query.words = item->words;
        item->query.list = {};
      }
      item->compared = 0;
      NameParts(search, *item);
      break;
  }
  item->key = {.column = &item->placed->column(),
               .k = static_cast<uint32_t>(item->found_k),
               .kind = static_cast<uint32_t>(item->query.nodes)};
  item->tenant = item->unit->name().tenant;
  item->background = request.background;
  return item;
}

absl::Status PushFound(const GpuSearchItem& item, TopHits& top, DenseSegmentStats& stats) {
  const DenseColumn& column = item.unit->column();
  const uint64_t first_row = item.unit->segment().rows.begin.value;
  stats.device = true;
  stats.exact = item.exact;
  stats.ivf = item.ivf;
  stats.ef = item.ivf ? item.ef : 0;
  stats.distances += item.compared;
  const auto push = [&](uint32_t node, float distance) {
    const float score = ScoreOfDistance(distance);
    if (top.Wants(score)) top.Push({RowId(first_row + column.RowOf(node)), score});
  };
  if (!item.rescored) {
    for (const GpuFound& found : item.found) push(found.node, found.distance);
    return absl::OkStatus();
  }
  for (const GpuFound& found : item.found) column.Prefetch(found.node);
  VectorReader reader(column);
  const DistanceKernels::One distance = BestKernels().one(column.metric());
  for (const GpuFound& found : item.found) {
    push(found.node, distance(item.vector.data(), reader.Read(found.node), column.dim()));
  }
  stats.distances += item.found.size();
  return reader.status();
}

}  // namespace vouch
