// Readers beside a writer and the background: what a version shows must not depend on what else goes on.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/index/collection_model.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

// Commit v adds point v with the vector (v, 0, 0, 0, 0) and replaces point v - kWindow: visible at v are the last rows
// of kWindow commits, which a reader can know without the model.
TEST(IndexConcurrency, EachVersionIsReadWhole) {
  constexpr uint64_t kWindow = 40;
  constexpr uint64_t kCommits = 1200;
  TempDir folder;
  JobPool pool(2);
  CollectionModel model(ModelSchema());
  IndexOptions options;
  options.directory = folder.File("index");
  options.filesystem = &Filesystem::System();
  options.job_pool = &pool;
  options.seal_rows = 100;
  auto opened = model.OpenIndex(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  CollectionIndex& index = **opened;

  std::atomic<bool> done{false};
  std::atomic<uint64_t> reads{0};
  const auto read = [&](uint64_t reader_number) {
    const std::vector<float> origin(5, 0.0f);
    while (!done || reads < 50) {
      const uint64_t latest = index.latest().value;
      const uint64_t version = latest > 30 && reader_number % 2 == 0 ? latest - 30 : latest;
      const IndexReader reader = index.Read(Version(version), version);
      const auto mask = reader.MakeMask(nullptr, Principal(), CancelToken());
      const uint64_t want = std::min(version, kWindow);
      EXPECT_EQ(mask->visible_count, want);
      const auto hits = reader.SearchDense(
          {.field = 0, .vector = origin, .k = kWindow, .ef_search = 0, .exact = false}, *mask, CancelToken(), nullptr);
      ASSERT_TRUE(hits.ok());
      ASSERT_EQ(hits->size(), want);
      // Row v - 1 holds the point of commit v; the nearest to the origin is the oldest.
      for (uint64_t i = 0; i < want; ++i) EXPECT_EQ((*hits)[i].row.value, version - want + i);
      index.Status();
      ++reads;
    }
  };
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 3; ++i) readers.emplace_back(read, i);
  for (uint64_t version = 1; version <= kCommits; ++version) {
    RowInput row;
    row.id = PointId(version % kWindow);
    row.vectors = {{static_cast<float>(version), 0, 0, 0, 0}, {}};
    row.payload = "{}";
    const auto [request, header] = model.Commit({row}, {});
    index.Apply(request, header);
  }
  EXPECT_TRUE(index.Optimize(CancelToken(), nullptr).ok());
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(reads, 50u);
}

}  // namespace
}  // namespace vouch
