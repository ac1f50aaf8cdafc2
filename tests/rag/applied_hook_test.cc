// Hooks that are applied: versions that take over, what they are told and of whom, restarts, removal.
#include "rag/deliver/applied_hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "rag/deliver/commit_hooks.h"
#include "rag/deliver/hook_runner.h"
#include "storage/journal.h"
#include "tests/support/hook_server.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

constexpr char kAlice[] = "acme/alice";

class AppliedHookTest : public ::testing::Test {
 protected:
  AppliedHookTest() { store_ = Store::Open({.path = dir_.File("store")}).value(); }

  static HookServer::Handler Takes() {
    return [](size_t, const HookServer::Request&) { return HookServer::Reply{}; };
  }
  static AppliedHook Hook(const std::string& url, std::vector<std::string> events = {"after.promote"}) {
    AppliedHook hook;
    hook.spec.name = "desk";
    hook.spec.events = std::move(events);
    hook.spec.url = url;
    hook.spec.first_pause_ms = 1;
    hook.spec.max_pause_ms = 2;
    hook.spec.attempts = 3;
    hook.spec.timeout_ms = 20'000;
    return hook;
  }
  // Of the process: the operator's, and what he allows; without that, the servers that the test allowed.
  void Start(std::vector<HookSpec> hooks = {}, std::optional<std::vector<std::string>> urls = std::nullopt) {
    runner_.reset();
    HookRules rules = HookRules::Create(urls.value_or(urls_), [](const std::string& variable) -> std::optional<std::string> {
                        return variable == "VOUCH_HOOK_CI" ? std::optional<std::string>("s3cret") : std::nullopt;
                      }).value();
    auto runner = HookRunner::Start(*store_, clock_, std::move(hooks), std::move(rules));
    ASSERT_TRUE(runner.ok()) << runner.status();
    runner_ = *std::move(runner);
  }
  void Allow(const HookServer& server) { urls_.push_back(server.url()); }
  void Apply(const AppliedHook& hook, const std::string& tenant = "acme") {
    const auto applied = runner_->Apply(tenant, hook, /*dry_run=*/false, kAlice);
    ASSERT_TRUE(applied.ok()) << applied.status();
    ASSERT_TRUE(applied->changed);
  }
  void Write(const std::string& subject, const std::string& tenant = "acme", const std::string& action = "promote") {
    AuditDraft draft;
    draft.time_us = 1;
    draft.actor = kAlice;
    draft.action = action;
    draft.subject = subject;
    JournalChange change;
    change.entries.push_back(draft);
    ASSERT_TRUE(Journal::Of(*store_).Commit(tenant, change).ok());
  }
  void Commit(CollectionId collection) {
    CommitRequest commit;
    commit.collection = collection;
    commit.time_us = 7;
    RowInput row;
    row.id = PointId(1);
    row.payload = "{}";
    commit.upserts.push_back(row);
    ASSERT_TRUE(store_->commit_log().Commit(commit).ok());
  }
  void Drain() { ASSERT_TRUE(runner_->Drain(std::chrono::seconds(20))); }
  // Type and subject of what was told.
  static std::vector<std::string> Told(const HookServer& server) {
    std::vector<std::string> told;
    for (const HookServer::Request& request : server.requests()) {
      const Json event = Json::parse(request.body);
      told.push_back(std::string(event["type"]).substr(std::string("vouch.").size()) + " " +
                     std::string(event["subject"]));
    }
    return told;
  }
  HookStatus Status(const std::string& tenant = "acme") { return runner_->List(tenant).value().at(0); }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::vector<std::string> urls_;
  std::unique_ptr<HookRunner> runner_;
};

TEST_F(AppliedHookTest, IsToldOfItsTenantAlone) {
  HookServer server(Takes());
  HookServer operators(Takes());
  Allow(server);
  HookSpec all = Hook(operators.url()).spec;
  all.name = "all";
  Start({all});
  Write("before", "acme");
  Drain();
  AppliedHook hook = Hook(server.url());
  hook.secret_env = "VOUCH_HOOK_CI";
  Apply(hook);
  Write("ours", "acme");
  Write("theirs", "beta");
  Write("default's", "default");
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote ours"));
  EXPECT_TRUE(server.requests()[0].headers.contains("webhook-signature"));
  EXPECT_THAT(operators.requests(), SizeIs(4)) << "the operator's is told of all";
  ASSERT_THAT(*runner_->List("acme"), SizeIs(2));
  EXPECT_THAT(*runner_->List("beta"), SizeIs(1)) << "nor do they see it";
  const HookStatus status = runner_->List("acme")->at(1);
  EXPECT_EQ(status.version, 1u);
  EXPECT_EQ(status.delivered, 1u);
  EXPECT_TRUE(status.is_signed);
  EXPECT_EQ(status.spec.secret, "");
  EXPECT_TRUE(runner_->Test("acme", "desk", CancelToken()).ok());
  EXPECT_TRUE(absl::IsNotFound(runner_->Test("beta", "desk", CancelToken()).status()));
  EXPECT_TRUE(absl::IsNotFound(runner_->Remove("beta", "desk", kAlice)));
}

TEST_F(AppliedHookTest, IsAskedOfItsTenantAlone) {
  HookServer server(
      [](size_t, const HookServer::Request&) { return HookServer::Reply{.body = R"({"allowed": false, "reason": "no"})"}; });
  Allow(server);
  Start();
  AppliedHook hook = Hook(server.url(), {"before.promote"});
  hook.spec.on_failure = HookSpec::OnFailure::kAllow;
  Apply(hook);
  const auto asked = [&](const std::string& tenant) {
    return AskHooks(runner_.get(), BeforeEvent(tenant, "before.promote", "pipeline/p@a", "{}", 5), CancelToken());
  };
  EXPECT_THAT(std::string(asked("acme").message()), HasSubstr("hook desk refuses before.promote of pipeline/p@a: no"));
  EXPECT_TRUE(asked("beta").ok());
  EXPECT_THAT(server.requests(), SizeIs(1));
  ASSERT_TRUE(runner_->Remove("acme", "desk", kAlice).ok());
  EXPECT_TRUE(asked("acme").ok());
}

TEST_F(AppliedHookTest, TheSameChangesNothingAndADryRunNeither) {
  HookServer server(Takes());
  Allow(server);
  Start();
  const auto planned = runner_->Apply("acme", Hook(server.url()), /*dry_run=*/true, kAlice);
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_TRUE(planned->changed);
  EXPECT_THAT(*runner_->List("acme"), IsEmpty());
  Apply(Hook(server.url()));
  const uint64_t entries = Journal::Of(*store_).AuditSize("acme").value();
  const auto again = runner_->Apply("acme", Hook(server.url()), /*dry_run=*/false, kAlice);
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(again->version.number, 1u);
  EXPECT_EQ(Journal::Of(*store_).AuditSize("acme").value(), entries);
  std::vector<std::string> log;
  ASSERT_TRUE(Journal::Of(*store_).ScanAudit("acme", 1, [&log](AuditEntry&& entry) {
    log.push_back(entry.change.action + " " + entry.change.subject + " " + entry.change.actor);
    return true;
  }).ok());
  EXPECT_THAT(log, ElementsAre("hook.apply hook/desk acme/alice"));
}

// What was being told when the version came is told once, by the version that began it; what waits is told by the new one.
TEST_F(AppliedHookTest, AVersionTakesOverWhereTheOneBeforeStood) {
  HookServer first([](size_t, const HookServer::Request&) { return HookServer::Reply{.delay_ms = 1'500}; });
  HookServer second(Takes());
  Allow(first);
  Allow(second);
  Start();
  Apply(Hook(first.url()));
  Write("a");
  Write("b");
  ASSERT_TRUE(first.Await(1));
  Apply(Hook(second.url(), {"after.promote", "after.tag"}));
  Write("c");
  Write("d", "acme", "tag.create");
  Drain();
  EXPECT_THAT(Told(first), ElementsAre("after.promote a"));
  EXPECT_THAT(Told(second), ElementsAre("after.promote b", "after.promote c", "after.tag d"));
  EXPECT_EQ(Status().version, 2u);
  EXPECT_EQ(Status().delivered, 4u);
}

TEST_F(AppliedHookTest, AVersionThatWantsCommitsBeginsWithThoseToCome) {
  CollectionSchema schema;
  schema.text.push_back({.name = "text", .paths = {"text"}});
  const CollectionId docs = store_->catalog().CreateCollection("acme", "docs", schema, 1).value().id;
  const CollectionId others = store_->catalog().CreateCollection("beta", "docs", schema, 1).value().id;
  HookServer server(Takes());
  Allow(server);
  Start();
  Apply(Hook(server.url()));
  Commit(docs);
  Drain();
  Apply(Hook(server.url(), {"after.commit"}));
  Commit(docs);
  Commit(others);
  Drain();
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_EQ(Json::parse(server.requests()[0].body)["data"]["version"], 2);
  Start();
  Drain();
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(AppliedHookTest, AfterARestartItGoesOnWhereItStood) {
  HookServer server([](size_t number, const HookServer::Request&) {
    return HookServer::Reply{.delay_ms = number == 1 ? 1'500 : 0};
  });
  Allow(server);
  Start();
  Apply(Hook(server.url()));
  Write("a");
  ASSERT_TRUE(server.Await(1));
  Drain();
  Write("b");
  ASSERT_TRUE(server.Await(2));
  runner_.reset();  // while it is told: nothing is kept of a call without a reply, so that this is a kill
  store_.reset();
  store_ = Store::Open({.path = dir_.File("store")}).value();
  Write("c");
  Start();
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote a", "after.promote b", "after.promote b", "after.promote c"));
  EXPECT_EQ(server.requests()[1].headers.at("webhook-id"), server.requests()[2].headers.at("webhook-id"));
}

TEST_F(AppliedHookTest, RemovedItIsToldNothingAndAppliedAgainItBeginsAnew) {
  HookServer server(Takes());
  Allow(server);
  Start();
  Apply(Hook(server.url()));
  Write("a");
  Drain();
  ASSERT_TRUE(runner_->Remove("acme", "desk", kAlice).ok());
  EXPECT_THAT(*runner_->List("acme"), IsEmpty());
  EXPECT_FALSE(Journal::Of(*store_).GetJournalRecord("acme", "applied-hook/desk")->has_value());
  EXPECT_TRUE(absl::IsNotFound(runner_->Remove("acme", "desk", kAlice)));
  Write("b");
  Start();
  EXPECT_THAT(*runner_->List("acme"), IsEmpty());
  Apply(Hook(server.url()));
  Write("c");
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote a", "after.promote c"));
}

// A version that is told nothing has no place: the next one that is begins with what is to come.
TEST_F(AppliedHookTest, WhatAVersionDidNotWantIsNotToldLater) {
  HookServer server(Takes());
  Allow(server);
  Start();
  Apply(Hook(server.url()));
  AppliedHook asked = Hook(server.url(), {"before.tag"});
  asked.spec.on_failure = HookSpec::OnFailure::kAllow;
  Apply(asked);
  Write("a");
  Apply(Hook(server.url()));
  Write("b");
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote b"));
}

TEST_F(AppliedHookTest, WhatTheOperatorNoLongerAllowsIsNotCalledAndItsPlaceWaits) {
  HookServer server(Takes());
  Allow(server);
  Start();
  AppliedHook hook = Hook(server.url(), {"after.promote", "before.promote"});
  hook.spec.on_failure = HookSpec::OnFailure::kRefuse;
  Apply(hook);
  Start({}, std::vector<std::string>{"https://elsewhere.example"});
  EXPECT_THAT(Status().problem, HasSubstr("the operator allows what lies under https://elsewhere.example"));
  Write("a");
  Drain();
  EXPECT_THAT(std::string(runner_->Test("acme", "desk", CancelToken()).status().message()), HasSubstr("is not called"));
  const auto verdicts =
      runner_->AskBefore(BeforeEvent("acme", "before.promote", "pipeline/p@a", "{}", 5), CancelToken());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].allowed) << "on_failure decides: no veto goes in silence";
  EXPECT_THAT(verdicts[0].says, HasSubstr("it is not called"));
  EXPECT_THAT(server.requests(), IsEmpty());
  Start({}, std::vector<std::string>());
  EXPECT_THAT(Status().problem, HasSubstr("the key hook_urls"));
  Start();
  EXPECT_EQ(Status().problem, "");
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote a"));
}

TEST_F(AppliedHookTest, ANameThatTheOperatorHasIsRefused) {
  HookServer server(Takes());
  Allow(server);
  HookSpec operators = Hook(server.url()).spec;
  Start({operators});
  EXPECT_TRUE(absl::IsAlreadyExists(runner_->Apply("acme", Hook(server.url()), /*dry_run=*/true, kAlice).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(runner_->Remove("acme", "desk", kAlice)));
  Start();
  Apply(Hook(server.url()));
  Start({operators});  // the operator takes the name later
  const std::vector<HookStatus> list = runner_->List("acme").value();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_EQ(list[0].version, 0u);
  EXPECT_THAT(list[1].problem, HasSubstr("the operator's file has a hook of this name"));
  Write("a");
  Drain();
  EXPECT_THAT(Told(server), ElementsAre("after.promote a")) << "by one of the two";
  EXPECT_TRUE(runner_->Remove("acme", "desk", kAlice).ok()) << "the applied one";
  EXPECT_THAT(*runner_->List("acme"), SizeIs(1));
}

TEST_F(AppliedHookTest, ARedirectIsNotFollowed) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{.status = 307}; });
  Allow(server);
  Start();
  Apply(Hook(server.url()));
  Write("a");
  ASSERT_TRUE(server.Await(1));
  Drain();
  EXPECT_THAT(server.requests(), SizeIs(1));
  const auto letters = runner_->DeadLetters("acme", "desk", 10).value();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_THAT(letters[0].error, HasSubstr("not followed"));
  EXPECT_FALSE(runner_->Redeliver("acme", "desk", letters[0].id, CancelToken()).ok());
}

TEST_F(AppliedHookTest, ThereAreNotMoreThanTheLimit) {
  HookServer server(Takes());
  Allow(server);
  Start();
  AppliedHook hook = Hook(server.url(), {"before.tag"});
  hook.spec.on_failure = HookSpec::OnFailure::kAllow;
  for (size_t i = 0; i < HookRunner::kMaxApplied; ++i) {
    hook.spec.name = std::string("h").append(std::to_string(i));
    Apply(hook);
  }
  hook.spec.name = "more";
  EXPECT_TRUE(absl::IsResourceExhausted(runner_->Apply("acme", hook, false, kAlice).status()));
  EXPECT_TRUE(runner_->Apply("beta", hook, false, kAlice).ok());
}

TEST_F(AppliedHookTest, OneThatIsAppliedMeanwhileIsAskedBeforeCommits) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{.body = R"({"allowed": false})"}; });
  Allow(server);
  runner_.reset();
  store_.reset();
  DatabaseOptions options;
  options.path = dir_.File("data");
  options.clock = &clock_;
  const auto database = Database::Open(options).value();
  CollectionSchema schema;
  schema.text.push_back({.name = "text", .paths = {"text"}});
  ASSERT_TRUE(database->CreateCollection({}, "docs", schema).ok());
  const auto rules = HookRules::Create(urls_, nullptr).value();
  const auto hooks = HookRunner::Start(database->store(), clock_, {}, rules).value();
  const auto asking = AskBeforeCommits(*database, *hooks);
  ASSERT_NE(asking, nullptr);
  const auto write = [&] {
    WriteRequest write;
    PointInput point;
    point.id = PointId(1);
    point.payload = R"({"text":"a"})";
    write.upserts.push_back(std::move(point));
    return asking->GetCollection({}, "docs").value()->Write(std::move(write)).status();
  };
  EXPECT_TRUE(write().ok());
  EXPECT_THAT(server.requests(), IsEmpty());
  AppliedHook hook = Hook(server.url(), {"before.commit"});
  hook.spec.on_failure = HookSpec::OnFailure::kRefuse;
  ASSERT_TRUE(hooks->Apply("default", hook, false, kAlice).ok());
  EXPECT_THAT(std::string(write().message()), HasSubstr("hook desk refuses before.commit"));
}

}  // namespace
}  // namespace vouch
