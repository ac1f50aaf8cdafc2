#pragma once

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/query/query_fixture.h"

namespace vouch {

// Collections with something in every structure, and databases with a limit.
class MemoryTest : public QueryTest {
 protected:
  void SetUp() override {}

  static CollectionSchema Wide(DenseIndexKind kind, uint32_t dim) {
    CollectionSchema schema;
    schema.dense.push_back(Vectors("v", dim, Metric::kL2, kind));
    schema.text.push_back(TextOf("body", "text"));
    schema.payload = {{"year", PayloadType::kInteger},
                      {"tag", PayloadType::kKeyword},
                      {"place", PayloadType::kGeo},
                      {"text", PayloadType::kText}};
    return schema;
  }
  std::vector<PointInput> Points(uint64_t first, uint64_t count, uint32_t dim) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      std::vector<float> vector(dim);
      for (float& value : vector) value = static_cast<float>(random_() % 1000);
      std::string text;
      for (int i = 0; i < 20; ++i) absl::StrAppend(&text, "word", random_() % 5000, " ");
      points.push_back(Point(id, std::move(vector),
                             absl::StrCat(R"({"year": )", random_() % 100, R"(, "tag": "t)", random_() % 20'000,
                                          R"(", "place": {"lat": )", static_cast<double>(random_() % 180'000) / 1000 - 90,
                                          R"(, "lon": )", static_cast<double>(random_() % 360'000) / 1000 - 180,
                                          R"(}, "text": ")", text, "\"}")));
    }
    return points;
  }
  void OpenWithLimit(uint64_t limit) {
    DatabaseOptions options;
    options.path = folder_.path() + "/db";
    options.clock = &clock_;
    options.seal_rows = seal_rows_;
    options.memory_limit_bytes = limit;
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  std::mt19937_64 random_{11};
};

}  // namespace vouch
