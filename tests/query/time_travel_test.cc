#include <filesystem>
#include <map>
#include <random>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// All that one version answered when it was the latest.
struct Answers {
  std::vector<std::pair<uint64_t, double>> dense, text, hybrid, all;
  uint64_t count = 0;
  std::vector<std::string> payloads;
  friend bool operator==(const Answers&, const Answers&) = default;
};

class TimeTravelTest : public QueryTest {
 protected:
  TimeTravelTest() { seal_rows_ = 50; }

  std::vector<std::pair<uint64_t, double>> Scored(QueryNode query, const ReadAt& at) const {
    SearchRequest request = Request(std::move(query), 15);
    request.at = at;
    std::vector<std::pair<uint64_t, double>> scored;
    for (const PointHit& hit : Search(request).hits)
      scored.emplace_back(hit.id.number(), hit.score);
    return scored;
  }

  Answers Ask(const ReadAt& at) const {
    Answers answers;
    answers.dense = Scored(Dense({3.25f, 1.5f}), at);
    answers.text = Scored(Text("w1 w3"), at);
    answers.hybrid = Scored(Fuse({Dense({7, 7}), Text("w2")}), at);
    answers.all = Scored(All(), at);
    answers.count =
        *collection_->Count(Compare("year", FilterOp::kLt, int64_t{2005}), at, principal_);
    std::vector<PointId> ids;
    for (uint64_t i = 0; i < 40; ++i) ids.push_back(Id(i));
    const auto points = collection_->Get(ids, at, {}, principal_);
    EXPECT_TRUE(points.ok()) << points.status();
    for (const auto& point : *points) answers.payloads.push_back(point ? point->payload : "none");
    return answers;
  }

  // Random upserts and deletes over 40 points; keeps what each version answered.
  void WriteHistory(int commits) {
    for (int i = 0; i < commits; ++i) {
      std::vector<PointInput> points;
      std::vector<uint64_t> ids(40);
      for (uint64_t id = 0; id < 40; ++id) ids[id] = id;
      std::shuffle(ids.begin(), ids.end(), random_);
      ids.resize(1 + random_() % 12);
      clock_.now_us += 1000;
      if (random_() % 4 == 0) {
        Delete(ids);
      } else {
        for (uint64_t id : ids) {
          points.push_back(
              Point(id, {static_cast<float>(random_() % 10), static_cast<float>(random_() % 10)},
                    "{\"text\":\"w" + std::to_string(random_() % 5) + " w" +
                        std::to_string(random_() % 5) +
                        "\",\"year\":" + std::to_string(2000 + random_() % 10) + "}"));
        }
        Upsert(std::move(points));
      }
      const Version version = collection_->Stats().version;
      history_[version.value] = Ask({});
      time_of_[version.value] = clock_.now_us;
    }
  }

  void ExpectHistory(const std::string& when) const {
    for (const auto& [version, answers] : history_) {
      EXPECT_EQ(Ask(At(version)), answers) << when << ", version " << version;
    }
  }

  std::mt19937_64 random_{20261124};
  std::map<uint64_t, Answers> history_;
  std::map<uint64_t, int64_t> time_of_;
};

TEST_F(TimeTravelTest, EveryVersionAnswersAsItDid) {
  WriteHistory(40);
  ExpectHistory("at once");
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  ExpectHistory("after sealing");
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  ExpectHistory("after merging");
  Reopen();
  ExpectHistory("after reopening");
  collection_.reset();
  database_.reset();
  uint64_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.path() + "/db/index")) {
    files += entry.is_regular_file();
  }
  EXPECT_GT(files, 0u);
  std::filesystem::remove_all(folder_.path() + "/db/index");
  Open();
  collection_ = *database_->GetCollection(principal_, "points");
  ExpectHistory("after the index files were deleted");
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  ExpectHistory("after they were built again");
}

TEST_F(TimeTravelTest, TagsAndTimesNameVersions) {
  WriteHistory(6);
  const uint64_t middle = std::next(history_.begin(), 2)->first;
  ASSERT_TRUE(collection_->CreateTag("baseline", At(middle)).ok());
  WriteHistory(3);
  EXPECT_EQ(Ask(ReadAt{std::string("baseline")}), history_[middle]);
  EXPECT_EQ(Ask(ReadAt{ReadAt::AtTime{time_of_[middle]}}), history_[middle]);
  EXPECT_EQ(Ask(ReadAt{ReadAt::AtTime{time_of_[middle] + 999}}), history_[middle]);
  EXPECT_EQ(*collection_->Resolve(ReadAt{ReadAt::AtTime{0}}), Version(0));
  EXPECT_THAT(collection_->Resolve(ReadAt{std::string("basline")}).status().ToString(),
              HasSubstr("has no tag 'basline'; there are: baseline"));
  ASSERT_TRUE(collection_->DeleteTag("baseline").ok());
  EXPECT_THAT(collection_->Resolve(ReadAt{std::string("baseline")}).status().ToString(),
              HasSubstr("it has none"));
}

TEST_F(TimeTravelTest, TagNamesThatReadAsVersionsAreRefused) {
  Upsert({Point(1, {0, 0})});
  for (const char* name : {"latest", "v3", "12", "@now", ""}) {
    EXPECT_EQ(collection_->CreateTag(name, {}).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_TRUE(collection_->CreateTag("v3.1", {}).ok());
}

TEST_F(TimeTravelTest, TheFutureIsOutOfRange) {
  Upsert({Point(1, {0, 0})});
  SearchRequest request = Request(All());
  request.at = At(9);
  const absl::Status status = collection_->Search(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(status.ToString(),
              HasSubstr("version 9 of collection 'points' is not committed yet; the latest is 1"));
  EXPECT_EQ(collection_->Count(std::nullopt, At(2), principal_).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(TimeTravelTest, VersionZeroIsTheEmptyCollection) {
  Upsert({Point(1, {0, 0})});
  SearchRequest request = Request(Dense({0, 0}));
  request.at = At(0);
  EXPECT_THAT(Ids(Search(request)), IsEmpty());
  EXPECT_EQ(*collection_->Count(std::nullopt, At(0), principal_), 0u);
}

TEST_F(TimeTravelTest, VersionsAreListed) {
  clock_.now_us = 5;
  Upsert({Point(1, {0, 0}), Point(2, {0, 0})});
  Upsert({Point(1, {1, 0})});
  Delete({2});
  const auto commits = collection_->Versions(Version(0), Version(99), 10);
  ASSERT_TRUE(commits.ok()) << commits.status();
  ASSERT_EQ(commits->size(), 3u);
  EXPECT_EQ((*commits)[0].version, Version(1));
  EXPECT_EQ((*commits)[0].time_us, 5);
  EXPECT_EQ((*commits)[0].row_count, 2u);
  EXPECT_THAT((*commits)[1].retired, ElementsAre(RowId(0)));
  EXPECT_EQ((*commits)[2].live_rows, 1u);
  EXPECT_EQ(collection_->Versions(Version(2), Version(3), 1)->size(), 1u);
  EXPECT_TRUE(collection_->Versions(Version(4), Version(9), 5)->empty());
}

}  // namespace
}  // namespace vouch
