#include "index/dense/recall_curves.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "index/flat_codec.h"

namespace vouch {
namespace {

constexpr uint32_t kVersion = 1;
constexpr uint32_t kMaxPoints = 64;

size_t EfOn(const std::vector<RecallCurves::Point>& curve, double target) {
  const RecallCurves::Point* best = &curve.front();
  for (const RecallCurves::Point& point : curve) {
    if (static_cast<double>(point.recall) - static_cast<double>(point.error) >= target) return point.ef;
    if (point.recall > best->recall) best = &point;
  }
  return best->ef;
}

double RecallOn(const std::vector<RecallCurves::Point>& curve, double ef) {
  if (ef <= curve.front().ef) {
    // Nothing is known below the first; no more than in proportion is safe to say.
    return static_cast<double>(curve.front().recall) * ef / curve.front().ef;
  }
  for (size_t i = 1; i < curve.size(); ++i) {
    if (ef > curve[i].ef) continue;
    const double part = (ef - curve[i - 1].ef) / (curve[i].ef - curve[i - 1].ef);
    return static_cast<double>(curve[i - 1].recall) +
           part * (static_cast<double>(curve[i].recall) - static_cast<double>(curve[i - 1].recall));
  }
  return curve.back().recall;
}

}  // namespace

RecallCurves::Around RecallCurves::CurvesFor(size_t k, double share) const {
  size_t of_k = 0;
  while (of_k + 1 < kKs.size() && kKs[of_k] < k) ++of_k;
  size_t high = 0;
  while (high + 1 < kShares.size() && static_cast<double>(kShares[high]) < share) ++high;
  const bool measured = static_cast<double>(kShares[high]) <= share || high == 0;
  return {.low = &points(of_k, measured ? high : high - 1),
          .high = &points(of_k, high),
          .scale = std::max(1.0, static_cast<double>(k) / kKs[of_k])};
}

size_t RecallCurves::EfFor(double target, size_t k, double share) const {
  const Around around = CurvesFor(k, share);
  const size_t ef = std::max(EfOn(*around.low, target), EfOn(*around.high, target));
  return static_cast<size_t>(std::ceil(static_cast<double>(ef) * around.scale));
}

double RecallCurves::RecallAt(size_t ef, size_t k, double share) const {
  const Around around = CurvesFor(k, share);
  const double scaled = static_cast<double>(ef) / around.scale;
  return std::min(RecallOn(*around.low, scaled), RecallOn(*around.high, scaled));
}

size_t RecallCurves::memory_bytes() const {
  size_t bytes = sizeof(*this) + curves_.capacity() * sizeof(curves_[0]);
  for (const std::vector<Point>& curve : curves_) bytes += curve.capacity() * sizeof(Point);
  return bytes;
}

std::string RecallCurves::Serialize() const {
  FlatWriter writer;
  writer.Number(kVersion);
  writer.Number(queries_);
  writer.Number(static_cast<uint32_t>(curves_.size()));
  for (size_t k = 0; k < kKs.size(); ++k) {
    for (size_t share = 0; share < kShares.size(); ++share) {
      writer.Number(kKs[k]);
      writer.Number(kShares[share]);
      writer.Number(static_cast<uint32_t>(points(k, share).size()));
      for (const Point& point : points(k, share)) {
        writer.Number(point.ef);
        writer.Number(point.recall);
        writer.Number(point.error);
      }
    }
  }
  return std::move(writer).Take();
}

absl::StatusOr<std::shared_ptr<const RecallCurves>> RecallCurves::Parse(std::string_view bytes) {
  const auto damaged = [](const char* what) { return absl::DataLossError(absl::StrCat("recalls: ", what)); };
  FlatReader reader(bytes);
  auto parsed = std::make_shared<RecallCurves>();
  uint32_t version = 0, curves = 0;
  if (!reader.Number(&version) || !reader.Number(&parsed->queries_) || !reader.Number(&curves)) {
    return damaged("shorter than their header");
  }
  if (version != kVersion) return damaged("of another version");
  if (curves != kKs.size() * kShares.size()) return damaged("another number of curves");
  for (uint32_t i = 0; i < curves; ++i) {
    uint32_t k = 0, points = 0;
    float share = 0;
    if (!reader.Number(&k) || !reader.Number(&share) || !reader.Number(&points)) return damaged("cut short");
    if (k != kKs[i / kShares.size()] || share != kShares[i % kShares.size()]) return damaged("another k or share");
    if (points == 0 || points > kMaxPoints) return damaged("a curve without points, or with too many");
    std::vector<Point>& curve = parsed->curves_.emplace_back();
    for (uint32_t p = 0; p < points; ++p) {
      Point point;
      if (!reader.Number(&point.ef) || !reader.Number(&point.recall) || !reader.Number(&point.error)) {
        return damaged("cut short");
      }
      const bool ascends = point.ef > (p == 0 ? 0 : curve.back().ef);
      if (!ascends || !(point.recall >= 0 && point.recall <= 1) || !(point.error >= 0 && point.error <= 1)) {
        return damaged("a point is out of range");
      }
      curve.push_back(point);
    }
  }
  if (!reader.AtEnd()) return damaged("bytes are left over");
  return parsed;
}

}  // namespace vouch
