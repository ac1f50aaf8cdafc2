#include <algorithm>
#include <cstdio>

#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"
#include "bench/mixture.h"

namespace vouch {
namespace {

constexpr size_t kFresh[] = {0, 50, 350, 400, 3'200, 5'000, 10'000, 20'000};
constexpr size_t kCommit = 50;
constexpr int kEf = 100;  // the schema's

}  // namespace

void MeasureFresh(const AnnData& data) {
  VouchIndex index(data.dim, 2 * data.row_count());  // nothing is sealed but by Optimize
  index.AddRows(data);
  index.Optimize();
  const std::vector<float> rows = MakeMixture(kFresh[std::size(kFresh) - 1], data.dim, kAnnSeed, 4);
  std::printf("%s, ef %d, and fresh rows in commits of %zu\n\n", data.name.c_str(), kEf, kCommit);
  std::printf("| fresh rows | segments | us | more than without | plan |\n|---|---|---|---|---|\n");
  double base = 0;
  size_t written = 0;
  for (const size_t count : kFresh) {
    while (written < count) {
      std::vector<VouchIndex::Change> changes;
      for (size_t i = 0; i < kCommit; ++i, ++written)
        changes.push_back({.point = data.row_count() + written, .vector = rows.data() + written * data.dim});
      index.Apply(changes);
    }
    const IndexReader reader = index.Read();
    const RowMask mask = MaskOfAll(reader);
    std::vector<double> micros;
    SearchStats stats;
    for (int turn = 0; turn < kAnnTurns; ++turn) {
      const double start = ThreadSeconds();
      for (size_t q = 0; q < data.query_count(); ++q)
        SearchVouch(reader, mask, {data.query(q), data.dim}, kEf, false, &stats);
      micros.push_back((ThreadSeconds() - start) * 1e6 / static_cast<double>(data.query_count()));
    }
    const double median = Median(micros);
    if (count == 0) base = median;
    std::printf("| %zu | %zu | %.1f | %.1f | %s |\n", count, index.segments(), median, median - base, stats.plan.c_str());
  }
  std::fflush(stdout);
}

}  // namespace vouch
