#include "rag/retention/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/answer.h"
#include "rag/eval/evaluation_record.h"
#include "rag/migrate/migration_record.h"
#include "rag/retention/maintenance.h"
#include "storage/evaluation_records.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kHour = int64_t{3600} * 1'000'000;

class RetentionPolicyTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    collection_.reset();
    database_.reset();
    DatabaseOptions options;
    options.path = dir_.File("db");
    options.clock = &clock_;
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  void Create(RetentionPolicy retention, TtlPolicy ttl = {}) {
    CollectionSchema schema;
    schema.text.push_back({.name = "body", .paths = {"text"}});
    schema.retention = retention;
    schema.ttl = std::move(ttl);
    auto collection = database_->CreateCollection(principal_, "docs", schema);
    ASSERT_TRUE(collection.ok()) << collection.status();
    collection_ = *collection;
  }
  // A version an hour.
  void Write(int versions) {
    for (int i = 0; i < versions; ++i) {
      PointInput point;
      point.id = PointId(1);
      point.payload = R"({"text":"version"})";
      WriteRequest request;
      request.upserts.push_back(point);
      request.principal = principal_;
      ASSERT_TRUE(collection_->Write(std::move(request)).ok());
      clock_.now_us += kHour;
    }
  }
  RetentionReport Inspect() {
    const auto report = InspectRetention(*database_, *collection_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(RetentionReport());
  }
  RetentionReport Run() {
    const auto report = RunRetention(*database_, *collection_, principal_, CancelToken());
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(RetentionReport());
  }
  void KeepAnswer(const std::string& id, uint64_t version) {
    Answer answer;
    answer.id = id;
    answer.time_us = clock_.now_us;
    answer.tenant = principal_.tenant;
    answer.collection = "docs";
    answer.version = Version(version);
    answer.question = "Is this {\"version\": 99}?";
    ASSERT_TRUE(database_->store().PutAnswer(principal_.tenant, id, AnswerToJson(answer)).ok());
  }
  std::vector<std::string> PinWords() {
    std::vector<std::string> words;
    for (const VersionPin& pin : Inspect().pins) {
      words.push_back(std::string(PinKindName(pin.kind)) + " " + pin.name + " v" + std::to_string(pin.version.value) + " " +
                      std::to_string(pin.count) + (pin.and_later ? "+" : ""));
    }
    return words;
  }

  TempDir dir_;
  ManualClock clock_;
  Principal principal_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(RetentionPolicyTest, WithoutAPolicyAllStays) {
  Create({});
  Write(4);
  EXPECT_EQ(Run().rows_deleted, 0u);
  EXPECT_TRUE(collection_->Resolve(ReadAt{Version(1)}).ok());
}

TEST_F(RetentionPolicyTest, KeepsTheLastVersions) {
  Create({.versions = 2});
  Write(5);
  const RetentionReport before = Inspect();
  EXPECT_EQ(before.due, Version(4));
  EXPECT_EQ(before.versions_to_go, 3u);
  EXPECT_EQ(before.rows_to_go, 3u);
  EXPECT_TRUE(collection_->Resolve(ReadAt{Version(1)}).ok()) << "looking changes nothing";
  const RetentionReport after = Run();
  EXPECT_EQ(after.rows_deleted, 3u);
  EXPECT_EQ(after.versions_to_go, 0u);
  EXPECT_EQ(after.state.oldest(), Version(4));
  EXPECT_EQ(after.state.actor, principal_.tenant + "/" + principal_.subject);
  EXPECT_FALSE(after.state.pending);
}

TEST_F(RetentionPolicyTest, KeepsWhatWasLatestWithinASpan) {
  Create({.history_us = 2 * kHour + kHour / 2});
  Write(5);  // at hours 0 to 4; it is hour 5
  EXPECT_EQ(Inspect().due, Version(3)) << "the latest at hour 2.5";
  clock_.now_us += 100 * kHour;
  EXPECT_EQ(Inspect().due, Version(5)) << "the latest always stays";
}

TEST_F(RetentionPolicyTest, OfTwoRulesTheOneThatKeepsMoreCounts) {
  Create({.history_us = kHour, .versions = 3});
  Write(6);
  EXPECT_EQ(Inspect().due, Version(4));
  SchemaChange change;
  change.retention = RetentionPolicy{.history_us = 50 * kHour, .versions = 3};
  ASSERT_TRUE(collection_->Alter({.change = change, .principal = principal_}).ok());
  EXPECT_EQ(Inspect().due, Version(0));
}

TEST_F(RetentionPolicyTest, PinsAreShownAndHold) {
  Create({.versions = 1});
  Write(6);
  ASSERT_TRUE(collection_->CreateTag("baseline", ReadAt{Version(1)}).ok());
  KeepAnswer("answer-a", 2);
  KeepAnswer("answer-b", 2);
  EvaluationStore evaluations(EvaluationRecords::Of(database_->store()), principal_.tenant);
  EvaluationRecord evaluation;
  evaluation.id = "evaluation-1";
  evaluation.created_us = clock_.now_us;
  evaluation.collection = "docs";
  evaluation.version = 4;
  ASSERT_TRUE(evaluations.Put(evaluation).ok());
  EXPECT_THAT(PinWords(), ElementsAre("tag baseline v1 1", "answer answer-b v2 2", "evaluation evaluation-1 v4 1"));
  const RetentionReport after = Run();
  EXPECT_THAT(after.state.kept, ElementsAre(Version(1), Version(2), Version(4)));
  EXPECT_EQ(after.rows_deleted, 2u);  // of versions 3 and 5
  for (const uint64_t version : {1, 2, 4, 6}) EXPECT_TRUE(collection_->Resolve(ReadAt{Version(version)}).ok()) << version;
  EXPECT_TRUE(absl::IsOutOfRange(collection_->Resolve(ReadAt{Version(3)}).status()));
  // Records pin for as long as the policy says.
  SchemaChange change;
  change.retention = RetentionPolicy{.versions = 1, .records_us = kHour};
  ASSERT_TRUE(collection_->Alter({.change = change, .principal = principal_}).ok());
  clock_.now_us += 2 * kHour;
  EXPECT_THAT(PinWords(), ElementsAre("tag baseline v1 1"));
  EXPECT_THAT(Run().state.kept, ElementsAre(Version(1)));
}

TEST_F(RetentionPolicyTest, AMigrationHoldsAllThatItHasNotSeen) {
  Create({.versions = 1});
  Write(4);
  MigrationStore migrations(database_->store().catalog());
  ASSERT_TRUE(migrations.Put(principal_.tenant, {.source = "docs", .target = "docs-new", .field = "embedding"}).ok());
  EXPECT_THAT(PinWords(), ElementsAre("migration docs-new v1 1+"));
  EXPECT_EQ(Run().rows_deleted, 0u);
  ASSERT_TRUE(migrations.Put(principal_.tenant, {.source = "docs", .target = "docs-new", .field = "embedding",
                                                 .state = MigrationState::kDone}).ok());
  EXPECT_EQ(Run().rows_deleted, 3u);
}

TEST_F(RetentionPolicyTest, TheJobExpiresAndLetsGo) {
  Create({.versions = 1}, {.after_us = 5 * kHour});
  Write(3);
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& message) { warnings.push_back(message); };
  MaintainCollections(*database_, CancelToken(), warn);
  EXPECT_EQ(collection_->Stats().points, 1u);
  EXPECT_EQ(collection_->Retention()->purged_rows, 2u);
  EXPECT_EQ(collection_->Retention()->actor, principal_.tenant + "/retention");
  clock_.now_us += 4 * kHour;
  MaintainCollections(*database_, CancelToken(), warn);
  EXPECT_EQ(collection_->Stats().points, 0u);
  EXPECT_EQ(collection_->Retention()->purged_rows, 3u);
  EXPECT_THAT(warnings, IsEmpty());
  // By itself, on a thread.
  Open();
  { MaintenanceJob job(*database_, std::chrono::seconds(60), warn); }
  EXPECT_THAT(warnings, IsEmpty());
}

}  // namespace
}  // namespace vouch
