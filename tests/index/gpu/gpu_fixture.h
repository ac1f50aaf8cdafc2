#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "index/collection_index.h"
#include "index/gpu/gpu_dense.h"
#include "tests/index/collection_model.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/temp_dir.h"

namespace vouch {

// One field of each way in which segments are searched.
enum GpuTestField : int { kFlatL2 = 0, kFlatHalf = 1, kGraph = 2, kIvfFlatField = 3, kIvfPqField = 4,
                         kBits = 5, kSparseRows = 6, kFields = 7 };

inline CollectionSchema GpuTestSchema() {
  constexpr uint32_t kDim = 20;
  const auto field = [](const char* name, Metric metric, VectorType type, DenseIndexKind index, uint32_t dim) {
    DenseField made;
    made.name = name;
    made.dim = dim;
    made.metric = metric;
    made.type = type;
    made.index = index;
    return made;
  };
  CollectionSchema schema;
  schema.dense = {field("flat_l2", Metric::kL2, VectorType::kF32, DenseIndexKind::kFlat, kDim),
                  field("flat_half", Metric::kInnerProduct, VectorType::kF16, DenseIndexKind::kFlat, kDim),
                  field("graph", Metric::kL2, VectorType::kF32, DenseIndexKind::kHnsw, kDim),
                  field("ivf_flat", Metric::kL2, VectorType::kI8, DenseIndexKind::kIvfFlat, kDim),
                  field("ivf_pq", Metric::kInnerProduct, VectorType::kF32, DenseIndexKind::kIvfPq, kDim),
                  field("bits", Metric::kHamming, VectorType::kBit, DenseIndexKind::kFlat, 40),
                  field("some_rows", Metric::kL2, VectorType::kF32, DenseIndexKind::kFlat, kDim)};
  return schema;
}

// A collection in two indexes: one that devices search, too, and one that they do not.
class GpuFixture : public testing::Test {
 protected:
  explicit GpuFixture(CollectionSchema schema = GpuTestSchema()) : model_(std::move(schema)) {}

  std::vector<float> RandomVector(int field) {
    const DenseField& of = model_.schema().dense[static_cast<size_t>(field)];
    std::normal_distribution<float> normal;
    std::vector<float> vector(of.dim);
    for (float& value : vector) {
      value = of.type == VectorType::kI8    ? static_cast<float>(static_cast<int>(random_() % 200) - 100)
              : of.type == VectorType::kBit ? static_cast<float>(random_() % 2)
                                            : normal(random_);
    }
    if (constant_ != 0) vector[0] = constant_;
    if (of.metric == Metric::kCosine) NormalizeVector(vector);  // as the writer does
    EXPECT_TRUE(RoundVector(of.type, vector).ok());
    return vector;
  }
  RowInput RandomRow(uint64_t id) {
    RowInput row;
    row.id = PointId(id);
    row.payload = "{}";
    if (random_() % 4 == 0) row.access = {"ann"};
    for (int field = 0; field < static_cast<int>(model_.schema().dense.size()); ++field) {
      const bool none = field == sparse_field_ && random_() % 100 < sparse_percent_;
      row.vectors.push_back(none ? std::vector<float>() : RandomVector(field));
    }
    return row;
  }
  // `count` new points, and some of the old ones written anew.
  void Commit(size_t count) {
    std::vector<RowInput> rows;
    std::set<uint64_t> ids;
    for (size_t i = 0; i < count; ++i) ids.insert(i % 5 == 4 && next_id_ > 10 ? random_() % next_id_ : next_id_++);
    for (const uint64_t id : ids) rows.push_back(RandomRow(id));
    const auto [request, header] = model_.Commit(std::move(rows), {});
    if (here_ != nullptr) here_->Apply(request, header);
    if (index_ != nullptr) index_->Apply(request, header);
  }
  std::unique_ptr<CollectionIndex> OpenIndex(const std::string& name, uint64_t max_segment_rows) {
    IndexOptions options;
    options.directory = folder_.File(name);
    options.filesystem = &Filesystem::System();
    options.job_pool = &pool_;
    options.seal_rows = 1'000'000;
    options.max_segment_rows = max_segment_rows;
    auto opened = model_.OpenIndex(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  void Seal() {
    ASSERT_TRUE(here_->Optimize(CancelToken(), [](double) {}).ok());
    ASSERT_TRUE(index_->Optimize(CancelToken(), [](double) {}).ok());
  }
  // The collection with `rows` in sealed segments of at most `max_segment_rows`, searched by these devices.
  void Open(size_t rows, uint64_t max_segment_rows, std::vector<std::unique_ptr<GpuDevice>> devices, GpuDenseOptions options) {
    options.placement_period = std::chrono::milliseconds(0);
    options.warn = [this](const std::string& message) {
      const std::lock_guard lock(warnings_mu_);
      warnings_.push_back(message);
    };
    dense_ = std::make_unique<GpuDense>(std::move(devices), options);
    here_ = OpenIndex("here", max_segment_rows);
    index_ = OpenIndex("devices", max_segment_rows);
    UseOffload(*index_, dense_->ForCollection("tenant", "collection"));
    while (model_.rows() < rows) Commit(std::min<size_t>(500, rows - model_.rows()));
    Seal();
  }
  FakeGpu* AddFake(std::vector<std::unique_ptr<GpuDevice>>& devices, FakeGpu::Options options = {}) {
    options.ordinal = static_cast<int>(devices.size());
    auto fake = std::make_unique<FakeGpu>(options);
    FakeGpu* const borrowed = fake.get();
    devices.push_back(std::move(fake));
    return borrowed;
  }

  struct Answer {
    std::vector<Hit> hits;
    SearchStats stats;
  };
  Answer Ask(const CollectionIndex& index, const DenseQuery& query, const Principal& who, const CancelToken& cancel = {}) {
    const IndexReader reader = index.Read(model_.latest(), model_.rows());
    const auto mask = reader.MakeMask(nullptr, who, CancelToken());
    Answer answer;
    auto hits = reader.SearchDense(query, *mask, cancel, &answer.stats);
    EXPECT_TRUE(hits.ok()) << hits.status();
    if (hits.ok()) answer.hits = *std::move(hits);
    return answer;
  }
  // The same question to both; true where a device took part.
  bool CheckSame(int field, size_t k, bool exact, const std::string& who = "") {
    Principal principal;
    principal.subject = who;
    const std::vector<float> vector = RandomVector(field);
    const DenseQuery query{.field = field, .vector = vector, .k = k, .exact = exact || field == kGraph};
    const Answer here = Ask(*here_, query, principal);
    const Answer device = Ask(*index_, {.field = field, .vector = vector, .k = k, .exact = exact}, principal);
    EXPECT_EQ(device.hits, here.hits) << model_.schema().dense[static_cast<size_t>(field)].name << ", k " << k << ", exact "
                                      << exact << ": " << device.stats.plan;
    return device.stats.plan.find("on a device") != std::string::npos;
  }
  // So that every unit has been asked for, and is worth placing.
  void AskEverything() {
    for (int field = 0; field < static_cast<int>(model_.schema().dense.size()); ++field) CheckSame(field, 10, false);
  }
  size_t warnings() {
    const std::lock_guard lock(warnings_mu_);
    return warnings_.size();
  }

  std::mt19937_64 random_{20261126};
  int sparse_field_ = kSparseRows;  // so many in a hundred rows have no vector of it
  uint64_t sparse_percent_ = 33;
  float constant_ = 0;  // of all vectors the first value; 0: none
  uint64_t next_id_ = 0;
  TempDir folder_;
  JobPool pool_{1};
  CollectionModel model_;
  std::mutex warnings_mu_;
  std::vector<std::string> warnings_;  // guarded by warnings_mu_
  std::unique_ptr<GpuDense> dense_;    // outlives the indexes
  std::unique_ptr<CollectionIndex> here_;
  std::unique_ptr<CollectionIndex> index_;
};

inline GpuDenseOptions GpuTestOptions() {
  GpuDenseOptions options;
  options.few_rows = 0;
  return options;
}

}  // namespace vouch
