#include "index/gpu/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "index/gpu/product_bound.h"
#include "tests/support/host_driver.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using Kind = GpuSelection::Kind;

TEST(GpuSelection, TakesWordsAndNumbers) {
  EXPECT_EQ(ParseGpuSelection("auto")->kind, Kind::kAuto);
  EXPECT_EQ(ParseGpuSelection("off")->kind, Kind::kNone);
  EXPECT_EQ(ParseGpuSelection("all")->kind, Kind::kAll);
  EXPECT_EQ(ParseGpuSelection("2,0,2")->ordinals, (std::vector<int>{0, 2}));
  for (const char* bad : {"", "some", "0,", "-1", "1.5", "0 1", "99999999999"}) {
    EXPECT_EQ(ParseGpuSelection(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

class OpenGpusTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> Open(const absl::StatusOr<std::vector<GpuProperties>>& there,
                                                               const GpuSelection& selection) {
    warnings_.clear();
    return OpenGpusOf(
        there,
        [](const GpuProperties& properties) -> absl::StatusOr<std::shared_ptr<GpuDriver>> {
          if (properties.name == "old") return absl::UnimplementedError("no code for compute capability 3.5");
          // Too little memory for the buffers of searches, where it is "small".
          return std::make_shared<HostDriver>(
              HostDriver::Options{.memory_bytes = properties.name == "small" ? uint64_t{1} << 20 : uint64_t{1} << 30});
        },
        selection, {.stream_bytes = uint64_t{1} << 20}, [this](const std::string& message) { warnings_.push_back(message); });
  }
  static std::vector<GpuProperties> Gpus(const std::vector<std::string>& names) {
    std::vector<GpuProperties> gpus;
    for (const std::string& name : names) gpus.push_back({.ordinal = static_cast<int>(gpus.size()), .name = name});
    return gpus;
  }
  std::vector<std::string> warnings_;
};

TEST_F(OpenGpusTest, AutoTakesWhatThereIs) {
  EXPECT_EQ(Open(Gpus({"good", "good"}), {})->size(), 2u);
  EXPECT_EQ(Open(Gpus({}), {})->size(), 0u);
  EXPECT_EQ(Open(Gpus({"old", "good", "small"}), {})->size(), 1u);
  EXPECT_EQ(warnings_.size(), 2u);
  EXPECT_THAT(warnings_.at(0), HasSubstr("GPU 0 (old) cannot be used: no code"));
  EXPECT_EQ(Open(absl::UnimplementedError("not built in"), {})->size(), 0u);
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(Open(absl::UnavailableError("the driver is broken"), {})->size(), 0u);
  EXPECT_EQ(warnings_.size(), 1u);
  EXPECT_EQ(Open(Gpus({"good"}), {.kind = Kind::kNone})->size(), 0u);
}

TEST_F(OpenGpusTest, WhatIsAskedForMustBeThere) {
  EXPECT_EQ(Open(Gpus({"good", "good", "good"}), {.kind = Kind::kThese, .ordinals = {0, 2}})->size(), 2u);
  const auto more = Open(Gpus({"good"}), {.kind = Kind::kThese, .ordinals = {0, 1}});
  EXPECT_EQ(more.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(more.status().message()), HasSubstr("GPU 1 was asked for; there are 1 here"));
  EXPECT_EQ(Open(Gpus({}), {.kind = Kind::kAll}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open(Gpus({"good", "old"}), {.kind = Kind::kAll}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open(absl::UnimplementedError("not built in"), {.kind = Kind::kAll}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ProductBound, GrowsWithWhatMakesProductsWrong) {
  ProductBound bound{.query_length = 1, .query_rounding = 1e-4, .longest_row = 1, .values = 768};
  const double f16 = bound.Error();
  EXPECT_GT(f16, 1e-4);
  EXPECT_LT(f16, 1e-3) << "small enough to be of use: the nearest of many rows lie farther apart";
  bound.l2 = true;
  EXPECT_GT(bound.Error(), 2 * f16 * 0.9);
  bound.tf32 = true;
  EXPECT_GT(bound.Error(), 2 * (f16 + 0x1p-9) * 0.9);
}

TEST(ProductBound, KnowsWhereNumbersEnd) {
  // Sums that overflow in one order and not in the other.
  EXPECT_TRUE(std::isinf(ProductBound({.query_length = 1e10, .longest_row = 1e25, .values = 8}).Error()));
  EXPECT_TRUE(std::isinf(ProductBound({.query_length = 0, .longest_row = INFINITY, .values = 8}).Error()));
  EXPECT_FALSE(std::isinf(ProductBound({.query_length = 1e15, .longest_row = 1e15, .values = 8}).Error()));
  // Products of 1e-44 are off by much of themselves.
  EXPECT_GT(ProductBound({.query_length = 1e-22, .longest_row = 1e-22, .values = 8}).Error(), 1e-44);
}

}  // namespace
}  // namespace vouch
