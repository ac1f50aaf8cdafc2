#include "storage/sparse_vector.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(const SparseVector& vector, size_t max_entries = 4) {
  const absl::Status status = CheckSparseVector(vector, max_entries);
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST(SparseVector, WhatIsWrongIsNamed) {
  EXPECT_EQ(ErrorOf({}), "");
  EXPECT_EQ(ErrorOf({.indices = {9, 0, UINT32_MAX}, .values = {0.5f, 0, kMaxSparseWeight}}), "");
  EXPECT_THAT(ErrorOf({.indices = {1, 2, 3}, .values = {1, 2}}),
              HasSubstr("3 indices and 2 values"));
  EXPECT_THAT(ErrorOf({.indices = {1, 2, 3, 4, 5}, .values = {1, 1, 1, 1, 1}}),
              HasSubstr("5 entries; the limit is 4"));
  EXPECT_THAT(ErrorOf({.indices = {7, 3, 7}, .values = {1, 1, 1}}), HasSubstr("index 7 twice"));
  EXPECT_THAT(ErrorOf({.indices = {3, 7, 7}, .values = {1, 1, 0}}), HasSubstr("index 7 twice"));
  EXPECT_THAT(ErrorOf({.indices = {3, 7}, .values = {1, NAN}}),
              HasSubstr("index 7 at position 1 is NaN"));
  EXPECT_THAT(ErrorOf({.indices = {3}, .values = {INFINITY}}), HasSubstr("infinite"));
  EXPECT_THAT(ErrorOf({.indices = {3}, .values = {-0.5f}}),
              HasSubstr("is -0.5; sparse weights are from 0 to 1e+15"));
  EXPECT_THAT(ErrorOf({.indices = {3}, .values = {2e15f}}), HasSubstr("2e+15"));
}

TEST(SparseVector, TheCanonicalFormAscendsAndHasNoZeros) {
  SparseVector vector = {.indices = {9, 2, 5, 0}, .values = {1, 0, 3, -0.0f}};
  EXPECT_FALSE(IsCanonicalSparseVector(vector, 4));
  ASSERT_EQ(ErrorOf(vector), "");
  CanonicalizeSparseVector(vector);
  EXPECT_THAT(vector.indices, ElementsAre(5, 9));
  EXPECT_THAT(vector.values, ElementsAre(3, 1));
  EXPECT_TRUE(IsCanonicalSparseVector(vector, 2));
  EXPECT_FALSE(IsCanonicalSparseVector(vector, 1));
  EXPECT_TRUE(IsCanonicalSparseVector({}, 0));
  EXPECT_FALSE(IsCanonicalSparseVector({.indices = {1, 1}, .values = {1, 1}}, 4));
  EXPECT_FALSE(IsCanonicalSparseVector({.indices = {1}, .values = {0}}, 4));
  EXPECT_FALSE(IsCanonicalSparseVector({.indices = {1}, .values = {NAN}}, 4));
  EXPECT_FALSE(IsCanonicalSparseVector({.indices = {1}, .values = {}}, 4));
}

}  // namespace
}  // namespace vouch
