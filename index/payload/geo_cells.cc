#include "index/payload/geo_cells.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace vouch {
namespace {

constexpr double kCells = 4294967296.0;  // along each axis
constexpr uint32_t kMaxLevel = 28;       // squares of 0.7 to 1.3 micro-degrees
constexpr uint32_t kFewPoints = 16;      // are looked at one by one

uint32_t CellAlong(double part) {
  return static_cast<uint32_t>(std::min(std::floor(part * kCells), kCells - 1));
}

// The bits of a number at the even places.
uint64_t Spread(uint32_t number) {
  uint64_t bits = number;
  bits = (bits | (bits << 16)) & 0x0000FFFF0000FFFFu;
  bits = (bits | (bits << 8)) & 0x00FF00FF00FF00FFu;
  bits = (bits | (bits << 4)) & 0x0F0F0F0F0F0F0F0Fu;
  bits = (bits | (bits << 2)) & 0x3333333333333333u;
  return (bits | (bits << 1)) & 0x5555555555555555u;
}

class CurveWalk {
 public:
  CurveWalk(std::span<const GeoShape> shapes, std::span<const GeoPoint> points) : points_(points) {
    for (const GeoShape& shape : shapes) areas_.emplace_back(shape);
  }

  std::vector<CodeRange> Run() {
    Visit({.level = 0, .lat = 0, .lon = 0}, 0, static_cast<uint32_t>(points_.size()));
    return std::move(ranges_);
  }

 private:
  // The square of the quadtree at (lat, lon) of the 2^level × 2^level ones.
  struct Square {
    uint32_t level = 0;
    uint32_t lat = 0;
    uint32_t lon = 0;

    GeoRect Rect() const {
      const double size = std::ldexp(1.0, -static_cast<int>(level));
      return {lat * size * 180 - 90, lon * size * 360 - 180, (lat + 1) * size * 180 - 90, (lon + 1) * size * 360 - 180};
    }
    // Its first cell on the curve.
    uint64_t First() const {
      const uint32_t shift = 32 - level;  // level is not 0
      return Spread(lon << shift) | (Spread(lat << shift) << 1);
    }
  };

  void Add(uint32_t low, uint32_t high) {
    if (!ranges_.empty() && ranges_.back().high == low) {
      ranges_.back().high = high;
    } else {
      ranges_.push_back({low, high});
    }
  }

  void Visit(const Square& square, uint32_t low, uint32_t high) {
    if (low == high) return;
    if (high - low > kFewPoints) {
      const GeoRect rect = square.Rect();
      bool outside = true;
      for (const GeoArea& area : areas_) {
        const GeoArea::Relation relation = area.Of(rect);
        if (relation == GeoArea::Relation::kInside) return Add(low, high);
        outside = outside && relation == GeoArea::Relation::kOutside;
      }
      if (outside) return;
    }
    if (high - low <= kFewPoints || square.level == kMaxLevel) {
      for (uint32_t i = low; i < high; ++i) {
        const bool within = std::any_of(areas_.begin(), areas_.end(),
                                        [&](const GeoArea& area) { return area.Contains(points_[i]); });
        if (within) Add(i, i + 1);
      }
      return;
    }
    uint32_t begin = low;
    for (uint32_t child = 0; child < 4; ++child) {
      const Square part = ChildOf(square, child);
      uint32_t end = high;
      if (child < 3) {
        const uint64_t next = ChildOf(square, child + 1).First();
        end = static_cast<uint32_t>(
            std::partition_point(points_.begin() + begin, points_.begin() + high,
                                 [&](const GeoPoint& point) { return GeoCell(point) < next; }) -
            points_.begin());
      }
      Visit(part, begin, end);
      begin = end;
    }
  }
  static Square ChildOf(const Square& square, uint32_t child) {
    return {square.level + 1, square.lat * 2 + child / 2, square.lon * 2 + child % 2};
  }

  std::vector<GeoArea> areas_;
  std::span<const GeoPoint> points_;
  std::vector<CodeRange> ranges_;
};

}  // namespace

uint64_t GeoCell(const GeoPoint& point) {
  return Spread(CellAlong((point.lon + 180) / 360)) | (Spread(CellAlong((point.lat + 90) / 180)) << 1);
}

bool ComesBeforeOnCurve(const GeoPoint& a, const GeoPoint& b) {
  return std::tuple(GeoCell(a), a.lat, a.lon) < std::tuple(GeoCell(b), b.lat, b.lon);
}

std::vector<CodeRange> PointsWithin(std::span<const GeoShape> shapes, std::span<const GeoPoint> points) {
  return CurveWalk(shapes, points).Run();
}

}  // namespace vouch
