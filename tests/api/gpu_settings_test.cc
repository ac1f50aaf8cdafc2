#include "api/gpu_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/principal.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

std::string Error(const std::function<void(Config&)>& set) {
  Config config;
  set(config);
  return std::string(GpuSettingsOf(config).status().message());
}

TEST(GpuSettings, TakesSharesCapsAndWeights) {
  Config config;
  config.gpu_devices = "0,1";
  config.gpu_pinned = "notes,acme/papers";
  config.gpu_shares = "acme=30:60:5,acme/papers=10:40,other=20";
  config.gpu_memory_limit = 1 << 30;
  config.gpu_batch_wait_us = 50;
  const auto settings = GpuSettingsOf(config);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->devices.ordinals, (std::vector<int>{0, 1}));
  const GpuDenseOptions& dense = settings->dense;
  EXPECT_TRUE(dense.pinned.contains({Principal().tenant, "notes"}));
  EXPECT_TRUE(dense.pinned.contains({"acme", "papers"}));
  EXPECT_DOUBLE_EQ(dense.limits.tenants.at("acme").share, 0.3);
  EXPECT_DOUBLE_EQ(dense.limits.tenants.at("acme").cap, 0.6);
  EXPECT_DOUBLE_EQ(dense.limits.tenants.at("other").cap, 1.0);
  EXPECT_DOUBLE_EQ((dense.limits.collections.at({"acme", "papers"}).cap), 0.4);
  EXPECT_DOUBLE_EQ(dense.weights.at("acme"), 5);
  EXPECT_EQ(dense.memory_limit_bytes, uint64_t{1} << 30);
  EXPECT_EQ(dense.batch.wait.count(), 50);
}

TEST(GpuSettings, NamesWhatItCannotTake) {
  EXPECT_THAT(Error([](Config& c) { c.gpu_devices = "some"; }), HasSubstr("gpu.devices: 'some'"));
  EXPECT_THAT(Error([](Config& c) { c.gpu_pinned = "notes,"; }), HasSubstr("gpu.pinned: ''"));
  EXPECT_THAT(Error([](Config& c) { c.gpu_pinned = "acme/"; }), HasSubstr("gpu.pinned: 'acme/'"));
  for (const char* bad : {"acme", "=3", "acme=", "acme=x", "acme=101", "acme=30:20", "acme=1:2:0", "acme=1:2:3:4", "a/b=1:2:3",
                          "acme/=3", "acme=-1"}) {
    EXPECT_THAT(Error([&](Config& c) { c.gpu_shares = bad; }), HasSubstr("gpu.shares: '")) << bad;
  }
  EXPECT_THAT(Error([](Config& c) { c.gpu_shares = "a=60,b=50"; }), HasSubstr("110 percent"));
  EXPECT_THAT(Error([](Config& c) { c.gpu_shares = "a=60,b/x=30,b/y=20"; }), HasSubstr("110 percent"));
  EXPECT_THAT(Error([](Config& c) { c.gpu_shares = "a=10:40,a/x=30,a/y=20"; }), HasSubstr("50 percent for collections of 'a', which may take 40"));
  EXPECT_EQ(Error([](Config& c) { c.gpu_shares = "a=60,a/x=30,a/y=20,b=40"; }), "") << "a's collections are part of a's";
  EXPECT_THAT(Error([](Config& c) { c.gpu_shares = "a=10,a=20"; }), HasSubstr("'a=20' names a tenant again"));
  EXPECT_THAT(Error([](Config& c) { c.gpu_shares = "a/x=10,a/x=20"; }), HasSubstr("'a/x=20' names a collection again"));
}

TEST(GpuSettings, WithoutGpusThereIsNothing) {
  if (HasGpuCode()) GTEST_SKIP() << "GPU is built in";
  const auto dense = OpenGpuDense(*GpuSettingsOf(Config()), {});
  ASSERT_TRUE(dense.ok());
  EXPECT_EQ(*dense, nullptr);
  Config config;
  config.gpu_devices = "all";
  const absl::Status status = OpenGpuDense(*GpuSettingsOf(config), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not built in"));
}

}  // namespace
}  // namespace vouch
