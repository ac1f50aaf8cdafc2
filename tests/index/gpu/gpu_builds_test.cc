// Indexes that devices help to build.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "index/dense/graph_build.h"
#include "index/dense/ivf.h"
#include "index/gpu/kernel_device.h"
#include "tests/index/dense/dense_data.h"
#include "tests/index/gpu/gpu_fixture.h"
#include "tests/support/host_driver.h"

namespace vouch {
namespace {

class GpuBuildsTest : public GpuFixture {};

TEST_F(GpuBuildsTest, GraphsAreLinkedByADeviceWhereThatIsAskedFor) {
  GpuDenseOptions options = GpuTestOptions();
  options.builds = true;
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices);
  Open(1500, 5000, std::move(devices), options);
  EXPECT_EQ(dense_->Status().builds, 1u);
  EXPECT_EQ(fake->MeasureMemory()->free, fake->MeasureMemory()->total) << "it took its vectors for that time only";
  // Nothing is placed: the processor walks the graph that came of it.
  size_t found = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector<float> vector = RandomVector(kGraph);
    const Answer exact = Ask(*here_, {.field = kGraph, .vector = vector, .k = 10, .exact = true}, Principal());
    const Answer walked = Ask(*index_, {.field = kGraph, .vector = vector, .k = 10}, Principal());
    for (const Hit& hit : exact.hits) found += std::count(walked.hits.begin(), walked.hits.end(), hit);
  }
  EXPECT_GE(found, 475u);
  // A device that fails costs the build nothing.
  fake->FailSearches(1, absl::InternalError("the kernel failed"));
  Commit(300);
  Seal();
  EXPECT_EQ(dense_->Status().builds, 1u);
  for (int field = 0; field < kFields; ++field) CheckSame(field, 10, true);
}

// k-means is the same by whoever finds the nearest means and entries, so that bytes are, too.
TEST_F(GpuBuildsTest, CellsAndCodesHaveTheSameBytes) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 5000, 12, Metric::kL2), 12, Metric::kL2);
  const BuildProgress go_on = [](double) { return absl::OkStatus(); };
  const auto here = *Ivf::Build(column, true, 2, go_on);
  for (const bool kernels : {false, true}) {
    std::vector<std::unique_ptr<GpuDevice>> devices;
    auto fake = std::make_unique<FakeGpu>(FakeGpu::Options());
    FakeGpu* const borrowed = fake.get();
    const auto driver = std::make_shared<HostDriver>(HostDriver::Options());
    if (kernels) {
      devices.push_back(*KernelDevice::Open(driver, {.stream_bytes = uint64_t{8} << 20}));
    } else {
      devices.push_back(std::move(fake));
    }
    GpuDenseOptions options = GpuTestOptions();
    options.builds = true;
    GpuDense dense(std::move(devices), options);
    const auto offload = dense.ForCollection("tenant", "collection");
    EXPECT_EQ((*Ivf::Build(column, true, 2, go_on, offload->BuildHelp()))->bytes(), here->bytes()) << kernels;
    if (kernels) {
      EXPECT_GT(driver->row_scans(), 0u);
      EXPECT_GT(driver->entry_scans(), 8u);
      continue;
    }
    EXPECT_GT(borrowed->searches(), 3u);
    EXPECT_EQ(borrowed->entry_rows(), 8 * 5000u + 5000u) << "eight rounds of training, and all once more";
    // One of the rounds is done here.
    borrowed->FailSearches(1, absl::InternalError("the kernel failed"));
    EXPECT_EQ((*Ivf::Build(column, true, 2, go_on, offload->BuildHelp()))->bytes(), here->bytes());
    borrowed->FailSearches(1, absl::UnavailableError("the device is lost"));
    EXPECT_EQ((*Ivf::Build(column, true, 2, go_on, offload->BuildHelp()))->bytes(), here->bytes());
    EXPECT_TRUE(dense.Status().devices.at(0).lost);
  }
}

// In how many pieces links are chosen changes none of them.
TEST_F(GpuBuildsTest, LinksAreTheSameInPieces) {
  const TestVectors rows = ClusteredVectors(3, 2500, 12, Metric::kL2);
  const DenseColumn column = MakeColumn(rows, 12, Metric::kL2);
  const NodeGroupLimits groups{.alone = 50, .compared = 300, .cells = 3};
  const auto build = [&](std::unique_ptr<GpuDevice> device, size_t nodes_at_once, size_t groups_at_once) {
    std::vector<std::unique_ptr<GpuDevice>> devices;
    devices.push_back(std::move(device));
    GpuDenseOptions options = GpuTestOptions();
    options.builds = true;
    options.build_nodes = nodes_at_once;
    options.build_groups = groups_at_once;
    GpuDense dense(std::move(devices), options);
    const auto offload = dense.ForCollection("tenant", "collection");
    const GraphModels models{.help = {.links = offload->BuildHelp().links}, .groups = groups};
    double last = 0;
    const auto built = BuildGraph(column, {.m = 8, .ef_construction = 40}, models, 2, [&](double fraction) {
      EXPECT_GE(fraction, last);
      last = fraction;
      return absl::OkStatus();
    });
    EXPECT_TRUE(built.ok()) << built.status();
    EXPECT_EQ(dense.Status().builds, 1u);
    return *built;
  };
  const auto on_host = [] {
    return *KernelDevice::Open(std::make_shared<HostDriver>(HostDriver::Options()), {.stream_bytes = uint64_t{8} << 20});
  };
  const auto on_fake = [] { return std::make_unique<FakeGpu>(FakeGpu::Options()); };
  const auto whole = build(on_host(), 1'000'000, 1'000'000);
  EXPECT_EQ(build(on_host(), 17, 3)->bytes(), whole->bytes());
  EXPECT_EQ(build(on_host(), 300, 64)->bytes(), whole->bytes());
  // The same by the definition, but for what products confuse.
  const auto plain = build(on_fake(), 100, 64);
  size_t same = 0;
  for (size_t i = 0; i < plain->level0().size(); ++i) same += plain->level0()[i] == whole->level0()[i] ? 1 : 0;
  EXPECT_GE(static_cast<double>(same), 0.99 * static_cast<double>(plain->level0().size()));
}

TEST_F(GpuBuildsTest, ABuildThatIsCancelledEndsOnTheDevice) {
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices);
  GpuDenseOptions options = GpuTestOptions();
  options.builds = true;
  dense_ = std::make_unique<GpuDense>(std::move(devices), options);
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 3000, 12, Metric::kL2), 12, Metric::kL2);
  const auto offload = dense_->ForCollection("tenant", "collection");
  int asked = 0;
  std::vector<uint32_t> nodes(3000);
  std::iota(nodes.begin(), nodes.end(), 0u);
  const NodeGroups level{.nodes = nodes, .start = {0, 3000}, .near = {{0}}};
  const auto links = offload->BuildHelp().links(column, {&level, 1}, {.candidates = 10, .links = 4}, [&](double) {
    return ++asked > 1 ? absl::CancelledError("stop") : absl::OkStatus();
  });
  EXPECT_EQ(links.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(fake->MeasureMemory()->free, fake->MeasureMemory()->total);
  EXPECT_FALSE(dense_->Status().devices.at(0).lost);
}

}  // namespace
}  // namespace vouch
