#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <utility>

#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"

namespace vouch {
namespace {

constexpr double kKeeps[] = {0.5, 0.1, 0.01, 0.001};
constexpr double kRecall = 0.95;  // the beam is the smallest that gives it without a filter

struct FilterCase {
  double keep = 0;
  bool correlated = false;
  RowMask mask;
  RowLists truth;
  double exact_qps = 0;
  double recall = 0;
  std::string plan;
  uint64_t distances = 0;
  std::vector<double> qps;
};

// All rows in the order in which filters keep them: at random, or by largest value along one random
// direction, so that the kept ones lie together.
std::vector<uint64_t> KeepOrder(const AnnData& data, bool correlated) {
  std::mt19937_64 random(kAnnSeed);
  std::normal_distribution<float> normal;
  std::vector<float> direction(data.dim);
  for (float& value : direction) value = normal(random);
  std::vector<std::pair<float, uint64_t>> order(data.row_count());
  for (size_t row = 0; row < data.row_count(); ++row) {
    float key = 0;
    for (size_t d = 0; d < data.dim; ++d) key += direction[d] * data.row(row)[d];
    order[row] = {correlated ? -key : static_cast<float>(random() >> 40), row};
  }
  std::sort(order.begin(), order.end());
  std::vector<uint64_t> rows;
  for (const auto& [key, row] : order) rows.push_back(row);
  return rows;
}

FilterCase MakeCase(const AnnData& data, const IndexReader& reader, double keep, bool correlated,
                    const std::vector<uint64_t>& order) {
  FilterCase made;
  made.keep = keep;
  made.correlated = correlated;
  Bitmap allowed(data.row_count());
  const auto count = static_cast<size_t>(keep * static_cast<double>(data.row_count()));
  for (size_t i = 0; i < count; ++i) allowed.Set(order[i]);
  RowMask::SegmentMask& segment = made.mask.segments.emplace_back();
  segment.allowed = std::make_shared<const Bitmap>(std::move(allowed));
  segment.visible_count = made.mask.visible_count = data.row_count();
  segment.allowed_count = made.mask.allowed_count = count;
  const double start = ThreadSeconds();
  for (size_t q = 0; q < data.query_count(); ++q) {
    made.truth.push_back(
        SearchVouch(reader, made.mask, {data.query(q), data.dim}, 1, true, nullptr));
  }
  made.exact_qps = static_cast<double>(data.query_count()) / (ThreadSeconds() - start);
  return made;
}

// QPS of one pass; the answers are compared where `recall` is not null.
double Pass(const AnnData& data, const IndexReader& reader, const RowMask& mask, int ef,
            const RowLists& truth, double* recall) {
  RowLists results(data.query_count());
  const double start = ThreadSeconds();
  for (size_t q = 0; q < data.query_count(); ++q) {
    results[q] = SearchVouch(reader, mask, {data.query(q), data.dim}, ef, false, nullptr);
  }
  const double seconds = (ThreadSeconds() - start);
  if (recall != nullptr) *recall = RecallOf(results, truth);
  return static_cast<double>(data.query_count()) / seconds;
}

}  // namespace

void MeasureFilters(const AnnData& data) {
  VouchIndex index(data.dim, data.row_count());
  index.AddRows(data);
  std::vector<AnnEngine> alone;
  alone.push_back(MakeVouch(index, index.Optimize()));
  const RowLists all_truth = TrueNearest(data, nullptr);
  Sweep(alone, data, all_truth);
  const int ef = FirstAbove(alone[0].points, kRecall).ef;
  const IndexReader reader = index.Read();
  const RowMask all = MaskOfAll(reader);
  std::vector<FilterCase> cases;
  for (const bool correlated : {false, true}) {
    const std::vector<uint64_t> order = KeepOrder(data, correlated);
    for (const double keep : kKeeps) {
      FilterCase& made = cases.emplace_back(MakeCase(data, reader, keep, correlated, order));
      SearchStats stats;
      for (size_t q = 0; q < data.query_count(); ++q) {
        SearchVouch(reader, made.mask, {data.query(q), data.dim}, ef, false, &stats);
      }
      made.plan = stats.plan;
      made.distances = stats.distances / data.query_count();
    }
  }
  std::vector<double> unfiltered;
  for (int turn = 0; turn < kAnnTurns; ++turn) {
    unfiltered.push_back(Pass(data, reader, all, ef, all_truth, nullptr));
    for (FilterCase& one : cases) {
      one.qps.push_back(Pass(data, reader, one.mask, ef, one.truth, &one.recall));
    }
  }
  const double base = Median(unfiltered);
  std::printf("%s; ef %d, unfiltered %.0f QPS at recall %.4f\n\n", data.name.c_str(), ef, base,
              FirstAbove(alone[0].points, kRecall).recall);
  std::printf(
      "| keeps | which rows | recall | QPS | of unfiltered | exact search QPS | comparisons | plan "
      "|\n"
      "|---|---|---|---|---|---|---|---|\n");
  for (const FilterCase& one : cases) {
    std::printf("| %.1f %% | %s | %.4f | %.0f | %.2f | %.0f | %llu | %s |\n", one.keep * 100,
                one.correlated ? "one half-space" : "random", one.recall, Median(one.qps),
                Median(one.qps) / base, one.exact_qps,
                static_cast<unsigned long long>(one.distances), one.plan.c_str());
  }
  std::fflush(stdout);
}

}  // namespace vouch
