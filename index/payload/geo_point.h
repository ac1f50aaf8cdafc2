#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace vouch {

// A point on the earth in degrees (WGS 84). Canonical: latitude in [-90, 90], longitude in [-180, 180), no -0.0.
struct GeoPoint {
  double lat = 0;
  double lon = 0;

  friend auto operator<=>(const GeoPoint&, const GeoPoint&) = default;
};

// Metres: the mean radius of the WGS 84 ellipsoid, (2a + b) / 3. All distances are over a sphere of it.
inline constexpr double kEarthRadius = 6'371'008.8;

// For what is in [-90, 90] and [-180, 180]: 180 becomes -180, which is the same meridian.
inline GeoPoint CanonicalPoint(double lat, double lon) { return {lat + 0.0, lon == 180 ? -180 : lon + 0.0}; }

}  // namespace vouch

template <>
struct std::hash<vouch::GeoPoint> {
  size_t operator()(const vouch::GeoPoint& point) const {
    return std::hash<double>()(point.lat) * 31 + std::hash<double>()(point.lon);
  }
};
