// How long indexes take to build with a GPU and without, and whether they find as much.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "bench/gpu_field.h"
#include "index/dense/graph_build.h"
#include "index/dense/ivf.h"

namespace vouch {
namespace {

constexpr uint32_t kDim = 128;
constexpr size_t kQueries = 1000;
constexpr size_t kEf = 64;

struct Built {
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Ivf> ivf;
  double seconds = 0;
};

template <typename Build>
double SecondsOf(const Build& build) {
  const auto began = std::chrono::steady_clock::now();
  build();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

absl::StatusOr<Built> BuildBoth(const DenseColumn& column, bool graph, const DenseBuildHelp& help, const GpuBudget& budget) {
  Built built;
  absl::Status status;
  built.seconds = SecondsOf([&] {
    if (graph) {
      const HnswOptions options{.m = 16, .ef_construction = 200, .ef_search = 100};
      auto made = BuildGraph(column, options, {.help = help}, GpuBenchThreads(), budget.Progress());
      status = made.status();
      if (made.ok()) built.graph = *std::move(made);
    } else {
      auto made = Ivf::Build(column, true, GpuBenchThreads(), budget.Progress(), help);
      status = made.status();
      if (made.ok()) built.ivf = *std::move(made);
    }
  });
  if (!status.ok()) return status;
  return built;
}

}  // namespace

void MeasureGpuBuilds(const GpuBudget& budget, uint32_t rows, GpuChecks& checks) {
  if (!budget.Has(120, "builds")) return;
  const std::vector<float> data = MixtureOnAllCores(rows, kDim, 1'000'000);
  const std::vector<float> queries = MixtureOnAllCores(kQueries, kDim, 2);
  GpuDenseOptions options;
  options.builds = true;
  GpuField field(data, kDim, options);
  const std::vector<std::vector<uint64_t>> truth = field.NearestByGpu(queries);
  std::printf("\nBuilds, %u x %u f32, L2, %d threads beside the GPU\n\n", rows, kDim, GpuBenchThreads());
  std::printf("| index | with the GPU, s | without, s | ratio | recall@10 with | without |\n|---|---|---|---|---|---|\n");
  for (const bool graph : {true, false}) {
    const auto with = BuildBoth(field.column(), graph, field.offload().BuildHelp(), budget);
    const auto without = BuildBoth(field.column(), graph, {}, budget);
    if (!with.ok() || !without.ok()) {
      std::printf("NOT MEASURED: %s: %s\n", graph ? "graph" : "IVF-PQ",
                  std::string((with.ok() ? without : with).status().message()).c_str());
      return;
    }
    const auto recall = [&](const Built& built) {
      field.UseIndex(built.graph, built.ivf);
      return RecallOf(truth, [&](size_t i) { return field.Here(queries.data() + i * kDim, kEf); });
    };
    const double recall_with = recall(*with), recall_without = recall(*without);
    std::printf("| %s | %.1f | %.1f | %.1f | %.3f | %.3f |\n", graph ? "graph, M 16, efConstruction 200, ef 64" : "IVF-PQ, ef 64",
                with->seconds, without->seconds, without->seconds / with->seconds, recall_with, recall_without);
    if (graph) {
      checks.Check(field.dense().Status().builds == 1, "the GPU linked the graph");
      checks.Check(recall_with >= recall_without - 0.005, "that graph finds as much, within .005");
    } else {
      checks.Check(with->ivf->bytes() == without->ivf->bytes(), "cells that the GPU assigned have the same bytes");
    }
  }
}

}  // namespace vouch
