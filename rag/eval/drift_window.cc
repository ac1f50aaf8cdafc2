#include "rag/eval/drift_window.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "rag/eval/distributions.h"
#include "rag/eval/drift_test.h"
#include "rag/eval/permutation_p.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

constexpr size_t kMaxClusters = 12;
constexpr size_t kPointsACluster = 20;
constexpr int kRounds = 10;  // of k-means
constexpr double kNovelShare = 0.05;
constexpr double kRidge = 1;  // of the regression on the base; less: what few of it know counts as known
constexpr uint32_t kMinDraws = 999;
// A p of one in so many is below the least share of false alarms that a test can have: 0.0001 of a
// window, by three kinds, by five tests.
constexpr uint32_t kMaxDraws = 199'999;

double Distance(const float* a, const float* b, uint32_t dim) {
  // Eight sums, in an order of their own, so that compilers may work on eight at a time.
  std::array<float, 8> sums = {};
  uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    for (uint32_t lane = 0; lane < 8; ++lane) {
      const float difference = a[i + lane] - b[i + lane];
      sums[lane] += difference * difference;
    }
  }
  double sum = 0;
  for (float part : sums) sum += part;
  for (; i < dim; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

const float* PointOf(const DriftPoints& points, size_t i) { return &points.values[i * points.dim]; }

// P(X >= drawn) where `all` things, `marked` of them marked, have `taken` taken out.
double HypergeometricUpper(size_t drawn, size_t all, size_t marked, size_t taken) {
  const auto choose = [](size_t n, size_t k) {
    return std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
           std::lgamma(static_cast<double>(n - k) + 1);
  };
  double p = 0;
  for (size_t x = drawn; x <= std::min(marked, taken); ++x) {
    if (taken - x > all - marked) continue;
    p += std::exp(choose(marked, x) + choose(all - marked, taken - x) - choose(all, taken));
  }
  return std::min(1.0, p);
}

double VariationDistance(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  const auto total = [](const std::vector<uint64_t>& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
  };
  const double all_a = total(a);
  const double all_b = total(b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::abs(static_cast<double>(a[i]) / all_a - static_cast<double>(b[i]) / all_b);
  return sum / 2;
}

double Dot(const float* a, const float* b, uint32_t dim) {
  std::array<float, 8> sums = {};
  uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    for (uint32_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (float part : sums) sum += part;
  for (; i < dim; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Of the first `count`.
double Dot(const double* a, const double* b, size_t count) {
  std::array<double, 8> sums = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (double part : sums) sum += part;
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// The lower triangle L with L * transposed(L) = the symmetric matrix, size n * n, in its place.
void Factor(size_t n, std::vector<double>* matrix) {
  for (size_t i = 0; i < n; ++i) {
    double* row = &(*matrix)[i * n];
    for (size_t j = 0; j <= i; ++j) {
      const double* other = &(*matrix)[j * n];
      const double left = row[j] - Dot(row, other, j);
      row[j] = i == j ? std::sqrt(left) : left / other[j];
    }
  }
}

// Lloyd's, from points that lie far apart.
DriftPoints FindCentres(const DriftPoints& points, const std::vector<size_t>& members) {
  DriftPoints centres{.dim = points.dim};
  const size_t wanted =
      std::clamp<size_t>(members.size() / kPointsACluster, 2, kMaxClusters);
  std::vector<double> nearest(members.size(), std::numeric_limits<double>::infinity());
  for (size_t next = 0; centres.size() < wanted;) {
    const float* chosen = PointOf(points, members[next]);
    centres.values.insert(centres.values.end(), chosen, chosen + points.dim);
    for (size_t i = 0; i < members.size(); ++i)
      nearest[i] = std::min(nearest[i], Distance(PointOf(points, members[i]), chosen, points.dim));
    // Not the furthest, which is alone there: a point four fifths of the way out.
    std::vector<size_t> order(members.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const size_t place = members.size() * 4 / 5;
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(place), order.end(),
                     [&](size_t a, size_t b) { return std::pair(nearest[a], a) < std::pair(nearest[b], b); });
    next = order[place];
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> sums(centres.values.size(), 0);
    std::vector<size_t> counts(wanted, 0);
    for (size_t member : members) {
      const float* point = PointOf(points, member);
      size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (size_t c = 0; c < wanted; ++c) {
        const double distance = Distance(point, PointOf(centres, c), points.dim);
        if (distance < least) {
          least = distance;
          best = c;
        }
      }
      ++counts[best];
      for (uint32_t d = 0; d < points.dim; ++d) sums[best * points.dim + d] += point[d];
    }
    for (size_t c = 0; c < wanted; ++c) {
      for (uint32_t d = 0; d < points.dim && counts[c] > 0; ++d) {
        centres.values[c * points.dim + d] =
            static_cast<float>(sums[c * points.dim + d] / static_cast<double>(counts[c]));
      }
    }
  }
  return centres;
}

}  // namespace

void DriftPoints::Add(const std::vector<float>& vector) {
  double squares = 0;
  for (float value : vector) squares += static_cast<double>(value) * value;
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (uint32_t i = 0; i < dim; ++i)
    values.push_back(i < vector.size() ? static_cast<float>(vector[i] * scale) : 0);
}

DriftDetector::DriftDetector(DriftPoints reference, const DriftWindowOptions& options)
    : reference_(std::move(reference)), options_(options) {
  learned_ = Learn();
}

absl::Status DriftDetector::Learn() {
  const CancelToken& cancel = options_.cancel;
  const size_t n = reference_.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  SeededRandom random(options_.seed);
  if (n > 0) DrawToFront(n - 1, random, &order);
  const auto half = order.begin() + static_cast<std::ptrdiff_t>(n / 2);
  base_.assign(order.begin(), half);
  held_.assign(half, order.end());
  distances_.resize(n * n);
  for (size_t i = 0; i < n; ++i) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    for (size_t j = 0; j < i; ++j) {
      distances_[i * n + j] = distances_[j * n + i] = static_cast<float>(
          Distance(PointOf(reference_, i), PointOf(reference_, j), reference_.dim));
    }
  }
  if (base_.empty()) return absl::OkStatus();
  centres_ = FindCentres(reference_, base_);
  const size_t b = base_.size();
  known_.resize(b * b);
  for (size_t i = 0; i < b; ++i) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    for (size_t j = 0; j <= i; ++j) {
      known_[i * b + j] = Dot(PointOf(reference_, base_[i]), PointOf(reference_, base_[j]), reference_.dim);
    }
    known_[i * b + i] += kRidge;
  }
  Factor(b, &known_);
  for (size_t i : held_) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    held_novelty_.push_back(Novelty(PointOf(reference_, i)));
    held_clusters_.push_back(NearestCluster(PointOf(reference_, i)));
  }
  return absl::OkStatus();
}

double DriftDetector::Novelty(const float* point) const {
  const size_t b = base_.size();
  std::vector<double> solved(b);
  double explained = 0;
  for (size_t i = 0; i < b; ++i) {
    const double* row = &known_[i * b];
    const double product = Dot(point, PointOf(reference_, base_[i]), reference_.dim);
    solved[i] = (product - Dot(row, solved.data(), i)) / row[i];
    explained += solved[i] * solved[i];
  }
  return 1 - explained;
}

size_t DriftDetector::NearestCluster(const float* point) const {
  size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (size_t c = 0; c < centres_.size(); ++c) {
    const double distance = Distance(point, PointOf(centres_, c), reference_.dim);
    if (distance < least) {
      least = distance;
      best = c;
    }
  }
  return best;
}

absl::StatusOr<DriftComparison> DriftDetector::Compare(
    const DriftPoints& window, const DriftBesides& of_reference, const DriftBesides& of_window) const {
  if (!learned_.ok()) return learned_;
  DriftComparison comparison;
  const size_t m = window.size();
  if (window.dim != reference_.dim || m < kMinPoints || reference_.size() < kMinPoints)
    return comparison;
  std::vector<std::vector<float>> to_reference(m, std::vector<float>(reference_.size()));
  std::vector<double> novelty(m);
  for (size_t i = 0; i < m; ++i) {
    if (absl::Status status = options_.cancel.Check(); !status.ok()) return status;
    for (size_t j = 0; j < reference_.size(); ++j) {
      const double distance = Distance(PointOf(window, i), PointOf(reference_, j), window.dim);
      to_reference[i][j] = static_cast<float>(distance);
    }
    novelty[i] = Novelty(PointOf(window, i));
  }
  const bool scored = of_reference.scores.size() == reference_.size() && of_window.scores.size() == m;
  const bool worded = of_reference.words.size() >= kMinPoints && of_window.words.size() == m;
  const double alpha = options_.alpha / (3 + (scored ? 1 : 0) + (worded ? 1 : 0));
  // Enough that the least p can be told from alpha.
  const auto draws = static_cast<uint32_t>(
      std::clamp<double>(std::ceil(20 / alpha), kMinDraws, kMaxDraws));
  absl::StatusOr<DriftTestResult> embeddings = CompareEmbeddings(to_reference, window, draws);
  if (!embeddings.ok()) return embeddings.status();
  absl::StatusOr<DriftTestResult> topics = CompareTopics(window, draws);
  if (!topics.ok()) return topics.status();
  comparison.tests.push_back(*std::move(embeddings));
  comparison.tests.push_back(CompareNovelty(novelty));
  comparison.tests.push_back(*std::move(topics));
  const double novelty_p = comparison.tests[1].p;
  if (worded) {
    absl::StatusOr<WordsComparison> words =
        CompareWords(of_reference.words, of_window.words,
                     {.rare_share = kNovelShare, .draws = draws, .seed = options_.seed, .cancel = options_.cancel});
    if (!words.ok()) return words.status();
    comparison.tests.push_back({.what = "words", .p = words->p, .moved = words->moved});
    if (words->p < novelty_p) novelty = std::move(words->rarity);
  }
  if (scored) {
    const KolmogorovSmirnov found = CompareDistributions(of_reference.scores, of_window.scores);
    // The distance is expected to be so much without any drift.
    const double by_chance = 0.87 * std::sqrt(1 / static_cast<double>(reference_.size()) +
                                              1 / static_cast<double>(m));
    comparison.tests.push_back({.what = "best score",
                                .p = found.p,
                                .moved = std::max(0.0, found.distance - by_chance)});
  }
  for (DriftTestResult& test : comparison.tests) {
    test.alarms = test.p <= alpha && test.moved >= options_.min_moved;
    comparison.alarms = comparison.alarms || test.alarms;
  }
  std::vector<size_t> order(m);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return novelty[a] > novelty[b]; });
  order.resize(std::min(m, kShown));
  for (size_t i : order) comparison.novelty.push_back(novelty[i]);
  comparison.unlike = std::move(order);
  return comparison;
}

absl::StatusOr<DriftTestResult> DriftDetector::CompareEmbeddings(
    const std::vector<std::vector<float>>& to_reference, const DriftPoints& window,
    uint32_t draws) const {
  const size_t n = reference_.size();
  const size_t m = window.size();
  const size_t all = n + m;
  std::vector<float> distances(all * all, 0);
  for (size_t i = 0; i < n; ++i)
    std::copy_n(&distances_[i * n], n, &distances[i * all]);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j)
      distances[(n + i) * all + j] = distances[j * all + n + i] = to_reference[i][j];
    for (size_t j = 0; j < i; ++j) {
      distances[(n + i) * all + n + j] = distances[(n + j) * all + n + i] =
          static_cast<float>(Distance(PointOf(window, i), PointOf(window, j), window.dim));
    }
  }
  std::vector<double> sums(all, 0);
  double total = 0;
  for (size_t i = 0; i < all; ++i) {
    for (size_t j = 0; j < all; ++j) sums[i] += distances[i * all + j];
    total += sums[i] / 2;
  }
  const auto pairs = [](size_t count) {
    return static_cast<double>(count) * static_cast<double>(count - 1) / 2;
  };
  double across = 0;
  // Twice the mean distance across, less those within, where the first m of `order` are the window.
  const auto energy = [&](const std::vector<uint32_t>& order) {
    double within = 0;
    double of_window = 0;
    for (size_t i = 0; i < m; ++i) {
      of_window += sums[order[i]];
      const float* row = &distances[order[i] * all];
      float part = 0;
      for (size_t j = 0; j < i; ++j) part += row[order[j]];
      within += part;
    }
    const double between = of_window - 2 * within;
    across = between / (static_cast<double>(n) * static_cast<double>(m));
    return 2 * across - within / pairs(m) - (total - within - between) / pairs(n);
  };
  std::vector<uint32_t> order(all);
  std::iota(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(m), static_cast<uint32_t>(n));
  std::iota(order.begin() + static_cast<std::ptrdiff_t>(m), order.end(), 0U);
  const double observed = energy(order);
  DriftTestResult result{.what = "embeddings"};
  // Were the moved part as far from all else as can be, it would be so large a share.
  if (observed > 0 && across > 0) result.moved = std::sqrt(observed / (2 * across));
  SeededRandom random(options_.seed);
  const absl::StatusOr<double> p = PermutationP(observed, draws, options_.cancel, [&] {
    DrawToFront(m, random, &order);
    return energy(order);
  });
  if (!p.ok()) return p.status();
  result.p = *p;
  return result;
}

DriftTestResult DriftDetector::CompareNovelty(const std::vector<double>& window) const {
  std::vector<double> pooled = held_novelty_;
  pooled.insert(pooled.end(), window.begin(), window.end());
  const auto novel = static_cast<size_t>(std::ceil(kNovelShare * static_cast<double>(pooled.size())));
  std::nth_element(pooled.begin(), pooled.begin() + static_cast<std::ptrdiff_t>(novel - 1),
                   pooled.end(), std::greater<>());
  const double limit = pooled[novel - 1];
  const auto beyond = [limit](const std::vector<double>& values) {
    return static_cast<size_t>(
        std::count_if(values.begin(), values.end(), [limit](double v) { return v >= limit; }));
  };
  const size_t in_window = beyond(window);
  const size_t in_held = beyond(held_novelty_);
  DriftTestResult result{.what = "novelty"};
  result.p = HypergeometricUpper(in_window, pooled.size(), in_window + in_held, window.size());
  result.moved = std::max(0.0, static_cast<double>(in_window) / static_cast<double>(window.size()) -
                                   static_cast<double>(in_held) /
                                       static_cast<double>(held_novelty_.size()));
  return result;
}

absl::StatusOr<DriftTestResult> DriftDetector::CompareTopics(const DriftPoints& window,
                                                             uint32_t draws) const {
  std::vector<size_t> labels;
  for (size_t i = 0; i < window.size(); ++i)
    labels.push_back(NearestCluster(PointOf(window, i)));
  labels.insert(labels.end(), held_clusters_.begin(), held_clusters_.end());
  std::vector<uint64_t> all(centres_.size(), 0);
  for (size_t label : labels) ++all[label];
  double variation = 0;
  const auto stability = [&] {
    std::vector<uint64_t> counts(centres_.size(), 0);
    for (size_t i = 0; i < window.size(); ++i) ++counts[labels[i]];
    std::vector<uint64_t> others = all;
    for (size_t c = 0; c < counts.size(); ++c) others[c] -= counts[c];
    variation = VariationDistance(others, counts);
    return PopulationStability(others, counts);
  };
  const double observed = stability();
  const double moved = variation;
  double by_chance = 0;
  uint32_t drawn = 0;
  SeededRandom random(options_.seed);
  DriftTestResult result{.what = "topics"};
  const absl::StatusOr<double> p = PermutationP(observed, draws, options_.cancel, [&] {
    DrawToFront(window.size(), random, &labels);
    const double value = stability();
    by_chance += variation;
    ++drawn;
    return value;
  });
  if (!p.ok()) return p.status();
  result.p = *p;
  result.moved = std::max(0.0, moved - by_chance / drawn);
  return result;
}

ShareEstimate EstimateShare(const std::vector<double>& shares, uint32_t per_unit, double confidence) {
  ShareEstimate estimate;
  if (shares.empty() || per_unit == 0) return estimate;
  const auto n = static_cast<double>(shares.size());
  for (double share : shares) estimate.share += share;
  estimate.share /= n;
  double spread = 0;
  for (double share : shares)
    spread += (share - estimate.share) * (share - estimate.share) / std::max(1.0, n - 1);
  const double by_chance = estimate.share * (1 - estimate.share) / per_unit;
  const double effect = by_chance > 0 ? std::max(1.0, spread / by_chance) : 1;
  const double worth = estimate.events = n * per_unit / effect;
  const double hits = estimate.share * worth;
  const double tail = (1 - confidence) / 2;
  if (estimate.share > 0) estimate.low = BetaQuantile(tail, hits, worth - hits + 1);
  if (estimate.share < 1) estimate.high = BetaQuantile(1 - tail, hits + 1, worth - hits);
  return estimate;
}

double ShareBelowP(const ShareEstimate& estimate, double target) {
  const double hits = estimate.share * estimate.events;
  if (estimate.share >= 1 || estimate.events <= 0 || target <= 0) return 1;
  if (target >= 1) return 0;
  return 1 - BetaCdf(target, hits + 1, estimate.events - hits);
}

}  // namespace vouch
