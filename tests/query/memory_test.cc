// The memory account and its limit.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "index/inverted/analyzer.h"
#include "query/filter_parser.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MemoryTest : public QueryTest {
 protected:
  void SetUp() override {}

  static CollectionSchema Wide(DenseIndexKind kind, uint32_t dim) {
    CollectionSchema schema;
    schema.dense.push_back(Vectors("v", dim, Metric::kL2, kind));
    schema.text.push_back(TextOf("body", "text"));
    schema.payload = {{"year", PayloadType::kInteger},
                      {"tag", PayloadType::kKeyword},
                      {"place", PayloadType::kGeo},
                      {"text", PayloadType::kText}};
    return schema;
  }
  std::vector<PointInput> Points(uint64_t first, uint64_t count, uint32_t dim) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      std::vector<float> vector(dim);
      for (float& value : vector) value = static_cast<float>(random_() % 1000);
      std::string text;
      for (int i = 0; i < 20; ++i) absl::StrAppend(&text, "word", random_() % 5000, " ");
      points.push_back(Point(id, std::move(vector),
                             absl::StrCat(R"({"year": )", random_() % 100, R"(, "tag": "t)", random_() % 20'000,
                                          R"(", "place": {"lat": )", static_cast<double>(random_() % 180'000) / 1000 - 90,
                                          R"(, "lon": )", static_cast<double>(random_() % 360'000) / 1000 - 180,
                                          R"(}, "text": ")", text, "\"}")));
    }
    return points;
  }
  void OpenWithLimit(uint64_t limit) {
    DatabaseOptions options;
    options.path = folder_.path() + "/db";
    options.clock = &clock_;
    options.seal_rows = seal_rows_;
    options.memory_limit_bytes = limit;
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  // Runs `body` in a process of its own, whose heap has no past; it answers true.
  static void InAnotherProcess(const std::function<bool()>& body) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(body() ? 0 : 1);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  std::mt19937_64 random_{11};
};

// An opened store: what it says that it holds, and what the system says that the process grew by.
TEST_F(MemoryTest, TheAccountIsWithinATenthOfTheProcess) {
  constexpr uint64_t kRows = 30'000;
  constexpr uint32_t kDim = 48;
  seal_rows_ = 12'000;  // so that a fifth of the rows is fresh
  InAnotherProcess([&] {
    Open();
    Create("wide", Wide(DenseIndexKind::kHnsw, kDim));
    for (uint64_t first = 0; first < kRows; first += 2'000) Upsert(Points(first, 2'000, kDim));
    const bool idle = collection_->WaitIdle({}).ok();
    collection_.reset();
    database_.reset();
    return idle && !HasFailure();
  });
  InAnotherProcess([&] {
    // What is loaded once for all, and no part of a store: ICU's tables, stop words, threads.
    Analyzer::Create("english")->get()->Analyze("some words");
    malloc_trim(0);
    const uint64_t before = ReadProcessMemory().anonymous;
    Open();
    collection_ = *database_->GetCollection(principal_, "wide");
    malloc_trim(0);
    const DatabaseMemory memory = database_->Memory();
    const double grown = static_cast<double>(memory.process.anonymous - before);
    const double account = static_cast<double>(memory.use.total());
    std::cout << "indexes " << memory.use.indexes << ", block cache " << memory.store.block_cache << ", memtables "
              << memory.store.memtables << ", table readers " << memory.store.table_readers << ", grown by " << grown
              << ", account / growth " << account / grown << "\n";
    EXPECT_GT(account, 0.9 * grown);
    EXPECT_LT(account, 1.1 * grown);
    // Of the one collection here, as its own account says it.
    EXPECT_NEAR(static_cast<double>(memory.use.indexes),
                static_cast<double>(collection_->Stats().index.memory.private_bytes()), 0.01 * account);
    collection_.reset();
    database_.reset();
    return !HasFailure();
  });
}

TEST_F(MemoryTest, WritesOverTheLimitAreRefusedAndReadsGoOn) {
  constexpr uint32_t kDim = 64;
  OpenWithLimit(uint64_t{12} << 20);
  Create("wide", Wide(DenseIndexKind::kFlat, kDim));
  absl::Status refused;
  uint64_t rows = 0;
  for (; rows < 60'000 && refused.ok(); rows += 500) {
    refused = TryUpsert(Points(rows, 500, kDim)).status();
    const MemoryBudget::Use use = database_->Memory().use;
    ASSERT_LE(use.total(), use.limit + (uint64_t{2} << 20)) << "after " << rows << " rows";
  }
  ASSERT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("collection 'wide': a write of 500 rows needs about "), HasSubstr(" of a memory_limit of 12.0 MiB"),
                    HasSubstr("indexes "), HasSubstr("store "), HasSubstr("searches go on")));
  // Without sealing, vectors alone would have filled it sooner than this.
  const uint64_t fresh_bytes = rows * kDim * sizeof(float);
  EXPECT_GT(fresh_bytes, uint64_t{2} << 20);
  EXPECT_GT(collection_->Stats().index.memory.mapped_vectors, 0u) << "rows were sealed early";

  SearchRequest request = Request(Dense(std::vector<float>(kDim, 500)), 10);
  request.filter = ParseFilter("year < 50 and text match 'word17'").value();
  const SearchResponse response = Search(request);
  EXPECT_FALSE(response.hits.empty());
  // What makes room is not refused.
  Delete({1, 2, 3});
  collection_.reset();
  ASSERT_TRUE(database_->DropCollection(principal_, "wide").ok());
  EXPECT_EQ(database_->Memory().use.indexes, 0u);
  Create("other", Wide(DenseIndexKind::kFlat, kDim));
  Upsert(Points(0, 100, kDim));
}

TEST_F(MemoryTest, BuildsOverTheLimitAreRefusedByName) {
  constexpr uint32_t kDim = 256;
  seal_rows_ = 100'000;
  Open();
  Create("wide", Wide(DenseIndexKind::kHnsw, kDim));
  for (uint64_t first = 0; first < 12'000; first += 2'000) Upsert(Points(first, 2'000, kDim));
  collection_.reset();
  database_.reset();
  OpenWithLimit(uint64_t{26} << 20);
  collection_ = *database_->GetCollection(principal_, "wide");
  const absl::Status status = collection_->Optimize({}, nullptr);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("optimizing rows [0, 12000)"), HasSubstr("memory_limit of 26.0 MiB")));
  EXPECT_THAT(collection_->Stats().index.last_error, HasSubstr("memory_limit"));
  EXPECT_EQ(Search(Request(Dense(std::vector<float>(kDim, 1)), 3)).hits.size(), 3u);
}

}  // namespace
}  // namespace vouch
