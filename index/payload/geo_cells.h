#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/payload/geo_area.h"
#include "index/payload/value_index.h"

namespace vouch {

// Points in the order of a Z curve over 2^32 × 2^32 cells of the earth (Morton, "A computer oriented geodetic data base",
// 1966), those of one cell by latitude and longitude: so the points of any square of the quadtree lie together.
uint64_t GeoCell(const GeoPoint& point);
bool ComesBeforeOnCurve(const GeoPoint& a, const GeoPoint& b);

// The places of the points that lie within any of the shapes: exact, ascending, neither overlapping nor touching. `points`
// stand in curve order. Squares that are all inside or outside are taken as a whole; of others the points are looked at.
std::vector<CodeRange> PointsWithin(std::span<const GeoShape> shapes, std::span<const GeoPoint> points);

}  // namespace vouch
