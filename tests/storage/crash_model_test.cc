// Random commits, tags and collections against a plain model, with the power going at random moments: what was
// acknowledged is there, what was not is there wholly or not at all, and every start succeeds.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "storage/store.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/store_model.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

constexpr int kIds = 60;  // few, so that points are often replaced and deleted

class CrashModel {
 public:
  explicit CrashModel(uint64_t seed) : random_(seed), env_(seed) { Open(); }

  // One life of the store: opened, written to until the power goes.
  void Life() {
    env_.CrashAfter(1 + random_() % (random_() % 4 == 0 ? 600 : 60));
    while (!env_.crashed()) {
      if (store_ == nullptr && !TryOpen()) break;
      if (!Step()) break;
    }
    PowerLoss();
  }

  void CheckAll() {
    for (const auto& [name, collection] : collections_) {
      collection.model.Check(*store_, collection.id);
      const auto tags = store_->catalog().ListTags(collection.id);
      ASSERT_TRUE(tags.ok()) << tags.status();
      std::map<std::string, Version> found;
      for (const Tag& tag : *tags) found[tag.name] = tag.version;
      ASSERT_EQ(found, collection.tags) << name;
      CheckOldVersion(collection);
    }
    const auto aliases = store_->catalog().ListAliases("t");
    ASSERT_TRUE(aliases.ok()) << aliases.status();
    std::map<std::string, std::string> found;
    for (const Alias& alias : *aliases) found[alias.name] = alias.collection;
    ASSERT_EQ(found, aliases_);
  }
  void VerifyOffline(const std::string& path) {
    store_.reset();
    StoreOptions options;
    options.path = path;
    options.rocksdb_env = env_.env();
    const auto report = VerifyStore(options);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->problems.empty()) << report->problems.front();
    EXPECT_EQ(report->collections, collections_.size());
    Open();
  }
  const std::string& path() const { return path_; }
  FaultEnv& env() { return env_; }
  uint64_t commits() const { return commits_; }
  uint64_t kept_unacknowledged() const { return kept_; }

 private:
  struct ModelCollection {
    CollectionId id;
    CollectionModel model;
    std::map<std::string, Version> tags;
  };

  bool TryOpen() {
    StoreOptions options;
    options.path = path_;
    options.rocksdb_env = env_.env();
    // Small, so that flushes and new logs come often.
    options.write_buffer_bytes = size_t{32} << 10;
    auto store = Store::Open(options);
    if (!store.ok()) {
      EXPECT_TRUE(env_.crashed()) << store.status();
      return false;
    }
    store_ = *std::move(store);
    return true;
  }
  void Open() { ASSERT_TRUE(TryOpen()); }

  // What was under way when the power went is asked for again: it gets the same answer whether it was done or not.
  void PowerLoss() {
    env_.CrashAfter(0);
    store_.reset();
    env_.Recover();
    // A start may fail by another power loss, never by what the one before it left.
    if (random_() % 3 == 0) {
      env_.CrashAfter(1 + random_() % 80);
      (void)TryOpen();
      env_.CrashAfter(0);
      store_.reset();
      env_.Recover();
    }
    Open();
    ASSERT_NE(store_, nullptr);
    if (pending_) {
      const auto pending = std::exchange(pending_, nullptr);
      ASSERT_TRUE(pending()) << "after a restart";
    }
  }

  // False where the power went; then `pending_` does the same again.
  bool Step() {
    const uint64_t dice = random_() % 100;
    if (collections_.empty() || (dice < 3 && collections_.size() < 4)) return Create();
    auto at = collections_.begin();
    std::advance(at, random_() % collections_.size());
    if (dice < 4) return Drop(at->first);
    if (dice > 96) return MoveAlias(at->first);
    if (dice < 8 && at->second.model.latest() > Version(0)) return AddTag(at->second);
    return Commit(at->second);
  }
  bool Attempt(std::function<bool()> work) {
    if (work()) return true;
    pending_ = std::move(work);
    return false;
  }

  bool Create() {
    const std::string name = absl::StrCat("c", ++names_);
    return Attempt([this, name] {
      auto info = store_->catalog().CreateCollection("t", name, TwoFieldSchema(), 7);
      if (absl::IsAlreadyExists(info.status())) info = store_->catalog().GetCollection("t", name);
      if (!info.ok()) return false;
      EXPECT_TRUE(ids_.insert(info->id.value).second) << "a number was given twice";
      collections_[name].id = info->id;
      return true;
    });
  }
  bool Drop(const std::string& name) {
    for (const auto& [alias, collection] : aliases_) {
      if (collection == name) return true;  // it cannot be dropped
    }
    return Attempt([this, name] {
      const absl::Status status = store_->catalog().DropCollection("t", name);
      if (!status.ok() && !absl::IsNotFound(status)) return false;
      EXPECT_FALSE(store_->GetState(collections_[name].id).ok());
      collections_.erase(name);
      return true;
    });
  }
  bool MoveAlias(const std::string& collection) {
    const AliasMove move{absl::StrCat("alias", random_() % 3),
                         random_() % 3 == 0 ? std::string() : collection};
    return Attempt([this, move] {
      const absl::Status status = store_->catalog().MoveAliases("t", std::span(&move, 1), 7);
      // Where it was removed before the power went, it is not known any more.
      if (!status.ok() && !(move.collection.empty() && absl::IsNotFound(status))) return false;
      aliases_.erase(move.alias);
      if (!move.collection.empty()) aliases_[move.alias] = move.collection;
      return true;
    });
  }
  bool AddTag(ModelCollection& collection) {
    const std::string name = absl::StrCat("tag", ++names_);
    const Version version(1 + random_() % collection.model.latest().value);
    return Attempt([this, name, version, &collection] {
      if (!store_->catalog().CreateTag(collection.id, name, version, 7).ok()) return false;
      collection.tags[name] = version;
      return true;
    });
  }
  bool Commit(ModelCollection& collection) {
    const CommitRequest request = MakeRequest(collection.id);
    const bool again = random_() % 10 == 0;
    return Attempt([this, request, again, &collection] {
      auto result = store_->commit_log().Commit(request);
      if (!collection.model.Holds(request)) {
        EXPECT_FALSE(result.ok());
        return absl::IsFailedPrecondition(result.status());
      }
      if (!result.ok()) return false;
      ++commits_;
      kept_ += result->replayed ? 1 : 0;
      const CommitHeader want = collection.model.Apply(request);
      CollectionModel::CheckHeader(result->header, want);
      if (!again) return true;
      // The same request id once more: the same header, and nothing new.
      result = store_->commit_log().Commit(request);
      if (!result.ok()) return true;  // the power went; it is not under way as far as the model goes
      EXPECT_TRUE(result->replayed);
      CollectionModel::CheckHeader(result->header, want);
      return true;
    });
  }

  CommitRequest MakeRequest(CollectionId id) {
    CommitRequest request;
    request.collection = id;
    request.time_us = static_cast<int64_t>(random_() % 1000) + static_cast<int64_t>(names_) * 10;
    request.request_id = absl::StrCat("r", ++names_);
    std::vector<uint64_t> ids(kIds);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = i;
    std::shuffle(ids.begin(), ids.end(), random_);
    const size_t upserts = random_() % 8;
    const size_t deletes = random_() % 4;
    for (size_t i = 0; i < upserts; ++i) {
      RowInput row = MakeRow(ids[i], random_() % 1000);
      if (random_() % 8 == 0) row.payload = Concat("{\"t\":\"", std::string(random_() % 9000, 'x'), "\"}");
      request.upserts.push_back(std::move(row));
    }
    for (size_t i = upserts; i < upserts + deletes; ++i) request.deletes.push_back(PointId(ids[i]));
    // On points that the commit names, and on one that it does not.
    for (size_t i = 0; random_() % 4 == 0 && i < 10; i += 3) {
      PointCondition& condition = request.conditions.emplace_back();
      condition.id = PointId(ids[i]);
      if (random_() % 2 == 0) condition.row = {RowId(random_() % 40), kNoRow};
    }
    if (random_() % 4 == 0) {
      const std::string key = absl::StrCat("d", random_() % 5);
      request.documents.push_back({key, std::nullopt});
      if (random_() % 3 != 0) request.documents.back().value = absl::StrCat("v", random_() % 100);
      const std::string bytes(random_() % 400, static_cast<char>('a' + random_() % 26));
      request.artifacts.push_back({ContentHash(bytes), bytes});
    }
    return request;
  }

  void CheckOldVersion(const ModelCollection& collection) {
    const Version at(random_() % (collection.model.latest().value + 1));
    for (uint64_t id = 0; id < kIds; id += 7) {
      const auto got = store_->FindPoint(collection.id, PointId(id), at);
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(got->value_or(kNoRow), collection.model.FindSlowly(PointId(id), at));
    }
  }

  std::mt19937_64 random_;
  FaultEnv env_;
  TempDir dir_;
  const std::string path_ = dir_.File("store");
  std::unique_ptr<Store> store_;
  std::map<std::string, ModelCollection> collections_;
  std::map<std::string, std::string> aliases_;
  std::set<uint64_t> ids_;
  std::function<bool()> pending_;
  uint64_t names_ = 0;
  uint64_t commits_ = 0;
  uint64_t kept_ = 0;
};

TEST(CrashModelTest, AcknowledgedCommitsOutliveThreeHundredPowerLosses) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  CrashModel model(seed);
  constexpr int kLives = 300;
  for (int life = 0; life < kLives && !testing::Test::HasFailure(); ++life) {
    SCOPED_TRACE(absl::StrCat("life ", life));
    model.Life();
    if (testing::Test::HasFailure()) return;
    if (life % 10 == 0) model.CheckAll();
    if (life % 60 == 59) model.VerifyOffline(model.path());
  }
  model.CheckAll();
  std::printf("seed %lu: %lu commits, %lu of them kept though not acknowledged\n",
              static_cast<unsigned long>(seed), static_cast<unsigned long>(model.commits()),
              static_cast<unsigned long>(model.kept_unacknowledged()));
}

// Whether the model notices a disk that does not sync the files of this ending, within 30 power
// losses.
bool IsNoticed(const std::string& ending, uint64_t seed) {
  testing::TestPartResultArray failures;
  const testing::ScopedFakeTestPartResultReporter reporter(
      testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
  CrashModel model(seed);
  model.env().IgnoreSyncsOf(ending);
  for (int life = 0; life < 30 && failures.size() == 0; ++life) {
    model.Life();
    if (failures.size() == 0) model.CheckAll();
  }
  return failures.size() > 0;
}

// The model is worth what it notices.
TEST(CrashModelTest, ADiskThatDoesNotSyncIsNoticed) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  EXPECT_TRUE(IsNoticed(".log", seed)) << "acknowledged commits may be lost";
  EXPECT_TRUE(IsNoticed("", seed)) << "everything may be lost";
}

// Several clients at once, so that groups are torn: each client's acknowledged commits are there, and each of its
// commits in flight is there wholly or not at all.
TEST(CrashModelTest, GroupsAreNeverHalfThere) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  TempDir dir;
  FaultEnv env(seed);
  StoreOptions options;
  options.path = dir.File("store");
  options.rocksdb_env = env.env();
  auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  const CollectionId id = (*store)->catalog().CreateCollection("t", "c", TwoFieldSchema(), 7)->id;
  constexpr int kClients = 6;
  constexpr uint64_t kRowsACommit = 3;
  std::vector<uint64_t> acknowledged(kClients, 0);  // commits of each client
  for (int life = 0; life < 40; ++life) {
    env.CrashAfter(10 + random() % 60);
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client] {
        while (true) {
          CommitRequest request;
          request.collection = id;
          const uint64_t number = acknowledged[client];
          request.request_id = absl::StrCat(client, ":", number);
          for (uint64_t i = 0; i < kRowsACommit; ++i) {
            const std::string name = absl::StrCat("p", client, ":", number, ":", i);
            request.upserts.push_back(MakeRow(*PointId::FromString(name), number));
          }
          if (!(*store)->commit_log().Commit(std::move(request)).ok()) return;
          ++acknowledged[client];
        }
      });
    }
    for (std::thread& client : clients) client.join();
    store->reset();
    env.Recover();
    store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto state = (*store)->GetState(id);
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(state->rows, state->latest.value * kRowsACommit);
    uint64_t total = 0;
    for (int client = 0; client < kClients; ++client) {
      uint64_t number = 0;
      for (;; ++number) {
        int rows = 0;
        for (uint64_t i = 0; i < kRowsACommit; ++i) {
          const std::string name = absl::StrCat("p", client, ":", number, ":", i);
          const auto row = (*store)->FindPoint(id, *PointId::FromString(name), state->latest);
          ASSERT_TRUE(row.ok()) << row.status();
          rows += row->has_value() ? 1 : 0;
        }
        if (rows == 0) break;
        ASSERT_EQ(rows, static_cast<int>(kRowsACommit)) << "client " << client << " commit " << number;
      }
      ASSERT_GE(number, acknowledged[client]);
      ASSERT_LE(number, acknowledged[client] + 1);
      acknowledged[client] = number;
      total += number;
    }
    EXPECT_EQ(total, state->latest.value);
  }
}

}  // namespace
}  // namespace vouch
