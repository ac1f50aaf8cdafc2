// How the curves are measured.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "index/dense/kernels.h"
#include "index/dense/parallel.h"
#include "index/dense/recall_curves.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261126;
// Exact distances for the truth cost queries * nodes * dim; so many products of values are worth it, some seconds.
constexpr double kTruthBudget = 4e9;
constexpr uint32_t kMinQueries = 24, kMaxQueries = 160;
constexpr uint32_t kBeams[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900, 1280};
// So much is as good as all: no wider beam is tried.
constexpr double kAll = 0.99995;

}  // namespace

class RecallMeasure {
 public:
  RecallMeasure(const DenseSegmentSearch& search, int threads, const BuildProgress& progress)
      : search_(search), column_(*search.column), threads_(std::max(1, threads)), progress_(progress) {}

  absl::StatusOr<std::shared_ptr<const RecallCurves>> Run() {
    DrawMasks();
    DrawQueries();
    FindTruth();
    auto curves = std::make_shared<RecallCurves>();
    curves->queries_ = static_cast<uint32_t>(queries_.size());
    for (const uint32_t k : RecallCurves::kKs) {
      for (size_t share = 0; share < kShares; ++share) {
        absl::Status status = MeasureCurve(k, share, curves->curves_.emplace_back());
        if (!status.ok()) return status;
      }
    }
    return curves;
  }

 private:
  static constexpr size_t kShares = RecallCurves::kShares.size();
  static constexpr uint32_t kMostK = RecallCurves::kKs.back();

  struct Query {
    uint32_t node = 0;
    std::vector<float> vector;
    // By share: the nearest other nodes, nearest first.
    std::vector<std::vector<uint32_t>> truth = {};
  };

  // Which rows each filter leaves; a row that one of a smaller share leaves is left by the larger ones.
  void DrawMasks() {
    std::mt19937_64 random(kSeed);
    masks_.clear();
    for (size_t share = 0; share < kShares; ++share) masks_.emplace_back(column_.segment_rows());
    for (uint32_t row = 0; row < column_.segment_rows(); ++row) {
      const double drawn = static_cast<double>(random() >> 11) * 0x1.0p-53;
      for (size_t share = 0; share < kShares; ++share) {
        if (drawn < static_cast<double>(RecallCurves::kShares[share])) masks_[share].Set(row);
      }
    }
  }

  void DrawQueries() {
    const double cost = static_cast<double>(column_.nodes()) * std::max(16u, column_.dim());
    const auto wanted = static_cast<uint32_t>(
        std::clamp(kTruthBudget / cost, double{kMinQueries}, double{kMaxQueries}));
    std::mt19937_64 random(kSeed + 1);
    std::vector<bool> taken(column_.nodes());
    for (uint64_t tries = 0; tries < 4 * uint64_t{wanted} && queries_.size() < wanted; ++tries) {
      const auto node = static_cast<uint32_t>(random() % column_.nodes());
      // A walk starts from nodes of higher levels, which are not to be missed.
      if (taken[node] || (search_.graph != nullptr && !search_.graph->IsOnLevel0Only(node))) continue;
      taken[node] = true;
      Query& query = queries_.emplace_back();
      query.node = node;
      query.vector.resize(column_.dim());
      const float* values = column_.Values(node, query.vector.data());
      if (values != query.vector.data()) std::memcpy(query.vector.data(), values, column_.dim() * sizeof(float));
    }
  }

  void FindTruth() {
    const DistanceKernels::One distance = BestKernels().one(column_.metric());
    ParallelFor(0, queries_.size(), threads_, 1, [&](size_t i, size_t) {
      Query& query = queries_[i];
      std::vector<float> scratch(column_.dim());
      std::vector<std::pair<float, uint32_t>> keys;
      keys.reserve(column_.nodes());
      for (uint32_t node = 0; node < column_.nodes(); ++node) {
        if (node == query.node) continue;
        keys.emplace_back(distance(query.vector.data(), column_.Values(node, scratch.data()), column_.dim()), node);
      }
      query.truth.resize(kShares);
      // From all rows to ever fewer of them.
      for (size_t share = kShares; share-- > 0;) {
        std::erase_if(keys, [&](const auto& key) { return !masks_[share].Test(column_.RowOf(key.second)); });
        const size_t count = std::min<size_t>(kMostK, keys.size());
        std::partial_sort(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(count), keys.end());
        for (size_t n = 0; n < count; ++n) query.truth[share].push_back(keys[n].second);
      }
    });
  }

  // The part of the k nearest that a search with the beam finds.
  absl::Status RecallOf(const Query& query, uint32_t k, size_t share, uint32_t ef, double& recall) const {
    const std::vector<uint32_t>& truth = query.truth[share];
    const size_t wanted = std::min<size_t>(k, truth.size());
    recall = 1;
    if (wanted == 0) return absl::OkStatus();
    DenseSegmentSearch search = search_;
    const uint64_t allowed = masks_[share].Count();
    search.allowed = allowed == column_.segment_rows() ? nullptr : &masks_[share];
    search.allowed_count = allowed;
    search.first_row = RowId(0);
    search.k = k + 1;  // the row itself is found where rows are compared one by one
    search.ef = ef;
    search.first_ef = 0;
    search.exact = false;
    search.candidates = nullptr;
    search.held_out = query.node;
    TopHits top(search.k);
    DenseSegmentStats stats;
    absl::Status status = SearchDenseSegment(search, query.vector.data(), CancelToken(), top, stats);
    if (!status.ok()) return status;
    std::vector<uint64_t> want;
    for (size_t i = 0; i < wanted; ++i) want.push_back(column_.RowOf(truth[i]));
    std::sort(want.begin(), want.end());
    size_t found = 0, looked_at = 0;
    const uint64_t self = column_.RowOf(query.node);
    for (const Hit& hit : top.TakeSorted()) {
      if (hit.row.value == self) continue;
      if (++looked_at > k) break;
      found += std::binary_search(want.begin(), want.end(), hit.row.value) ? 1 : 0;
    }
    recall = static_cast<double>(found) / static_cast<double>(wanted);
    return absl::OkStatus();
  }

  absl::Status MeasureCurve(uint32_t k, size_t share, std::vector<RecallCurves::Point>& curve) const {
    std::vector<double> recalls(queries_.size());
    std::vector<absl::Status> failed(queries_.size());
    for (const uint32_t ef : kBeams) {
      if (ef < k) continue;
      if (absl::Status status = progress_(1.0); !status.ok()) return status;
      ParallelFor(0, queries_.size(), threads_, 1,
                  [&](size_t i, size_t) { failed[i] = RecallOf(queries_[i], k, share, ef, recalls[i]); });
      double sum = 0, squares = 0;
      for (size_t i = 0; i < recalls.size(); ++i) {
        if (!failed[i].ok()) return failed[i];
        sum += recalls[i];
        squares += recalls[i] * recalls[i];
      }
      const double count = std::max<double>(1, static_cast<double>(recalls.size()));
      const double mean = recalls.empty() ? 1 : sum / count;
      const double variance = std::max(0.0, recalls.empty() ? 0 : squares / count - mean * mean);
      curve.push_back({.ef = ef,
                       .recall = static_cast<float>(mean),
                       .error = static_cast<float>(std::sqrt(variance / count))});
      if (mean >= kAll) break;
    }
    return absl::OkStatus();
  }

  const DenseSegmentSearch search_;
  const DenseColumn& column_;
  const int threads_;
  const BuildProgress& progress_;
  std::vector<Bitmap> masks_;  // one a share
  std::vector<Query> queries_;
};

absl::StatusOr<std::shared_ptr<const RecallCurves>> RecallCurves::Measure(const DenseSegmentSearch& search, int threads,
                                                                          const BuildProgress& progress) {
  return RecallMeasure(search, threads, progress).Run();
}

}  // namespace vouch
