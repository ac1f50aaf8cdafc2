// The limit of memory: what it refuses, and what goes on.
#include <string>

#include "query/filter_parser.h"
#include "tests/query/memory_fixture.h"

namespace vouch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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

TEST_F(MemoryTest, WhereAGraphDoesNotFitAutoTakesProductCodes) {
  constexpr uint32_t kDim = 256;
  seal_rows_ = 100'000;
  Open();
  Create("wide", Wide(DenseIndexKind::kAuto, kDim));
  for (uint64_t first = 0; first < 6'000; first += 2'000) Upsert(Points(first, 2'000, kDim));
  collection_.reset();
  database_.reset();
  OpenWithLimit(uint64_t{20} << 20);
  collection_ = *database_->GetCollection(principal_, "wide");
  const absl::Status status = collection_->Optimize({}, nullptr);
  ASSERT_TRUE(status.ok()) << status;
  const auto check = [&] {
    const CollectionStats stats = collection_->Stats();
    ASSERT_EQ(stats.index.segments.size(), 1u);
    ASSERT_EQ(stats.index.segments[0].dense.size(), 1u);
    EXPECT_EQ(stats.index.segments[0].dense[0].kind, DenseIndexKind::kIvfPq);
    EXPECT_THAT(stats.index.segments[0].dense[0].why, HasSubstr("would not have fitted the memory limit"));
    EXPECT_EQ(stats.index.files_damaged, 0u);
    EXPECT_EQ(Search(Request(Dense(std::vector<float>(kDim, 1)), 3)).hits.size(), 3u);
  };
  check();
  // The file says what was built, whatever the limit is by then; with room a graph is built.
  collection_.reset();
  database_.reset();
  Open();
  collection_ = *database_->GetCollection(principal_, "wide");
  check();
  Upsert(Points(6'000, 500, kDim));
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  EXPECT_EQ(collection_->Stats().index.segments[0].dense[0].kind, DenseIndexKind::kHnsw);
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
