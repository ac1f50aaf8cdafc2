#include "storage/manifest_mark.h"

#include <filesystem>
#include <map>

#include "absl/strings/escaping.h"
#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;

ManifestMark Mark() {
  return {.manifest = "MANIFEST-000005", .size_bytes = 0x1234, .hash = ContentHash("bytes")};
}

TEST(ManifestMarkTest, GoldenBytes) {
  EXPECT_EQ(absl::BytesToHexString(EncodeManifestMark(MarkKind::kClosed, Mark())),
            "010f4d414e49464553542d303030303035000000000000123420393566363463"
            "6164313437643233656539383338373163323330313235623132b126aba4eba9"
            "e33c");
  EXPECT_EQ(absl::BytesToHexString(EncodeManifestMark(MarkKind::kSynced, Mark())),
            "010f4d414e49464553542d303030303035000000000000123420393566363463"
            "6164313437643233656539383338373163323330313235623132b246e524a550"
            "0834");
}

TEST(ManifestMarkTest, DamageAndTheOtherKindAreNoMarks) {
  for (const MarkKind kind : {MarkKind::kClosed, MarkKind::kSynced}) {
    const std::string bytes = EncodeManifestMark(kind, Mark());
    const std::optional<ManifestMark> mark = DecodeManifestMark(kind, bytes);
    ASSERT_TRUE(mark.has_value());
    EXPECT_EQ(mark->manifest, Mark().manifest);
    EXPECT_EQ(mark->size_bytes, Mark().size_bytes);
    EXPECT_EQ(mark->hash, Mark().hash);
    const MarkKind other = kind == MarkKind::kClosed ? MarkKind::kSynced : MarkKind::kClosed;
    EXPECT_FALSE(DecodeManifestMark(other, bytes).has_value());
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(DecodeManifestMark(kind, flipped).has_value()) << bit;
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(DecodeManifestMark(kind, bytes.substr(0, size)).has_value()) << size;
    }
  }
}

// A store with small buffers, which flushes while it is written to, as it stands on disk while
// open.
class KilledStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.path = dir_.File("live");
    options.write_buffer_bytes = size_t{64} << 10;
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    c_ = store_->catalog().CreateCollection("t", "c", TwoFieldSchema(), 5)->id;
    for (uint64_t i = 0; i < 60; ++i) {
      RowInput row = MakeRow(i, i);
      row.payload = Concat("{\"t\":\"", std::string(20'000, 'x'), "\"}");
      MustCommit(Upsert(c_, {row}));
    }
  }
  // A copy of the folder as it stood at one moment: nothing changed while it was copied.
  std::string Kill() {
    const std::string killed = dir_.File("killed");
    std::map<fs::path, uint64_t> before;
    std::error_code error;
    do {
      before = FilesOf(store_->path());
      fs::remove_all(killed, error);
      fs::copy(store_->path(), killed, error);
    } while (error || FilesOf(store_->path()) != before);
    fs::remove(killed + "/LOCK");
    return killed;
  }
  static std::map<fs::path, uint64_t> FilesOf(const std::string& path) {
    std::map<fs::path, uint64_t> files;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(path))
      files[entry.path()] = entry.file_size(gone);
    return files;
  }
  static fs::path ManifestOf(const std::string& path) {
    fs::path manifest;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().filename().string().starts_with("MANIFEST-")) manifest = entry.path();
    }
    return manifest;
  }
};

TEST_F(KilledStoreTest, AManifestThatLostWhatWasFlushedIsDamage) {
  int refused = 0;
  int read = 0;
  for (uint64_t back = 0;; back += 97) {
    // Each copy has its own size: a compaction may still have been under way.
    const std::string killed = Kill();
    const uint64_t size = fs::file_size(ManifestOf(killed));
    if (back >= size) break;
    fs::resize_file(ManifestOf(killed), size - back);
    StoreOptions options;
    options.path = killed;
    const auto store = Store::Open(options);
    if (!store.ok()) {
      EXPECT_GT(back, 0u) << store.status();
      EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
      ++refused;
      continue;
    }
    ++read;
    ASSERT_EQ((*store)->GetState(c_)->rows, 60u) << back << " bytes before the end of " << size;
    for (uint64_t i = 0; i < 60; ++i) {
      ASSERT_EQ(**(*store)->FindPoint(c_, PointId(i), Version(60)), RowId(i))
          << back << " bytes before the end of " << size;
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

TEST_F(KilledStoreTest, TheErrorNamesFileAndSizes) {
  const std::string killed = Kill();
  const fs::path manifest = ManifestOf(killed);
  fs::resize_file(manifest, 100);
  StoreOptions options;
  options.path = killed;
  const absl::Status status = Store::Open(options).status();
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr(manifest.string()), testing::HasSubstr("100 bytes"),
                             testing::HasSubstr("at least")));
}

}  // namespace
}  // namespace vouch
