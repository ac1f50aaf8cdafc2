// Where points lie: circles, boxes and polygons, at the poles and across the antimeridian.
#include <cmath>
#include <iostream>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/payload/geo_cells.h"
#include "tests/index/payload/payload_generator.h"

namespace vouch {
namespace {

using testing::HasSubstr;

bool Within(FilterOp op, std::vector<FilterValue> values, double lat, double lon) {
  const absl::StatusOr<GeoShape> shape = GeoShape::Of(Leaf(op, "p", std::move(values)));
  EXPECT_TRUE(shape.ok()) << shape.status();
  return GeoArea(*shape).Contains(CanonicalPoint(lat, lon));
}
std::string ErrorOf(FilterOp op, std::vector<FilterValue> values) {
  return std::string(GeoShape::Of(Leaf(op, "p", std::move(values))).status().message());
}

TEST(GeoTest, SinesAreThoseOfTheLibrary) {
  const double r = std::acos(-1.0) / 180;
  for (double degrees = -360; degrees <= 360; degrees += 0.37) {
    EXPECT_NEAR(SineOfDegrees(degrees), std::sin(degrees * r), 4e-16 * 4) << degrees;
    EXPECT_NEAR(CosineOfDegrees(degrees), std::cos(degrees * r), 4e-16 * 4) << degrees;
  }
  // Exact where it can be, which a product with π is not.
  EXPECT_EQ(SineOfDegrees(180), 0);
  EXPECT_EQ(CosineOfDegrees(90), 0);
  EXPECT_EQ(SineOfDegrees(-90), -1);
}

TEST(GeoTest, DistancesAreThoseOfTheMap) {
  // Berlin to Paris: 877.5 km.
  EXPECT_FALSE(Within(FilterOp::kWithinRadius, {52.52, 13.405, 877e3}, 48.8566, 2.3522));
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {52.52, 13.405, 878e3}, 48.8566, 2.3522));
  // A centimetre is told from two.
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {52.0, 13.0, 0.012}, 52.0000001, 13.0));
  EXPECT_FALSE(Within(FilterOp::kWithinRadius, {52.0, 13.0, 0.010}, 52.0000001, 13.0));
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {52.0, 13.0, 0.0}, 52.0, 13.0));
  // Over the pole and over the antimeridian.
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {89.0, 0.0, 230e3}, 89.0, 180.0));
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {0.0, 179.5, 120e3}, 0.0, -179.5));
  EXPECT_TRUE(Within(FilterOp::kWithinRadius, {10.0, 20.0, 1e9}, -10.0, -160.0));
}

TEST(GeoTest, BoxesHoldTheirBordersAndCrossTheAntimeridian) {
  const std::vector<FilterValue> fiji = {-21.0, 176.0, -12.0, -178.0};
  EXPECT_TRUE(Within(FilterOp::kWithinBox, fiji, -18, 178));
  EXPECT_TRUE(Within(FilterOp::kWithinBox, fiji, -18, 180));
  EXPECT_TRUE(Within(FilterOp::kWithinBox, fiji, -12, -178));
  EXPECT_FALSE(Within(FilterOp::kWithinBox, fiji, -18, 0));
  EXPECT_TRUE(Within(FilterOp::kWithinBox, {0.0, 170.0, 1.0, 180.0}, 0.5, -180));
  EXPECT_FALSE(Within(FilterOp::kWithinBox, {0.0, 170.0, 1.0, 179.0}, 0.5, -180));
  EXPECT_TRUE(Within(FilterOp::kWithinBox, {0.0, 180.0, 1.0, -170.0}, 0.5, -175));
  EXPECT_FALSE(Within(FilterOp::kWithinBox, {0.0, 180.0, 1.0, 180.0}, 0.5, 0));
  EXPECT_TRUE(Within(FilterOp::kWithinBox, {0.0, 180.0, 1.0, 180.0}, 0.5, -180));
}

TEST(GeoTest, PolygonsHoldTheirBordersAndCrossTheAntimeridian) {
  const std::vector<FilterValue> triangle = {0.0, 0.0, 0.0, 10.0, 10.0, 0.0};
  EXPECT_TRUE(Within(FilterOp::kWithinPolygon, triangle, 2, 2));
  EXPECT_TRUE(Within(FilterOp::kWithinPolygon, triangle, 5, 5)) << "on the long side";
  EXPECT_TRUE(Within(FilterOp::kWithinPolygon, triangle, 0, 0)) << "a corner";
  EXPECT_FALSE(Within(FilterOp::kWithinPolygon, triangle, 5.001, 5));
  const std::vector<FilterValue> pacific = {-10.0, 170.0, -10.0, -170.0, 10.0, -170.0, 10.0, 170.0};
  for (double lon : {170.0, 175.0, 180.0, -180.0, -175.0, -170.0}) {
    EXPECT_TRUE(Within(FilterOp::kWithinPolygon, pacific, 0, lon)) << lon;
  }
  for (double lon : {169.0, 0.0, -169.0}) EXPECT_FALSE(Within(FilterOp::kWithinPolygon, pacific, 0, lon)) << lon;
  // A bow tie by the even-odd rule.
  const std::vector<FilterValue> tie = {0.0, 0.0, 10.0, 10.0, 10.0, 0.0, 0.0, 10.0};
  EXPECT_TRUE(Within(FilterOp::kWithinPolygon, tie, 9, 5));
  EXPECT_FALSE(Within(FilterOp::kWithinPolygon, tie, 5, 2));
}

TEST(GeoTest, WhatIsNoAreaIsSaid) {
  EXPECT_EQ(ErrorOf(FilterOp::kWithinRadius, {152.0, 13.0, 1.0}),
            "latitude 152 is not in -90 … 90 (the latitude comes first)");
  EXPECT_THAT(ErrorOf(FilterOp::kWithinRadius, {15.0, 213.0, 1.0}), HasSubstr("longitude 213"));
  EXPECT_THAT(ErrorOf(FilterOp::kWithinRadius, {15.0, 13.0, -1.0}), HasSubstr("a distance of -1 m"));
  EXPECT_THAT(ErrorOf(FilterOp::kWithinRadius, {std::nan(""), 13.0, 1.0}), HasSubstr("latitude nan"));
  EXPECT_THAT(ErrorOf(FilterOp::kWithinBox, {10.0, 0.0, 0.0, 1.0}), HasSubstr("above its northern one"));
  EXPECT_THAT(ErrorOf(FilterOp::kWithinPolygon, {0.0, 0.0, 1.0, 1.0, 0.0, 0.0}), HasSubstr("3 different points"));
  EXPECT_THAT(ErrorOf(FilterOp::kWithinPolygon, {80.0, 0.0, 80.0, 120.0, 80.0, -120.0}), HasSubstr("round a pole"));
}

// The square-by-square walk against each point by itself, where points lie thick and thin.
TEST(GeoTest, TheWalkOverCellsIsExact) {
  constexpr uint64_t kSeed = 7;
  std::cout << "seed " << kSeed << "\n";
  const CollectionSchema schema = EveryTypeSchema();
  Generator generator(kSeed, schema);
  std::mt19937_64 random(kSeed);
  std::vector<GeoPoint> points;
  for (int i = 0; i < 20'000; ++i) {
    const double size = std::pow(0.1, static_cast<int>(random() % 7));
    const auto part = [&] { return (static_cast<double>(random() >> 11) * 0x1p-53 - 0.5) * size; };
    points.push_back(CanonicalPoint(part() * 179, part() * 359));
  }
  std::sort(points.begin(), points.end(), ComesBeforeOnCurve);
  int narrow = 0;
  for (int i = 0; i < 400; ++i) {
    Filter filter = generator.Area("place");
    if (filter.op == FilterOp::kWithinRadius && i % 2 == 0) {
      filter.values = {0.001 * static_cast<double>(random() % 100), 0.0, 10.0 * static_cast<double>(random() % 1000)};
    }
    const GeoShape shape = GeoShape::Of(filter).value();
    const GeoArea area(shape);
    std::vector<CodeRange> expected;
    for (uint32_t p = 0; p < points.size(); ++p) {
      if (!area.Contains(points[p])) continue;
      if (!expected.empty() && expected.back().high == p) {
        ++expected.back().high;
      } else {
        expected.push_back({p, p + 1});
      }
    }
    narrow += !expected.empty() && expected.size() < 100;
    ASSERT_EQ(PointsWithin(std::span(&shape, 1), points), expected) << "area " << i;
  }
  EXPECT_GT(narrow, 20) << "areas that hold some points";
}

TEST(GeoTest, PayloadsHoldPointsInTheUsualForms) {
  CollectionSchema schema;
  schema.payload = {{"place", PayloadType::kGeo}};
  for (const char* place : {R"({"lat": 52.5, "lon": 13.4})", R"({"latitude": 52.5, "longitude": 13.4})",
                            R"({"lat": 52.5, "lng": 13.4})", R"({"type": "Point", "coordinates": [13.4, 52.5, 34]})",
                            R"([{"lat": 52.5, "lon": 13.4}])"}) {
    const auto payload = ParseTypedPayload(schema, absl::StrCat(R"({"place": )", place, "}"));
    ASSERT_TRUE(payload.ok()) << place << payload.status();
    EXPECT_EQ(std::get<GeoPoint>(payload->fields[0].at(0)), (GeoPoint{52.5, 13.4})) << place;
  }
  EXPECT_EQ(std::get<GeoPoint>(ParseTypedPayload(schema, R"({"place": {"lat": -0.0, "lon": 180}})")->fields[0][0]),
            (GeoPoint{0, -180}));
  for (const auto& [place, words] : std::vector<std::pair<std::string, std::string>>{
           {"[13.4, 52.5]", "'13.4' is not a point: {\"lat\": 52.52"},
           {R"("52.5,13.4")", "is not a point"},
           {R"({"lat": 52.5})", "an object is not a point"},
           {R"({"lat": "52.5", "lon": 13})", "is not a point"},
           {R"({"type": "Point", "coordinates": [13.4]})", "is not a point"},
           {R"({"lat": 91, "lon": 13})", "the latitude 91 is not in -90 … 90"},
           {R"({"lat": 9, "lon": 181})", "the longitude 181 is not in -180 … 180"}}) {
    EXPECT_THAT(std::string(ParseTypedPayload(schema, absl::StrCat(R"({"place": )", place, "}")).status().message()),
                HasSubstr(words));
  }
}

}  // namespace
}  // namespace vouch
