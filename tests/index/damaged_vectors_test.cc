// Segment files that are cut, overwritten or removed while they are open and searched: answers stay
// those of the oracle.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/segment_format.h"
#include "tests/index/collection_model.h"
#include "tests/index/faulty_filesystem.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr size_t kDim = 24;
constexpr size_t kFlatDim = 7;

CollectionSchema Schema() {
  CollectionSchema schema;
  schema.dense.push_back({.name = "graph",
                          .dim = kDim,
                          .metric = Metric::kL2,
                          .index = DenseIndexKind::kHnsw,
                          .hnsw = {.m = 8, .ef_construction = 40, .ef_search = 40},
                          .embedder = ""});
  DenseField flat;
  flat.name = "flat";
  flat.dim = kFlatDim;
  flat.metric = Metric::kInnerProduct;
  flat.index = DenseIndexKind::kFlat;
  schema.dense.push_back(flat);
  return schema;
}

// The model's rows, which the test can take away.
class Rows final : public RowSource {
 public:
  explicit Rows(const CollectionModel& model) : model_(model) {}
  std::atomic<bool> lost{false};
  absl::Status ScanRows(RowRange range,
                        const std::function<absl::Status(RowRecord&&)>& visit) const override {
    if (lost) return absl::DataLossError("the store lost its rows");
    return model_.ScanRows(range, visit);
  }

 private:
  const CollectionModel& model_;
};

// Holds a pool's one thread until it goes out of scope.
class Blockade {
 public:
  explicit Blockade(JobPool& pool) {
    pool.Submit([gate = gate_] {
      std::unique_lock lock(gate->mu);
      gate->changed.wait(lock, [&] { return gate->open; });
    });
  }
  ~Blockade() {
    {
      std::lock_guard lock(gate_->mu);
      gate_->open = true;
    }
    gate_->changed.notify_all();
  }

 private:
  struct Gate {
    std::mutex mu;
    std::condition_variable changed;
    bool open = false;
  };
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

class DamagedVectorsTest : public testing::Test {
 protected:
  static constexpr size_t kRows = 1500;

  void SetUp() override {
    Open();
    for (size_t i = 0; i < kRows; i += 300) Commit(300);
    Optimize();
  }

  std::vector<float> Vector(size_t dim) {
    std::normal_distribution<float> normal;
    std::vector<float> vector(dim);
    for (float& value : vector) value = normal(random_);
    return vector;
  }
  void Commit(size_t rows) {
    std::vector<RowInput> inputs;
    for (size_t i = 0; i < rows; ++i) {
      RowInput& row = inputs.emplace_back();
      row.id = PointId(next_id_++);
      row.vectors = {Vector(kDim), random_() % 3 == 0 ? std::vector<float>() : Vector(kFlatDim)};
      row.payload = "{}";
    }
    const auto [request, header] = model_.Commit(std::move(inputs), {});
    index_->Apply(request, header);
  }
  void Open() {
    index_.reset();
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &filesystem_;
    options.job_pool = &pool_;
    options.seal_rows = 1'000'000;
    options.warn = [this](const std::string& message) {
      std::lock_guard lock(mu_);
      warnings_.push_back(message);
    };
    auto opened =
        CollectionIndex::Open(options, model_.schema(), &rows_, model_.latest(), model_.rows(),
                              [](const auto&) { return absl::OkStatus(); });
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Optimize() {
    const absl::Status status = index_->Optimize(CancelToken(), nullptr);
    ASSERT_TRUE(status.ok()) << status;
  }
  void WaitIdle() { ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok()); }

  // The one segment file.
  std::string File() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.File("index"))) {
      if (entry.path().extension() == ".segment") files.push_back(entry.path().string());
    }
    EXPECT_THAT(files, SizeIs(1));
    return files.empty() ? "" : files[0];
  }
  static std::string Contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // In place: the file stays the one that is mapped.
  static void Overwrite(const std::string& path, uint64_t at, std::string_view bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }
  // Where the vectors of a field begin, from the header's entries.
  static uint64_t VectorsOf(const std::string& path, uint32_t field) {
    const std::string bytes = Contents(path);
    for (size_t at = segment_format::kFixedHeaderBytes;; at += segment_format::kSectionEntryBytes) {
      uint32_t numbers[2];
      uint64_t offset;
      std::memcpy(numbers, bytes.data() + at, sizeof(numbers));
      std::memcpy(&offset, bytes.data() + at + 8, sizeof(offset));
      if (numbers[0] == static_cast<uint32_t>(segment_format::SectionKind::kVectors) &&
          numbers[1] == field) {
        return offset;
      }
    }
  }

  IndexReader Latest() const { return index_->Read(model_.latest(), model_.rows()); }
  // Exact search equals the oracle; a walk's hits have the oracle's scores.
  void Check(const IndexReader& reader, std::mt19937_64& random) const {
    std::normal_distribution<float> normal;
    const auto mask = reader.MakeMask(nullptr, Principal(), CancelToken());
    ASSERT_TRUE(mask.ok());
    for (int field = 0; field < 2; ++field) {
      std::vector<float> query(field == 0 ? kDim : kFlatDim);
      for (float& value : query) value = normal(random);
      DenseQuery dense = {.field = field,
                          .vector = query,
                          .k = 10,
                          .ef_search = random() % 2 == 0 ? 10 : 60,
                          .exact = true};
      const auto all = model_.Nearest(static_cast<size_t>(field), query, model_.rows(),
                                      [](uint64_t) { return true; });
      const auto exact = reader.SearchDense(dense, *mask, CancelToken(), nullptr);
      ASSERT_TRUE(exact.ok()) << exact.status();
      EXPECT_EQ(*exact, std::vector<Hit>(all.begin(), all.begin() + 10));
      dense.exact = false;
      const auto walked = reader.SearchDense(dense, *mask, CancelToken(), nullptr);
      ASSERT_TRUE(walked.ok()) << walked.status();
      ASSERT_THAT(*walked, SizeIs(10));
      for (const Hit& hit : *walked) {
        EXPECT_EQ(std::count(all.begin(), all.end(), hit), 1)
            << "row " << hit.row.value << ": a wrong score";
      }
      const Hit& some = all[random() % all.size()];
      EXPECT_EQ(*reader.ScoreDense(dense, some.row), some.score);
    }
  }
  void Check() { Check(Latest(), random_); }
  std::vector<std::string> Warnings() {
    std::lock_guard lock(mu_);
    return warnings_;
  }
  // After damage was found: it was counted once, and the file is again what it was.
  void ExpectRepaired(const std::string& contents, uint64_t damaged = 1) {
    EXPECT_EQ(index_->Status().files_damaged, damaged);
    WaitIdle();
    EXPECT_EQ(index_->Status().last_error, "");
    EXPECT_EQ(Contents(File()), contents);
    EXPECT_GT(index_->Status().memory.mapped_vectors, 0u);
    EXPECT_EQ(index_->Status().memory.vectors, 0u);
    Check();
    EXPECT_EQ(index_->Status().files_damaged, damaged);
    Open();
    Check();
    EXPECT_EQ(index_->Status().files_damaged, 0u);
  }

  TempDir folder_;
  FaultyFilesystem filesystem_;
  JobPool pool_{1};
  CollectionModel model_{Schema()};
  Rows rows_{model_};
  std::mt19937_64 random_{20261125};
  uint64_t next_id_ = 0;
  std::mutex mu_;
  std::vector<std::string> warnings_;  // guarded by mu_
  std::unique_ptr<CollectionIndex> index_;
};

TEST_F(DamagedVectorsTest, AWrittenSegmentReadsItsVectorsFromTheFile) {
  const size_t bytes = model_.rows() * kDim * sizeof(float);
  const auto expect_mapped = [&](const MemoryAccount& memory) {
    EXPECT_EQ(memory.vectors, 0u);
    EXPECT_GT(memory.mapped_vectors, bytes);  // and some of the other field
    EXPECT_LT(memory.private_bytes(), bytes * 3);
    EXPECT_GT(memory.vector_tables, model_.rows() * 8);
  };
  expect_mapped(index_->Status().memory);
  Check();
  Open();
  expect_mapped(index_->Status().memory);
  Check();
  Commit(300);
  EXPECT_EQ(index_->Status().segments.back().mapped_bytes, 0u);
  EXPECT_GE(index_->Status().memory.vectors, 300 * kDim * sizeof(float));
  Check();
  Optimize();
  EXPECT_EQ(index_->Status().memory.vectors, 0u);
  Check();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
}

TEST_F(DamagedVectorsTest, WhereNothingCanBeMappedVectorsStayInMemory) {
  filesystem_.maps_fail = true;
  const auto expect_private = [&] {
    EXPECT_EQ(index_->Status().memory.mapped_vectors, 0u);
    EXPECT_GT(index_->Status().memory.vectors, model_.rows() * kDim * sizeof(float));
    EXPECT_EQ(index_->Status().files_damaged, 0u);
    Check();
  };
  Open();
  expect_private();
  Commit(100);
  Optimize();
  expect_private();
  // A file that is read whole is checked whole.
  index_.reset();
  Overwrite(File(), VectorsOf(File(), 0) + 1000, "damage");
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  Check();
}

TEST_F(DamagedVectorsTest, AFileThatIsCutWhileItIsSearched) {
  const std::string contents = Contents(File());
  for (const double share : {0.99, 0.6, 0.0}) {
    SCOPED_TRACE(share);
    const IndexReader before = Latest();
    const uint64_t vectors = VectorsOf(File(), 0);
    std::filesystem::resize_file(
        File(), share == 0 ? 0
                           : vectors + static_cast<uint64_t>(
                                           share * static_cast<double>(contents.size() - vectors)));
    Check();
    Check(before, random_);
    ExpectRepaired(contents);
  }
}

TEST_F(DamagedVectorsTest, AFileThatIsOverwrittenWhileItIsSearched) {
  const std::string contents = Contents(File());
  const uint64_t vectors = VectorsOf(File(), 0);
  const size_t stride = kDim * sizeof(float);
  const std::string first = contents.substr(vectors, stride);
  const std::string second = contents.substr(vectors + stride, stride);
  // One bit; two vectors exchanged, each right elsewhere; noise over all that is mapped.
  std::string noise(contents.size() - vectors, '\0');
  for (char& byte : noise) byte = static_cast<char>(random_());
  std::string bit(1, static_cast<char>(contents[vectors + 17 * stride + 5] ^ 1));
  const std::pair<uint64_t, std::string> damages[] = {
      {vectors + 17 * stride + 5, bit}, {vectors, second + first}, {vectors, noise}};
  for (const auto& [at, bytes] : damages) {
    SCOPED_TRACE(bytes.size());
    Overwrite(File(), at, bytes);
    Check();
    ExpectRepaired(contents);
  }
  EXPECT_THAT(Warnings(), SizeIs(3));
  EXPECT_THAT(Warnings()[0], HasSubstr("is damaged"));
}

TEST_F(DamagedVectorsTest, AFileOfOtherVectorsIsNotTaken) {
  // Another collection's file of the same shape, right in itself, written over the one that is
  // open.
  const std::string contents = Contents(File());
  CollectionModel other(Schema());
  std::vector<RowInput> inputs;
  for (uint64_t row = 0; row < model_.rows(); ++row) {
    inputs.push_back(model_.row(row).input);
    inputs.back().vectors[0] = Vector(kDim);
  }
  other.Commit(std::move(inputs), {});
  IndexOptions options;
  options.directory = folder_.File("other");
  options.filesystem = &filesystem_;
  options.job_pool = &pool_;
  std::string other_contents;
  {
    auto index = *other.OpenIndex(options);
    ASSERT_TRUE(index->Optimize(CancelToken(), nullptr).ok());
    for (const auto& entry : std::filesystem::directory_iterator(options.directory)) {
      if (entry.path().extension() == ".segment") other_contents = Contents(entry.path().string());
    }
  }
  ASSERT_EQ(other_contents.size(), contents.size());
  Overwrite(File(), 0, other_contents);
  Check();
  ExpectRepaired(contents);
}

TEST_F(DamagedVectorsTest, DamageToWhatIsInMemoryIsFoundWhenTheFileIsOpened) {
  Overwrite(File(), 300, "these bytes were read long ago");
  Check();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  EXPECT_THAT(Warnings(), ElementsAre(HasSubstr("missing or damaged")));
  Check();
}

TEST_F(DamagedVectorsTest, AFileThatIsRemovedWhileItIsSearched) {
  const std::string contents = Contents(File());
  std::filesystem::remove(File());
  Check();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  Check();
  WaitIdle();
  EXPECT_EQ(Contents(File()), contents);
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  Check();
}

TEST_F(DamagedVectorsTest, FoundAtFirstTouchAndAgainAfterARestart) {
  const std::string contents = Contents(File());
  index_.reset();
  Overwrite(File(), VectorsOf(File(), 0) + 700, "damage");
  Overwrite(File(), VectorsOf(File(), 1) + 300, "damage");
  {
    const Blockade nothing_is_rebuilt(pool_);
    Open();
    EXPECT_EQ(index_->Status().files_damaged, 0u)
        << "vectors are not looked at when a file is opened";
    Check();
    EXPECT_EQ(index_->Status().files_damaged, 1u);
    Check();
    index_.reset();
  }
  EXPECT_NE(Contents(File()), contents);
  Open();
  Check();
  ExpectRepaired(contents);
}

TEST_F(DamagedVectorsTest, AMergeReadsThroughTheDamage) {
  Overwrite(File(), VectorsOf(File(), 0) + 5000, std::string(3000, 'x'));
  Commit(200);
  Optimize();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  ASSERT_THAT(index_->Status().segments, SizeIs(1));
  Check();
  Open();
  Check();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
}

TEST_F(DamagedVectorsTest, AFullDiskLeavesTheVectorsInMemory) {
  const std::string contents = Contents(File());
  filesystem_.disk_full = true;
  std::filesystem::resize_file(File(), VectorsOf(File(), 0) + 100);
  Check();
  WaitIdle();
  EXPECT_THAT(index_->Status().last_error, HasSubstr("no space left"));
  EXPECT_GT(index_->Status().memory.vectors, 0u);
  Check();
  filesystem_.disk_full = false;
  Optimize();
  Check();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  EXPECT_EQ(index_->Status().memory.vectors, 0u);
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  Check();
}

TEST_F(DamagedVectorsTest, WithoutTheStoreAnErrorAndNoWrongAnswer) {
  const std::string contents = Contents(File());
  const IndexReader reader = Latest();
  const auto mask = *reader.MakeMask(nullptr, Principal(), CancelToken());
  const std::vector<float> query = Vector(kDim);
  const DenseQuery dense = {.field = 0, .vector = query, .k = 10, .exact = true};
  rows_.lost = true;
  Overwrite(File(), VectorsOf(File(), 0), "damage");
  const absl::Status status = reader.SearchDense(dense, mask, CancelToken(), nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the store lost its rows"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(".segment"));
  EXPECT_EQ(reader.ScoreDense(dense, RowId(0)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(reader.ScoreDense(dense, RowId(1)).ok()) << "its own vector is whole";
  WaitIdle();
  EXPECT_THAT(index_->Status().last_error, HasSubstr("the store lost its rows"));
  rows_.lost = false;
  Check();
  Optimize();
  ExpectRepaired(contents);
}

TEST_F(DamagedVectorsTest, AReaderMayOutliveTheIndex) {
  const IndexReader reader = Latest();
  const std::string file = File();
  index_.reset();
  Check(reader, random_);
  std::filesystem::resize_file(file, 0);
  const auto mask = *reader.MakeMask(nullptr, Principal(), CancelToken());
  const std::vector<float> query = Vector(kDim);
  const auto hits = reader.SearchDense({.field = 0, .vector = query, .k = 10, .exact = true}, mask,
                                       CancelToken(), nullptr);
  EXPECT_EQ(hits.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DamagedVectorsTest, ManyThreadsSearchWhileFilesAreDamaged) {
  std::atomic<bool> done{false};
  std::atomic<uint64_t> checks{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      while (!done && !HasFailure()) {
        Check(Latest(), random);
        ++checks;
      }
    });
  }
  const std::string contents = Contents(File());
  for (uint64_t round = 1; round <= 6 && !HasFailure(); ++round) {
    const std::string file = File();
    const uint64_t vectors = VectorsOf(file, 0);
    if (round % 2 == 0) {
      std::filesystem::resize_file(file, vectors + round * 4096);
    } else {
      Overwrite(file, vectors + round * 997, std::string(20'000, static_cast<char>(round)));
    }
    while (index_->Status().files_damaged < round && !HasFailure()) std::this_thread::yield();
    WaitIdle();
    EXPECT_EQ(Contents(File()), contents);
    EXPECT_EQ(index_->Status().files_damaged, round);
  }
  const uint64_t before = checks;
  while (checks < before + 3 && !HasFailure()) std::this_thread::yield();
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace vouch
