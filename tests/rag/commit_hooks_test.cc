// Hooks that are asked before a collection is written.
#include "rag/deliver/commit_hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "tests/support/hook_server.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Json = nlohmann::json;

class CommitHooksTest : public ::testing::Test {
 protected:
  CommitHooksTest() : server_([this](size_t, const HookServer::Request&) { return reply_; }) {
    DatabaseOptions options;
    options.path = dir_.File("data");
    options.clock = &clock_;
    database_ = Database::Open(options).value();
    CollectionSchema schema;
    schema.text.push_back({.name = "text", .paths = {"text"}});
    EXPECT_TRUE(database_->CreateCollection({}, "docs", schema).ok());
  }
  void Start(const std::string& event, HookSpec::OnFailure on_failure = HookSpec::OnFailure::kRefuse) {
    HookSpec spec;
    spec.name = "legal";
    spec.events = {event};
    spec.url = server_.url();
    spec.on_failure = on_failure;
    hooks_ = HookRunner::Start(database_->store(), clock_, {spec}).value();
    asking_ = AskBeforeCommits(*database_, *hooks_);
  }
  static WriteRequest Point(uint64_t id) {
    WriteRequest write;
    PointInput point;
    point.id = PointId(id);
    point.payload = R"({"text":"a"})";
    write.upserts.push_back(std::move(point));
    return write;
  }
  uint64_t Version() { return database_->GetCollection({}, "docs").value()->Stats().version.value; }

  TempDir dir_;
  ManualClock clock_;
  HookServer::Reply reply_;
  HookServer server_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<HookRunner> hooks_;
  std::unique_ptr<Database> asking_;
};

TEST_F(CommitHooksTest, WhereNoHookAsksNothingStandsBetween) {
  Start("before.tag");
  EXPECT_EQ(asking_, nullptr);
}

TEST_F(CommitHooksTest, AWriteThatIsRefusedChangesNothing) {
  Start("before.commit");
  ASSERT_NE(asking_, nullptr);
  const auto docs = asking_->GetCollection({}, "docs").value();
  ASSERT_TRUE(docs->Write(Point(1)).ok());
  EXPECT_EQ(Version(), 1);
  reply_.body = R"({"allowed": false, "reason": "the archive is closed"})";
  const absl::Status refused = docs->Write(Point(2)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("hook legal refuses before.commit of collection/docs: the archive is closed"));
  UpdateRequest update;
  update.updates.push_back({.id = PointId(1), .change = {.payload_patch = R"({"text":"b"})"}});
  EXPECT_TRUE(absl::IsFailedPrecondition(docs->Update(update).status()));
  DeleteByFilterRequest erase;
  EXPECT_TRUE(absl::IsFailedPrecondition(docs->DeleteByFilter(erase).status()));
  RestoreRequest restore;
  restore.at = vouch::Version(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(docs->Restore(restore).status()));
  EXPECT_EQ(Version(), 1);
  ASSERT_THAT(server_.requests(), SizeIs(5));
  const Json event = Json::parse(server_.requests()[1].body);
  EXPECT_EQ(event["type"], "vouch.before.commit");
  EXPECT_EQ(event["data"]["action"], "write");
  EXPECT_EQ(event["data"]["upserts"], 1);
  EXPECT_EQ(event["data"]["points"], Json::array({"2"}));
  EXPECT_EQ(event["data"]["actor"], "default/anonymous");
  // What the engine writes itself, and who only looks, is not asked for.
  update.dry_run = true;
  EXPECT_TRUE(docs->Update(update).ok());
  EXPECT_TRUE(database_->GetCollection({}, "docs").value()->Write(Point(3)).ok());
  EXPECT_THAT(server_.requests(), SizeIs(5));
}

TEST_F(CommitHooksTest, WhatHoldsWhereTheHookFailsIsAsItIsSet) {
  reply_.status = 500;
  Start("before.commit", HookSpec::OnFailure::kAllow);
  EXPECT_TRUE(asking_->GetCollection({}, "docs").value()->Write(Point(1)).ok());
  asking_.reset();
  Start("before.commit", HookSpec::OnFailure::kRefuse);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      asking_->GetCollection({}, "docs").value()->Write(Point(2)).status()));
}

}  // namespace
}  // namespace vouch
