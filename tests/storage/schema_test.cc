#include "storage/schema.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::HasSubstr;

CollectionSchema FullSchema() {
  CollectionSchema schema;
  DenseField& dense = schema.dense.emplace_back();
  dense.name = "body";
  dense.dim = 300;
  dense.metric = Metric::kInnerProduct;
  dense.index = DenseIndexKind::kFlat;
  dense.hnsw.m = 8;
  dense.embedder = "builtin/lsa?dim=300";
  TextField& text = schema.text.emplace_back();
  text.name = "words";
  text.paths = {"title", "meta.summary"};
  text.language = "german";
  text.k1 = 0.9;
  schema.sparse.push_back({.name = "splade"});
  PayloadField& payload = schema.payload.emplace_back();
  payload.path = "meta.date";
  payload.type = PayloadType::kDatetime;
  return schema;
}

TEST(SchemaJsonTest, RoundTrip) {
  for (const CollectionSchema& schema : {CollectionSchema(), FullSchema()}) {
    const std::string json = schema.ToJson();
    const auto read = CollectionSchema::FromJson(json);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(read->Validate().ok());
    EXPECT_EQ(read->ToJson(), json);
  }
  const auto read = CollectionSchema::FromJson(FullSchema().ToJson());
  EXPECT_EQ(read->dense[0].metric, Metric::kInnerProduct);
  EXPECT_EQ(read->dense[0].hnsw.m, 8);
  EXPECT_EQ(read->text[0].k1, 0.9);
  EXPECT_EQ(read->text[0].paths[1], "meta.summary");
  EXPECT_EQ(read->payload[0].type, PayloadType::kDatetime);
  EXPECT_EQ(read->FindDense("body"), 0);
  EXPECT_EQ(read->FindText("body"), -1);
  EXPECT_EQ(read->FindSparse("splade"), 0);
  EXPECT_EQ(read->FindSparse("body"), -1);
  EXPECT_EQ(read->FindPayload("meta.date"), 0);
}

TEST(SchemaJsonTest, WhatIsWrongIsNamed) {
  for (const auto& [json, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "not JSON"},
           {"[]", "not an object"},
           {R"({"dens":[]})", "\"dens\""},
           {R"({"dense":[{"name":"v","dim":3,"metrics":"l2"}]})", "\"metrics\""},
           {R"({"dense":[{"name":"v","dim":3,"hnsw":{"M":8}}]})", "\"M\""},
           {R"({"dense":[{"name":"v","dim":3,"metric":"euclid"}]})", "euclid"},
           {R"({"dense":[{"name":"v","dim":3,"type":"f64"}]})", "known are f32, f16, i8, bit"},
           {R"({"dense":[{"name":"v","dim":3,"type":"bit","metric":"l2"}]})", "compared by hamming"},
           {R"({"dense":[{"name":"v","dim":3,"type":"f16","metric":"hamming"}]})", "hamming"},
           {R"({"dense":[{"name":"v","dim":3,"type":"i8"}]})", "i8 takes ip or l2"},
           {R"({"dense":[{"name":"v","dim":3,"type":"bit","embedder":"builtin/hash?dim=3"}]})", "gives fractions"},
           {R"({"dense":[{"name":"v","dim":3,"recall_target":0.3}]})", "recall_target is 0.3"},
           {R"({"dense":[{"name":"v","dim":3,"recall_target":1}]})", "0.5 to 0.9999"},
           {R"({"dense":[{"name":"v","dim":-3}]})", "out of range"},
           {R"({"dense":[{"name":"v","dim":1.5}]})", "not an integer"},
           {R"({"payload":[{"path":"p","type":"date"}]})", "date"},
           {R"({"sparse":[{"name":"s","dim":3}]})", "\"dim\""},
           {R"({"multi_vector":[{"name":"m","dim":0}]})", "from 1 to 1024"},
           {R"({"multi_vector":[{"name":"m","dim":1025}]})", "dim is 1025"},
           {R"({"multi_vector":[{"name":"m","dim":3,"metric":"l2"}]})", "known are cosine, ip"},
           {R"({"multi_vector":[{"name":"m","dim":3,"type":"bit"}]})", "known are f32, f16, i8"},
           {R"({"multi_vector":[{"name":"m","dim":3,"type":"i8"}]})", "i8 takes ip"},
           {R"({"multi_vector":[{"name":"m","dim":3,"index":"hnsw"}]})", "\"index\""},
           {R"({"sparse":[{"name":"m"}],"multi_vector":[{"name":"m","dim":3}]})", "declared twice"},
           {std::string(100'000, '['), "nested too deeply"}}) {
    const auto schema = CollectionSchema::FromJson(json);
    EXPECT_EQ(schema.status().code(), absl::StatusCode::kInvalidArgument) << json.substr(0, 80);
    EXPECT_THAT(std::string(schema.status().message()), HasSubstr(words));
  }
}

TEST(SchemaJsonTest, TypeAndRecallTargetAreReadAndWrittenWhereTheyAreNotTheDefault) {
  const auto schema = CollectionSchema::FromJson(
      R"({"dense":[{"name":"h","dim":3,"type":"f16","index":"ivf_pq","recall_target":0.95},
                   {"name":"i","dim":3,"type":"i8","metric":"ip","index":"ivf_flat"},
                   {"name":"b","dim":3,"type":"bit","index":"auto"},
                   {"name":"c","dim":3,"metric":"hamming"},
                   {"name":"f","dim":3}]})");
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_EQ(schema->dense[0].type, VectorType::kF16);
  EXPECT_EQ(schema->dense[0].index, DenseIndexKind::kIvfPq);
  EXPECT_EQ(schema->dense[0].recall_target, 0.95);
  EXPECT_EQ(schema->dense[1].type, VectorType::kI8);
  EXPECT_EQ(schema->dense[1].index, DenseIndexKind::kIvfFlat);
  EXPECT_EQ(schema->dense[2].metric, Metric::kHamming) << "bits are compared in one way";
  EXPECT_EQ(schema->dense[2].index, DenseIndexKind::kAuto);
  EXPECT_EQ(schema->dense[3].type, VectorType::kBit);
  EXPECT_EQ(schema->dense[4].type, VectorType::kF32);
  const std::string json = schema->ToJson();
  const auto again = CollectionSchema::FromJson(json);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToJson(), json);
  EXPECT_EQ(again->dense[2].type, VectorType::kBit);
  // As programs before there was a choice wrote it.
  CollectionSchema plain;
  plain.dense.push_back(schema->dense[4]);
  EXPECT_EQ(plain.ToJson(),
            R"({"dense":[{"dim":3,"embedder":"","hnsw":{"ef_construction":200,"ef_search":100,"m":16},)"
            R"("index":"hnsw","metric":"cosine","name":"f"}],"payload":[],"sparse":[],"text":[]})");
}

// What programs before sparse fields wrote.
TEST(SchemaJsonTest, ASchemaWithoutSparseFieldsReads) {
  const auto schema = CollectionSchema::FromJson(R"({"dense":[],"payload":[],"text":[]})");
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_TRUE(schema->sparse.empty());
}

// Only where there are some, so that the schemas of older stores keep their bytes.
TEST(SchemaJsonTest, MultiVectorFieldsAreReadAndWritten) {
  const auto schema = CollectionSchema::FromJson(
      R"({"multi_vector":[{"name":"a","dim":3},{"name":"b","dim":8,"metric":"ip","type":"i8"}]})");
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_EQ(schema->multi_vector[0].metric, Metric::kCosine);
  EXPECT_EQ(schema->multi_vector[0].type, VectorType::kF32);
  EXPECT_EQ(schema->multi_vector[1].type, VectorType::kI8);
  EXPECT_EQ(schema->FindMultiVector("b"), 1);
  EXPECT_EQ(schema->FindMultiVector("c"), -1);
  EXPECT_EQ(schema->ToJson(),
            R"({"dense":[],"multi_vector":[{"dim":3,"metric":"cosine","name":"a","type":"f32"},)"
            R"({"dim":8,"metric":"ip","name":"b","type":"i8"}],"payload":[],"sparse":[],"text":[]})");
  EXPECT_EQ(CollectionSchema::FromJson(schema->ToJson())->ToJson(), schema->ToJson());
}

TEST(SchemaTest, LimitsAreChecked) {
  const std::vector<std::pair<std::string, std::function<void(CollectionSchema&)>>> wrong = {
      {"body", [](CollectionSchema& s) { s.dense[0].dim = 0; }},
      {"4096", [](CollectionSchema& s) { s.dense[0].dim = Limits::kMaxDim + 1; }},
      {"m", [](CollectionSchema& s) { s.dense[0].hnsw.m = 1; }},
      {"ef_construction", [](CollectionSchema& s) { s.dense[0].hnsw.ef_construction = 2001; }},
      {"ef_search", [](CollectionSchema& s) { s.dense[0].hnsw.ef_search = 0; }},
      {"empty", [](CollectionSchema& s) { s.dense[0].name.clear(); }},
      {"declared twice", [](CollectionSchema& s) { s.text[0].name = "body"; }},
      {"paths", [](CollectionSchema& s) { s.text[0].paths.clear(); }},
      {"klingon", [](CollectionSchema& s) { s.text[0].language = "klingon"; }},
      {"k1", [](CollectionSchema& s) { s.text[0].k1 = 11; }},
      {"b", [](CollectionSchema& s) { s.text[0].b = -0.1; }},
      {"declared twice", [](CollectionSchema& s) { s.payload.push_back(s.payload[0]); }},
      {"declared twice", [](CollectionSchema& s) { s.sparse[0].name = "words"; }},
      {"empty", [](CollectionSchema& s) { s.sparse[0].name.clear(); }},
      {"65 sparse", [](CollectionSchema& s) { s.sparse.resize(Limits::kMaxFields + 1); }},
      {"64", [](CollectionSchema& s) { s.payload.resize(Limits::kMaxFields + 1); }},
  };
  ASSERT_TRUE(FullSchema().Validate().ok());
  for (const auto& [words, change] : wrong) {
    CollectionSchema schema = FullSchema();
    change(schema);
    const absl::Status status = schema.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << words;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
}

}  // namespace
}  // namespace vouch
