#include "tests/support/fake_gpu.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/dense/code_kernels.h"
#include "index/dense/hamming_kernels.h"
#include "index/dense/kernels.h"
#include "storage/vector_codec.h"
#include "tests/support/plain_links.h"

namespace vouch {

// Pieces that are held, by where they begin.
struct FakeGpu::Memory {
  std::mutex mu;
  uint64_t size = 0;
  uint64_t held = 0;
  uint64_t taken_by_others = 0;
  std::map<uint64_t, uint64_t> pieces;

  std::optional<uint64_t> Take(uint64_t bytes) {
    const std::lock_guard lock(mu);
    if (bytes > size - held - std::min(size - held, taken_by_others)) return std::nullopt;
    uint64_t at = 0;
    for (const auto& [begin, length] : pieces) {
      if (begin - at >= bytes) break;
      at = begin + length;
    }
    if (size - at < bytes) return std::nullopt;
    pieces[at] = bytes;
    held += bytes;
    return at;
  }
  void Give(uint64_t at) {
    const std::lock_guard lock(mu);
    held -= pieces.at(at);
    pieces.erase(at);
  }
};

class FakeColumn final : public GpuColumn {
 public:
  FakeColumn(const GpuShape& shape, uint64_t bytes, std::shared_ptr<FakeGpu::Memory> memory, uint64_t at)
      : GpuColumn(shape, bytes), memory_(std::move(memory)), at_(at) {}
  ~FakeColumn() override { memory_->Give(at_); }

  std::string records;
  std::vector<uint32_t> place_nodes;
  std::vector<float> place_biases;
  std::vector<uint8_t> blocks;

  std::vector<float> Vector(uint32_t node) const {
    std::vector<float> vector(shape().dim);
    DecodeVector(shape().type, records.data() + size_t{node} * shape().record_bytes, vector);
    return vector;
  }

 private:
  const std::shared_ptr<FakeGpu::Memory> memory_;
  const uint64_t at_;
};

namespace {

bool Allows(const GpuQuery& query, uint32_t node) {
  return query.nodes != GpuNodes::kBitmap || ((query.words[node / 64] >> (node % 64)) & 1) != 0;
}

// The definition of each distance and key, once more and as plainly as it goes.
float DistanceOf(const FakeColumn& column, const GpuQuery& query, uint32_t node) {
  const GpuShape& shape = column.shape();
  if (shape.content == GpuContent::kCodes) {
    const CodeComparison comparison{.records = reinterpret_cast<const uint8_t*>(column.records.data()),
                                    .stride = shape.record_bytes,
                                    .query = query.code.data(),
                                    .scale = query.scale,
                                    .shift = query.shift};
    float key = 0;
    AvailableCodeKernels().front().keys(comparison, &node, 1, &key);
    return key;
  }
  if (shape.type == VectorType::kBit) {
    return static_cast<float>(AvailableHammingKernels().front().distance(
        query.bits.data(), column.records.data() + size_t{node} * shape.record_bytes, shape.record_bytes));
  }
  return AvailableKernels().front().one(shape.metric)(query.vector.data(), column.Vector(node).data(), shape.dim);
}

void FindInCells(const FakeColumn& column, const GpuQuery& query, std::vector<GpuFound>& found) {
  const GpuShape& shape = column.shape();
  for (const gpu::CellPart& part : query.parts) {
    for (uint32_t i = 0; i < part.count; ++i) {
      const uint32_t node = column.place_nodes[part.place + i];
      if (!Allows(query, node)) continue;
      uint32_t sum = 0;
      for (uint32_t group = 0; group < shape.groups; ++group) {
        const uint8_t code = column.blocks[(size_t{part.block} * shape.groups + group) * 16 + i % 16];
        sum += query.table[group * 16 + (i < 16 ? code & 15 : code >> 4)];
      }
      const float approximate = part.product + query.step * static_cast<float>(sum);
      found.push_back({column.place_biases[part.place + i] - query.factor * approximate, node});
    }
  }
}

std::vector<GpuFound> Nearest(const FakeColumn& column, const GpuQuery& query, size_t k) {
  std::vector<GpuFound> found;
  if (column.shape().content == GpuContent::kProductCodes) {
    FindInCells(column, query, found);
  } else if (query.nodes == GpuNodes::kList) {
    for (const uint32_t node : query.list) found.push_back({DistanceOf(column, query, node), node});
  } else {
    for (uint32_t node = 0; node < column.shape().nodes; ++node) {
      if (Allows(query, node)) found.push_back({DistanceOf(column, query, node), node});
    }
  }
  for (GpuFound& one : found) one.distance += 0.0f;  // no -0
  std::sort(found.begin(), found.end(), [](const GpuFound& a, const GpuFound& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
  });
  found.resize(std::min(found.size(), k));
  return found;
}

}  // namespace

FakeGpu::FakeGpu(Options options)
    : options_(options),
      properties_({.ordinal = options.ordinal,
                   .name = "fake",
                   .major = options.major,
                   .minor = 0,
                   .memory_bytes = options.memory_bytes,
                   .multiprocessors = 1,
                   .clock_mhz = 1,
                   .driver = "none"}),
      memory_(std::make_shared<Memory>()) {
  memory_->size = options.memory_bytes;
}

FakeGpu::~FakeGpu() = default;

absl::StatusOr<GpuMemory> FakeGpu::MeasureMemory() {
  const std::lock_guard lock(memory_->mu);
  const uint64_t free = memory_->size - memory_->held;
  return GpuMemory{.total = memory_->size, .free = free - std::min(free, memory_->taken_by_others)};
}

uint64_t FakeGpu::BytesOf(const GpuShape& shape) const {
  const uint64_t bytes = shape.content == GpuContent::kProductCodes
                             ? uint64_t{shape.nodes} * 8 + uint64_t{shape.blocks} * shape.groups * 16
                             : uint64_t{shape.nodes} * shape.record_bytes;
  return (bytes + options_.granularity - 1) / options_.granularity * options_.granularity;
}

absl::Status FakeGpu::Fails(uint64_t& left, absl::Status& status) {
  const std::lock_guard lock(mu_);
  if (left == 0) return absl::OkStatus();
  if (!absl::IsUnavailable(status)) --left;
  return status;
}

absl::StatusOr<std::shared_ptr<const GpuColumn>> FakeGpu::Place(const GpuShape& shape, const GpuSource& source) {
  ++placings_;
  if (absl::Status status = Fails(placings_to_fail_, placing_failure_); !status.ok()) return status;
  const uint64_t bytes = BytesOf(shape);
  const std::optional<uint64_t> at = memory_->Take(bytes);
  if (!at) return absl::ResourceExhaustedError(absl::StrCat("device memory: no piece of ", bytes, " bytes is free"));
  auto column = std::make_shared<FakeColumn>(shape, bytes, memory_, *at);
  if (shape.content == GpuContent::kProductCodes) {
    column->place_nodes.assign(source.place_nodes.begin(), source.place_nodes.end());
    column->place_biases.assign(source.place_biases.begin(), source.place_biases.end());
    column->blocks.assign(source.blocks.begin(), source.blocks.end());
    return column;
  }
  column->records.resize(size_t{shape.nodes} * shape.record_bytes);
  // In pieces that divide nothing.
  for (uint32_t begin = 0; begin < shape.nodes;) {
    const uint32_t end = std::min(shape.nodes, begin + 777);
    absl::Status status = source.records(begin, end, column->records.data() + size_t{begin} * shape.record_bytes);
    if (!status.ok()) return status;
    begin = end;
  }
  return column;
}

absl::StatusOr<std::chrono::nanoseconds> FakeGpu::Search(const GpuColumn& column, size_t k,
                                                         std::span<const GpuQuery> queries,
                                                         std::span<std::vector<GpuFound>> found, bool) {
  ++searches_;
  queries_ += queries.size();
  uint64_t largest = largest_batch_;
  while (largest < queries.size() && !largest_batch_.compare_exchange_weak(largest, queries.size())) {
  }
  std::function<void()> hook;
  {
    const std::lock_guard lock(mu_);
    hook = on_search_;
  }
  if (hook) hook();
  if (absl::Status status = Fails(searches_to_fail_, search_failure_); !status.ok()) return status;
  const auto& own = static_cast<const FakeColumn&>(column);
  for (size_t i = 0; i < queries.size(); ++i) found[i] = Nearest(own, queries[i], k);
  return options_.batch_time + options_.query_time * queries.size();
}

absl::Status FakeGpu::ChooseLinks(const GpuColumn& column, std::span<const GpuLinkTask> tasks, const LinkCounts& counts,
                                  std::span<uint32_t> links) {
  if (absl::Status status = Fails(searches_to_fail_, search_failure_); !status.ok()) return status;
  const auto& own_column = static_cast<const FakeColumn&>(column);
  const auto vector = [&](uint32_t node) { return own_column.Vector(node); };
  auto out = links.begin();
  for (const GpuLinkTask& task : tasks) {
    for (const uint32_t own : task.own) {
      const std::vector<uint32_t> chosen = PlainLinks(vector, column.shape().metric, own, task.others, counts);
      out = std::copy(chosen.begin(), chosen.end(), out);
    }
  }
  return absl::OkStatus();
}

absl::Status FakeGpu::FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) {
  if (absl::Status status = Fails(searches_to_fail_, search_failure_); !status.ok()) return status;
  const size_t width = size_t{books.groups} * books.size;
  auto out = nearest.begin();
  for (size_t at = 0; at < rows.size(); at += width) {
    const std::vector<uint8_t> of_row = PlainEntries(books, rows.subspan(at, width));
    out = std::copy(of_row.begin(), of_row.end(), out);
    ++entry_rows_;
  }
  return absl::OkStatus();
}

void FakeGpu::FailSearches(uint64_t count, absl::Status status) {
  const std::lock_guard lock(mu_);
  searches_to_fail_ = count;
  search_failure_ = std::move(status);
}

void FakeGpu::FailPlacings(uint64_t count, absl::Status status) {
  const std::lock_guard lock(mu_);
  placings_to_fail_ = count;
  placing_failure_ = std::move(status);
}

void FakeGpu::OnSearch(std::function<void()> hook) {
  const std::lock_guard lock(mu_);
  on_search_ = std::move(hook);
}

void FakeGpu::SetTakenByOthers(uint64_t bytes) {
  const std::lock_guard lock(memory_->mu);
  memory_->taken_by_others = bytes;
}

}  // namespace vouch
