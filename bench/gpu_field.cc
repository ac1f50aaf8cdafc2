#include "bench/gpu_field.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/vector_reader.h"

namespace vouch {
namespace {

DenseColumn ColumnOf(const std::vector<float>& rows, uint32_t dim) {
  DenseField field;
  field.name = "v";
  field.dim = dim;
  field.metric = Metric::kL2;
  std::vector<std::span<const float>> spans;
  for (size_t at = 0; at < rows.size(); at += dim) spans.push_back(std::span<const float>(rows).subspan(at, dim));
  auto column = DenseColumn::Build(field, spans);
  if (!column.ok()) EndGpuBench(std::string(column.status().message()));
  return *std::move(column);
}

}  // namespace

int GpuBenchThreads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

GpuField::GpuField(const std::vector<float>& rows, uint32_t dim, GpuDenseOptions options)
    : dim_(dim), column_(ColumnOf(rows, dim)) {
  std::vector<std::unique_ptr<GpuDevice>> devices;
  devices.push_back(OpenFirstGpu());
  options.placement_period = std::chrono::milliseconds(0);
  options.few_rows = 0;
  options.patience = std::chrono::milliseconds(10'000);
  options.pinned = {{"bench", "bench"}};
  options.warn = [](const std::string& message) { std::fprintf(stderr, "bench_gpu: %s\n", message.c_str()); };
  dense_ = std::make_unique<GpuDense>(std::move(devices), std::move(options));
  offload_ = dense_->ForCollection("bench", "bench");
}

std::vector<std::vector<uint64_t>> GpuField::NearestByGpu(const std::vector<float>& queries) {
  // All rows of a field without an index are compared.
  PlaceOnGpu(nullptr, nullptr);
  std::vector<std::vector<uint64_t>> nearest(queries.size() / dim_);
  ParallelFor(0, nearest.size(), 64, 1, [&](size_t i, size_t) {
    for (const Hit& hit : OnGpu(queries.data() + i * dim_, kGpuTop)) nearest[i].push_back(hit.row.value);
  });
  TakeFromGpu();
  return nearest;
}

void GpuField::UseIndex(std::shared_ptr<const Graph> graph, std::shared_ptr<const Ivf> ivf) {
  auto segment = std::make_shared<Segment>();
  segment->rows = {RowId(0), RowId(column_.segment_rows())};
  segment->dense = {column_};
  segment->graphs = {std::move(graph)};
  segment->ivfs = {std::move(ivf)};
  segment->sealed = true;
  segment_ = std::move(segment);
}

void GpuField::PlaceOnGpu(std::shared_ptr<const Graph> graph, std::shared_ptr<const Ivf> ivf) {
  UseIndex(std::move(graph), std::move(ivf));
  offload_->Publish({segment_});
  dense_->PlaceDue(1);
  for (const GpuStatus::Unit& unit : dense_->Status().units) {
    if (unit.devices.empty()) EndGpuBench(absl::StrCat("the GPU did not take ", unit.bytes, " bytes"));
  }
}

void GpuField::TakeFromGpu() {
  offload_->Publish({});
  dense_->PlaceDue(1);
}

DenseSegmentSearch GpuField::SearchOf(size_t ef) const {
  return {.column = &segment_->dense[0],
          .graph = segment_->graphs[0].get(),
          .codes = segment_->CodesOf(0),
          .ivf = segment_->IvfOf(0),
          .allowed_count = column_.segment_rows(),
          .k = kGpuTop,
          .ef = ef};
}

std::vector<Hit> GpuField::OnGpu(const float* query, size_t ef) const {
  const DenseSegmentSearch search = SearchOf(ef);
  const std::unique_ptr<OffloadedSearch> begun =
      offload_->Begin({.segment = *segment_, .field = 0, .search = search, .allowed = nullptr, .query = query});
  TopHits top(kGpuTop);
  DenseSegmentStats stats;
  if (begun == nullptr) EndGpuBench("a search was not taken by the GPU");
  const absl::StatusOr<bool> answered = begun->Await(CancelToken(), top, stats);
  if (!answered.ok() || !*answered) EndGpuBench("a search was not answered by the GPU");
  return top.TakeSorted();
}

std::vector<Hit> GpuField::Here(const float* query, size_t ef) const {
  TopHits top(kGpuTop);
  DenseSegmentStats stats;
  if (absl::Status status = SearchDenseSegment(SearchOf(ef), query, CancelToken(), top, stats); !status.ok()) {
    EndGpuBench(std::string(status.message()));
  }
  return top.TakeSorted();
}

}  // namespace vouch
