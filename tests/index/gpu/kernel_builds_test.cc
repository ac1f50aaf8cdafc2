// What kernels give to builds, against its definition. They run on the host, those of KernelParity also on a GPU where VOUCH_TEST_GPU
// names one.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/index/gpu/host_column.h"
#include "tests/support/driver_under_test.h"
#include "tests/support/host_driver.h"
#include "tests/support/plain_links.h"

namespace vouch {
namespace {

// Where every other is a candidate, links are those of the definition, ties by node.
TEST(KernelParity, ChoosesLinksAsTheyAreDefined) {
  for (const VectorType type : {VectorType::kF32, VectorType::kF16}) {
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
      const HostColumn column = HostColumn::Random(type, metric, 21, 300, 3);
      const auto device = OpenOn(DriverUnderTest());
      const auto placed = device->Place(column.shape, column.Source());
      ASSERT_TRUE(placed.ok());
      std::mt19937_64 random(5);
      std::vector<uint32_t> nodes(300);
      std::iota(nodes.begin(), nodes.end(), 0u);
      std::shuffle(nodes.begin(), nodes.end(), random);
      const std::span<const uint32_t> all(nodes);
      // Ten that are among their others, five that are not, and some with one other, itself, or none.
      const std::vector<GpuLinkTask> tasks = {{.own = all.subspan(20, 10), .others = all.first(80)},
                                              {.own = all.subspan(90, 5), .others = all.first(60)},
                                              {.own = all.subspan(7, 1), .others = all.subspan(9, 1)},
                                              {.own = all.subspan(7, 1), .others = all.subspan(7, 1)},
                                              {.own = all.subspan(0, 2), .others = {}}};
      const LinkCounts counts{.candidates = 119, .links = 12};
      std::vector<uint32_t> links(19 * counts.links);
      ASSERT_TRUE(device->ChooseLinks(**placed, tasks, counts, links).ok());
      std::vector<uint32_t> expected;
      for (const GpuLinkTask& task : tasks) {
        for (const uint32_t own : task.own) {
          const auto chosen = PlainLinks([&](uint32_t node) { return column.Vector(node); }, metric, own, task.others, counts);
          expected.insert(expected.end(), chosen.begin(), chosen.end());
        }
      }
      EXPECT_EQ(links, expected) << VectorTypeName(type) << " " << MetricName(metric);
      EXPECT_EQ(links.back(), gpu::kNoLink);
      EXPECT_NE(links.front(), gpu::kNoLink);
    }
  }
}

// How much of the links by definition a device chooses, which takes candidates by products: of `own` among all nodes.
double ShareOfLinks(const HostColumn& column, KernelDevice& device, std::span<const uint32_t> own) {
  const auto placed = device.Place(column.shape, column.Source());
  EXPECT_TRUE(placed.ok());
  std::vector<uint32_t> nodes(column.shape.nodes);
  std::iota(nodes.begin(), nodes.end(), 0u);
  const GpuLinkTask task{.own = own, .others = nodes};
  const LinkCounts counts{.candidates = 100, .links = 32};
  std::vector<uint32_t> links(own.size() * counts.links), again(links.size());
  EXPECT_TRUE(device.ChooseLinks(**placed, {&task, 1}, counts, links).ok());
  EXPECT_TRUE(device.ChooseLinks(**placed, {&task, 1}, counts, again).ok());
  EXPECT_EQ(again, links);
  size_t same = 0, all = 0;
  for (size_t i = 0; i < own.size(); i += 1 + own.size() / 20) {
    const auto vector = [&](uint32_t node) { return column.Vector(node); };
    for (const uint32_t link : PlainLinks(vector, column.shape.metric, own[i], nodes, counts)) {
      if (link == gpu::kNoLink) continue;
      const std::span<const uint32_t> chosen = std::span<const uint32_t>(links).subspan(i * counts.links, counts.links);
      same += std::count(chosen.begin(), chosen.end(), link);
      ++all;
    }
  }
  EXPECT_GT(all, own.size() > 8 ? 40u : 10u);
  return static_cast<double>(same) / static_cast<double>(all);
}

// Of many others nearly the nearest are candidates: in slices, and of more nodes than fit in one go.
TEST(KernelParity, ChoosesLinksAmongTheNearest) {
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 16, 4500, 3);
  const std::vector<uint32_t> few = {3, 4499, 70, 1500, 2, 17, 900, 4000};
  std::vector<uint32_t> many(1100);
  std::iota(many.begin(), many.end(), 2000u);
  const auto device = OpenOn(DriverUnderTest(), {.product_slice_floats = 8 * 1024});
  EXPECT_GE(ShareOfLinks(column, *device, few), 0.99);
  EXPECT_GE(ShareOfLinks(column, *device, many), 0.99);
  const HostColumn halves = HostColumn::Random(VectorType::kF16, Metric::kInnerProduct, 19, 3000, 3);
  EXPECT_GE(ShareOfLinks(halves, *device, std::vector<uint32_t>{5, 2999, 64, 1234, 8, 9, 10, 11, 12}), 0.99);
}

TEST(KernelBuilds, TakesSlices) {
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 16, 4500, 3);
  const auto driver = std::make_shared<HostDriver>(HostDriver::Options());
  const auto device = OpenOn(driver, {.product_slice_floats = 8 * 1024});
  EXPECT_GE(ShareOfLinks(column, *device, std::vector<uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}), 0.99);
  EXPECT_EQ(driver->products(), 2 * 5u) << "1024 rows each, twice";
}

// Far from the origin differences are small beside the values, which TF32 would not keep.
TEST(KernelParity, ChoosesLinksFarFromTheOrigin) {
  HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 32, 2000, 3);
  for (uint32_t node = 0; node < 2000; ++node) {
    std::vector<float> vector = column.Vector(node);
    for (float& value : vector) value = 10 + 0.1f * value;
    EncodeVector(VectorType::kF32, vector, column.records.data() + size_t{node} * column.shape.record_bytes);
  }
  const auto device = OpenOn(DriverUnderTest());
  EXPECT_GE(ShareOfLinks(column, *device, std::vector<uint32_t>{1, 900, 1999, 10, 77, 5}), 0.9);
}

TEST(KernelBuilds, SaysWhichLinksItCannotChoose) {
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 8, 100, 3);
  const HostColumn bytes = HostColumn::Random(VectorType::kI8, Metric::kL2, 8, 100, 3);
  const auto device = OpenOn(std::make_shared<HostDriver>(HostDriver::Options()));
  const auto placed = device->Place(column.shape, column.Source());
  const auto placed_bytes = device->Place(bytes.shape, bytes.Source());
  ASSERT_TRUE(placed.ok() && placed_bytes.ok());
  const std::vector<uint32_t> nodes = {1, 2, 3};
  const std::vector<uint32_t> beyond = {1, 100};
  std::vector<uint32_t> links(3 * 33);
  const auto choose = [&](const GpuColumn& of, std::span<const uint32_t> own, std::span<const uint32_t> others, LinkCounts counts) {
    const GpuLinkTask task{.own = own, .others = others};
    return device->ChooseLinks(of, {&task, 1}, counts, std::span(links).first(std::min(links.size(), own.size() * counts.links)))
        .code();
  };
  EXPECT_EQ(choose(**placed, nodes, nodes, {.candidates = 10, .links = 32}), absl::StatusCode::kOk);
  EXPECT_EQ(choose(**placed, nodes, nodes, {.candidates = 10, .links = 33}), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(choose(**placed_bytes, nodes, nodes, {.candidates = 10, .links = 8}), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(choose(**placed, beyond, nodes, {.candidates = 10, .links = 8}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(choose(**placed, nodes, beyond, {.candidates = 10, .links = 8}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(choose(**placed, nodes, nodes, {.candidates = 0, .links = 8}), absl::StatusCode::kInvalidArgument);
  const GpuLinkTask task{.own = nodes, .others = nodes};
  EXPECT_EQ(device->ChooseLinks(**placed, {&task, 1}, {.candidates = 8, .links = 8}, std::span(links).first(23)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(KernelParity, FindsEntriesAsTheProcessorDoes) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  const CodeBooks shapes[] = {{.groups = 1, .size = 1}, {.groups = 5, .size = 3}, {.groups = 256, .size = 2}};
  for (const CodeBooks& shape : shapes) {
    const size_t width = size_t{shape.groups} * shape.size;
    std::vector<float> entries(16 * width), rows(700 * width);
    // Few values, so that entries tie.
    for (float& value : entries) value = static_cast<float>(static_cast<int>(random() % 5)) + 0.1f;
    for (float& value : rows) value = random() % 2 == 0 ? normal(random) : static_cast<float>(static_cast<int>(random() % 5));
    const CodeBooks books{.entries = entries.data(), .groups = shape.groups, .size = shape.size};
    std::vector<uint8_t> expected;
    for (size_t at = 0; at < rows.size(); at += width) {
      const std::vector<uint8_t> of_row = PlainEntries(books, std::span<const float>(rows).subspan(at, width));
      expected.insert(expected.end(), of_row.begin(), of_row.end());
    }
    // The second buffer holds some of the rows only.
    for (const uint64_t bytes : {uint64_t{4} << 20, uint64_t{160} << 10}) {
      const auto device = OpenOn(DriverUnderTest(), {.stream_bytes = bytes});
      std::vector<uint8_t> nearest(expected.size(), 99);
      ASSERT_TRUE(device->FindEntries(books, rows, nearest).ok());
      EXPECT_EQ(nearest, expected);
      EXPECT_EQ(device->FindEntries(books, rows, std::span(nearest).first(3)).code(), absl::StatusCode::kInvalidArgument);
    }
  }
  const auto small = OpenOn(DriverUnderTest(), {.stream_bytes = 4096});
  const std::vector<float> entries(16 * 500), row(500);
  std::vector<uint8_t> nearest(250);
  EXPECT_EQ(small->FindEntries({.entries = entries.data(), .groups = 250, .size = 2}, row, nearest).code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace vouch
