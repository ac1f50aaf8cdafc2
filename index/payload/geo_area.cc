#include "index/payload/geo_area.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kRadians = kPi / 180;
// What pruning allows for rounding: it decides only what is looked at, never what is found.
constexpr double kSlack = 1e-9;      // degrees
constexpr double kWideSlack = 1e-5;  // where an arc sine is steep
constexpr std::array<double, 3> kTurns = {0.0, -360.0, 360.0};

// fdlibm's kernels, for |x| ≤ π / 4.
double SineKernel(double x) {
  const double z = x * x;
  const double r = 8.33333333332248946124e-03 +
                   z * (-1.98412698298579493134e-04 +
                        z * (2.75573137070700676789e-06 +
                             z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
  return x + z * x * (-1.66666666666666324348e-01 + z * r);
}
double CosineKernel(double x) {
  const double z = x * x;
  const double r = z * (4.16666666666666019037e-02 +
                        z * (-1.38888888888741095749e-03 +
                             z * (2.48015872894767294178e-05 +
                                  z * (-2.75573143513906633035e-07 +
                                       z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
  return 1.0 - (0.5 * z - z * r);
}

// The sine of degrees + 90 · quarters.
double ShiftedSine(double degrees, int quarters) {
  const double nearest = std::floor(degrees / 90 + 0.5);
  const double x = (degrees - nearest * 90) * kRadians;  // the difference is exact
  switch ((static_cast<int>(nearest) + quarters) & 3) {
    case 0:
      return SineKernel(x);
    case 1:
      return CosineKernel(x);
    case 2:
      return -SineKernel(x);
    default:
      return -CosineKernel(x);
  }
}

// Of a radius: the angle seen from the middle of the earth, halved, in degrees; at most 90.
double HalfAngle(double metres) { return std::min(90.0, metres / (2 * kEarthRadius) / kRadians); }

absl::Status CheckLat(double lat) {
  if (lat >= -90 && lat <= 90) return absl::OkStatus();
  const char* hint = lat >= -180 && lat <= 180 ? " (the latitude comes first)" : "";
  return absl::InvalidArgumentError(absl::StrCat("latitude ", lat, " is not in -90 … 90", hint));
}
absl::Status CheckLon(double lon) {
  if (lon >= -180 && lon <= 180) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("longitude ", lon, " is not in -180 … 180"));
}

// By how many whole turns `to` moves so that the way from `from`, itself moved by `turns`, is the shorter one.
int NextTurns(double from, double to, int turns) {
  const double way = to - from;
  if (way > 180) return turns - 1;
  if (way <= -180) return turns + 1;
  return turns;
}

absl::StatusOr<GeoShape> PolygonOf(std::vector<double> numbers) {
  const size_t size = numbers.size();
  if (size > 2 && numbers[0] == numbers[size - 2] && numbers[1] == numbers[size - 1]) numbers.resize(size - 2);
  if (numbers.size() < 6) {
    return absl::InvalidArgumentError(
        absl::StrCat("a polygon has 3 different points at least, not ", numbers.size() / 2));
  }
  if (numbers.size() > 2 * GeoShape::kMaxPolygonPoints) {
    return absl::InvalidArgumentError(absl::StrCat("a polygon of ", numbers.size() / 2, " points; the limit is ",
                                                   GeoShape::kMaxPolygonPoints));
  }
  int turns = 0;
  for (size_t i = 1; i < numbers.size(); i += 2) {
    turns = NextTurns(numbers[i], numbers[(i + 2) % numbers.size()], turns);
  }
  if (turns != 0) {
    return absl::InvalidArgumentError(
        "the polygon goes round a pole, which has no inside where latitude and longitude are the axes; use a box or a "
        "distance");
  }
  return GeoShape{.kind = GeoShape::Kind::kPolygon, .numbers = std::move(numbers)};
}

GeoShape BoxOfNumbers(std::vector<double> numbers) {
  double& west = numbers[1];
  double& east = numbers[3];
  if (west == 180) {
    west = -180;
    if (east == 180) east = -180;
  }
  return {.kind = GeoShape::Kind::kBox, .numbers = std::move(numbers)};
}

// Whether the edge may touch the rectangle; true where it is close.
bool MayTouch(double lat0, double lon0, double lat1, double lon1, const GeoRect& rect) {
  if (std::max(lat0, lat1) < rect.south || std::min(lat0, lat1) > rect.north) return false;
  if (std::max(lon0, lon1) < rect.west || std::min(lon0, lon1) > rect.east) return false;
  bool left = false;
  bool right = false;
  for (double lat : {rect.south, rect.north}) {
    for (double lon : {rect.west, rect.east}) {
      const double side = (lon1 - lon0) * (lat - lat0) - (lat1 - lat0) * (lon - lon0);
      left = left || side > -kSlack;
      right = right || side < kSlack;
    }
  }
  return left && right;
}

}  // namespace

double SineOfDegrees(double degrees) { return ShiftedSine(degrees, 0); }
double CosineOfDegrees(double degrees) { return ShiftedSine(degrees, 1); }

absl::StatusOr<GeoShape> GeoShape::Of(const Filter& filter, size_t* value) {
  const bool circle = filter.op == FilterOp::kWithinRadius;
  std::vector<double> numbers;
  for (size_t i = 0; i < filter.values.size(); ++i) {
    if (value != nullptr) *value = i;
    const auto* number = std::get_if<double>(&filter.values[i]);
    if (number == nullptr) return absl::InvalidArgumentError("a coordinate is a number");
    absl::Status status;
    if (circle && i == 2) {
      if (!(*number >= 0 && std::isfinite(*number))) {
        status = absl::InvalidArgumentError(absl::StrCat("a distance of ", *number, " m; it is 0 or more"));
      }
    } else {
      status = i % 2 == 0 ? CheckLat(*number) : CheckLon(*number);
    }
    if (!status.ok()) return status;
    numbers.push_back(*number + 0.0);
  }
  if (value != nullptr) *value = 0;
  if (circle) {
    if (numbers.size() != 3) return absl::InvalidArgumentError("a circle has a point and a distance");
    if (HalfAngle(numbers[2]) >= 90) return Earth();
    if (numbers[1] == 180) numbers[1] = -180;
    return GeoShape{.kind = Kind::kCircle, .numbers = std::move(numbers)};
  }
  if (filter.op == FilterOp::kWithinBox) {
    if (numbers.size() != 4) return absl::InvalidArgumentError("a box has two corners");
    if (numbers[0] > numbers[2]) {
      return absl::InvalidArgumentError(absl::StrCat("the box's southern latitude ", numbers[0],
                                                     " is above its northern one, ", numbers[2]));
    }
    return BoxOfNumbers(std::move(numbers));
  }
  if (numbers.size() % 2 != 0) return absl::InvalidArgumentError("a polygon's point has a latitude and a longitude");
  return PolygonOf(std::move(numbers));
}

GeoArea::GeoArea(const GeoShape& shape) : kind_(shape.kind) {
  const std::vector<double>& numbers = shape.numbers;
  switch (kind_) {
    case GeoShape::Kind::kBox:
      bounds_ = {numbers[0], numbers[1], numbers[2], numbers[3]};
      break;
    case GeoShape::Kind::kCircle: {
      lat_ = numbers[0];
      lon_ = numbers[1];
      cosine_ = CosineOfDegrees(lat_);
      const double sine = SineOfDegrees(HalfAngle(numbers[2]));
      limit_ = sine * sine;
      reach_ = 2 * HalfAngle(numbers[2]);
      const bool pole = std::abs(lat_) + reach_ >= 90 - kWideSlack;
      if (!pole) reach_lon_ = std::asin(std::min(1.0, SineOfDegrees(reach_) / cosine_)) / kRadians + kWideSlack;
      break;
    }
    case GeoShape::Kind::kPolygon: {
      int turns = 0;
      for (size_t i = 0; i <= numbers.size(); i += 2) {
        const size_t at = i % numbers.size();
        if (i > 0) turns = NextTurns(numbers[i - 1], numbers[at + 1], turns);
        lats_.push_back(numbers[at]);
        lons_.push_back(numbers[at + 1] + 360.0 * turns);
      }
      const auto [south, north] = std::minmax_element(lats_.begin(), lats_.end());
      const auto [west, east] = std::minmax_element(lons_.begin(), lons_.end());
      bounds_ = {*south, *west, *north, *east};
      break;
    }
  }
}

double GeoArea::Haversine(double lat, double lon) const {
  const double across = SineOfDegrees((lat - lat_) / 2);
  const double along = SineOfDegrees((lon - lon_) / 2);
  return across * across + cosine_ * CosineOfDegrees(lat) * (along * along);
}

bool GeoArea::Contains(const GeoPoint& point) const {
  switch (kind_) {
    case GeoShape::Kind::kCircle:
      return Haversine(point.lat, point.lon) <= limit_;
    case GeoShape::Kind::kPolygon:
      return std::any_of(kTurns.begin(), kTurns.end(),
                         [&](double turn) { return PolygonContains(point.lat, point.lon + turn); });
    case GeoShape::Kind::kBox:
      break;
  }
  if (point.lat < bounds_.south || point.lat > bounds_.north) return false;
  if (bounds_.west > bounds_.east) return point.lon >= bounds_.west || point.lon <= bounds_.east;
  if (bounds_.east == 180 && point.lon == -180) return true;
  return point.lon >= bounds_.west && point.lon <= bounds_.east;
}

bool GeoArea::PolygonContains(double lat, double lon) const {
  if (lat < bounds_.south || lat > bounds_.north || lon < bounds_.west || lon > bounds_.east) return false;
  bool inside = false;
  for (size_t i = 0; i + 1 < lats_.size(); ++i) {
    const double lat0 = lats_[i];
    const double lat1 = lats_[i + 1];
    const double lon0 = lons_[i];
    const double lon1 = lons_[i + 1];
    const double side = (lon1 - lon0) * (lat - lat0) - (lat1 - lat0) * (lon - lon0);
    const bool beside = std::min(lat0, lat1) <= lat && lat <= std::max(lat0, lat1) && std::min(lon0, lon1) <= lon &&
                        lon <= std::max(lon0, lon1);
    if (side == 0 && beside) return true;
    if ((lat0 > lat) != (lat1 > lat) && (lat1 > lat0 ? side > 0 : side < 0)) inside = !inside;
  }
  return inside;
}

GeoArea::Relation GeoArea::Of(const GeoRect& rect) const {
  const GeoRect wide = {rect.south - kSlack, rect.west - kSlack, rect.north + kSlack, rect.east + kSlack};
  switch (kind_) {
    case GeoShape::Kind::kCircle:
      return CircleOf(wide);
    case GeoShape::Kind::kPolygon:
      return PolygonOf(wide);
    case GeoShape::Kind::kBox:
      break;
  }
  return BoxOf(wide);
}

GeoArea::Relation GeoArea::CircleOf(const GeoRect& rect) const {
  if (rect.north < lat_ - reach_ - kSlack || rect.south > lat_ + reach_ + kSlack) return Relation::kOutside;
  bool near = false;
  bool inside = false;
  for (double turn : kTurns) {
    const double west = rect.west + turn - lon_;
    const double east = rect.east + turn - lon_;
    near = near || (east >= -reach_lon_ && west <= reach_lon_);
    if (west < -90 || east > 90) continue;
    // Within a quarter turn the distance along a side has one minimum, so that a corner is the farthest point.
    const double most = limit_ * (1 - kSlack);
    inside = inside || (Haversine(rect.south, rect.west) <= most && Haversine(rect.south, rect.east) <= most &&
                        Haversine(rect.north, rect.west) <= most && Haversine(rect.north, rect.east) <= most);
  }
  return inside ? Relation::kInside : near ? Relation::kCrosses : Relation::kOutside;
}

GeoArea::Relation GeoArea::BoxOf(const GeoRect& rect) const {
  if (rect.north < bounds_.south || rect.south > bounds_.north) return Relation::kOutside;
  const bool split = bounds_.west > bounds_.east;
  const std::array<std::pair<double, double>, 2> spans = {{{bounds_.west, split ? 180 : bounds_.east},
                                                           {-180, split || bounds_.east != 180 ? bounds_.east : -180}}};
  bool near = false;
  bool inside = false;
  const size_t count = split || bounds_.east == 180 ? 2 : 1;
  for (size_t i = 0; i < count; ++i) {
    near = near || (rect.east >= spans[i].first && rect.west <= spans[i].second);
    // The earth ends at these: what the slack adds beyond is nothing.
    const double west = std::max(rect.west, -180.0);
    const double east = std::min(rect.east, 180.0);
    inside = inside || (west >= spans[i].first && east <= spans[i].second);
  }
  if (!near) return Relation::kOutside;
  const bool tall = std::max(rect.south, -90.0) >= bounds_.south && std::min(rect.north, 90.0) <= bounds_.north;
  return inside && tall ? Relation::kInside : Relation::kCrosses;
}

GeoArea::Relation GeoArea::PolygonOf(const GeoRect& rect) const {
  for (double turn : kTurns) {
    const GeoRect moved = {rect.south, rect.west + turn, rect.north, rect.east + turn};
    if (moved.north < bounds_.south || moved.south > bounds_.north) return Relation::kOutside;
    if (moved.east < bounds_.west || moved.west > bounds_.east) continue;
    for (size_t i = 0; i + 1 < lats_.size(); ++i) {
      if (MayTouch(lats_[i], lons_[i], lats_[i + 1], lons_[i + 1], moved)) return Relation::kCrosses;
    }
    const double lat = moved.south + (moved.north - moved.south) / 2;
    if (PolygonContains(lat, moved.west + (moved.east - moved.west) / 2)) return Relation::kInside;
  }
  return Relation::kOutside;
}

}  // namespace vouch
