// Kills a process with kill -9 while it writes, lets go and purges, again and again on the same store. After each kill every row
// is there or gone with its mark, every readable version holds what it held, and the purge goes on where it was.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/storage/store_fixture.h"
#include "tests/storage/store_model.h"

namespace vouch {
namespace {

constexpr uint64_t kIds = 40;

int Kills() {
  const char* text = std::getenv("VOUCH_CRASH_KILLS");
  return text == nullptr ? 40 : std::atoi(text);
}

// The commit of a version: it follows from the version alone.
CommitRequest CommitOf(CollectionId collection, uint64_t version) {
  std::mt19937_64 random(version);
  CommitRequest request;
  request.collection = collection;
  request.time_us = static_cast<int64_t>(version);
  request.request_id = std::to_string(version);  // so that it makes a version whatever it finds
  std::vector<uint64_t> ids;
  for (uint64_t n = 1 + random() % 12; n > 0; --n) {
    const uint64_t id = random() % kIds;
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) continue;
    ids.push_back(id);
    if (random() % 4 == 0) {
      request.deletes.push_back(PointId(id));
    } else {
      request.upserts.push_back(MakeRow(id, version));
    }
  }
  return request;
}

std::unique_ptr<Store> OpenStore(const std::string& path) {
  StoreOptions options;
  options.path = path;
  auto store = Store::Open(options);
  return store.ok() ? *std::move(store) : nullptr;
}

// Writes, tags, lets go and purges until it is killed.
[[noreturn]] void Work(const std::string& path, CollectionId collection) {
  const std::unique_ptr<Store> store = OpenStore(path);
  if (store == nullptr) _exit(1);
  RowId next(0);
  for (uint64_t version = store->GetState(collection)->latest.value + 1;; ++version) {
    if (!store->commit_log().Commit(CommitOf(collection, version)).ok()) _exit(2);
    if (version % 7 == 0 &&
        !store->catalog().CreateTag(collection, "t" + std::to_string(version), Version(version), 1).ok()) {
      _exit(3);
    }
    if (version % 31 == 0) store->catalog().DeleteTag(collection, "t" + std::to_string(version - 3 - version % 7)).IgnoreError();
    if (version % 3 == 0 && version > 10 &&
        !store->RaiseHorizon({.collection = collection, .horizon = Version(version - 9)}).ok()) {
      _exit(4);
    }
    const auto step = store->Purge(collection, next, {});
    if (!step.ok()) _exit(5);
    next = step->done ? RowId(0) : step->next;
  }
}

// That what can be read is what was written.
void Check(const std::string& path, CollectionId collection, uint64_t* purged) {
  const auto report = VerifyStore({.path = path});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_TRUE(report->problems.empty()) << report->problems.front();
  const std::unique_ptr<Store> store = OpenStore(path);
  ASSERT_NE(store, nullptr);
  CollectionModel model;
  const uint64_t latest = store->GetState(collection)->latest.value;
  for (uint64_t version = 1; version <= latest; ++version) model.Apply(CommitOf(collection, version));
  const auto retention = store->GetRetention(collection);
  ASSERT_TRUE(retention.ok()) << retention.status();
  ASSERT_GE(retention->purged_rows, *purged) << "what was let go came back";
  *purged = retention->purged_rows;
  const uint64_t first = retention->horizon.value;
  std::vector<Version> versions = retention->kept;
  for (uint64_t version = std::max<uint64_t>(first, 1); version <= latest; ++version) versions.push_back(Version(version));
  for (const Version version : versions) {
    for (uint64_t id = 0; id < kIds; ++id) {
      const RowId want = model.FindSlowly(PointId(id), version);
      const auto found = store->FindPoint(collection, PointId(id), version);
      ASSERT_TRUE(found.ok()) << found.status();
      ASSERT_EQ(found->value_or(kNoRow), want) << "point " << id << " at version " << version.value;
      if (want != kNoRow) {
        ASSERT_TRUE(store->ReadRow(collection, want, true).ok());
      }
    }
  }
}

TEST(PurgeCrash, AKilledPurgeIsNeverHalfAndGoesOn) {
  const char* text = std::getenv("VOUCH_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  std::printf("seed %llu, %d kills\n", static_cast<unsigned long long>(seed), Kills());
  std::mt19937_64 random(seed);
  TempDir dir;
  const std::string path = dir.File("store");
  CollectionId collection;
  {
    const std::unique_ptr<Store> store = OpenStore(path);
    ASSERT_NE(store, nullptr);
    const auto info = store->catalog().CreateCollection("t", "c", TwoFieldSchema(), 5);
    ASSERT_TRUE(info.ok()) << info.status();
    collection = info->id;
  }
  uint64_t purged = 0;
  for (int kill_number = 0; kill_number < Kills(); ++kill_number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) Work(path, collection);
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 250));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended with " << WEXITSTATUS(status) << ", seed " << seed;
    ASSERT_NO_FATAL_FAILURE(Check(path, collection, &purged)) << "kill " << kill_number << ", seed " << seed;
  }
  EXPECT_GT(purged, 0u);
}

}  // namespace
}  // namespace vouch
