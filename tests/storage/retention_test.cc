// Histories are let go, and what stays readable stays as it was, against a model that keeps everything.
#include "storage/retention.h"

#include <random>
#include <set>

#include "absl/strings/escaping.h"
#include "storage/retention_table.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/store_model.h"

namespace vouch {
namespace {

using testing::HasSubstr;

class RetentionTest : public StoreTest {
 protected:
  CommitHeader Commit(CommitRequest request) {
    request.collection = c_;
    request.time_us = ++time_us_;
    const auto result = store_->commit_log().Commit(request);
    EXPECT_TRUE(result.ok()) << result.status();
    // What changes nothing makes no version.
    if (result.ok() && result->header.version > model_.latest()) model_.Apply(request);
    return result.ok() ? result->header : CommitHeader();
  }
  Version Put(std::vector<uint64_t> ids) {
    std::vector<RowInput> rows;
    for (const uint64_t id : ids) rows.push_back(MakeRow(id, ++number_));
    return Commit(Upsert(c_, std::move(rows))).version;
  }
  Version Remove(std::vector<uint64_t> ids) {
    CommitRequest request;
    for (const uint64_t id : ids) request.deletes.emplace_back(id);
    return Commit(std::move(request)).version;
  }
  RetentionState Raise(uint64_t horizon, std::vector<Version> pinned = {}) {
    const auto state = store_->RaiseHorizon({.collection = c_, .horizon = Version(horizon), .pinned = std::move(pinned)});
    EXPECT_TRUE(state.ok()) << state.status();
    return state.value_or(RetentionState());
  }
  uint64_t PurgeAll(std::vector<Version> held = {}) {
    uint64_t rows = 0;
    PurgeStep step;
    while (!step.done) {
      const auto next = store_->Purge(c_, step.next, held);
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok()) return rows;
      step = *next;
      for (const RowRange& range : step.purged) rows += range.size();
    }
    if (held.empty()) {
      EXPECT_TRUE(store_->EndPurge(c_, *store_->GetRetention(c_)).ok());
    }
    return rows;
  }
  // Every readable version's points, by id and by row, are those of the model.
  void CheckReadable(uint64_t ids) {
    const auto state = store_->GetRetention(c_);
    ASSERT_TRUE(state.ok());
    for (uint64_t version = 1; version <= model_.latest().value; ++version) {
      if (!state->IsReadable(Version(version))) continue;
      for (uint64_t id = 0; id < ids; ++id) {
        const RowId want = model_.FindSlowly(PointId(id), Version(version));
        const auto found = store_->FindPoint(c_, PointId(id), Version(version));
        ASSERT_TRUE(found.ok()) << found.status();
        ASSERT_EQ(found->value_or(kNoRow), want) << "point " << id << " at version " << version;
        if (want == kNoRow) continue;
        const auto row = store_->ReadRow(c_, want, true);
        ASSERT_TRUE(row.ok()) << row.status();
        ASSERT_EQ(row->id, PointId(id));
        ASSERT_EQ(row->vectors[0].size(), 3u);
      }
    }
  }
  void ExpectSound() {
    store_.reset();
    const auto report = VerifyStore({.path = dir_.File("store")});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->problems, testing::IsEmpty());
    Reopen();
  }
  uint64_t RowsThere() {
    uint64_t rows = 0;
    const auto state = store_->GetState(c_);
    EXPECT_TRUE(store_->ScanRows(c_, {RowId(0), RowId(state->rows)}, true, [&](RowRecord&&) {
      ++rows;
      return absl::OkStatus();
    }).ok());
    return rows;
  }

  CollectionModel model_;
  int64_t time_us_ = 0;
  uint64_t number_ = 0;
};

TEST_F(RetentionTest, LetsGoWhatOnlyOlderVersionsShow) {
  Put({1, 2});     // rows 0, 1
  Put({1});        // row 2 replaces row 0
  Remove({2});     // row 1 is gone
  Put({3});        // row 3
  EXPECT_TRUE(store_->GetRetention(c_)->IsReadable(Version(1)));
  EXPECT_EQ(*store_->CountPurgeable({.collection = c_, .horizon = Version(3)}), 2u);
  const RetentionState state = Raise(3);
  EXPECT_FALSE(state.IsReadable(Version(2)));
  EXPECT_TRUE(state.IsReadable(Version(3)));
  EXPECT_TRUE(state.pending);
  EXPECT_EQ(RowsThere(), 4u);
  EXPECT_EQ(PurgeAll(), 2u);
  EXPECT_EQ(RowsThere(), 2u);
  EXPECT_FALSE(store_->GetRetention(c_)->pending);
  EXPECT_EQ(store_->GetRetention(c_)->purged_rows, 2u);
  const absl::Status gone = store_->ReadRow(c_, RowId(0), false).status();
  EXPECT_TRUE(absl::IsOutOfRange(gone)) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr("let go"));
  CheckReadable(5);
  // The point that is gone starts anew.
  Put({2});
  EXPECT_EQ(store_->ReadRow(c_, RowId(4), false)->previous, kNoRow);
  CheckReadable(5);
  ExpectSound();
}

TEST_F(RetentionTest, PinsKeepTheirVersionsAndTheWayToThem) {
  Put({1});  // row 0
  ASSERT_TRUE(store_->catalog().CreateTag(c_, "first", Version(1), 1).ok());
  for (int i = 0; i < 5; ++i) Put({1});  // rows 1 to 5
  Remove({1});
  const RetentionState state = Raise(7, {Version(3)});
  EXPECT_THAT(state.kept, testing::ElementsAre(Version(1), Version(3)));
  EXPECT_EQ(PurgeAll(), 4u);  // all but rows 0 and 2
  CheckReadable(3);
  ExpectSound();
  CheckReadable(3);
  Put({1});
  CheckReadable(3);
  // A version that was let go is gone for good.
  EXPECT_TRUE(absl::IsOutOfRange(store_->catalog().CreateTag(c_, "late", Version(2), 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_->RaiseHorizon({.collection = c_, .horizon = Version(6)}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(
      store_->RaiseHorizon({.collection = c_, .horizon = Version(99)}).status()));
  // Without its pins the rest goes, too.
  ASSERT_TRUE(store_->catalog().DeleteTag(c_, "first").ok());
  EXPECT_THAT(Raise(7, {Version(2)}).kept, testing::IsEmpty());
  EXPECT_EQ(PurgeAll(), 2u);
  CheckReadable(3);
  ExpectSound();
}

TEST_F(RetentionTest, AVersionThatIsReadKeepsItsRows) {
  Put({1});
  Put({1});
  Raise(2);
  const std::vector<Version> held = {Version(1)};
  EXPECT_EQ(PurgeAll(held), 0u);
  EXPECT_TRUE(store_->ReadRow(c_, RowId(0), true).ok());
  EXPECT_TRUE(store_->GetRetention(c_)->pending);
  EXPECT_EQ(PurgeAll(), 1u);
}

TEST_F(RetentionTest, AllRowsMayGo) {
  Put({1, 2, 3});
  Remove({1, 2, 3});
  Raise(2);
  EXPECT_EQ(PurgeAll(), 3u);
  ExpectSound();
  EXPECT_EQ(store_->GetState(c_)->rows, 3u);
  Put({1});
  CheckReadable(4);
  ExpectSound();
}

TEST_F(RetentionTest, RandomHistoriesAgreeWithTheModel) {
  const char* text = std::getenv("VOUCH_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  constexpr uint64_t kIds = 12;
  int tag = 0;
  for (int i = 0; i < 150; ++i) {
    std::set<uint64_t> ids;
    for (uint64_t n = 1 + random() % 4; n > 0; --n) ids.insert(random() % kIds);
    const std::vector<uint64_t> list(ids.begin(), ids.end());
    random() % 3 == 0 ? Remove(list) : Put(list);
    const uint64_t latest = store_->GetState(c_)->latest.value;
    if (latest == 0) continue;
    const auto state = store_->GetRetention(c_);
    if (random() % 6 == 0) {
      const Version at(1 + random() % latest);
      const bool readable = state->IsReadable(at);
      EXPECT_EQ(store_->catalog().CreateTag(c_, "t" + std::to_string(tag++), at, 1).ok(), readable);
    }
    if (random() % 12 == 0) {
      const auto tags = store_->catalog().ListTags(c_);
      if (!tags->empty()) {
        EXPECT_TRUE(store_->catalog().DeleteTag(c_, (*tags)[random() % tags->size()].name).ok());
      }
    }
    if (random() % 5 == 0) {
      const uint64_t oldest = state->horizon.value;
      std::vector<Version> pinned;
      for (uint64_t n = random() % 3; n > 0; --n) pinned.push_back(Version(random() % (latest + 1)));
      Raise(oldest + random() % (latest - oldest + 1), pinned);
    }
    if (random() % 4 == 0) {
      // One step, or all.
      if (random() % 2 == 0) {
        ASSERT_TRUE(store_->Purge(c_, RowId(random() % 5), {}).ok());
      } else {
        PurgeAll();
      }
    }
    if (random() % 10 == 0) Reopen();
    if (i % 10 == 9) CheckReadable(kIds);
    if (i % 50 == 49) ExpectSound();
  }
  PurgeAll();
  CheckReadable(kIds);
}

TEST_F(RetentionTest, GoldenBytesOfTheState) {
  const RetentionState state{.horizon = Version(9),
                             .kept = {Version(2), Version(7)},
                             .raised_us = 5,
                             .actor = "t/me",
                             .pending = true,
                             .purged_rows = 300};
  const std::string value = EncodeRetention(CollectionId(3), state);
  EXPECT_EQ(absl::BytesToHexString(value).substr(0, 2 * (value.size() - 8)),
            "01" "0000000000000009" "0000000000000005" "01" "ac02" "04742f6d65" "020205");
  const auto read = DecodeRetention(CollectionId(3), value);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->kept, state.kept);
  EXPECT_EQ(read->purged_rows, 300u);
  EXPECT_TRUE(absl::IsDataLoss(DecodeRetention(CollectionId(4), value).status()));
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeRetention(CollectionId(3), value.substr(0, size)).status()));
  }
}

// --- alterations

TEST_F(RetentionTest, AnAlterationIsACommit) {
  Put({1});
  CollectionSchema schema = TwoFieldSchema();
  schema.retention.versions = 3;
  const Alteration alteration{.collection = c_, .schema = schema, .actor = {.tenant = "t", .subject = "me"},
                              .time_us = 50, .request_id = "alter-1"};
  int published = 0;
  const auto altered = store_->catalog().AlterCollection(alteration, [&](const CollectionInfo&) { ++published; });
  ASSERT_TRUE(altered.ok()) << altered.status();
  EXPECT_EQ(altered->commit.header.version, Version(2));
  EXPECT_EQ(altered->commit.header.actor, "t/me");
  EXPECT_EQ(altered->info.schema_version, Version(2));
  // The same again changes nothing.
  const auto again = store_->catalog().AlterCollection(alteration, [&](const CollectionInfo&) { ++published; });
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->commit.replayed);
  EXPECT_EQ(published, 1);
  // One that was made of the first schema comes too late, and so does a write.
  Alteration late = alteration;
  late.request_id = "alter-2";
  EXPECT_TRUE(absl::IsAborted(store_->catalog().AlterCollection(late, nullptr).status()));
  CommitRequest write = Upsert(c_, {MakeRow(1, 9)});
  const absl::Status aborted = store_->commit_log().Commit(write).status();
  EXPECT_TRUE(absl::IsAborted(aborted)) << aborted;
  EXPECT_TRUE(aborted.GetPayload(kSchemaAlteredPayload).has_value());
  write.schema_version = Version(2);
  EXPECT_TRUE(store_->commit_log().Commit(write).ok());
  ExpectSound();
  const auto info = store_->catalog().GetCollection("t", "c");
  EXPECT_EQ(info->schema.retention.versions, 3u);
  EXPECT_EQ(info->schema_version, Version(2));
  const auto schemas = store_->catalog().ListSchemas(c_);
  ASSERT_EQ(schemas->size(), 1u);
  EXPECT_EQ((*schemas)[0].first, Version(2));
  EXPECT_EQ((*schemas)[0].second.retention.versions, 0u);
}

}  // namespace
}  // namespace vouch
