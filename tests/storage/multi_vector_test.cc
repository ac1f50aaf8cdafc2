#include "storage/multi_vector.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::HasSubstr;

MultiVectorField Field(Metric metric, VectorType type = VectorType::kF32) {
  return {.name = "m", .dim = 2, .metric = metric, .type = type};
}

std::string ErrorOf(const MultiVectorField& field, const MultiVector& vector) {
  const absl::Status status = CheckMultiVector(field, vector, 3);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(MultiVector, TokensAreCountedAndFound) {
  const MultiVector vector = {.dim = 2, .values = {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(vector.tokens(), 3u);
  EXPECT_EQ(vector.token(1)[0], 3);
  EXPECT_EQ(vector.token(2)[1], 6);
  EXPECT_EQ(MultiVector().tokens(), 0u);
  EXPECT_TRUE(MultiVector().empty());
}

TEST(MultiVector, WhatIsWrongIsNamed) {
  const MultiVectorField ip = Field(Metric::kInnerProduct);
  const MultiVectorField cosine = Field(Metric::kCosine);
  EXPECT_EQ(ErrorOf(ip, {.dim = 2, .values = {0, 0, 1, 2, 3, 4}}), "");
  EXPECT_THAT(ErrorOf(ip, {}), HasSubstr("it has no token vectors; it takes at least one"));
  EXPECT_THAT(ErrorOf(ip, {.dim = 2, .values = {}}), HasSubstr("no token vectors"));
  EXPECT_THAT(ErrorOf(ip, {.dim = 3, .values = {1, 2, 3}}),
              HasSubstr("the token vectors have 3 dimensions, the field has 2"));
  EXPECT_THAT(ErrorOf(ip, {.dim = 2, .values = {1, 2, 3}}),
              HasSubstr("the last token's vector has 1 values, the field has 2"));
  EXPECT_THAT(ErrorOf(ip, {.dim = 2, .values = {1, 2, 3, 4, 5, 6, 7, 8}}),
              HasSubstr("it has 4 token vectors; the limit is 3"));
  EXPECT_THAT(ErrorOf(ip, {.dim = 2, .values = {1, 2, 3, NAN}}),
              HasSubstr("token 1: the value at position 1 is NaN"));
  EXPECT_THAT(ErrorOf(cosine, {.dim = 2, .values = {-INFINITY, 2}}),
              HasSubstr("token 0: the value at position 0 is infinite"));
  EXPECT_THAT(ErrorOf(cosine, {.dim = 2, .values = {1, 2, 0, -0.0f}}),
              HasSubstr("token 1: a zero vector has no direction, and the field is compared by cosine"));
  EXPECT_THAT(ErrorOf(Field(Metric::kInnerProduct, VectorType::kI8), {.dim = 2, .values = {1, 2.5f}}),
              HasSubstr("token 0: the value 2.5 at position 1 is not an i8"));
  EXPECT_THAT(ErrorOf(Field(Metric::kInnerProduct, VectorType::kF16), {.dim = 2, .values = {1, 1e6f}}),
              HasSubstr("beyond f16"));
  EXPECT_EQ(ErrorOf(Field(Metric::kCosine, VectorType::kF16), {.dim = 2, .values = {1, 1e6f}}), "")
      << "normalised before it is rounded";
}

TEST(MultiVector, WhatIsKeptIsRounded) {
  const MultiVectorField half = Field(Metric::kInnerProduct, VectorType::kF16);
  EXPECT_TRUE(CheckKeptMultiVector(half, {}).ok());
  EXPECT_TRUE(CheckKeptMultiVector(half, {.dim = 2, .values = {1, 0.5f}}).ok());
  EXPECT_THAT(std::string(CheckKeptMultiVector(half, {.dim = 2, .values = {1, 1, 0.1f, 1}}).message()),
              HasSubstr("token 1 has a value that is not finite and one of f16"));
  EXPECT_FALSE(CheckKeptMultiVector(half, {.dim = 2, .values = {1, NAN}}).ok());
  EXPECT_FALSE(CheckKeptMultiVector(half, {.dim = 1, .values = {1}}).ok());
  MultiVector many = {.dim = 2, .values = std::vector<float>(2 * (Limits::kMaxTokens + 1), 1)};
  EXPECT_THAT(std::string(CheckKeptMultiVector(half, many).message()), HasSubstr("the limit is 2048"));
  many.values.resize(2 * Limits::kMaxTokens);
  EXPECT_TRUE(CheckKeptMultiVector(half, many).ok());
}

}  // namespace
}  // namespace vouch
