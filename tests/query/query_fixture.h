#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "query/database.h"
#include "tests/support/temp_dir.h"

namespace vouch {

// A clock that stands still until told otherwise.
class StandingClock : public Clock {
 public:
  int64_t NowMicros() const override { return now_us; }
  int64_t now_us = 1'000'000;
};

inline DenseField Vectors(std::string name, uint32_t dim, Metric metric,
                          DenseIndexKind index = DenseIndexKind::kHnsw) {
  DenseField field;
  field.name = std::move(name);
  field.dim = dim;
  field.metric = metric;
  field.index = index;
  return field;
}
inline TextField TextOf(std::string name, std::string path) {
  TextField field;
  field.name = std::move(name);
  field.paths = {std::move(path)};
  return field;
}

inline PointId Id(uint64_t number) { return PointId(number); }

inline PointInput Point(uint64_t id, std::vector<float> vector, std::string payload = "{}") {
  PointInput point;
  point.id = Id(id);
  point.vectors.emplace_back("v", std::move(vector));
  point.payload = std::move(payload);
  return point;
}

inline QueryNode Dense(std::vector<float> vector, bool exact = true) {
  return {
      .node = DenseLeaf{.field = "v", .vector = std::move(vector), .ef_search = 0, .exact = exact},
      .filter = std::nullopt,
      .limit = 0};
}
inline QueryNode Text(std::string text) {
  return {
      .node = TextLeaf{.field = "", .text = std::move(text)}, .filter = std::nullopt, .limit = 0};
}
inline QueryNode SparseQuery(SparseVector vector, std::string field = "") {
  return {.node = SparseLeaf{.field = std::move(field), .vector = std::move(vector)},
          .filter = std::nullopt,
          .limit = 0};
}
inline QueryNode All() { return {.node = AllLeaf{}, .filter = std::nullopt, .limit = 0}; }
inline QueryNode Fuse(std::vector<QueryNode> children, double k = 60,
                      std::vector<double> weights = {}) {
  return {.node = FuseNode{.k = k, .weights = std::move(weights), .children = std::move(children)},
          .filter = std::nullopt,
          .limit = 0};
}
inline Filter Compare(std::string path, FilterOp op, FilterValue value) {
  return {.op = op, .path = std::move(path), .values = {std::move(value)}, .children = {}};
}

inline ReadAt At(uint64_t version) { return ReadAt{Version(version)}; }

inline std::vector<uint64_t> Ids(const SearchResponse& response) {
  std::vector<uint64_t> ids;
  for (const PointHit& hit : response.hits) ids.push_back(hit.id.number());
  return ids;
}

// A database in a folder of its own with one collection: points on a line or plane ("v", 2
// dimensions, L2), a text field "body" over the payload's "text", and filterable "year", "lang" and
// "archived".
class QueryTest : public testing::Test {
 protected:
  static CollectionSchema Schema() {
    CollectionSchema schema;
    schema.dense.push_back(Vectors("v", 2, Metric::kL2));
    schema.text.push_back(TextOf("body", "text"));
    schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
    schema.payload.push_back({.path = "lang", .type = PayloadType::kKeyword});
    schema.payload.push_back({.path = "archived", .type = PayloadType::kBool});
    return schema;
  }

  void SetUp() override {
    Open();
    Create("points", Schema());
  }
  void TearDown() override {
    collection_.reset();
    database_.reset();
  }

  void Open() {
    DatabaseOptions options;
    options.path = folder_.path() + "/db";
    options.seal_rows = seal_rows_;
    options.clock = &clock_;
    options.cross_encoders = cross_encoders_;
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  void Create(const std::string& name, const CollectionSchema& schema) {
    auto collection = database_->CreateCollection(principal_, name, schema);
    ASSERT_TRUE(collection.ok()) << collection.status();
    collection_ = *std::move(collection);
  }
  void Reopen(const std::string& name = "points") {
    collection_.reset();
    database_.reset();
    Open();
    auto collection = database_->GetCollection(principal_, name);
    ASSERT_TRUE(collection.ok()) << collection.status();
    collection_ = *std::move(collection);
  }

  absl::StatusOr<WriteResult> TryUpsert(std::vector<PointInput> points) {
    WriteRequest request;
    request.upserts = std::move(points);
    request.principal = principal_;
    return collection_->Write(std::move(request));
  }
  Version Upsert(std::vector<PointInput> points) {
    const absl::StatusOr<WriteResult> result = TryUpsert(std::move(points));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->version : Version(0);
  }
  Version Delete(std::vector<uint64_t> ids) {
    WriteRequest request;
    for (uint64_t id : ids) request.deletes.push_back(Id(id));
    request.principal = principal_;
    const absl::StatusOr<WriteResult> result = collection_->Write(std::move(request));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->version : Version(0);
  }

  SearchRequest Request(QueryNode query, uint32_t limit = 10) const {
    SearchRequest request;
    request.query = std::move(query);
    request.limit = limit;
    request.principal = principal_;
    return request;
  }
  SearchResponse Search(const SearchRequest& request) const {
    absl::StatusOr<SearchResponse> response = collection_->Search(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *std::move(response) : SearchResponse();
  }
  std::string SearchError(const SearchRequest& request) const {
    return collection_->Search(request).status().ToString();
  }

  TempDir folder_;
  StandingClock clock_;
  uint64_t seal_rows_ = 20'000;
  CrossEncoders cross_encoders_;
  Principal principal_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

}  // namespace vouch
