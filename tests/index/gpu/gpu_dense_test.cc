// Segments that are searched by devices: the same answers, whatever devices do.
#include "index/gpu/gpu_dense.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "index/gpu/kernel_device.h"
#include "storage/vector_codec.h"
#include "tests/index/gpu/gpu_fixture.h"
#include "tests/support/driver_under_test.h"
#include "tests/support/gate.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

class GpuDenseTest : public GpuFixture {
 protected:
  // Whether the device holds so much, soon: a batch keeps its column until its thread is done with it.
  static bool AwaitHeld(FakeGpu& fake, uint64_t bytes) {
    for (int i = 0; i < 2000; ++i) {
      const GpuMemory memory = *fake.MeasureMemory();
      if (memory.total - memory.free == bytes) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  // One fake device that holds everything.
  FakeGpu* OpenPlaced(size_t rows, uint64_t max_segment_rows, GpuDenseOptions options = GpuTestOptions(),
                      FakeGpu::Options device = {}) {
    std::vector<std::unique_ptr<GpuDevice>> devices;
    FakeGpu* const fake = AddFake(devices, device);
    Open(rows, max_segment_rows, std::move(devices), std::move(options));
    AskEverything();
    EXPECT_GT(dense_->PlaceDue(1), 0u);
    return fake;
  }
};

TEST_F(GpuDenseTest, AnswersAsTheProcessorDoes) {
  OpenPlaced(6000, 2500);
  for (int field = 0; field < kFields; ++field) {
    for (const size_t k : {1u, 10u, 60u}) {
      EXPECT_TRUE(CheckSame(field, k, false)) << "field " << field << " k " << k;
      // By codes nothing is found exactly, so the processor does it.
      EXPECT_EQ(CheckSame(field, k, true), field != kIvfPqField);
      CheckSame(field, k, false, "ann");
    }
  }
  CheckSame(kFlatL2, GpuDevice::kMaxK + 1, false);
  CheckSame(kFlatL2, 5000, true);
  const GpuStatus status = dense_->Status();
  EXPECT_GT(status.searches, 40u);
  EXPECT_EQ(status.fallbacks.failed + status.fallbacks.lost + status.fallbacks.out_of_memory, 0u);
  EXPECT_EQ(status.devices.at(0).searches, status.searches);
  EXPECT_GE(status.units.size(), 2u * kFields) << "of several segments";
  for (const GpuStatus::Unit& unit : status.units) EXPECT_EQ(unit.devices, std::vector<int>{0});
}

TEST_F(GpuDenseTest, AnswersAsTheProcessorDoesWithTheKernels) {
  std::vector<std::unique_ptr<GpuDevice>> devices;
  devices.push_back(*KernelDevice::Open(DriverUnderTest(),
                                        {.stream_bytes = uint64_t{8} << 20, .product_queries = 4, .product_nodes = 1}));
  Open(2600, 2000, std::move(devices), GpuTestOptions());
  AskEverything();
  ASSERT_GT(dense_->PlaceDue(1), 0u);
  for (int field = 0; field < kFields; ++field) {
    for (const size_t k : {1u, 10u}) {
      EXPECT_TRUE(CheckSame(field, k, false)) << "field " << field << " k " << k;
      EXPECT_EQ(CheckSame(field, k, true), field != kIvfPqField);
    }
  }
  EXPECT_EQ(dense_->Status().fallbacks.failed, 0u);
}

// Codes are taken where vectors do not fit; what they find is scored by the vectors.
struct CodesCase {
  DenseIndexKind kind;
  VectorType type = VectorType::kF32;
  Metric metric = Metric::kL2;
  bool sparse = false;  // some rows have no vector
};

class GpuCodesTest : public GpuDenseTest {
 protected:
  static constexpr uint32_t kDim = 96;

  // A device with room for the codes alone.
  void OpenSmall(const CodesCase& of, size_t rows, GpuDenseOptions options) {
    CollectionSchema schema;
    schema.dense = {GpuTestSchema().dense[kGraph]};
    schema.dense[0].dim = kDim;
    schema.dense[0].index = of.kind;
    schema.dense[0].type = of.type;
    schema.dense[0].metric = of.metric;
    model_ = CollectionModel(schema);
    if (of.sparse) sparse_field_ = 0;
    std::vector<std::unique_ptr<GpuDevice>> devices;
    AddFake(devices, {.memory_bytes = rows * kDim * 3 / 2});
    Open(rows, 10'000, std::move(devices), std::move(options));
  }
};

class GpuCodesOf : public GpuCodesTest, public testing::WithParamInterface<CodesCase> {};

TEST_P(GpuCodesOf, CodesAreTakenWhereVectorsDoNotFit) {
  OpenSmall(GetParam(), 2000, GpuTestOptions());
  const auto ask = [&](CollectionIndex& index, int ef, bool exact) {
    std::mt19937_64 same(7);
    random_ = same;
    std::vector<Answer> answers;
    for (int i = 0; i < 40; ++i) {
      const std::vector<float> vector = RandomVector(0);
      answers.push_back(Ask(index, {.field = 0, .vector = vector, .k = 10, .ef_search = ef, .exact = exact}, Principal()));
    }
    return answers;
  };
  ask(*index_, 0, false);
  ASSERT_GT(dense_->PlaceDue(1), 0u);
  EXPECT_EQ(dense_->Status().units.at(0).content, GpuContent::kCodes);
  ASSERT_EQ(dense_->Status().units.at(0).devices.size(), 1u) << testing::PrintToString(warnings_);
  const auto exact = ask(*here_, 0, true);
  // By ef 10, cells of a third of the rows are looked at.
  for (const int ef : {0, 10}) {
    const auto here = ask(*here_, ef, false);
    const auto device = ask(*index_, ef, false);
    size_t found_here = 0;
    size_t found = 0;
    uint64_t compared = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_THAT(device[i].stats.plan, HasSubstr("on a device 1 segment"));
      compared += device[i].stats.distances;
      for (const Hit& hit : exact[i].hits) {
        found += std::count(device[i].hits.begin(), device[i].hits.end(), hit);
        found_here += std::count(here[i].hits.begin(), here[i].hits.end(), hit);
      }
    }
    EXPECT_GE(static_cast<double>(found), static_cast<double>(found_here) - 0.005 * 400) << "ef " << ef;
    if (ef == 0) {
      EXPECT_GE(found, 390u);
    }
    if (ef > 0 && GetParam().kind == DenseIndexKind::kIvfFlat) {
      EXPECT_LT(compared / exact.size(), 1100u) << "not the cells alone";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, GpuCodesOf,
                         testing::Values(CodesCase{DenseIndexKind::kHnsw}, CodesCase{DenseIndexKind::kIvfFlat},
                                         CodesCase{DenseIndexKind::kIvfFlat, VectorType::kF16, Metric::kInnerProduct},
                                         CodesCase{DenseIndexKind::kIvfFlat, VectorType::kF32, Metric::kCosine, true}));

// The processor compares the vectors where the search is exact, or more are to be scored than a device keeps.
TEST_F(GpuCodesTest, CodesOfCellsDoNotAnswerAll) {
  GpuDenseOptions options = GpuTestOptions();
  options.pinned = {{"tenant", "collection"}};
  OpenSmall({DenseIndexKind::kIvfFlat}, 8000, options);
  ASSERT_GT(dense_->PlaceDue(0), 0u);
  EXPECT_FALSE(CheckSame(0, 10, true));
  const auto asked = [&](size_t k) {
    const std::vector<float> vector = RandomVector(0);
    return Ask(*index_, {.field = 0, .vector = vector, .k = k}, Principal()).stats.plan;
  };
  EXPECT_THAT(asked(330), HasSubstr("on a device")) << "1,000 candidates";
  EXPECT_THAT(asked(340), Not(HasSubstr("on a device"))) << "1,030 candidates";
}

// One value that is large in all vectors leaves no steps for the others.
TEST_F(GpuCodesTest, CodesThatDoNotKeepTheNearestAreNotPlaced) {
  constant_ = 300;
  GpuDenseOptions options = GpuTestOptions();
  options.pinned = {{"tenant", "collection"}};
  OpenSmall({DenseIndexKind::kIvfFlat, VectorType::kF32, Metric::kInnerProduct}, 2000, options);
  for (int i = 0; i < 3; ++i) dense_->PlaceDue(1);
  EXPECT_FALSE(CheckSame(0, 10, false));
  EXPECT_TRUE(dense_->Status().units.at(0).devices.empty());
  EXPECT_EQ(dense_->Status().refusals, 1u) << "it is not tried again";
  EXPECT_EQ(dense_->Status().fallbacks.total(), 0u);
}

TEST_F(GpuDenseTest, WhatIsNotPlacedIsSearchedHere) {
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices);
  Open(1500, 5000, std::move(devices), GpuTestOptions());
  EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_EQ(dense_->Status().fallbacks.not_placed, 1u);
  EXPECT_EQ(fake->searches(), 0u);
  // What was asked for is placed; the others are not.
  dense_->PlaceDue(1);
  EXPECT_EQ(fake->placings(), 1u);
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
  EXPECT_FALSE(CheckSame(kFlatHalf, 10, false));
}

TEST_F(GpuDenseTest, FewAllowedRowsAreSearchedHere) {
  GpuDenseOptions options = GpuTestOptions();
  options.few_rows = 1000;
  options.pinned = {{"tenant", "collection"}};
  std::vector<std::unique_ptr<GpuDevice>> devices;
  AddFake(devices);
  Open(900, 5000, std::move(devices), options);
  EXPECT_GT(dense_->PlaceDue(0), 0u) << "what is pinned is placed unasked";
  EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_EQ(dense_->Status().fallbacks.total(), 0u);
}

// Of few nodes the processor compares all, whatever its index, and however many rows have none.
TEST_F(GpuDenseTest, CellsOfFewNodesAreSearchedHere) {
  CollectionSchema schema;
  schema.dense = {GpuTestSchema().dense[kIvfPqField]};
  model_ = CollectionModel(schema);
  sparse_field_ = 0;
  sparse_percent_ = 90;
  GpuDenseOptions options = GpuTestOptions();
  options.pinned = {{"tenant", "collection"}};
  std::vector<std::unique_ptr<GpuDevice>> devices;
  AddFake(devices);
  Open(2000, 5000, std::move(devices), options);
  ASSERT_GT(dense_->PlaceDue(0), 0u);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(CheckSame(0, 10, false));
  EXPECT_EQ(dense_->Status().fallbacks.total(), 0u);
}

TEST_F(GpuDenseTest, EveryFaultIsAnsweredHere) {
  FakeGpu* const fake = OpenPlaced(2000, 1200);
  const uint64_t before = dense_->Status().fallbacks.total();
  fake->FailSearches(1, absl::ResourceExhaustedError("no memory for the search"));
  CheckSame(kFlatL2, 10, false);
  EXPECT_EQ(dense_->Status().fallbacks.out_of_memory, 1u);
  fake->FailSearches(1, absl::InternalError("the kernel failed"));
  CheckSame(kIvfPqField, 10, false);
  EXPECT_EQ(dense_->Status().fallbacks.failed, 1u);
  fake->FailSearches(1, absl::UnimplementedError("no kernel image for this architecture"));
  CheckSame(kBits, 10, false);
  EXPECT_EQ(dense_->Status().fallbacks.total(), before + 3);
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false)) << "the device goes on";
  EXPECT_GE(warnings(), 3u);

  // Lost in the middle of a search: that one and all others are answered here, and nothing is asked of it again.
  fake->OnSearch([&] { fake->FailSearches(1, absl::UnavailableError("the device fell off the bus")); });
  for (int field = 0; field < kFields; ++field) EXPECT_FALSE(CheckSame(field, 10, false));
  const GpuStatus status = dense_->Status();
  EXPECT_TRUE(status.devices.at(0).lost);
  EXPECT_THAT(status.devices.at(0).why_lost, HasSubstr("bus"));
  EXPECT_EQ(status.devices.at(0).held, 0u);
  EXPECT_TRUE(AwaitHeld(*fake, 0)) << "its columns went";
  const uint64_t searches = fake->searches();
  EXPECT_EQ(dense_->PlaceDue(1), 0u);
  CheckSame(kFlatL2, 10, false);
  EXPECT_EQ(fake->searches(), searches);
}

TEST_F(GpuDenseTest, MemoryMayComeBack) {
  FakeGpu* const fake = OpenPlaced(1500, 5000);
  const size_t before = warnings();
  fake->FailSearches(40, absl::ResourceExhaustedError("no memory for the search"));
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_EQ(dense_->Status().fallbacks.out_of_memory, 40u);
  EXPECT_LT(warnings(), before + 8) << "said less and less often";
  EXPECT_FALSE(dense_->Status().devices.at(0).lost);
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
}

TEST_F(GpuDenseTest, ADeviceThatAlwaysFailsIsGivenUp) {
  FakeGpu* const fake = OpenPlaced(1500, 5000);
  fake->FailSearches(1000, absl::InternalError("illegal address"));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_TRUE(dense_->Status().devices.at(0).lost);
  EXPECT_LT(fake->searches(), 12u);
}

TEST_F(GpuDenseTest, ADeviceThatGivesNoAnswerIsGivenUp) {
  GpuDenseOptions options = GpuTestOptions();
  options.answer_limit = std::chrono::milliseconds(50);
  options.patience = std::chrono::milliseconds(100);
  FakeGpu* const fake = OpenPlaced(1500, 5000, options);
  const auto gate = std::make_shared<Gate>();
  fake->OnSearch([gate] { gate->Pass(); });
  for (int i = 0; i < 50 && !dense_->Status().devices.at(0).lost; ++i) CheckSame(kFlatL2, 10, false);
  EXPECT_TRUE(dense_->Status().devices.at(0).lost);
  EXPECT_THAT(dense_->Status().devices.at(0).why_lost, HasSubstr("no answer for 50 ms"));
  gate->Open();
}

// A whole process that stood still finds its batches over the limit, too; these end then.
TEST_F(GpuDenseTest, OneLookDoesNotGiveADeviceUp) {
  GpuDenseOptions options = GpuTestOptions();
  options.answer_limit = std::chrono::milliseconds(10);
  options.patience = std::chrono::seconds(2);
  FakeGpu* const fake = OpenPlaced(1500, 5000, options);
  const auto hang_for_a_look = [&] {
    const auto gate = std::make_shared<Gate>();
    fake->OnSearch([gate] { gate->Pass(); });
    std::thread asker([&] { CheckSame(kFlatL2, 10, false); });
    gate->AwaitInside(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // beyond the answer limit
    dense_->PlaceDue(0);
    gate->Open();
    asker.join();
  };
  hang_for_a_look();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  hang_for_a_look();  // more than half of the patience after the first, but another batch
  EXPECT_FALSE(dense_->Status().devices.at(0).lost);
  fake->OnSearch({});
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
}

TEST_F(GpuDenseTest, ADeviceThatIsSlowIsNotWaitedFor) {
  GpuDenseOptions options = GpuTestOptions();
  options.patience = std::chrono::milliseconds(20);
  FakeGpu* const fake = OpenPlaced(1500, 5000, options);
  const auto gate = std::make_shared<Gate>();
  fake->OnSearch([gate] { gate->Pass(); });
  const uint64_t crowded = dense_->Status().fallbacks.crowded;
  EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_EQ(dense_->Status().fallbacks.crowded, crowded + 1);
  EXPECT_FALSE(dense_->Status().devices.at(0).lost) << "it may still answer";
  gate->Open();
  fake->OnSearch({});
  for (int i = 0; i < 500 && !CheckSame(kFlatL2, 10, false); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
}

// What samples recall asks a device that is idle, and no other; and it makes nothing worth placing.
TEST_F(GpuDenseTest, BackgroundSearchesTakeAnIdleDevice) {
  FakeGpu* const fake = OpenPlaced(1500, 5000);
  const auto asked_of_the_field = [&] { return dense_->Status().units.at(kFlatHalf).searches; };
  const auto in_background = [&] {
    const std::vector<float> vector = RandomVector(kFlatHalf);
    const Answer here = Ask(*here_, {.field = kFlatHalf, .vector = vector, .k = 10, .exact = true}, {});
    const Answer answer =
        Ask(*index_, {.field = kFlatHalf, .vector = vector, .k = 10, .exact = true, .background = true}, {});
    EXPECT_EQ(answer.hits, here.hits);
    return answer.stats.plan.find("on a device") != std::string::npos;
  };
  const uint64_t asked = asked_of_the_field();
  EXPECT_TRUE(in_background());
  const auto gate = std::make_shared<Gate>();
  fake->OnSearch([gate] { gate->Pass(); });
  const std::vector<float> vector = RandomVector(kFlatL2);
  std::thread asker([&] { Ask(*index_, {.field = kFlatL2, .vector = vector, .k = 10}, {}); });
  gate->AwaitInside(1);
  const uint64_t fallbacks = dense_->Status().fallbacks.total();
  EXPECT_FALSE(in_background()) << "somebody waits for the device";
  EXPECT_EQ(dense_->Status().fallbacks.total(), fallbacks);
  gate->Open();
  asker.join();
  fake->OnSearch({});
  bool taken = false;
  for (int i = 0; i < 500 && !taken; ++i) taken = in_background();
  EXPECT_TRUE(taken) << "the batch has ended";
  EXPECT_EQ(asked_of_the_field(), asked);
}

TEST_F(GpuDenseTest, ACancelledSearchEndsWhileTheDeviceWorks) {
  FakeGpu* const fake = OpenPlaced(1500, 5000);
  const auto gate = std::make_shared<Gate>();
  std::atomic<bool> inside{false};
  fake->OnSearch([&inside, gate] {
    inside = true;
    gate->Pass();
  });
  const IndexReader reader = index_->Read(model_.latest(), model_.rows());
  const auto mask = reader.MakeMask(nullptr, Principal(), CancelToken());
  const std::vector<float> vector = RandomVector(kFlatL2);
  // The caller leaves once the device is at it.
  const CancelToken cancel(absl::InfiniteFuture(), [&] { return inside.load(); });
  const auto hits = reader.SearchDense({.field = kFlatL2, .vector = vector, .k = 10}, *mask, cancel, nullptr);
  EXPECT_EQ(hits.status().code(), absl::StatusCode::kCancelled);
  gate->Open();
  fake->OnSearch({});
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
}

TEST_F(GpuDenseTest, ItEndsWhileABatchFails) {
  FakeGpu* const fake = OpenPlaced(1500, 5000);
  std::atomic<bool> inside{false};
  std::atomic<bool> ending{false};
  fake->OnSearch([&] {
    inside = true;
    while (!ending) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    fake->FailSearches(1, absl::UnavailableError("the device fell off the bus"));
  });
  {
    const IndexReader reader = index_->Read(model_.latest(), model_.rows());
    const auto mask = reader.MakeMask(nullptr, Principal(), CancelToken());
    const std::vector<float> vector = RandomVector(kFlatL2);
    const CancelToken cancel(absl::InfiniteFuture(), [&] { return inside.load(); });
    EXPECT_FALSE(reader.SearchDense({.field = kFlatL2, .vector = vector, .k = 10}, *mask, cancel, nullptr).ok());
  }
  here_.reset();
  index_.reset();
  const size_t before = warnings();
  ending = true;
  dense_.reset();
  EXPECT_EQ(warnings(), before + 1) << "it was lost at the end";
}

// --- placing

TEST_F(GpuDenseTest, PlacesWhatIsAskedMostAndMovesOn) {
  // Room for one flat field of the two.
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices, {.memory_bytes = 2000 * 20 * 4 * 3 / 2});
  Open(2000, 5000, std::move(devices), GpuTestOptions());
  for (int i = 0; i < 20; ++i) CheckSame(kFlatL2, 10, false);
  CheckSame(kSparseRows, 10, false);
  dense_->PlaceDue(1);
  EXPECT_TRUE(CheckSame(kFlatL2, 10, false));
  EXPECT_FALSE(CheckSame(kSparseRows, 10, false));
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 60; ++i) CheckSame(kSparseRows, 10, false);
    dense_->PlaceDue(60);
  }
  EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  EXPECT_TRUE(CheckSame(kSparseRows, 10, false));
  EXPECT_GE(dense_->Status().evictions, 1u);
  EXPECT_LE(dense_->Status().devices.at(0).held, dense_->Status().devices.at(0).budget);
  EXPECT_GT(fake->MeasureMemory()->free, 0u);
}

TEST_F(GpuDenseTest, MemoryThatIsGoneIsNoError) {
  GpuDenseOptions options = GpuTestOptions();
  options.pinned = {{"tenant", "collection"}};
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices, {.memory_bytes = uint64_t{8} << 20});
  Open(2000, 1200, std::move(devices), options);
  // Another process comes after the budget was made.
  fake->SetTakenByOthers(uint64_t{8} << 20);
  EXPECT_EQ(dense_->PlaceDue(0), 0u);
  EXPECT_FALSE(CheckSame(kFlatL2, 10, false));
  fake->SetTakenByOthers(0);
  fake->FailPlacings(3, absl::ResourceExhaustedError("device memory in pieces"));
  EXPECT_GT(dense_->PlaceDue(0), 3u);
  EXPECT_EQ(dense_->Status().refusals, 3u);
  EXPECT_EQ(dense_->Status().fragmented, 3u) << "as much was free";
  EXPECT_TRUE(dense_->Status().devices.at(0).free.has_value());
  EXPECT_GE(warnings(), 3u);
  EXPECT_TRUE(CheckSame(kIvfPqField, 10, false) || CheckSame(kBits, 10, false));
  // What a source says is no fault of the device.
  EXPECT_FALSE(dense_->Status().devices.at(0).lost);
}

TEST_F(GpuDenseTest, SegmentsThatWereReplacedGo) {
  FakeGpu* const fake = OpenPlaced(2000, 5000);
  const uint64_t held = dense_->Status().devices.at(0).held;
  EXPECT_GT(held, 0u);
  Commit(500);
  Seal();
  AskEverything();
  for (int i = 0; i < 3; ++i) dense_->PlaceDue(1);
  EXPECT_EQ(dense_->Status().units.size(), static_cast<size_t>(kFields)) << "those of one segment";
  EXPECT_TRUE(AwaitHeld(*fake, dense_->Status().devices.at(0).held));
  for (int field = 0; field < kFields; ++field) CheckSame(field, 10, false);
  index_.reset();
  dense_->PlaceDue(1);
  EXPECT_TRUE(dense_->Status().units.empty());
  EXPECT_TRUE(AwaitHeld(*fake, 0));
}

TEST_F(GpuDenseTest, SeveralDevicesShareSegmentsOrHoldCopies) {
  GpuDenseOptions options = GpuTestOptions();
  options.copies = 2;
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const first = AddFake(devices);
  FakeGpu* const second = AddFake(devices);
  Open(2000, 1200, std::move(devices), options);
  AskEverything();
  dense_->PlaceDue(1);
  EXPECT_EQ(first->placings(), second->placings());
  for (const GpuStatus::Unit& unit : dense_->Status().units) EXPECT_EQ(unit.devices.size(), 2u);
  // One goes, the other answers.
  first->OnSearch([&] { first->FailSearches(1, absl::UnavailableError("lost")); });
  for (int field = 0; field < kFields; ++field) CheckSame(field, 10, false);
  for (int field = 0; field < kFields; ++field) EXPECT_TRUE(CheckSame(field, 10, false));
  EXPECT_TRUE(dense_->Status().devices.at(0).lost);
  EXPECT_FALSE(dense_->Status().devices.at(1).lost);
}

TEST_F(GpuDenseTest, WithoutADeviceEverythingIsSearchedHere) {
  Open(1500, 5000, {}, GpuTestOptions());
  EXPECT_EQ(dense_->PlaceDue(1), 0u);
  for (int field = 0; field < kFields; ++field) EXPECT_FALSE(CheckSame(field, 10, false));
  EXPECT_TRUE(dense_->Status().devices.empty());
}

// Searches on many threads, while segments are replaced, columns come and go, and the device fails now and then.
TEST_F(GpuDenseTest, AnswersUnderEverythingAtOnce) {
  GpuDenseOptions options = GpuTestOptions();
  options.batch.most = 8;
  std::vector<std::unique_ptr<GpuDevice>> devices;
  FakeGpu* const fake = AddFake(devices, {.memory_bytes = 900 * 1024});
  Open(3000, 1100, std::move(devices), options);
  struct Question {
    int field;
    std::vector<float> vector;
    std::vector<Hit> hits;
  };
  std::vector<Question> questions;
  for (int i = 0; i < 60; ++i) {
    const int field = i % kFields;
    if (field == kIvfFlatField || field == kIvfPqField) continue;  // found by cells, which change with segments
    const std::vector<float> vector = RandomVector(field);
    questions.push_back({field, vector, Ask(*here_, {.field = field, .vector = vector, .k = 10, .exact = true}, {}).hits});
  }
  const Version at = model_.latest();
  const uint64_t rows = model_.rows();
  std::atomic<bool> stop{false};
  std::vector<std::thread> askers;
  for (size_t asker = 0; asker < 4; ++asker) {
    askers.emplace_back([&, asker] {
      for (size_t i = asker; !stop; i += 3) {
        const Question& question = questions[i % questions.size()];
        const IndexReader reader = index_->Read(at, rows);
        const auto mask = reader.MakeMask(nullptr, Principal(), CancelToken());
        const auto hits = reader.SearchDense({.field = question.field, .vector = question.vector, .k = 10, .exact = true},
                                             *mask, CancelToken(), nullptr);
        ASSERT_TRUE(hits.ok()) << hits.status();
        EXPECT_EQ(*hits, question.hits);
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    dense_->PlaceDue(0.5);
    if (round % 7 == 3) fake->FailSearches(2, absl::InternalError("the kernel failed"));
    if (round % 10 == 5) {
      Commit(200);
      Seal();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (std::thread& asker : askers) asker.join();
  EXPECT_GT(dense_->Status().searches, 0u);
  EXPECT_LE(fake->MeasureMemory()->total - fake->MeasureMemory()->free, dense_->Status().devices.at(0).budget);
}

}  // namespace
}  // namespace vouch
