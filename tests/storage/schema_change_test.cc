#include "storage/schema_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouch {
namespace {

using testing::HasSubstr;

CollectionSchema Schema() {
  CollectionSchema schema;
  schema.dense.push_back({.name = "a", .dim = 3});
  schema.dense.push_back({.name = "b", .dim = 2, .metric = Metric::kL2});
  schema.text.push_back({.name = "body", .paths = {"text"}});
  schema.sparse.push_back({.name = "terms"});
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  return schema;
}

CollectionSchema Changed(const CollectionSchema& schema, const SchemaChange& change) {
  const auto changed = ApplySchemaChange(schema, change);
  EXPECT_TRUE(changed.ok()) << changed.status();
  return changed.value_or(schema);
}

absl::Status Refused(const SchemaChange& change) { return ApplySchemaChange(Schema(), change).status(); }

TEST(SchemaChange, ADroppedFieldKeepsItsPlace) {
  SchemaChange change;
  change.drop = {"a", "terms", "body"};
  change.drop_payload = {"year"};
  const CollectionSchema changed = Changed(Schema(), change);
  ASSERT_EQ(changed.dense.size(), 2u);
  EXPECT_TRUE(changed.dense[0].dropped);
  EXPECT_EQ(changed.dense[0].dim, 3u);
  EXPECT_EQ(changed.FindDense("a"), -1);
  EXPECT_EQ(changed.FindDense("b"), 1);
  EXPECT_EQ(changed.FindSparse("terms"), -1);
  EXPECT_TRUE(changed.text.empty());
  EXPECT_TRUE(changed.payload.empty());
  // As JSON, and back.
  const auto read = CollectionSchema::FromJson(changed.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), changed.ToJson());
}

TEST(SchemaChange, AFieldOfADroppedNameGetsAnotherPlace) {
  SchemaChange change;
  change.drop = {"a"};
  change.add_dense.push_back({.name = "a", .dim = 7});
  const CollectionSchema changed = Changed(Schema(), change);
  EXPECT_EQ(changed.FindDense("a"), 2);
  EXPECT_EQ(changed.dense[2].dim, 7u);
}

TEST(SchemaChange, ChangesWhatIsNamedAlone) {
  SchemaChange change;
  change.change_dense.push_back({.name = "a", .index = DenseIndexKind::kFlat, .ef_search = 50});
  change.change_text.push_back({.name = "body", .k1 = 1.5});
  change.retention = RetentionPolicy{.versions = 10};
  CollectionSchema wanted = Schema();
  wanted.dense[0].index = DenseIndexKind::kFlat;
  wanted.dense[0].hnsw.ef_search = 50;
  wanted.text[0].k1 = 1.5;
  wanted.retention.versions = 10;
  EXPECT_EQ(Changed(Schema(), change).ToJson(), wanted.ToJson());
  EXPECT_EQ(Changed(Schema(), SchemaChange()).ToJson(), Schema().ToJson());
}

TEST(SchemaChange, RefusalsSayHowItIsHad) {
  SchemaChange change;
  change.add_dense.push_back({.name = "a", .dim = 8});
  EXPECT_THAT(std::string(Refused(change).message()), HasSubstr("vouch migrate"));
  change = {};
  change.add_text.push_back({.name = "body", .paths = {"other"}});
  EXPECT_THAT(std::string(Refused(change).message()), HasSubstr("drop it in the same change"));
  change = {};
  change.add_payload.push_back({.path = "year"});
  EXPECT_TRUE(absl::IsAlreadyExists(Refused(change)));
  change = {};
  change.drop = {"c"};
  EXPECT_THAT(std::string(Refused(change).message()), HasSubstr("a, b, body, terms"));
  change = {};
  change.drop = {"a", "b", "body", "terms"};
  EXPECT_TRUE(absl::IsFailedPrecondition(Refused(change)));
  change = {};
  change.change_text.push_back({.name = "body", .k1 = 11});
  EXPECT_TRUE(absl::IsInvalidArgument(Refused(change)));
  change = {};
  change.ttl = TtlPolicy{.field = "year"};
  EXPECT_THAT(std::string(Refused(change).message()), HasSubstr("datetime"));
  change = {};
  change.drop = {""};
  EXPECT_TRUE(absl::IsNotFound(Refused(change)));
}

TEST(SchemaChange, PlacesRunOut) {
  CollectionSchema schema = Schema();
  for (size_t i = 0; i < 2 * Limits::kMaxFields; ++i) {
    SchemaChange change;
    change.drop = {"b"};
    change.add_dense.push_back({.name = "b", .dim = 2});
    const auto changed = ApplySchemaChange(schema, change);
    if (!changed.ok()) {
      EXPECT_EQ(i, Limits::kMaxFields - 2);
      EXPECT_THAT(std::string(changed.status().message()), HasSubstr("64 dense fields, dropped ones counted"));
      return;
    }
    schema = *changed;
  }
  FAIL() << "no limit";
}

TEST(SchemaChange, PoliciesAsJson) {
  CollectionSchema schema = Schema();
  schema.payload.push_back({.path = "until", .type = PayloadType::kDatetime});
  schema.retention = {.history_us = 86'400'000'000, .versions = 5, .records_us = 3'600'000'000};
  schema.ttl = {.field = "until", .after_us = 1'000'000};
  const std::string json = schema.ToJson();
  EXPECT_THAT(json, HasSubstr(R"("retention":{"history":"1d","records":"1h","versions":5})"));
  EXPECT_THAT(json, HasSubstr(R"("ttl":{"after":"1s","field":"until"})"));
  const auto read = CollectionSchema::FromJson(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->retention, schema.retention);
  EXPECT_EQ(read->ttl, schema.ttl);
  EXPECT_THAT(
      std::string(CollectionSchema::FromJson(R"({"dense":[],"retention":{"history":"soon"}})").status().message()),
      HasSubstr("retention.history"));
}

}  // namespace
}  // namespace vouch
