#include "api/cli/schema_options.h"

#include <gmock/gmock.h>

#include "api/grpc/convert.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<DenseField> Dense(const std::string& text) {
  SchemaOptions options;
  options.dense = {text};
  const absl::StatusOr<CollectionSchema> schema = SchemaFromOptions(options);
  if (!schema.ok()) return schema.status();
  return schema->dense.at(0);
}

TEST(SchemaOptions, ADenseFieldSaysWhatIsNotTheDefaultInAnyOrder) {
  const auto field = Dense("v:8:recall=0.95:f16:ivf_pq:ip");
  ASSERT_TRUE(field.ok()) << field.status();
  EXPECT_EQ(field->dim, 8u);
  EXPECT_EQ(field->metric, Metric::kInnerProduct);
  EXPECT_EQ(field->index, DenseIndexKind::kIvfPq);
  EXPECT_EQ(field->type, VectorType::kF16);
  EXPECT_EQ(field->recall_target, 0.95);
  EXPECT_EQ(Dense("v:8")->metric, Metric::kCosine);
  EXPECT_EQ(Dense("v:8:l2:flat")->index, DenseIndexKind::kFlat);
  EXPECT_EQ(Dense("v:8:hamming")->type, VectorType::kBit);
  EXPECT_EQ(Dense("v:8:bit")->metric, Metric::kHamming);
}

TEST(SchemaOptions, MistakesNameTheWord) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"v", "NAME:DIM"},
           {"v:x", "NAME:DIM"},
           {"v:8:manhattan", "'manhattan' is neither a metric"},
           {"v:8:l2:ip", "said twice"},
           {"v:8:f16:i8", "said twice"},
           {"v:8:recall=high", "'recall=high' is no recall target"}}) {
    EXPECT_THAT(std::string(Dense(text).status().message()), HasSubstr(words)) << text;
  }
}

TEST(SchemaOptions, AMultiVectorFieldSaysMetricAndTypeInAnyOrder) {
  const auto multi = [](const std::string& text) {
    SchemaOptions options;
    options.multi_vector = {text};
    return SchemaFromOptions(options);
  };
  EXPECT_EQ(multi("m:128")->multi_vector[0].metric, Metric::kCosine);
  EXPECT_EQ(multi("m:128")->multi_vector[0].type, VectorType::kF32);
  const auto field = multi("m:128:i8:ip");
  ASSERT_TRUE(field.ok()) << field.status();
  EXPECT_EQ(field->multi_vector[0].dim, 128u);
  EXPECT_EQ(field->multi_vector[0].metric, Metric::kInnerProduct);
  EXPECT_EQ(field->multi_vector[0].type, VectorType::kI8);
  v1::Schema message;
  FillSchema(*field, &message);
  EXPECT_EQ(SchemaOf(message)->ToJson(), field->ToJson());
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"m", "it takes NAME:DIM[:METRIC][:TYPE], as tokens:128:cosine:f16"},
           {"m:x", "NAME:DIM"},
           {"m:8:l2", "'l2' is neither a metric (cosine, ip), nor a type (f32, f16, i8)"},
           {"m:8:f16:f32", "said twice"}}) {
    EXPECT_THAT(std::string(multi(text).status().message()), HasSubstr(words)) << text;
  }
}

// What a schema says goes over the wire and comes back.
TEST(SchemaOptions, TypeKindAndTargetGoOverTheWire) {
  SchemaOptions options;
  options.dense = {"a:8:recall=0.9:auto", "b:8:i8:l2:ivf_flat", "c:16:hamming", "d:4:f16:flat"};
  const auto schema = SchemaFromOptions(options);
  ASSERT_TRUE(schema.ok()) << schema.status();
  v1::Schema message;
  FillSchema(*schema, &message);
  const auto read = SchemaOf(message);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), schema->ToJson());
  // A client that says one of hamming and bits means both.
  v1::Schema short_form;
  short_form.add_dense()->set_type(v1::VECTOR_TYPE_BIT);
  short_form.add_dense()->set_metric(v1::METRIC_HAMMING);
  const auto meant = SchemaOf(short_form);
  ASSERT_TRUE(meant.ok()) << meant.status();
  EXPECT_EQ(meant->dense[0].metric, Metric::kHamming);
  EXPECT_EQ(meant->dense[1].type, VectorType::kBit);
}

}  // namespace
}  // namespace vouch
