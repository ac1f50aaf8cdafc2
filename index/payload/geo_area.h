#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "index/payload/filter.h"
#include "index/payload/geo_point.h"

namespace vouch {

// What a geo condition asks for, as plain values: it compares and sorts, so that equal conditions have one form.
struct GeoShape {
  static constexpr size_t kMaxPolygonPoints = 1'000;

  enum class Kind : uint8_t { kBox, kCircle, kPolygon };
  Kind kind = Kind::kBox;
  // kBox: south, west, north, east; west > east crosses the antimeridian. kCircle: lat, lon, metres. kPolygon: lat, lon of
  // each point.
  std::vector<double> numbers = {};

  static GeoShape Earth() { return {.kind = Kind::kBox, .numbers = {-90, -180, 90, 180}}; }
  // The shape of a kWithin… filter in canonical form. INVALID_ARGUMENT says what is wrong, and `value`, which may be null,
  // which of the filter's values it is about.
  static absl::StatusOr<GeoShape> Of(const Filter& filter, size_t* value = nullptr);

  friend std::partial_ordering operator<=>(const GeoShape&, const GeoShape&) = default;
  friend bool operator==(const GeoShape&, const GeoShape&) = default;
};

// All points with a latitude in [south, north] and a longitude in [west, east], west ≤ east.
struct GeoRect {
  double south = -90;
  double west = -180;
  double north = 90;
  double east = 180;
};

// A shape made ready for many questions. Borders belong to a shape. Immutable, thread safe.
//
// - A circle holds the points whose haversine is not above the radius's, both computed in one order of operations from a
//   sine and a cosine of our own (the polynomials of Sun's fdlibm, s_sin.c and k_cos.c), since a libm's may differ in the
//   last bit between processors.
// - The edges of boxes and polygons are straight where latitude and longitude are the axes, as in GeoJSON (RFC 7946, 3.1.1).
//   Each edge goes the shorter way round in longitude, so that polygons may cross the antimeridian; of edges that cross each
//   other the even-odd rule decides.
class GeoArea {
 public:
  explicit GeoArea(const GeoShape& shape);

  bool Contains(const GeoPoint& point) const;

  enum class Relation : uint8_t { kOutside, kCrosses, kInside };
  // kOutside: no point of the rectangle is within; kInside: all are; else unknown.
  Relation Of(const GeoRect& rect) const;

 private:
  double Haversine(double lat, double lon) const;
  Relation CircleOf(const GeoRect& rect) const;
  Relation BoxOf(const GeoRect& rect) const;
  Relation PolygonOf(const GeoRect& rect) const;
  // `lon` as the polygon counts it, which may be beyond 180.
  bool PolygonContains(double lat, double lon) const;

  GeoShape::Kind kind_;
  GeoRect bounds_;           // kBox: west may be above east; kPolygon: of the unrolled points
  double lat_ = 0;           // kCircle
  double lon_ = 0;
  double cosine_ = 1;        // of lat_
  double limit_ = 0;         // of the haversine
  double reach_ = 0;         // the radius in degrees of latitude
  double reach_lon_ = 180;   // no point is farther in longitude
  std::vector<double> lats_;  // kPolygon: points, the first again at the end; longitudes do not jump
  std::vector<double> lons_;
};

// Deterministic, of degrees in [-360, 360], to the last bit or so.
double SineOfDegrees(double degrees);
double CosineOfDegrees(double degrees);

}  // namespace vouch
