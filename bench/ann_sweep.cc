#include "bench/ann_sweep.h"

#include <cstdio>
#include <optional>

namespace vouch {
namespace {

constexpr int kEfs[] = {10, 12, 16, 20, 28, 40, 64, 100};

AnnPoint Measure(const AnnData& data, const RowLists& truth, int ef, const AnnEngine& engine) {
  RowLists results(truth.size());
  const double start = ThreadSeconds();
  for (size_t q = 0; q < truth.size(); ++q) engine.search(data.query(q), ef, results[q]);
  const double seconds = ThreadSeconds() - start;
  return {ef, RecallOf(results, truth), static_cast<double>(truth.size()) / seconds};
}

// QPS where the line through the points crosses the recall; the first point's where that is above
// it already.
std::optional<double> QpsAt(const std::vector<AnnPoint>& points, double recall) {
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].recall < recall) continue;
    if (i == 0) return points[0].queries_per_second;
    const AnnPoint& below = points[i - 1];
    const double part = (recall - below.recall) / (points[i].recall - below.recall);
    return below.queries_per_second +
           part * (points[i].queries_per_second - below.queries_per_second);
  }
  return std::nullopt;
}

const AnnEngine* Rival(const std::vector<AnnEngine>& engines) {
  for (const AnnEngine& engine : engines) {
    if (engine.name == "hnswlib") return &engine;
  }
  return nullptr;
}

}  // namespace

void Sweep(std::vector<AnnEngine>& engines, const AnnData& data, const RowLists& truth) {
  std::vector<std::vector<std::vector<double>>> qps(
      engines.size(), std::vector<std::vector<double>>(std::size(kEfs)));
  for (AnnEngine& engine : engines) engine.points.resize(std::size(kEfs));
  for (int turn = 0; turn < kAnnTurns; ++turn) {
    for (size_t e = 0; e < engines.size(); ++e) {
      Measure(data, truth, kEfs[0], engines[e]);  // brings it near after the one before
      for (size_t i = 0; i < std::size(kEfs); ++i) {
        engines[e].points[i] = Measure(data, truth, kEfs[i], engines[e]);
        qps[e][i].push_back(engines[e].points[i].queries_per_second);
      }
    }
  }
  for (size_t e = 0; e < engines.size(); ++e) {
    for (size_t i = 0; i < std::size(kEfs); ++i) {
      engines[e].points[i].queries_per_second = Median(qps[e][i]);
    }
  }
}

const AnnPoint& FirstAbove(const std::vector<AnnPoint>& points, double recall) {
  for (const AnnPoint& point : points) {
    if (point.recall >= recall) return point;
  }
  return points.back();
}

void PrintSweep(const std::vector<AnnEngine>& engines) {
  const AnnEngine* rival = Rival(engines);
  std::printf(
      "| engine | build s (2 threads) | processor s | private bytes a vector | mapped from a file "
      "| QPS at recall .95 | at .99 | at .999 |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const AnnEngine& engine : engines) {
    std::printf("| %s | %.1f%s | %.1f", engine.name.c_str(), engine.build.seconds,
                engine.built_before ? ", of an earlier run" : "", engine.build.processor_seconds);
    if (rival != nullptr) {
      std::printf(" (%.2f)", engine.build.processor_seconds / rival->build.processor_seconds);
    }
    std::printf(" | %.0f | %.0f |", engine.bytes_per_vector, engine.mapped_per_vector);
    for (const double recall : {0.95, 0.99, 0.999}) {
      const std::optional<double> qps = QpsAt(engine.points, recall);
      const std::optional<double> base =
          rival == nullptr ? std::nullopt : QpsAt(rival->points, recall);
      if (!qps) {
        std::printf(" - |");
      } else if (!base) {
        std::printf(" %.0f |", *qps);
      } else {
        std::printf(" %.0f (%.2f x hnswlib) |", *qps, *qps / *base);
      }
    }
    std::printf("\n");
  }
  std::printf("\n| ef |");
  for (const AnnEngine& engine : engines) std::printf(" %s recall | QPS |", engine.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < engines.size(); ++i) std::printf("---|---|");
  std::printf("\n");
  for (size_t i = 0; i < std::size(kEfs); ++i) {
    std::printf("| %d |", kEfs[i]);
    for (const AnnEngine& engine : engines) {
      std::printf(" %.4f | %.0f |", engine.points[i].recall, engine.points[i].queries_per_second);
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace vouch
