// What stays readable answers as it did, whatever is let go, merged and reopened.
#include <map>
#include <random>
#include <set>
#include <thread>

#include "storage/store.h"
#include "query/hold_version.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// All that one version answered when it was the latest.
struct Answers {
  std::vector<std::pair<uint64_t, double>> dense, text, hybrid, all, filtered;
  std::vector<std::string> payloads;
  friend bool operator==(const Answers&, const Answers&) = default;
};

class RetentionTest : public QueryTest {
 protected:
  RetentionTest() { seal_rows_ = 40; }

  std::vector<std::pair<uint64_t, double>> Scored(QueryNode query, const ReadAt& at, bool filtered = false) const {
    SearchRequest request = Request(std::move(query), 15);
    request.at = at;
    if (filtered) request.filter = Compare("year", FilterOp::kLt, int64_t{2005});
    std::vector<std::pair<uint64_t, double>> scored;
    for (const PointHit& hit : Search(request).hits) scored.emplace_back(hit.id.number(), hit.score);
    return scored;
  }
  Answers Ask(const ReadAt& at) const {
    Answers answers;
    answers.dense = Scored(Dense({3.25f, 1.5f}), at);
    answers.text = Scored(Text("w1 w3"), at);
    answers.hybrid = Scored(Fuse({Dense({7, 7}), Text("w2")}), at);
    answers.all = Scored(All(), at);
    answers.filtered = Scored(Text("w0 w4"), at, true);
    std::vector<PointId> ids;
    for (uint64_t i = 0; i < kPoints; ++i) ids.push_back(Id(i));
    Projection everything;
    everything.vectors = true;
    const auto points = collection_->Get(ids, at, everything, principal_);
    EXPECT_TRUE(points.ok()) << points.status();
    if (!points.ok()) return answers;
    for (const auto& point : *points) answers.payloads.push_back(point ? point->payload : "none");
    return answers;
  }
  void WriteOnce() {
    std::vector<uint64_t> ids(kPoints);
    for (uint64_t id = 0; id < kPoints; ++id) ids[id] = id;
    std::shuffle(ids.begin(), ids.end(), random_);
    ids.resize(1 + random_() % 9);
    clock_.now_us += 1000;
    if (random_() % 4 == 0) {
      Delete(ids);
    } else {
      std::vector<PointInput> points;
      for (uint64_t id : ids) {
        points.push_back(Point(id, {static_cast<float>(random_() % 10), static_cast<float>(random_() % 10)},
                               "{\"text\":\"w" + std::to_string(random_() % 5) + " w" + std::to_string(random_() % 5) +
                                   "\",\"year\":" + std::to_string(2000 + random_() % 10) + "}"));
      }
      Upsert(std::move(points));
    }
    history_[collection_->Stats().version.value] = Ask({});
  }
  void LetGo(uint64_t horizon, std::vector<Version> pinned = {}) {
    const auto result = collection_->LetGo({.horizon = Version(horizon), .pinned = std::move(pinned), .actor = principal_});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->state.pending);
  }
  void ExpectHistory(const std::string& when) const {
    const auto state = collection_->Retention();
    ASSERT_TRUE(state.ok()) << state.status();
    for (const auto& [version, answers] : history_) {
      if (state->IsReadable(Version(version))) {
        ASSERT_EQ(Ask(At(version)), answers) << when << ", version " << version;
        continue;
      }
      SearchRequest request = Request(All());
      request.at = At(version);
      ASSERT_TRUE(absl::IsOutOfRange(collection_->Search(request).status())) << when << ", version " << version;
    }
  }
  void ExpectSound() {
    collection_.reset();
    database_.reset();
    const auto report = VerifyStore({.path = folder_.path() + "/db/store"});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->problems, testing::IsEmpty());
    Open();
    collection_ = *database_->GetCollection(principal_, "points");
  }

  static constexpr uint64_t kPoints = 30;
  std::mt19937_64 random_;
  std::map<uint64_t, Answers> history_;
};

TEST_F(RetentionTest, VersionsThatStayAnswerAsTheyDid) {
  const char* text = std::getenv("VOUCH_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  SCOPED_TRACE(seed);
  random_.seed(seed);
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 6; ++i) WriteOnce();
    const uint64_t latest = collection_->Stats().version.value;
    if (random_() % 2 == 0) {
      const auto state = collection_->Retention();
      const Version tagged(1 + random_() % latest);
      EXPECT_EQ(collection_->CreateTag("t" + std::to_string(round), ReadAt{tagged}).ok(), state->IsReadable(tagged));
    }
    if (random_() % 3 != 0) {
      const uint64_t oldest = collection_->Retention()->horizon.value;
      ASSERT_NO_FATAL_FAILURE(LetGo(oldest + random_() % (latest - oldest + 1), {Version(random_() % latest)}));
      ASSERT_NO_FATAL_FAILURE(ExpectHistory("after letting go"));
    }
    if (random_() % 4 == 0) {
      const auto tags = collection_->ListTags();
      if (!tags->empty()) {
        ASSERT_TRUE(collection_->DeleteTag((*tags)[random_() % tags->size()].name).ok());
      }
    }
    switch (random_() % 4) {
      case 0:
        ASSERT_TRUE(collection_->WaitIdle({}).ok());
        break;
      case 1:
        ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
        break;
      case 2:
        Reopen();
        break;
      default:
        break;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectHistory("after round " + std::to_string(round)));
    EXPECT_EQ(collection_->Stats().index.last_error, "");
  }
  ExpectSound();
  ExpectHistory("at the end");
}

TEST_F(RetentionTest, AReadBelowTheHorizonNamesItAndThePolicy) {
  SchemaChange change;
  change.retention = RetentionPolicy{.history_us = 86'400'000'000, .versions = 2};
  ASSERT_TRUE(collection_->Alter({.change = change, .principal = principal_}).ok());  // version 1
  for (int i = 0; i < 4; ++i) Upsert({Point(1, {0, static_cast<float>(i)})});
  ASSERT_TRUE(collection_->CreateTag("baseline", At(3)).ok());
  LetGo(4);
  SearchRequest request = Request(All());
  request.at = At(2);
  EXPECT_THAT(SearchError(request),
              HasSubstr("version 2 of collection 'points' was let go: the oldest version kept is 4 (its retention keeps the "
                        "last 2 versions and 1d of history); older ones that pins keep: 3"));
  // By every way to a version.
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Count(std::nullopt, At(2), principal_).status()));
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Get(std::vector<PointId>{Id(1)}, At(2), {}, principal_).status()));
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Diff({.from = At(2), .principal = principal_}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Restore({.at = Version(2), .principal = principal_}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(collection_->CreateTag("late", At(2)).status()));
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Resolve(At(2)).status()));
  // Across the horizon from what a pin keeps.
  const auto diff = collection_->Diff({.from = At(3), .principal = principal_});
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_EQ(diff->replaced, 1u);
  const auto restored = collection_->Restore({.at = Version(3), .principal = principal_});
  ASSERT_TRUE(restored.ok()) << restored.status();
  // The commits are still listed.
  EXPECT_EQ(collection_->Versions(Version(1), Version(9), 9)->size(), 6u);
  EXPECT_TRUE(absl::IsOutOfRange(collection_->LetGo({.horizon = Version(99)}).status()));
}

TEST_F(RetentionTest, ACursorOfAVersionThatWentSaysSo) {
  Upsert({Point(1, {0, 0}), Point(2, {0, 1})});
  SearchRequest request = Request(All(), 1);
  const SearchResponse first = Search(request);
  ASSERT_NE(first.next_cursor, "");
  Upsert({Point(1, {1, 0})});
  LetGo(2);
  request.cursor = first.next_cursor;
  EXPECT_THAT(SearchError(request), HasSubstr("was let go"));
}

TEST_F(RetentionTest, LargeSharesOfSegmentsAreDropped) {
  const auto write = [&](int value) {
    std::vector<PointInput> points;
    for (uint64_t id = 0; id < 100; ++id) {
      points.push_back(Point(id, {static_cast<float>(id), static_cast<float>(value)},
                             "{\"text\":\"same words w" + std::to_string(id) + "\"}"));
    }
    Upsert(std::move(points));
  };
  write(0);
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  write(1);
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  write(2);
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  const auto bytes = [&] {
    uint64_t sum = 0;
    for (const SegmentInfo& segment : collection_->Stats().index.segments) sum += segment.file_bytes;
    return sum;
  };
  const uint64_t before = bytes();
  const Answers latest = Ask({});
  LetGo(3);
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  EXPECT_LT(bytes(), before * 2 / 3);
  EXPECT_EQ(Ask({}), latest);
  Reopen();
  EXPECT_EQ(Ask({}), latest);
  EXPECT_EQ(collection_->Stats().index.files_damaged, 0u);
}

TEST_F(RetentionTest, ReadersOfAVersionThatGoesEndAsTheyBegan) {
  for (int i = 0; i < 20; ++i) Upsert({Point(1, {0, 0}), Point(2, {static_cast<float>(i), 0})});
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      while (!stop.load()) {
        const uint64_t latest = collection_->Stats().version.value;
        SearchRequest request = Request(Dense({0, 0}));
        request.at = random() % 2 == 0 ? At(latest - random() % 10) : ReadAt{};
        request.projection.vectors = true;
        const auto response = collection_->Search(request);
        if (response.ok()) {
          EXPECT_EQ(response->hits.size(), 2u);
        } else {
          EXPECT_TRUE(absl::IsOutOfRange(response.status())) << response.status();
          EXPECT_THAT(std::string(response.status().message()), HasSubstr("the oldest version kept"));
        }
        ++reads;
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    Upsert({Point(1, {0, 0}), Point(2, {static_cast<float>(i), 0})});
    const auto result = collection_->LetGo({.horizon = Version(collection_->Stats().version.value - 3)});
    EXPECT_TRUE(result.ok()) << result.status();
  }
  while (reads.load() < 20) std::this_thread::yield();
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  LetGo(collection_->Stats().version.value);
  ExpectSound();
}

TEST_F(RetentionTest, AHeldVersionStaysUntilItIsLetGoOf) {
  for (int i = 0; i < 5; ++i) Upsert({Point(1, {static_cast<float>(i), 0})});
  auto hold = HoldVersion(*collection_, Version(2));
  ASSERT_TRUE(hold.ok()) << hold.status();
  LetGo(5);
  SearchRequest request = Request(Dense({1, 0}));
  request.at = At(2);
  EXPECT_EQ(Search(request).hits.size(), 1u);
  request.at = At(3);
  EXPECT_THAT(SearchError(request), HasSubstr("OUT_OF_RANGE"));
  EXPECT_EQ(HoldVersion(*collection_, Version(3)).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(HoldVersion(*collection_, Version(9)).status().code(), absl::StatusCode::kOutOfRange);
  hold->reset();
  Upsert({Point(1, {9, 0})});
  LetGo(6);
  request.at = At(2);
  EXPECT_THAT(SearchError(request), HasSubstr("OUT_OF_RANGE"));
  ExpectSound();
}

}  // namespace
}  // namespace vouch
