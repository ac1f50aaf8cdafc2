// The kernels against the processor's own: same rows, same bits. They run on the host, those of KernelParity also on a GPU where
// VOUCH_TEST_GPU names one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/dense/code_kernels.h"
#include "index/dense/hamming_kernels.h"
#include "index/dense/kernels.h"
#include "index/gpu/kernel_device.h"
#include "storage/vector_codec.h"
#include "tests/index/gpu/host_column.h"
#include "tests/support/driver_under_test.h"
#include "tests/support/host_driver.h"

namespace vouch {
namespace {

// One query after the other and all at once, in each way to name nodes.
void CheckColumn(const HostColumn& column, size_t k, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << VectorTypeName(column.shape.type) << " " << MetricName(column.shape.metric) << " dim "
                                  << column.shape.dim << " nodes " << column.shape.nodes << " k " << k);
  const auto device = OpenOn(DriverUnderTest(), {.product_queries = 1000});
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok()) << placed.status();
  std::mt19937_64 random(seed);
  for (const GpuNodes nodes : {GpuNodes::kAll, GpuNodes::kBitmap, GpuNodes::kList}) {
    std::vector<std::vector<float>> vectors;
    std::vector<std::string> bits;
    std::vector<Subset> subsets;
    std::vector<GpuQuery> queries(5);
    for (size_t i = 0; i < queries.size(); ++i) {
      vectors.push_back(HostColumn::RandomVector(column.shape.type, column.shape.dim, random));
      bits.emplace_back(column.shape.record_bytes, '\0');
      subsets.emplace_back(column.shape.nodes, nodes == GpuNodes::kAll ? 1.0 : 0.05 + 0.3 * static_cast<double>(i), random);
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      queries[i].nodes = nodes;
      queries[i].vector = vectors[i];
      if (column.shape.type == VectorType::kBit) {
        EncodeVector(VectorType::kBit, vectors[i], bits[i].data());
        queries[i].bits = bits[i];
      }
      if (nodes == GpuNodes::kBitmap) queries[i].words = subsets[i].words;
      if (nodes == GpuNodes::kList) queries[i].list = subsets[i].list;
    }
    std::vector<std::vector<GpuFound>> found(queries.size());
    ASSERT_TRUE(device->Search(**placed, k, queries, found).ok());
    for (size_t i = 0; i < queries.size(); ++i) {
      const std::vector<GpuFound> expected = column.Nearest(vectors[i], k, subsets[i].allowed);
      EXPECT_EQ(found[i], expected) << "query " << i << " of node set " << static_cast<int>(nodes);
      std::vector<std::vector<GpuFound>> alone(1);
      ASSERT_TRUE(device->Search(**placed, k, std::span(queries).subspan(i, 1), alone).ok());
      EXPECT_EQ(alone[0], expected) << "query " << i << " alone";
    }
  }
}

// Queries that share a bitmap or a list find what they do alone.
void CheckShared(const std::shared_ptr<GpuDriver>& driver) {
  constexpr uint32_t kNodes = 20'000;
  const HostColumn column = HostColumn::Random(VectorType::kI8, Metric::kL2, 16, kNodes, 5);
  // Room for three lists or bitmaps, and not for 64.
  const auto device = OpenOn(driver, {.stream_bytes = uint64_t{176} << 10});
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok()) << placed.status();
  std::mt19937_64 random(9);
  const std::vector<Subset> subsets = {Subset(kNodes, 0.1, random), Subset(kNodes, 0.2, random), Subset(kNodes, 0.15, random)};
  for (const GpuNodes nodes : {GpuNodes::kBitmap, GpuNodes::kList}) {
    std::vector<std::vector<float>> vectors;
    for (int i = 0; i < 64; ++i) vectors.push_back(HostColumn::RandomVector(VectorType::kI8, 16, random));
    std::vector<GpuQuery> queries(vectors.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      const Subset& subset = subsets[i % 3];
      queries[i].nodes = nodes;
      queries[i].vector = vectors[i];
      if (nodes == GpuNodes::kBitmap) queries[i].words = subset.words;
      if (nodes == GpuNodes::kList) queries[i].list = subset.list;
    }
    std::vector<std::vector<GpuFound>> found(queries.size());
    ASSERT_TRUE(device->Search(**placed, 10, queries, found).ok());
    for (size_t i = 0; i < queries.size(); ++i) {
      EXPECT_EQ(found[i], column.Nearest(vectors[i], 10, subsets[i % 3].allowed)) << i << " of " << static_cast<int>(nodes);
    }
  }
}
TEST(KernelParity, SharesBitmapsAndLists) { CheckShared(DriverUnderTest()); }

TEST(KernelDevice, CopiesWhatIsSharedOnce) {
  const auto driver = std::make_shared<HostDriver>(HostDriver::Options());
  CheckShared(driver);
  EXPECT_EQ(driver->row_scans(), 2u) << "64 bitmaps or lists of their own take several scans";
}

TEST(KernelParity, FindsWhatTheProcessorFinds) {
  uint64_t seed = 1;
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8}) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
      for (const uint32_t dim : {1u, 15u, 16u, 33u, 128u, 300u}) {
        CheckColumn(HostColumn::Random(type, metric, dim, 700, seed), 10, seed);
        ++seed;
      }
    }
  }
  for (const uint32_t dim : {1u, 8u, 100u, 1024u}) {
    CheckColumn(HostColumn::Random(VectorType::kBit, Metric::kHamming, dim, 700, seed), 10, seed);
  }
}

TEST(KernelParity, FindsWhatTheProcessorFindsAtEverySize) {
  uint64_t seed = 100;
  for (const uint32_t nodes : {1u, 2u, 127u, 128u, 129u, 512u, 513u, 5000u}) {
    for (const size_t k : {1u, 10u, 200u, 1024u}) {
      CheckColumn(HostColumn::Random(VectorType::kF16, Metric::kL2, 24, nodes, seed), k, seed);
      ++seed;
    }
  }
}

TEST(KernelParity, OrdersInfinityAndZeros) {
  HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kInnerProduct, 2, 5, 1);
  const float rows[5][2] = {{3e38f, -3e38f}, {0, 0}, {-0.0f, 0}, {1, 0}, {-1, 0}};
  std::memcpy(column.records.data(), rows, sizeof(rows));
  const auto device = OpenOn(DriverUnderTest());
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok());
  const std::vector<float> query = {10, 10};  // infinity less infinity for the first row
  std::vector<GpuQuery> queries(1);
  queries[0].vector = query;
  std::vector<std::vector<GpuFound>> found(1);
  ASSERT_TRUE(device->Search(**placed, 5, queries, found).ok());
  EXPECT_EQ(found[0], column.Nearest(query, 5, std::vector<bool>(5, true)));
  EXPECT_EQ(found[0][1].node, 1u);
  EXPECT_EQ(found[0][2].node, 2u);
  EXPECT_EQ(found[0][4], (GpuFound{INFINITY, 0}));
}

TEST(KernelParity, ComparesCodesByTheirKeys) {
  constexpr uint32_t kNodes = 900;
  constexpr uint32_t kStride = 96;
  std::mt19937_64 random(5);
  HostColumn column{.shape = {.content = GpuContent::kCodes, .dim = 80, .nodes = kNodes, .record_bytes = kStride}};
  column.records.resize(size_t{kNodes} * kStride);
  for (uint32_t node = 0; node < kNodes; ++node) {
    char* const record = column.records.data() + size_t{node} * kStride;
    for (uint32_t i = 0; i < 80; ++i) record[i] = static_cast<char>(random() % 128);
    const float bias = static_cast<float>(random() % 10'000) - 5000;
    std::memcpy(record + kStride - sizeof(bias), &bias, sizeof(bias));
  }
  std::vector<int8_t> code(kStride, 0);
  for (uint32_t i = 0; i < 80; ++i) code[i] = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  const CodeComparison comparison{.records = reinterpret_cast<const uint8_t*>(column.records.data()),
                                  .stride = kStride,
                                  .query = code.data(),
                                  .scale = 0.37f,
                                  .shift = 1234};
  const auto device = OpenOn(DriverUnderTest());
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok()) << placed.status();
  for (const GpuNodes nodes : {GpuNodes::kAll, GpuNodes::kBitmap, GpuNodes::kList}) {
    const Subset subset(kNodes, nodes == GpuNodes::kAll ? 1.0 : 0.3, random);
    std::vector<GpuFound> expected;
    for (uint32_t node = 0; node < kNodes; ++node) {
      if (!subset.allowed[node]) continue;
      float key = 0;
      AvailableCodeKernels().front().keys(comparison, &node, 1, &key);
      expected.push_back({key, node});
    }
    std::sort(expected.begin(), expected.end(), [](const GpuFound& a, const GpuFound& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
    });
    expected.resize(40);
    std::vector<GpuQuery> queries(1);
    queries[0].nodes = nodes;
    if (nodes == GpuNodes::kBitmap) queries[0].words = subset.words;
    if (nodes == GpuNodes::kList) queries[0].list = subset.list;
    queries[0].code = code;
    queries[0].scale = comparison.scale;
    queries[0].shift = comparison.shift;
    std::vector<std::vector<GpuFound>> found(1);
    ASSERT_TRUE(device->Search(**placed, 40, queries, found).ok());
    EXPECT_EQ(found[0], expected) << "node set " << static_cast<int>(nodes);
  }
}

// --- by matrix units

void CheckProducts(VectorType type, Metric metric, double noise, bool crowded) {
  SCOPED_TRACE(testing::Message() << VectorTypeName(type) << " " << MetricName(metric) << " noise " << noise);
  constexpr uint32_t kNodes = 3000;
  constexpr uint32_t kDim = 40;
  HostColumn column = HostColumn::Random(type, metric, kDim, kNodes, 7);
  if (crowded) {
    // Hundreds of rows at one distance, so that products cannot say which of them come first.
    const std::vector<float> centre = column.Vector(0);
    for (uint32_t node = 1; node < kNodes; ++node) {
      std::vector<float> vector = centre;
      vector[node % 4] *= 1.0f + 0.002f * static_cast<float>(node % 2);
      ASSERT_TRUE(RoundVector(type, vector).ok());
      EncodeVector(type, vector, column.records.data() + size_t{node} * column.shape.record_bytes);
    }
  }
  // Without noise on whatever is tested; what the host counts is looked at there only.
  const auto driver = noise == 0 ? DriverUnderTest() : std::make_shared<HostDriver>(HostDriver::Options{.product_noise = noise});
  const auto* const host = dynamic_cast<const HostDriver*>(driver.get());
  const auto device =
      OpenOn(driver, {.product_queries = 4, .product_nodes = 1, .product_slice_floats = 8 * 1024});
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok());
  std::mt19937_64 random(11);
  for (const bool filtered : {false, true}) {
    std::vector<std::vector<float>> vectors;
    std::vector<Subset> subsets;
    std::vector<GpuQuery> queries(8);
    for (size_t i = 0; i < queries.size(); ++i) {
      std::vector<float> vector = HostColumn::RandomVector(VectorType::kF32, kDim, random);
      if (i == 0) vector[3] = 70'000.0f;  // no f16 value
      vectors.push_back(vector);
      subsets.emplace_back(kNodes, filtered ? 0.2 : 1.0, random);
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      queries[i].vector = vectors[i];
      if (!filtered) continue;
      queries[i].nodes = GpuNodes::kBitmap;
      queries[i].words = subsets[i].words;
    }
    const uint64_t products = host == nullptr ? 0 : host->products();
    const uint64_t scanned = host == nullptr ? 0 : host->scanned_queries();
    std::vector<std::vector<GpuFound>> found(queries.size());
    ASSERT_TRUE(device->Search(**placed, 10, queries, found).ok());
    if (host != nullptr) {
      EXPECT_GE(host->products(), products + 3) << "the products were taken in slices";
      // One of the candidates; another for the query that has no f16 value; more only where rows are crowded.
      if (!crowded) {
        EXPECT_LE(host->scanned_queries(), scanned + 8 + 1);
      }
      if (crowded) {
        EXPECT_GE(host->scanned_queries(), scanned + 8 + 5) << "rows were left out that products cannot tell apart";
      }
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      EXPECT_EQ(found[i], column.Nearest(vectors[i], 10, subsets[i].allowed)) << "query " << i;
    }
  }
}

TEST(KernelParity, ProductsFindWhatTheProcessorFinds) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    CheckProducts(VectorType::kF16, metric, 0, false);
    CheckProducts(VectorType::kF32, metric, 0, false);
    CheckProducts(VectorType::kF16, metric, 0, true);
    CheckProducts(VectorType::kF32, metric, 0, true);
  }
}

TEST(KernelProducts, AreCheckedAgainstTheirErrors) {
  // As much as the bound allows for the order of sums.
  const double noise = (40 + 16) * 4 * 0x1p-24;
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    CheckProducts(VectorType::kF16, metric, noise, false);
    CheckProducts(VectorType::kF16, metric, noise, true);
    CheckProducts(VectorType::kF32, metric, noise, true);
  }
}

// Sums that overflow in the order of matrix units, and numbers that are too small for them, are compared in the defined order.
TEST(KernelParity, ProductsKnowWhereNumbersEnd) {
  for (const float scale : {1e18f, 1e-23f}) {
    HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kInnerProduct, 40, 500, 9);
    for (size_t i = 0; i < column.records.size(); i += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, column.records.data() + i, sizeof(value));
      value *= scale;
      std::memcpy(column.records.data() + i, &value, sizeof(value));
    }
    const auto device = OpenOn(DriverUnderTest(), {.product_queries = 4, .product_nodes = 1});
    const auto placed = device->Place(column.shape, column.Source());
    ASSERT_TRUE(placed.ok());
    std::mt19937_64 random(12);
    std::vector<std::vector<float>> vectors;
    std::vector<GpuQuery> queries(6);
    for (size_t i = 0; i < queries.size(); ++i) vectors.push_back(HostColumn::RandomVector(VectorType::kF32, 40, random));
    for (size_t i = 0; i < queries.size(); ++i) {
      for (float& value : vectors[i]) value *= scale;
      queries[i].vector = vectors[i];
    }
    std::vector<std::vector<GpuFound>> found(queries.size());
    ASSERT_TRUE(device->Search(**placed, 10, queries, found).ok());
    for (size_t i = 0; i < queries.size(); ++i) {
      EXPECT_EQ(found[i], column.Nearest(vectors[i], 10, std::vector<bool>(500, true))) << scale << ", query " << i;
    }
  }
}

// --- faults

TEST(KernelDevice, SaysWhatItCannotTake) {
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 8, 100, 3);
  const auto device = OpenOn(std::make_shared<HostDriver>(HostDriver::Options()));
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok());
  const std::vector<float> vector(8);
  const std::vector<float> shorter(7);
  const std::vector<uint32_t> beyond = {100};
  std::vector<std::vector<GpuFound>> found(1);
  GpuQuery query;
  query.vector = vector;
  EXPECT_EQ(device->Search(**placed, 0, {&query, 1}, found).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(device->Search(**placed, GpuDevice::kMaxK + 1, {&query, 1}, found).status().code(),
            absl::StatusCode::kInvalidArgument);
  query.vector = shorter;
  EXPECT_EQ(device->Search(**placed, 1, {&query, 1}, found).status().code(), absl::StatusCode::kInvalidArgument);
  query.vector = vector;
  query.nodes = GpuNodes::kList;
  query.list = beyond;
  EXPECT_EQ(device->Search(**placed, 1, {&query, 1}, found).status().code(), absl::StatusCode::kInvalidArgument);
  const auto other = OpenOn(std::make_shared<HostDriver>(HostDriver::Options()));
  EXPECT_EQ(other->Search(**placed, 1, {&query, 1}, found).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KernelDevice, GivesMemoryBackAndRefusesWhatDoesNotFit) {
  auto driver = std::make_shared<HostDriver>(HostDriver::Options{.memory_bytes = uint64_t{24} << 20});
  const auto device = OpenOn(driver, {.stream_bytes = uint64_t{4} << 20, .streams = 2});
  const uint64_t free = driver->MeasureMemory()->free;
  EXPECT_EQ(free, (uint64_t{24} << 20) - device->workspace_bytes());
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 512, 5000, 3);
  EXPECT_EQ(device->BytesOf(column.shape) % (uint64_t{2} << 20), 0u);
  {
    const auto placed = device->Place(column.shape, column.Source());
    ASSERT_TRUE(placed.ok());
    EXPECT_EQ(driver->MeasureMemory()->free, free - device->BytesOf(column.shape));
    EXPECT_EQ(device->Place(column.shape, column.Source()).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(driver->MeasureMemory()->free, free);
  GpuSource broken = column.Source();
  broken.records = [](uint32_t, uint32_t, char*) { return absl::DataLossError("a vector is damaged"); };
  EXPECT_EQ(device->Place(column.shape, broken).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(driver->MeasureMemory()->free, free);
}

TEST(KernelDevice, HandsOnEveryFailureOfTheDriver) {
  const HostColumn column = HostColumn::Random(VectorType::kF16, Metric::kL2, 24, 3000, 3);
  const std::vector<float> vector(24, 1.0f);
  std::vector<GpuQuery> queries(2);
  for (GpuQuery& query : queries) query.vector = vector;
  const std::vector<uint32_t> nodes = {1, 2, 3, 4, 5};
  const GpuLinkTask task{.own = nodes, .others = nodes};
  const std::vector<float> entries(16 * 24), rows(50 * 24);
  using Call = std::function<absl::Status(KernelDevice&, const GpuColumn&)>;
  const std::vector<Call> calls = {
      [&](KernelDevice& device, const GpuColumn& placed) {
        std::vector<std::vector<GpuFound>> found(2);
        return device.Search(placed, 10, queries, found).status();
      },
      [&](KernelDevice& device, const GpuColumn& placed) {
        std::vector<uint32_t> links(5 * 4);
        return device.ChooseLinks(placed, {&task, 1}, {.candidates = 10, .links = 4}, links);
      },
      [&](KernelDevice& device, const GpuColumn&) {
        std::vector<uint8_t> nearest(50 * 12);
        return device.FindEntries({.entries = entries.data(), .groups = 12, .size = 2}, rows, nearest);
      }};
  for (const Call& call : calls) {
    uint64_t number = 0;
    for (bool done = false; !done; ++number) {
      ASSERT_LT(number, 200u);
      auto driver = std::make_shared<HostDriver>(HostDriver::Options());
      const auto device = OpenOn(driver, {.product_queries = 2, .product_nodes = 1});
      const auto placed = device->Place(column.shape, column.Source());
      ASSERT_TRUE(placed.ok());
      driver->FailFrom(driver->calls() + number, absl::UnavailableError("the device is lost"));
      const absl::Status status = call(*device, **placed);
      done = status.ok();
      EXPECT_TRUE(done || absl::IsUnavailable(status)) << status;
    }
    EXPECT_GT(number, 5u);
  }
}

TEST(KernelDevice, SplitsBatchesThatItsBufferDoesNotHold) {
  const HostColumn column = HostColumn::Random(VectorType::kF32, Metric::kL2, 32, 20'000, 3);
  auto driver = std::make_shared<HostDriver>(HostDriver::Options());
  const auto device = OpenOn(driver, {.stream_bytes = 48 << 10, .product_queries = 1000});
  const auto placed = device->Place(column.shape, column.Source());
  ASSERT_TRUE(placed.ok());
  std::mt19937_64 random(4);
  std::vector<std::vector<float>> vectors;
  std::vector<Subset> subsets;
  for (size_t i = 0; i < 12; ++i) {
    vectors.push_back(HostColumn::RandomVector(VectorType::kF32, 32, random));
    subsets.emplace_back(20'000, 0.3, random);
  }
  std::vector<GpuQuery> queries(12);
  for (size_t i = 0; i < 12; ++i) {
    queries[i].nodes = GpuNodes::kBitmap;
    queries[i].vector = vectors[i];
    queries[i].words = subsets[i].words;
  }
  std::vector<std::vector<GpuFound>> found(12);
  const auto searched = device->Search(**placed, 5, queries, found);
  ASSERT_TRUE(searched.ok()) << searched.status();
  EXPECT_GT(driver->row_scans(), 1u);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(found[i], column.Nearest(vectors[i], 5, subsets[i].allowed));
}

}  // namespace
}  // namespace vouch
