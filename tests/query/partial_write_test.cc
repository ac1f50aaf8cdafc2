#include <thread>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

WriteCondition Must(decltype(WriteCondition::must) must) {
  return {.id = std::nullopt, .must = std::move(must)};
}

class PartialWriteTest : public QueryTest {
 protected:
  absl::StatusOr<WriteResult> Put(std::vector<PointInput> points,
                                  std::vector<WriteCondition> conditions,
                                  std::string request_id = "") {
    WriteRequest request;
    request.upserts = std::move(points);
    request.conditions = std::move(conditions);
    request.request_id = std::move(request_id);
    request.principal = principal_;
    return collection_->Write(std::move(request));
  }
  UpdateRequest ById(uint64_t id, PointChange change) {
    UpdateRequest request;
    request.updates.push_back({Id(id), std::move(change)});
    request.principal = principal_;
    return request;
  }
  UpdateRequest ByFilter(Filter filter, PointChange change) {
    UpdateRequest request;
    request.selection.emplace();
    request.selection->filter = std::move(filter);
    request.change = std::move(change);
    request.principal = principal_;
    return request;
  }
  DeleteByFilterRequest Delete(Filter filter) {
    DeleteByFilterRequest request;
    request.selection.filter = std::move(filter);
    request.principal = principal_;
    return request;
  }
  PointHit Read(uint64_t id, ReadAt at = {}) {
    const PointId ids[] = {Id(id)};
    const auto points = collection_->Get(
        ids, at, {.vectors = true, .provenance = true, .access = true, .written_version = true},
        principal_);
    EXPECT_TRUE(points.ok()) << points.status();
    EXPECT_TRUE(points.ok() && (*points)[0].has_value()) << id;
    return points.ok() && (*points)[0].has_value() ? *(*points)[0] : PointHit();
  }
  bool IsThere(uint64_t id, ReadAt at = {}) {
    const PointId ids[] = {Id(id)};
    const auto points = collection_->Get(ids, at, {}, principal_);
    return points.ok() && (*points)[0].has_value();
  }
  uint64_t Latest() { return collection_->Stats().version.value; }
};

TEST_F(PartialWriteTest, IfAbsent) {
  ASSERT_TRUE(Put({Point(1, {1, 0})}, {Must(WriteCondition::Absent{})}).ok());
  const auto again = Put({Point(2, {2, 0}), Point(1, {3, 0})}, {Must(WriteCondition::Absent{})});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(again.status().ToString(),
              HasSubstr("point 1: the write asks that it is not there; it is there, as row 0, last "
                        "written at version 1"));
  EXPECT_FALSE(IsThere(2));  // all or nothing
  EXPECT_EQ(Latest(), 1u);
}

TEST_F(PartialWriteTest, IfVersion) {
  ASSERT_TRUE(Put({Point(1, {1, 0}), Point(2, {2, 0})}, {}).ok());
  ASSERT_TRUE(Put({Point(1, {5, 0})}, {Must(Version(1))}).ok());
  const auto stale = Put({Point(1, {6, 0})}, {Must(Version(1))});
  EXPECT_EQ(stale.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(stale.status().ToString(), HasSubstr("last written at version 2"));
  EXPECT_TRUE(Put({Point(2, {7, 0})}, {Must(Version(1))}).ok());  // not touched since
  const auto none = Put({Point(3, {7, 0})}, {Must(Version(1))});
  EXPECT_THAT(none.status().ToString(), HasSubstr("it is not there"));
  EXPECT_THAT(Put({Point(1, {7, 0})}, {Must(Version(99))}).status().ToString(),
              HasSubstr("no commit has the version 99"));
  WriteRequest erase;
  erase.deletes = {Id(1)};
  erase.conditions = {Must(Version(2))};
  erase.principal = principal_;
  EXPECT_TRUE(collection_->Write(erase).ok());
  EXPECT_FALSE(IsThere(1));
}

TEST_F(PartialWriteTest, IfMatches) {
  ASSERT_TRUE(Put({Point(1, {1, 0}, R"({"year":2000})")}, {}).ok());
  const Filter old = Compare("year", FilterOp::kLt, int64_t{2010});
  ASSERT_TRUE(Put({Point(1, {1, 0}, R"({"year":2020})")}, {Must(old)}).ok());
  const auto failed = Put({Point(1, {1, 0}, R"({"year":2030})")}, {Must(old)});
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(failed.status().ToString(),
              HasSubstr("point 1: it does not meet the write's filter, last written at version 2"));
  EXPECT_THAT(Put({Point(9, {1, 0})}, {Must(old)}).status().ToString(), HasSubstr("is not there"));
  EXPECT_EQ(Put({Point(1, {1, 0})}, {Must(Compare("nothing", FilterOp::kEq, int64_t{1}))})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PartialWriteTest, AKnownRequestIsAnsweredBeforeItsConditions) {
  const auto first = Put({Point(1, {1, 0})}, {Must(WriteCondition::Absent{})}, "once");
  ASSERT_TRUE(first.ok());
  const auto again = Put({Point(1, {1, 0})}, {Must(WriteCondition::Absent{})}, "once");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->version, first->version);
}

TEST_F(PartialWriteTest, OneOfManyWritersWins) {
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto x = static_cast<float>(i);
      won += Put({Point(1, {x, 0})}, {Must(WriteCondition::Absent{})}).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(collection_->Stats().rows, 1u);
}

TEST_F(PartialWriteTest, ConcurrentPatchesAllCount) {
  ASSERT_TRUE(Put({Point(1, {1, 0}, "{}")}, {}).ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 5; ++n) {
        PointChange change;
        change.payload_patch = "{\"k" + std::to_string(i) + "_" + std::to_string(n) + "\":1}";
        absl::StatusOr<WriteResult> result = absl::AbortedError("");
        while (absl::IsAborted(result.status())) result = collection_->Update(ById(1, change));
        EXPECT_TRUE(result.ok()) << result.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string payload = Read(1).payload;
  EXPECT_EQ(std::count(payload.begin(), payload.end(), ':'), 20) << payload;
}

TEST_F(PartialWriteTest, APatchLeavesAllElseBitByBit) {
  CollectionSchema schema = Schema();
  schema.dense[0].metric = Metric::kCosine;
  schema.dense.push_back(Vectors("w", 3, Metric::kCosine));
  schema.sparse = {{.name = "s"}};
  Create("cosine", schema);
  PointInput point = Point(1, {0.3f, 0.7f}, R"({"a": 1.10, "b": {"c": 1, "d": 2}})");
  point.vectors.emplace_back("w", std::vector<float>{1, 2, 3});
  point.sparse_vectors.emplace_back("s", SparseVector{{7, 3}, {0.5f, 0.25f}});
  point.access = {"team"};
  point.provenance = R"({"from":"x"})";
  principal_.groups = {"team"};
  ASSERT_TRUE(Put({point}, {}).ok());
  const PointHit before = Read(1);
  PointChange change;
  change.payload_patch = R"({"b":{"c":null},"e":true})";
  change.vectors.emplace_back("w", std::vector<float>{0, 3, 4});
  const auto result = collection_->Update(ById(1, change));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->matched, 1u);
  EXPECT_EQ(result->retired, 1u);
  const PointHit after = Read(1);
  EXPECT_EQ(after.payload, R"({"a":1.10,"b":{"d":2},"e":true})");
  EXPECT_EQ(after.vectors.at("v"), before.vectors.at("v"));
  EXPECT_THAT(after.vectors.at("w"), ElementsAre(0, 0.6f, 0.8f));
  EXPECT_EQ(after.sparse_vectors, before.sparse_vectors);
  EXPECT_EQ(after.provenance, before.provenance);
  EXPECT_THAT(after.access, ElementsAre("team"));
  EXPECT_EQ(after.written_version, Version(2));
  EXPECT_EQ(Read(1, At(1)).payload, before.payload);  // history stays
}

TEST_F(PartialWriteTest, RemovingAndAccess) {
  ASSERT_TRUE(Put({Point(1, {1, 2}, R"({"a":{"b":1,"c":2}})")}, {}).ok());
  PointChange change;
  change.remove_keys = {"a.b", "nothing.there"};
  change.remove_vectors = {"v"};
  change.access = std::vector<std::string>{"anonymous"};
  ASSERT_TRUE(collection_->Update(ById(1, change)).ok());
  principal_.subject = "anonymous";
  EXPECT_EQ(Read(1).payload, R"({"a":{"c":2}})");
  EXPECT_TRUE(Read(1).vectors.empty());
  principal_.subject = "somebody else";
  EXPECT_FALSE(IsThere(1));
  // Who does not see a point does not change it.
  EXPECT_EQ(collection_->Update(ById(1, change)).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PartialWriteTest, MistakesNameThePoint) {
  ASSERT_TRUE(Put({Point(1, {1, 2})}, {}).ok());
  const auto error = [&](PointChange change) {
    return collection_->Update(ById(1, std::move(change))).status().ToString();
  };
  EXPECT_THAT(error({}), HasSubstr("point '1' (updates[0]): it changes nothing"));
  EXPECT_THAT(error({.payload_patch = "[1]"}), HasSubstr("is not a JSON object"));
  EXPECT_THAT(error({.payload_patch = R"({"year":"soon"})"}), HasSubstr("year"));
  EXPECT_THAT(error({.vectors = {{"v", {1, 2, 3}}}}), HasSubstr("3 dimensions"));
  EXPECT_THAT(error({.remove_vectors = {"w"}}), HasSubstr("no vector field 'w'"));
  UpdateRequest missing = ById(2, {.remove_keys = {"a"}});
  EXPECT_THAT(collection_->Update(missing).status().ToString(), HasSubstr("point 2 (updates[0])"));
  missing.skip_missing = true;
  ASSERT_TRUE(collection_->Update(missing).ok());
  EXPECT_EQ(Latest(), 1u);
  EXPECT_EQ(Read(1).payload, "{}");
}

TEST_F(PartialWriteTest, ByFilterWithGuards) {
  for (uint64_t id = 0; id < 10; ++id) {
    const std::string year = std::to_string(2000 + id);
    ASSERT_TRUE(Put({Point(id, {1, 0}, "{\"year\":" + year + "}")}, {}).ok());
  }
  const Filter old = Compare("year", FilterOp::kLt, int64_t{2004});
  UpdateRequest update = ByFilter(old, {.payload_patch = R"({"lang":"de"})"});
  update.dry_run = true;
  EXPECT_EQ(collection_->Update(update)->matched, 4u);
  update.dry_run = false;
  update.selection->expected_count = 5;
  EXPECT_THAT(collection_->Update(update).status().ToString(),
              HasSubstr("the filter matches 4 points at version 10, not the expected 5"));
  EXPECT_EQ(Latest(), 10u);
  update.selection->expected_count = 4;
  EXPECT_EQ(collection_->Update(update)->upserted, 4u);
  EXPECT_EQ(Read(3).payload, R"({"year":2003,"lang":"de"})");

  DeleteByFilterRequest erase = Delete(Compare("lang", FilterOp::kEq, "de"));
  erase.selection.limit = 3;
  EXPECT_THAT(collection_->DeleteByFilter(erase).status().ToString(),
              HasSubstr("4 points at version 11, over the limit of 3"));
  erase.selection.limit = 4;
  erase.dry_run = true;
  EXPECT_EQ(collection_->DeleteByFilter(erase)->matched, 4u);
  EXPECT_EQ(Latest(), 11u);
  erase.dry_run = false;
  erase.request_id = "sweep";
  const auto done = collection_->DeleteByFilter(erase);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->retired, 4u);
  EXPECT_FALSE(IsThere(0));
  EXPECT_TRUE(IsThere(0, At(11)));
  const auto again = collection_->DeleteByFilter(erase);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->retired, 4u);
  erase.request_id.clear();
  EXPECT_EQ(collection_->DeleteByFilter(erase)->version, Version(12));  // nothing, no commit
}

TEST_F(PartialWriteTest, DiffNamesWhatChanged) {
  ASSERT_TRUE(Put({Point(1, {1, 0}, R"({"year":1})"), Point(2, {2, 0}), Point(3, {3, 0})}, {}).ok());
  ASSERT_TRUE(Put({Point(1, {9, 0}, R"({"year":2,"lang":"de"})"), Point(4, {4, 0})}, {}).ok());
  ASSERT_TRUE(collection_->DeleteByFilter(Delete({.op = FilterOp::kHasId, .values = {"2"}})).ok());
  DiffRequest request{.from = At(1), .to = At(3), .principal = principal_};
  const auto diff = collection_->Diff(request);
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_EQ(diff->points_from, 3u);
  EXPECT_EQ(diff->points_to, 3u);
  EXPECT_EQ(diff->added, 1u);
  EXPECT_EQ(diff->replaced, 1u);
  EXPECT_EQ(diff->retired, 1u);
  ASSERT_EQ(diff->entries.size(), 3u);
  EXPECT_EQ(diff->entries[0].id, Id(1));
  EXPECT_EQ(diff->entries[0].kind, DiffKind::kReplaced);
  EXPECT_THAT(diff->entries[0].changed, ElementsAre("payload.year", "payload.lang", "vector v"));
  EXPECT_EQ(diff->entries[1].id, Id(4));
  EXPECT_EQ(diff->entries[1].kind, DiffKind::kAdded);
  EXPECT_EQ(diff->entries[2].id, Id(2));
  EXPECT_EQ(diff->entries[2].kind, DiffKind::kRetired);
  // Page by page the same.
  request.limit = 1;
  std::vector<PointId> ids;
  for (int page = 0; page < 3; ++page) {
    const auto one = collection_->Diff(request);
    ASSERT_TRUE(one.ok() && one->entries.size() == 1) << one.status();
    ids.push_back(one->entries[0].id);
    request.cursor = one->next_cursor;
    EXPECT_EQ(request.cursor.empty(), page == 2);
  }
  EXPECT_THAT(ids, ElementsAre(Id(1), Id(4), Id(2)));
  request.cursor = "d1-2-0";
  EXPECT_THAT(collection_->Diff(request).status().ToString(), HasSubstr("of versions 1 and 2"));
  request.cursor = "nonsense";
  EXPECT_EQ(collection_->Diff(request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(collection_->Diff({.from = At(3), .to = At(1), .principal = principal_})
                  .status()
                  .ToString(),
              HasSubstr("version 3 comes after version 1"));
}

TEST_F(PartialWriteTest, RestoreIsANewCommit) {
  ASSERT_TRUE(Put({Point(1, {1, 0}, R"({"year":1})"), Point(2, {2, 0})}, {}).ok());
  ASSERT_TRUE(Put({Point(1, {9, 0}), Point(3, {3, 0})}, {}).ok());
  RestoreRequest request{.at = Version(1), .dry_run = true, .principal = principal_};
  EXPECT_EQ(collection_->Restore(request)->matched, 2u);
  EXPECT_EQ(Latest(), 2u);
  request.dry_run = false;
  const auto restored = collection_->Restore(request);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->version, Version(3));
  EXPECT_EQ(Read(1).payload, R"({"year":1})");
  EXPECT_EQ(Read(1).vectors, Read(1, At(1)).vectors);
  EXPECT_FALSE(IsThere(3));
  EXPECT_TRUE(IsThere(3, At(2)));
  request.at = Version(3);
  EXPECT_EQ(collection_->Restore(request)->version, Version(3));  // nothing to do, no commit
  request.at = Version(9);
  EXPECT_EQ(collection_->Restore(request).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(PartialWriteTest, AliasesMoveTogether) {
  Create("other", Schema());
  const AliasMove both[] = {{"live", "points"}, {"next", "other"}};
  ASSERT_TRUE(database_->MoveAliases(principal_, both).ok());
  EXPECT_EQ((*database_->GetCollection(principal_, "live"))->info().name, "points");
  const AliasMove half[] = {{"live", "other"}, {"next", "nowhere"}};
  EXPECT_EQ(database_->MoveAliases(principal_, half).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ((*database_->GetCollection(principal_, "live"))->info().name, "points");
  const AliasMove taken[] = {{"other", "points"}};
  EXPECT_EQ(database_->MoveAliases(principal_, taken).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(database_->CreateCollection(principal_, "live", Schema()).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(database_->DropCollection(principal_, "live").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(database_->DropCollection(principal_, "other").ToString(),
              HasSubstr("the collection \"other\" has the alias next"));
  Reopen("points");
  EXPECT_EQ(database_->ListAliases(principal_)->size(), 2u);
  const AliasMove swap[] = {{"live", "other"}, {"next", ""}};
  ASSERT_TRUE(database_->MoveAliases(principal_, swap).ok());
  EXPECT_EQ((*database_->GetCollection(principal_, "live"))->info().name, "other");
  EXPECT_EQ(database_->GetCollection(principal_, "next").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace vouch
