#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DatabaseTest : public QueryTest {
 protected:
  std::vector<std::string> IndexFolders() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/db/index")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(DatabaseTest, CollectionsAreKept) {
  Upsert({Point(1, {0, 0})});
  Create("other", Schema());
  Upsert({Point(2, {0, 0})});
  Reopen();
  EXPECT_THAT(Ids(Search(Request(All()))), ElementsAre(1));
  EXPECT_EQ(Upsert({Point(3, {0, 0})}), Version(2));
  Reopen("other");
  EXPECT_THAT(Ids(Search(Request(All()))), ElementsAre(2));
  const auto list = database_->ListCollections(principal_);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 2u);
  EXPECT_TRUE(
      database_->ListCollections({.tenant = "other", .subject = "a", .groups = {}})->empty());
}

TEST_F(DatabaseTest, UnknownAndExistingNames) {
  const absl::Status unknown = database_->GetCollection(principal_, "pionts").status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(unknown.ToString(), HasSubstr("points"));
  EXPECT_TRUE(
      absl::IsAlreadyExists(database_->CreateCollection(principal_, "points", Schema()).status()));
  EXPECT_TRUE(absl::IsNotFound(database_->DropCollection(principal_, "pionts")));
  const Principal other{.tenant = "other", .subject = "a", .groups = {}};
  EXPECT_TRUE(absl::IsNotFound(database_->DropCollection(other, "points")));
}

TEST_F(DatabaseTest, TheSameCollectionIsGivenToAll) {
  EXPECT_EQ(*database_->GetCollection(principal_, "points"), collection_);
}

TEST_F(DatabaseTest, OpeningWhatIsNotThere) {
  DatabaseOptions options;
  options.path = folder_.path() + "/none";
  options.create_if_missing = false;
  EXPECT_TRUE(absl::IsNotFound(Database::Open(options).status()));
  EXPECT_FALSE(std::filesystem::exists(options.path + "/index"));
  options.path = "";
  EXPECT_EQ(Database::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DatabaseTest, ADroppedCollectionSaysSo) {
  Upsert({Point(1, {0, 0})});
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  EXPECT_EQ(IndexFolders().size(), 1u);
  ASSERT_TRUE(database_->DropCollection(principal_, "points").ok());
  EXPECT_TRUE(IndexFolders().empty());
  const auto dropped = [](const absl::Status& status) {
    return absl::IsNotFound(status) && status.ToString().find("was dropped") != std::string::npos;
  };
  EXPECT_TRUE(dropped(collection_->Search(Request(All())).status()));
  EXPECT_TRUE(dropped(collection_->Count(std::nullopt, {}, principal_).status()));
  EXPECT_TRUE(dropped(collection_->Get({}, {}, {}, principal_).status()));
  EXPECT_TRUE(dropped(TryUpsert({Point(2, {0, 0})}).status()));
  EXPECT_TRUE(dropped(collection_->Resolve({}).status()));
  EXPECT_TRUE(dropped(collection_->CreateTag("t", {}).status()));
  EXPECT_TRUE(dropped(collection_->ListTags().status()));
  EXPECT_TRUE(dropped(collection_->DeleteTag("t")));
  EXPECT_TRUE(dropped(collection_->Optimize({}, nullptr)));
  EXPECT_EQ(collection_->Stats().rows, 0u);
  EXPECT_TRUE(absl::IsNotFound(database_->GetCollection(principal_, "points").status()));
  // The name is free again, and the new collection has nothing of the old one.
  Create("points", Schema());
  EXPECT_TRUE(Search(Request(All())).hits.empty());
}

TEST_F(DatabaseTest, DroppingUnderReadersAndWritersCrashesNothing) {
  std::vector<PointInput> points;
  for (uint64_t i = 0; i < 500; ++i) points.push_back(Point(i, {static_cast<float>(i), 0}));
  Upsert(std::move(points));
  std::atomic<int> refused = 0;
  const auto run = [&](const std::function<absl::Status()>& call) {
    for (;;) {
      const absl::Status status = call();
      if (status.ok()) continue;
      EXPECT_TRUE(absl::IsNotFound(status)) << status;
      ++refused;
      return;
    }
  };
  std::vector<std::thread> threads;
  threads.emplace_back(run, [&] { return collection_->Search(Request(Dense({3, 0}))).status(); });
  threads.emplace_back(run, [&] { return collection_->Search(Request(All(), 400)).status(); });
  threads.emplace_back(run, [&] { return TryUpsert({Point(1, {1, 1})}).status(); });
  threads.emplace_back(run, [&] { return collection_->WaitIdle({}); });
  while (collection_->Stats().version < Version(20)) std::this_thread::yield();
  EXPECT_TRUE(database_->DropCollection(principal_, "points").ok());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 4);
}

TEST_F(DatabaseTest, FoldersOfDroppedCollectionsGoAtOpening) {
  Upsert({Point(1, {0, 0})});
  std::filesystem::create_directories(folder_.path() + "/db/index/c999");
  std::filesystem::create_directories(folder_.path() + "/db/index/keep.me");
  Reopen();
  const std::vector<std::string> folders = IndexFolders();
  EXPECT_THAT(folders, testing::Not(testing::Contains("c999")));
  EXPECT_THAT(folders, testing::Contains("keep.me"));
}

TEST_F(DatabaseTest, ACollectionOutlivesItsDatabaseAsAnError) {
  Upsert({Point(1, {0, 0})});
  database_.reset();
  EXPECT_EQ(collection_->Search(Request(All())).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(collection_->Stats().rows, 0u);
}

TEST_F(DatabaseTest, ManyThreadsOpenOneCollectionOnce) {
  Upsert({Point(1, {0, 0})});
  collection_.reset();
  database_.reset();
  Open();
  std::vector<std::shared_ptr<Collection>> got(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] {
      auto collection = database_->GetCollection(principal_, "points");
      if (collection.ok()) got[i] = *std::move(collection);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& collection : got) EXPECT_EQ(collection, got[0]);
  collection_ = got[0];
  EXPECT_THAT(Ids(Search(Request(All()))), ElementsAre(1));
}

TEST_F(DatabaseTest, WhatOneThreadWroteAllThreadsSee) {
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 25; ++i) {
        const uint64_t id = t * 1000 + i;
        const auto written = TryUpsert({Point(id, {static_cast<float>(id), 7})});
        ASSERT_TRUE(written.ok()) << written.status();
        SearchRequest request = Request(Dense({static_cast<float>(id), 7}), 1);
        request.at = ReadAt{written->version};
        const SearchResponse response = Search(request);
        ASSERT_EQ(response.hits.size(), 1u);
        EXPECT_EQ(response.hits[0].id, Id(id));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*collection_->Count(std::nullopt, {}, principal_), 100u);
}

}  // namespace
}  // namespace vouch
