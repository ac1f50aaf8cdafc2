// Flipped bits and lost ends of the files of a store: what is read afterwards is right, or an
// error; never another answer.
#include <fstream>
#include <functional>
#include <random>

#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kSeed = 20261123;

// As Dump, but an error ends it.
absl::StatusOr<std::string> ReadAll(const Store& store, Catalog& catalog) {
  std::string out;
  const auto infos = catalog.ListAllCollections();
  if (!infos.ok()) return infos.status();
  for (const CollectionInfo& info : *infos) {
    absl::StrAppend(&out, info.name, " ", info.schema.ToJson(), "\n");
    const auto state = store.GetState(info.id);
    if (!state.ok()) return state.status();
    const auto commits = store.ListCommits(info.id, Version(1), state->latest, SIZE_MAX);
    if (!commits.ok()) return commits.status();
    for (const CommitHeader& header : *commits) {
      absl::StrAppend(&out, "commit ", header.version.value, " ", header.first_row.value, " ", header.row_count, " ",
                      header.live_rows, " ", header.request_id, " ", header.retired.size(), "\n");
    }
    const RowRange all{RowId(0), RowId(state->rows)};
    const auto scanned = store.ScanRows(info.id, all, true, [&](RowRecord&& row) {
      absl::StrAppend(&out, "row ", row.id.ToString(), " ", row.previous.value, " ", row.payload);
      for (const auto& vector : row.vectors) {
        for (const float x : vector) absl::StrAppend(&out, " ", x);
      }
      out.push_back('\n');
      return absl::OkStatus();
    });
    if (!scanned.ok()) return scanned;
    const auto retired = store.ScanRetired(info.id, all, [&](RowId row, Version version) {
      absl::StrAppend(&out, "retired ", row.value, " ", version.value, "\n");
    });
    if (!retired.ok()) return retired;
    for (uint64_t point = 0; point < 30; ++point) {
      const auto row = store.FindPoint(info.id, PointId(point), state->latest);
      if (!row.ok()) return row.status();
      absl::StrAppend(&out, "point ", point, " ", row->has_value() ? (*row)->value : ~0ull, "\n");
    }
    const auto documents = store.ScanDocuments(info.id, "", [&](std::string_view key, std::string_view value) {
      out += Concat("document ", key, " ", value, "\n");
      return absl::OkStatus();
    });
    if (!documents.ok()) return documents;
  }
  return out;
}

absl::StatusOr<std::string> OpenAndReadAll(const std::string& path) {
  StoreOptions options;
  options.path = path;
  const auto store = Store::Open(options);
  if (!store.ok()) return store.status();
  return ReadAll(**store, (*store)->catalog());
}

void FlipBit(const fs::path& path, uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const char byte = static_cast<char>(file.get() ^ (1 << bit % 8));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

bool IsDataFile(const std::string& name) {
  return name.ends_with(".sst") || name.ends_with(".log") || name.starts_with("MANIFEST-") ||
         name == "CURRENT" || name == "CLOSED" || name == "SYNCED";
}

void Fill(Store& store, CollectionId collection, uint64_t first, uint64_t last) {
  for (uint64_t i = first; i < last; ++i) {
    CommitRequest request = Upsert(collection, {MakeRow(i % 23, i), MakeRow((i + 7) % 23, i + 1000)});
    if (i % 3 == 0) request.deletes.emplace_back((i + 11) % 23);
    request.documents = {{absl::StrCat("k", i % 4), std::string(50, 'd')}};
    ASSERT_TRUE(store.commit_log().Commit(std::move(request)).ok());
  }
}

// Flips bits in copies of the store at `source`. `allowed` are the right readings.
void FlipMany(const std::string& source, const std::string& copy, int flips, std::mt19937_64& random,
              const std::function<bool(const std::string& file, uint64_t byte, const std::string& read)>& allowed) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(source)) {
    if (IsDataFile(entry.path().filename().string()) && entry.file_size() > 0) files.push_back(entry.path().filename());
  }
  std::sort(files.begin(), files.end());
  int refused = 0;
  for (int i = 0; i < flips; ++i) {
    const fs::path& name = files[random() % files.size()];
    fs::remove_all(copy);
    fs::copy(source, copy);
    const uint64_t size = fs::file_size(fs::path(copy) / name);
    // Half of them near the end, where a torn tail and damage look alike.
    const uint64_t near = std::min<uint64_t>(size, 200);
    const uint64_t byte = random() % 2 == 0 ? random() % size : size - 1 - random() % near;
    FlipBit(fs::path(copy) / name, 8 * byte + random() % 8);
    const auto read = OpenAndReadAll(copy);
    if (!read.ok()) {
      ++refused;
      EXPECT_NE(read.status().code(), absl::StatusCode::kNotFound) << name << " " << byte << ": " << read.status();
      continue;
    }
    EXPECT_TRUE(allowed(name.string(), byte, *read))
        << name << " byte " << byte << " of " << size << ": something else was read";
  }
  EXPECT_GT(refused, 0);
}

using BitFlipTest = StoreTest;

TEST_F(BitFlipTest, AClosedStoreReadsRightOrNotAtAll) {
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::mt19937_64 random(kSeed);
  for (uint64_t i = 0; i < 3; ++i) {  // several flushes, so that the manifest has records after the first
    Fill(*store_, c_, 20 * i, 20 * i + 20);
    if (::testing::Test::HasFatalFailure()) return;
    Reopen();
  }
  const auto right = ReadAll(*store_, store_->catalog());
  ASSERT_TRUE(right.ok()) << right.status();
  const std::string path = store_->path();
  store_.reset();
  FlipMany(path, dir_.File("copy"), 150, random,
           [&](const std::string&, uint64_t, const std::string& read) { return read == *right; });
}

TEST_F(BitFlipTest, AKilledStoreLosesAtMostTheLastRecordOfItsLog) {
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::mt19937_64 random(kSeed);
  Fill(*store_, c_, 0, 20);
  Reopen();
  Fill(*store_, c_, 20, 40);
  const auto before = ReadAll(*store_, store_->catalog());
  ASSERT_TRUE(before.ok()) << before.status();
  uint64_t log_bytes = 0;
  const auto log_size = [&] {
    uint64_t largest = 0;
    for (const auto& entry : fs::directory_iterator(store_->path())) {
      if (entry.path().extension() == ".log") largest = std::max<uint64_t>(largest, entry.file_size());
    }
    return largest;
  };
  log_bytes = log_size();
  Fill(*store_, c_, 40, 41);
  ASSERT_GT(log_size(), log_bytes);
  const auto right = ReadAll(*store_, store_->catalog());
  ASSERT_TRUE(right.ok()) << right.status();
  const std::string killed = dir_.File("killed");
  fs::copy(store_->path(), killed);  // as it stands with its log, not closed
  fs::remove(killed + "/LOCK");
  FlipMany(killed, dir_.File("copy"), 150, random,
           [&](const std::string& file, uint64_t byte, const std::string& read) {
             if (read == *right) return true;
             // Damage to the last record looks like a write that was cut short (wal_check.h).
             return file.ends_with(".log") && byte >= log_bytes && read == *before;
           });
}

// The manifest is written on for as long as the store is open, so its last records look like what a
// power loss cut short. The last thing before the store is closed is one write to one family: its
// data file is then in the last records alone.
TEST_F(BitFlipTest, AClosedStoreNeverTakesADamagedOrShortManifestForATornOne) {
  Fill(*store_, c_, 0, 5);
  Reopen();
  ASSERT_TRUE(store_->PutAnswer("t", "a", "record").ok());
  const auto right = ReadAll(*store_, store_->catalog());
  ASSERT_TRUE(right.ok()) << right.status();
  const std::string path = store_->path();
  store_.reset();
  std::string manifest;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("MANIFEST-")) manifest = name;
  }
  const uint64_t size = fs::file_size(path + "/" + manifest);
  const std::string copy = dir_.File("copy");
  int refused = 0;
  for (uint64_t back = 0; back < std::min<uint64_t>(size, 400); back += 5) {
    fs::remove_all(copy);
    fs::copy(path, copy);
    if (back % 2 == 0 && back > 0) {
      FlipBit(fs::path(copy) / manifest, 8 * (size - back) + back % 8);
    } else {
      fs::resize_file(fs::path(copy) / manifest, size - back);
    }
    StoreOptions options;
    options.path = copy;
    const auto store = Store::Open(options);
    if (!store.ok()) {
      EXPECT_GT(back, 0u);
      EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
      ++refused;
      continue;
    }
    const auto read = ReadAll(**store, (*store)->catalog());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, *right) << back << " bytes before the manifest's end";
    const auto answer = (*store)->GetAnswer("t", "a");
    EXPECT_TRUE(answer.ok()) << back << " bytes before the manifest's end: " << answer.status();
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace vouch
