#include <cstdio>
#include <numeric>
#include <random>

#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"
#include "bench/mixture.h"

namespace vouch {
namespace {

constexpr double kChanged = 0.3;  // of the points are deleted, and as many replaced
constexpr size_t kCommit = 500;
constexpr uint64_t kSealRows = 20'000;  // the engine's default
constexpr int kEfs[] = {16, 28, 64, 100};

// The points that are left, in their order, and which they are.
struct Left {
  AnnData data;
  std::vector<uint64_t> points;
};

Left ChangePoints(const AnnData& data, VouchIndex& index) {
  const size_t count = data.row_count();
  const auto changed = static_cast<size_t>(kChanged * static_cast<double>(count));
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(kAnnSeed));
  const std::vector<float> replacements = MakeMixture(changed, data.dim, kAnnSeed, 3);
  std::vector<const float*> now(count);
  for (size_t i = 0; i < count; ++i) now[i] = data.row(i);
  std::vector<VouchIndex::Change> changes;
  for (size_t i = 0; i < changed; ++i) {
    now[order[i]] = nullptr;
    now[order[changed + i]] = replacements.data() + i * data.dim;
    changes.push_back({.point = order[i], .vector = nullptr});
    changes.push_back({.point = order[changed + i], .vector = now[order[changed + i]]});
    if (changes.size() < kCommit && i + 1 < changed) continue;
    index.Apply(changes);
    changes.clear();
  }
  Left left;
  left.data.dim = data.dim;
  left.data.queries = data.queries;
  for (size_t point = 0; point < count; ++point) {
    if (now[point] == nullptr) continue;
    left.points.push_back(point);
    left.data.rows.insert(left.data.rows.end(), now[point], now[point] + data.dim);
  }
  return left;
}

struct Measured {
  double recall = 0;
  double queries_per_second = 0;
};

// `truth` by position in `points`, which is null where rows are positions.
Measured Measure(const VouchIndex& index, const AnnData& data, const RowLists& truth,
                 const std::vector<uint64_t>* points, int ef) {
  const IndexReader reader = index.Read();
  const RowMask mask = MaskOfAll(reader);
  std::vector<double> qps;
  RowLists results(data.query_count());
  for (int turn = 0; turn < kAnnTurns; ++turn) {
    const double start = ThreadSeconds();
    for (size_t q = 0; q < data.query_count(); ++q) {
      results[q] = SearchVouch(reader, mask, {data.query(q), data.dim}, ef, false, nullptr);
    }
    qps.push_back(static_cast<double>(data.query_count()) / (ThreadSeconds() - start));
  }
  RowLists wanted = truth;
  if (points != nullptr) {
    for (auto& rows : results) {
      for (uint64_t& row : rows) row = index.PointOf(row);
    }
    for (auto& rows : wanted) {
      for (uint64_t& row : rows) row = (*points)[row];
    }
  }
  return {RecallOf(results, wanted), Median(qps)};
}

void PrintRow(const char* state, const VouchIndex& index, const std::vector<Measured>& cells) {
  std::printf("| %s | %zu |", state, index.segments());
  for (const Measured& cell : cells) {
    std::printf(" %.4f @ %.0f |", cell.recall, cell.queries_per_second);
  }
  std::printf("\n");
}

}  // namespace

void MeasureDeletes(const AnnData& data) {
  VouchIndex index(data.dim, kSealRows);
  index.AddRows(data);
  index.Optimize();
  const Left left = ChangePoints(data, index);
  index.WaitIdle();
  const RowLists truth = TrueNearest(left.data, nullptr);
  VouchIndex fresh(data.dim, data.row_count());
  fresh.AddRows(left.data);
  fresh.Optimize();
  std::vector<Measured> changed, built, merged;
  for (const int ef : kEfs) {
    changed.push_back(Measure(index, left.data, truth, &left.points, ef));
    built.push_back(Measure(fresh, left.data, truth, nullptr, ef));
  }
  std::printf("%s; 30 %% deleted, 30 %% replaced; recall @ QPS\n\n| state | segments |",
              data.name.c_str());
  for (const int ef : kEfs) std::printf(" ef %d |", ef);
  std::printf("\n|---|---|");
  for (size_t i = 0; i < std::size(kEfs); ++i) std::printf("---|");
  std::printf("\n");
  PrintRow("as the changes left it", index, changed);
  index.Optimize();
  for (const int ef : kEfs) merged.push_back(Measure(index, left.data, truth, &left.points, ef));
  PrintRow("optimized", index, merged);
  PrintRow("fresh build of what is left", fresh, built);
  std::fflush(stdout);
}

}  // namespace vouch
