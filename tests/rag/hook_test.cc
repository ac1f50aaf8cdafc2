// Hooks: what is told after a change, in what order, and what may be refused before it.
#include "rag/deliver/hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "nlohmann/json.hpp"
#include "rag/deliver/hook_queue.h"
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

Event MakeEvent(const std::string& subject, const std::string& id) {
  Event event;
  event.id = id;
  event.source = "/vouch/default";
  event.type = "after.promote";
  event.subject = subject;
  return event;
}

TEST(HookQueue, AnEventThatFailsHoldsBackItsSubjectAndNoOther) {
  HookQueue queue;
  queue.Add("s", 1, MakeEvent("a", "a1"));
  queue.Add("s", 2, MakeEvent("a", "a2"));
  queue.Add("s", 3, MakeEvent("b", "b1"));
  HookQueue::Pending* next = queue.Next(0);
  ASSERT_EQ(next->event.id, "a1");
  next->due_ms = 100;
  next->attempts = 1;
  next = queue.Next(0);
  ASSERT_EQ(next->event.id, "b1") << "a2 must wait for a1";
  queue.Done(next);
  EXPECT_EQ(queue.Next(0), nullptr);
  EXPECT_EQ(queue.NextDue(), 100);
  EXPECT_EQ(queue.Cursors()["s"], 0u) << "b1 is told again after a restart, rather than a1 never";
  queue.Done(queue.Next(100));
  EXPECT_EQ(queue.Cursors()["s"], 1u);
  EXPECT_EQ(queue.Next(0)->event.id, "a2");
  queue.Done(queue.Next(0));
  queue.Read("s", 9);
  EXPECT_EQ(queue.Cursors()["s"], 9u);
}

TEST(HookQueue, PausesDoubleUpToTheirLimit) {
  EXPECT_EQ(HookPauseMs(1, 500, 60'000), 500);
  EXPECT_EQ(HookPauseMs(3, 500, 60'000), 2'000);
  EXPECT_EQ(HookPauseMs(100, 500, 60'000), 60'000);
}

// The reference value: `printf %s 'msg_1.5.{}' | openssl dgst -sha256 -hmac key -binary | base64`.
TEST(Hook, TheSignatureIsThatOfStandardWebhooks) {
  EXPECT_EQ(WebhookSignature("key", "msg_1", 5, "{}"),
            "v1,1KmhgLCXZetAbsjMnKlNRpO7EIGONZ2w8rI9m43l9qg=");
  // As the specification writes keys: base64 of "key".
  EXPECT_EQ(WebhookSignature("whsec_a2V5", "msg_1", 5, "{}"), WebhookSignature("key", "msg_1", 5, "{}"));
  EXPECT_NE(WebhookSignature("whsec_!", "msg_1", 5, "{}"), WebhookSignature("key", "msg_1", 5, "{}"));
}

TEST(Hook, MistakesNameTheField) {
  const auto mistake = [](auto change) {
    HookSpec spec;
    spec.name = "h";
    spec.events = {"after.promote"};
    spec.url = "http://127.0.0.1/";
    change(spec);
    return std::string(CheckHook(spec).message());
  };
  EXPECT_EQ(mistake([](HookSpec&) {}), "");
  EXPECT_THAT(mistake([](HookSpec& s) { s.events = {"after.promotion"}; }),
              HasSubstr("events has 'after.promotion'; there are after.*, after.commit"));
  EXPECT_THAT(mistake([](HookSpec& s) { s.events = {"before.promote"}; }),
              HasSubstr("on_failure is missing"));
  EXPECT_THAT(mistake([](HookSpec& s) { s.command = {"/bin/true"}; }),
              HasSubstr("a url or a command"));
  EXPECT_THAT(mistake([](HookSpec& s) { s.url = "ftp://x"; }),
              HasSubstr("it takes http:// or https://"));
  EXPECT_THAT(mistake([](HookSpec& s) {
                s.url = "";
                s.command = {"true"};
              }),
              HasSubstr("whole path"));
  EXPECT_THAT(mistake([](HookSpec& s) { s.attempts = 0; }), HasSubstr("attempts is 0"));
}

class HookRunnerTest : public ::testing::Test {
 protected:
  HookRunnerTest() { store_ = Store::Open({.path = dir_.File("store")}).value(); }

  HookSpec Told(const std::string& url) {
    HookSpec spec;
    spec.name = "told";
    spec.events = {"after.*"};
    spec.url = url;
    spec.secret = "s3cret";
    spec.first_pause_ms = 1;
    spec.max_pause_ms = 2;
    spec.attempts = 3;
    spec.timeout_ms = 2'000;
    return spec;
  }
  HookSpec Asked(HookSpec::OnFailure on_failure) {
    HookSpec spec;
    spec.name = "asked";
    spec.events = {"before.promote"};
    spec.on_failure = on_failure;
    spec.timeout_ms = 300;
    return spec;
  }
  std::unique_ptr<HookRunner> Start(std::vector<HookSpec> hooks) {
    auto runner = HookRunner::Start(*store_, clock_, std::move(hooks));
    EXPECT_TRUE(runner.ok()) << runner.status();
    return runner.ok() ? *std::move(runner) : nullptr;
  }
  void Write(const std::string& subject) {
    AuditDraft draft;
    draft.time_us = 1'700'000'000'000'000;
    draft.actor = "default/alice";
    draft.action = "promote";
    draft.subject = subject;
    draft.after = R"({"number":2})";
    JournalChange change;
    change.entries.push_back(draft);
    ASSERT_TRUE(Journal::Of(*store_).Commit("default", change).ok());
  }
  std::string Script(const std::string& text) {
    const std::string path = dir_.File("hook.sh");
    std::ofstream(path) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  static Event Before() {
    return BeforeEvent("default", "before.promote", "pipeline/p@champion", R"({"to":2})", 5);
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(HookRunnerTest, WhatIsOnRecordIsToldAsASignedCloudEvent) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
  Write("pipeline/before@champion");  // before the hook was there
  const auto runner = Start({Told(server.url())});
  Write("pipeline/p@champion");
  ASSERT_TRUE(server.Await(1));
  const HookServer::Request request = server.requests()[0];
  const Json event = Json::parse(request.body);
  EXPECT_EQ(event["specversion"], "1.0");
  EXPECT_EQ(event["type"], "vouch.after.promote");
  EXPECT_EQ(event["source"], "/vouch/default");
  EXPECT_EQ(event["subject"], "pipeline/p@champion");
  EXPECT_EQ(event["time"], "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(event["data"]["after"]["number"], 2);
  EXPECT_EQ(event["data"]["actor"], "default/alice");
  EXPECT_EQ(request.headers.at("content-type"), "application/cloudevents+json; charset=utf-8");
  EXPECT_EQ(request.headers.at("webhook-id"), event["id"]);
  EXPECT_EQ(request.headers.at("webhook-signature"),
            WebhookSignature("s3cret", std::string(event["id"]),
                             std::stoll(request.headers.at("webhook-timestamp")), request.body));
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  EXPECT_THAT(server.requests(), SizeIs(1));
  EXPECT_EQ((*runner->List("default"))[0].delivered, 1u);
  EXPECT_EQ((*runner->List("default"))[0].spec.secret, "");
}

TEST_F(HookRunnerTest, ItIsTriedAgainWithTheSameIdAndThenGivenUp) {
  HookServer server([](size_t, const HookServer::Request& request) {
    const bool bad = request.body.find("pipeline/bad") != std::string::npos;
    return HookServer::Reply{.status = bad ? 503 : 200};
  });
  auto runner = Start({Told(server.url())});
  Write("pipeline/bad@a");
  Write("pipeline/good@a");
  ASSERT_TRUE(server.Await(4));  // three times the bad one
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  std::set<std::string> ids;
  int bad = 0;
  for (const HookServer::Request& request : server.requests()) {
    if (request.body.find("pipeline/bad") == std::string::npos) continue;
    ++bad;
    ids.insert(Json::parse(request.body)["id"]);
  }
  EXPECT_EQ(bad, 3);
  ASSERT_THAT(ids, SizeIs(1));
  auto letters = runner->DeadLetters("default", "told", 10).value();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].id, *ids.begin());
  EXPECT_EQ(letters[0].attempts, 3u);
  EXPECT_THAT(letters[0].error, HasSubstr("503"));
  EXPECT_FALSE(runner->Redeliver("default", "told", letters[0].id, CancelToken()).ok());
  EXPECT_THAT(*runner->DeadLetters("default", "told", 10), SizeIs(1))
      << "it failed again, and stays";

  HookServer mended([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
  runner.reset();
  runner = Start({Told(mended.url())});
  ASSERT_TRUE(runner->Redeliver("default", "told", letters[0].id, CancelToken()).ok());
  EXPECT_EQ(Json::parse(mended.requests()[0].body), Json::parse(letters[0].event));
  EXPECT_THAT(*runner->DeadLetters("default", "", 10), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(runner->Redeliver("default", "told", "x", CancelToken())));
}

TEST_F(HookRunnerTest, WhatARefusalSaysIsNoReasonToTryAgain) {
  HookServer server(
      [](size_t, const HookServer::Request&) { return HookServer::Reply{.status = 400}; });
  const auto runner = Start({Told(server.url())});
  Write("pipeline/p@a");
  ASSERT_TRUE(server.Await(1));
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  EXPECT_THAT(server.requests(), SizeIs(1));
  EXPECT_EQ((*runner->List("default"))[0].dead_letters, 1u);
}

TEST_F(HookRunnerTest, AfterARestartItGoesOnWhereItStood) {
  {
    HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
    const auto runner = Start({Told(server.url())});
    Write("pipeline/p@a");
    ASSERT_TRUE(server.Await(1));
    ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  }
  Write("pipeline/q@a");  // while no hook runs
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
  const auto runner = Start({Told(server.url())});
  ASSERT_TRUE(server.Await(1));
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests()[0].body, HasSubstr("pipeline/q@a"));
}

TEST_F(HookRunnerTest, CommitsAreToldFromTheCommitLog) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
  CollectionSchema schema;
  schema.text.push_back({.name = "text", .paths = {"text"}});
  const CollectionInfo info =
      store_->catalog().CreateCollection("default", "docs", schema, 1).value();
  HookSpec spec = Told(server.url());
  spec.events = {"after.commit"};
  const auto runner = Start({spec});
  Write("pipeline/p@a");  // not wanted
  CommitRequest commit;
  commit.collection = info.id;
  commit.time_us = 7;
  RowInput row;
  row.id = PointId(1);
  row.payload = "{}";
  commit.upserts.push_back(row);
  ASSERT_TRUE(store_->commit_log().Commit(commit).ok());
  ASSERT_TRUE(server.Await(1));
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  ASSERT_THAT(server.requests(), SizeIs(1));
  const Json event = Json::parse(server.requests()[0].body);
  EXPECT_EQ(event["subject"], "collection/docs");
  EXPECT_EQ(event["data"]["version"], 1);
  EXPECT_EQ(event["data"]["rows_added"], 1);
}

TEST_F(HookRunnerTest, AHookCanRefuse) {
  HookServer server([](size_t number, const HookServer::Request&) {
    if (number == 0) return HookServer::Reply{.body = R"({"allowed": false, "reason": "Fridays"})"};
    return HookServer::Reply{};
  });
  HookSpec spec = Asked(HookSpec::OnFailure::kRefuse);
  spec.url = server.url();
  const auto runner = Start({spec});
  std::vector<HookVerdict> verdicts = runner->AskBefore(Before(), CancelToken());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].allowed);
  EXPECT_FALSE(verdicts[0].failed);
  EXPECT_EQ(verdicts[0].says, "Fridays");
  EXPECT_THAT(std::string(AskHooks(runner.get(), Before(), CancelToken()).message()), IsEmpty());
  EXPECT_THAT(runner->AskBefore(MakeEvent("x", "1"), CancelToken()), IsEmpty());
}

TEST_F(HookRunnerTest, WhereItHangsOrAnswersGarbageItsPolicyDecides) {
  HookServer server([](size_t number, const HookServer::Request&) {
    if (number % 3 == 0) return HookServer::Reply{.delay_ms = 2'000};
    if (number % 3 == 1) return HookServer::Reply{.body = "<html>"};
    return HookServer::Reply{.status = 500};
  });
  for (const auto on_failure : {HookSpec::OnFailure::kAllow, HookSpec::OnFailure::kRefuse}) {
    HookSpec spec = Asked(on_failure);
    spec.url = server.url();
    const auto runner = Start({spec});
    for (const char* why : {"300 ms", "<html>", "500"}) {
      const std::vector<HookVerdict> verdicts = runner->AskBefore(Before(), CancelToken());
      ASSERT_THAT(verdicts, SizeIs(1));
      EXPECT_TRUE(verdicts[0].failed);
      EXPECT_EQ(verdicts[0].allowed, on_failure == HookSpec::OnFailure::kAllow);
      EXPECT_THAT(verdicts[0].says, HasSubstr(why));
    }
  }
}

TEST_F(HookRunnerTest, ACommandGetsTheEventOnItsInputAndIsBounded) {
  HookSpec spec = Asked(HookSpec::OnFailure::kRefuse);
  const std::string seen = dir_.File("seen");
  const auto ask = [&](const std::string& script) {
    spec.command = {Script(script), seen};
    return Start({spec})->AskBefore(Before(), CancelToken()).at(0);
  };
  HookVerdict verdict = ask("cat > \"$1\"; echo '{\"allowed\": false, \"reason\": \"no\"}'\n");
  EXPECT_EQ(verdict.says, "no");
  std::ifstream in(seen);
  EXPECT_EQ(Json::parse(in)["type"], "vouch.before.promote");
  EXPECT_TRUE(ask("exit 0\n").allowed);
  EXPECT_THAT(ask("echo broken >&2; exit 3\n").says, HasSubstr("ended with code 3: broken"));
  EXPECT_THAT(ask("sleep 30\n").says, HasSubstr("did not end within 300 ms"));
  EXPECT_THAT(ask("yes\n").says, HasSubstr("printed more than 65536 bytes"));
  spec.command = {dir_.File("nothing")};
  EXPECT_THAT(Start({spec})->AskBefore(Before(), CancelToken()).at(0).says,
              HasSubstr("no program"));
}

TEST_F(HookRunnerTest, ATestEventIsSentOnce) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply{}; });
  const auto runner = Start({Told(server.url())});
  ASSERT_TRUE(runner->Test("default", "told", CancelToken()).ok());
  EXPECT_EQ(Json::parse(server.requests()[0].body)["type"], "vouch.test");
  EXPECT_THAT(std::string(runner->Test("default", "x", CancelToken()).status().message()),
              HasSubstr("there are told"));
}

// What was under way when the process ended is told again, with the same id: nothing is kept of a
// call that has no reply, so an end in the middle of one is a kill.
TEST_F(HookRunnerTest, ACallThatWasCutIsMadeAgain) {
  HookServer server([](size_t number, const HookServer::Request&) {
    return HookServer::Reply{.delay_ms = number == 0 ? 10'000 : 0};
  });
  HookSpec spec = Told(server.url());
  spec.timeout_ms = 20'000;
  auto runner = Start({spec});
  Write("pipeline/p@a");
  ASSERT_TRUE(server.Await(1));
  runner.reset();
  store_.reset();
  store_ = Store::Open({.path = dir_.File("store")}).value();
  runner = Start({spec});
  ASSERT_TRUE(server.Await(2));
  ASSERT_TRUE(runner->Drain(std::chrono::seconds(10)));
  EXPECT_EQ(Json::parse(server.requests()[0].body), Json::parse(server.requests()[1].body));
}

}  // namespace
}  // namespace vouch
