#include "rag/eval/paired_test.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "rag/eval/distributions.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

constexpr size_t kMaxExact = 20;
constexpr double kSlack = 1e-12;  // sums of the same numbers in another order are the same

// The share of all 2^n sign patterns whose |sum| reaches that of the data. In Gray code each
// pattern flips one sign of the one before it.
double ExactP(const std::vector<double>& differences, double observed, double scale) {
  std::vector<double> signs(differences.size(), 1);
  double sum = std::accumulate(differences.begin(), differences.end(), 0.0);
  const uint64_t patterns = uint64_t{1} << differences.size();
  uint64_t reached = 1;
  for (uint64_t i = 1; i < patterns; ++i) {
    const auto flipped = static_cast<size_t>(std::countr_zero(i));
    sum -= 2 * signs[flipped] * differences[flipped];
    signs[flipped] = -signs[flipped];
    reached += std::abs(sum) >= observed - kSlack * scale ? 1 : 0;
  }
  return static_cast<double>(reached) / static_cast<double>(patterns);
}

double SampledP(const std::vector<double>& differences, double observed, double scale,
                const PairedOptions& options) {
  SeededRandom random(options.seed);
  uint64_t reached = 0;
  for (uint32_t i = 0; i < options.randomisations; ++i) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t d = 0; d < differences.size(); ++d) {
      if (d % 64 == 0) bits = random.Next();
      sum += (bits & 1) != 0 ? differences[d] : -differences[d];
      bits >>= 1;
    }
    reached += std::abs(sum) >= observed - kSlack * scale ? 1 : 0;
  }
  return static_cast<double>(reached + 1) / (static_cast<double>(options.randomisations) + 1);
}

double RandomisationP(const std::vector<double>& differences, const PairedOptions& options) {
  std::vector<double> moved;  // a difference of 0 is 0 under either sign
  double sum = 0;
  double scale = 0;
  for (double difference : differences) {
    if (difference == 0) continue;
    moved.push_back(difference);
    sum += difference;
    scale += std::abs(difference);
  }
  if (moved.empty()) return 1;
  return moved.size() <= kMaxExact ? ExactP(moved, std::abs(sum), scale)
                                   : SampledP(moved, std::abs(sum), scale, options);
}

void FillT(PairedResult* result) {
  if (result->pairs < 2) return;
  const double error = result->deviation / std::sqrt(static_cast<double>(result->pairs));
  if (error == 0) {
    // All differences are the same: no doubt of any other than 0.
    result->t = result->difference == 0
                    ? 0
                    : std::copysign(std::numeric_limits<double>::infinity(), result->difference);
  } else {
    result->t = result->difference / error;
  }
  result->p_t = result->t == 0
                    ? 1
                    : StudentTwoSidedP(result->t, static_cast<double>(result->pairs - 1));
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kNoWorse:
      return "no worse";
    case Verdict::kCannotTell:
      return "cannot tell";
  }
  return "";
}

Verdict Judge(const PairedResult& result, const PairedOptions& options) {
  if (result.pairs < 2) return Verdict::kCannotTell;
  if (result.adjusted_p <= options.alpha) {
    return result.difference > 0 ? Verdict::kBetter : Verdict::kWorse;
  }
  if (options.margin > 0 && result.interval.low > -options.margin) return Verdict::kNoWorse;
  return Verdict::kCannotTell;
}

PairedResult ComparePaired(const std::vector<double>& a, const std::vector<double>& b,
                           const PairedOptions& options) {
  PairedResult result;
  std::vector<double> differences;
  double sum_a = 0;
  double sum_b = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = b[i] - a[i];
    if (!std::isfinite(difference)) {
      ++result.missing;
      continue;
    }
    differences.push_back(difference);
    sum_a += a[i];
    sum_b += b[i];
    ++(difference > 0 ? result.wins : difference < 0 ? result.losses : result.ties);
  }
  result.pairs = differences.size();
  if (differences.empty()) return result;
  const auto count = static_cast<double>(differences.size());
  result.mean_a = sum_a / count;
  result.mean_b = sum_b / count;
  result.difference = std::accumulate(differences.begin(), differences.end(), 0.0) / count;
  if (result.pairs < 2) return result;
  double squares = 0;
  for (double difference : differences) {
    squares += (difference - result.difference) * (difference - result.difference);
  }
  const bool constant = std::all_of(differences.begin(), differences.end(),
                                    [&](double d) { return d == differences.front(); });
  result.deviation = constant ? 0 : std::sqrt(squares / (count - 1));
  FillT(&result);
  result.p = RandomisationP(differences, options);
  result.adjusted_p = result.p;
  result.interval = BootstrapMean(differences, {.kind = BootstrapKind::kBca,
                                                .confidence = 1 - options.alpha,
                                                .resamples = options.resamples,
                                                .seed = options.seed});
  result.detectable =
      DetectableDifference(result.pairs, result.deviation, options.alpha, options.power);
  result.pairs_needed =
      PairsNeeded(result.difference, result.deviation, options.alpha, options.power);
  result.verdict = Judge(result, options);
  return result;
}

std::vector<double> HolmAdjust(const std::vector<double>& p_values) {
  std::vector<double> clean = p_values;
  for (double& p : clean) {
    if (std::isnan(p)) p = 1;
  }
  std::vector<size_t> order(clean.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t left, size_t right) { return clean[left] < clean[right]; });
  std::vector<double> adjusted(clean.size());
  double most = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    most = std::max(most, std::min(1.0, static_cast<double>(order.size() - i) * clean[order[i]]));
    adjusted[order[i]] = most;
  }
  return adjusted;
}

uint64_t PairsNeeded(double delta, double deviation, double alpha, double power) {
  if (!(std::abs(delta) > 0) || !std::isfinite(delta) || !std::isfinite(deviation)) return 0;
  const double z = NormalQuantile(1 - alpha / 2) + NormalQuantile(power);
  const double pairs = std::ceil(z * z * deviation * deviation / (delta * delta));
  return pairs < 1e18 ? std::max<uint64_t>(2, static_cast<uint64_t>(pairs)) : 0;
}

double DetectableDifference(uint64_t pairs, double deviation, double alpha, double power) {
  if (pairs == 0) return kNotANumber;
  const double z = NormalQuantile(1 - alpha / 2) + NormalQuantile(power);
  return z * deviation / std::sqrt(static_cast<double>(pairs));
}

double PowerOf(uint64_t pairs, double delta, double deviation, double alpha) {
  const double z = NormalQuantile(1 - alpha / 2);
  const double shift = std::abs(delta) * std::sqrt(static_cast<double>(pairs)) / deviation;
  return NormalCdf(shift - z) + NormalCdf(-shift - z);
}

}  // namespace vouch
