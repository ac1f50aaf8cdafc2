#pragma once

// Where points lie, by the plainest means: what geo_area.h is compared with.
#include <cmath>
#include <vector>

#include "index/payload/filter.h"
#include "index/payload/geo_point.h"

namespace vouch {

// Metres over a sphere, by the angle between two unit vectors.
inline long double NaiveDistance(long double lat0, long double lon0, long double lat1, long double lon1) {
  const long double r = 3.14159265358979323846264338327950288L / 180;
  const long double a[3] = {std::cos(lat0 * r) * std::cos(lon0 * r), std::cos(lat0 * r) * std::sin(lon0 * r),
                            std::sin(lat0 * r)};
  const long double b[3] = {std::cos(lat1 * r) * std::cos(lon1 * r), std::cos(lat1 * r) * std::sin(lon1 * r),
                            std::sin(lat1 * r)};
  long double apart = 0;
  for (int i = 0; i < 3; ++i) apart += (a[i] - b[i]) * (a[i] - b[i]);
  return 2 * kEarthRadius * std::asin(std::min(1.0L, std::sqrt(apart) / 2));
}

// In the plane of unrolled longitudes: on an edge, or an odd number of edges to the east.
inline bool NaiveInPolygon(const std::vector<double>& numbers, double lat, double lon) {
  std::vector<std::pair<long double, long double>> points;  // lat, lon
  for (size_t i = 0; i < numbers.size(); i += 2) {
    long double x = numbers[i + 1];
    while (!points.empty() && x - points.back().second > 180) x -= 360;
    while (!points.empty() && x - points.back().second <= -180) x += 360;
    points.emplace_back(numbers[i], x);
  }
  bool inside = false;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto [lat0, lon0] = points[i];
    const auto [lat1, lon1] = points[(i + 1) % points.size()];
    const bool level = std::min(lat0, lat1) <= lat && lat <= std::max(lat0, lat1);
    if (!level) continue;
    if (lat0 == lat1) {
      if (std::min(lon0, lon1) <= lon && lon <= std::max(lon0, lon1)) return true;
      continue;
    }
    const long double crossing = lon0 + (lat - lat0) * (lon1 - lon0) / (lat1 - lat0);
    if (std::abs(crossing - lon) < 1e-13L) return true;
    if (lat < std::max(lat0, lat1) && crossing > lon) inside = !inside;
  }
  return inside;
}

inline bool NaiveWithin(const Filter& filter, const GeoPoint& point) {
  std::vector<double> n;
  for (const FilterValue& value : filter.values) n.push_back(std::get<double>(value));
  if (filter.op == FilterOp::kWithinRadius) return NaiveDistance(n[0], n[1], point.lat, point.lon) <= n[2];
  if (filter.op == FilterOp::kWithinPolygon) {
    for (double turn : {0.0, 360.0, -360.0}) {
      if (NaiveInPolygon(n, point.lat, point.lon + turn)) return true;
    }
    return false;
  }
  if (point.lat < n[0] || point.lat > n[2]) return false;
  // From the western border eastwards, the point comes before the eastern one.
  const auto east_of = [&](double lon) { return std::fmod(lon - n[1] + 720, 360.0); };
  if (n[3] - n[1] == 360) return true;
  return east_of(point.lon) <= east_of(n[3]);
}

}  // namespace vouch
