// A cascade of models: which completion is taken, what streams, what is kept and what is paid for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rag/answer.h"
#include "rag/replay.h"
#include "storage/store.h"
#include "tests/rag/ingested_collection.h"
#include "tests/rag/noting_listener.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Reply = ModelServer::Reply;
using Request = ModelServer::Request;

constexpr char kRestoreGuide[] =
    "# Backup\n\n"
    "A backup is incremental: days share their files.\n\n"
    "A backup is restored into an empty folder only. A running store is never overwritten.\n";
constexpr char kRestoreQuestion[] = "Into which folder is a backup restored?";
constexpr char kSupportedAnswer[] = "A backup is restored into an empty folder [1].";
constexpr char kHalf[] = "A backup is restored into an empty folder [1]. It takes 42 minutes [1].";
constexpr char kWrong[] = "Backups are made of cheese. They cost 7 euros [1].";
constexpr char kRefusal[] = "I do not know.";

std::string ModelOf(const Request& request) {
  return nlohmann::json::parse(request.body)["model"];
}

class EscalationTest : public ::testing::Test {
 protected:
  EscalationTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown, kRestoreGuide);
    docs_.AddDocument("search.md", MediaType::kMarkdown, "# Search\n\nRankings are fused.\n");
    docs_.Commit();
    ledger_ = std::make_unique<SpendLedger>(docs_.database->store().catalog(), docs_.clock);
    rules_.below_grounding = 0.8;
  }

  // One server; the models are "cheap" and "dear", which costs ten times as much.
  void Serve(Reply cheap, Reply dear) {
    server_ = std::make_unique<ModelServer>([cheap, dear](size_t, const Request& request) {
      return ModelOf(request) == "cheap" ? cheap : dear;
    });
    RouteSpec spec;
    spec.prices = {.version = "p1",
                   .models = {{"cheap", {.input_nano = 10, .output_nano = 30}},
                              {"dear", {.input_nano = 100, .output_nano = 300}}}};
    for (const char* name : {"cheap", "dear"}) {
      spec.tiers.push_back({.name = name,
                            .endpoint = {.base_url = server_->base_url(), .model = name},
                            .parameters = {}});
    }
    spec.retries = 0;
    spec.escalate = rules_;
    route_ =
        ModelRoute::Create(std::move(spec), {.ledger = *ledger_, .clock = docs_.clock}).value();
  }
  void ServeTexts(const std::string& cheap, const std::string& dear) {
    Serve(ChatStream(cheap, 100, 20), ChatStream(dear, 110, 30));
  }

  absl::StatusOr<Answer> Try() {
    listener_ = NotingListener();
    AskRequest request;
    request.collection = "docs";
    request.question = kRestoreQuestion;
    request.principal = docs_.principal;
    request.route = route_.get();
    request.listener = &listener_;
    return Ask(*docs_.database, docs_.embedders, request);
  }
  Answer AskOnce() {
    absl::StatusOr<Answer> answer = Try();
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : Answer();
  }
  static std::vector<std::string> DecisionsOf(const Answer& answer) {
    std::vector<std::string> decisions;
    for (const TierDecision& decision : answer.generation->decisions) {
      decisions.push_back(decision.tier + " " + decision.decision +
                          (decision.taken ? ", taken" : ""));
    }
    return decisions;
  }
  // Kept as it is, and found the same by a replay, decisions among it.
  void ExpectKept(const Answer& answer) {
    const absl::StatusOr<Answer> kept = GetAnswer(*docs_.database, docs_.principal, answer.id);
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(AnswerToJson(*kept), AnswerToJson(answer));
    const absl::StatusOr<ReplayReport> replay =
        Replay(*docs_.database, docs_.embedders, {.id = answer.id, .principal = docs_.principal});
    ASSERT_TRUE(replay.ok()) << replay.status();
    EXPECT_EQ(replay->level, "R3") << replay->steps.back().first_difference;
  }
  SpendAccount Account() {
    SpendBook book = ledger_->Read("default", ledger_->Today()).value();
    EXPECT_THAT(book.reservations, IsEmpty());
    return book.Account("default");
  }

  IngestedCollection docs_;
  EscalationRules rules_;
  std::unique_ptr<ModelServer> server_;
  std::unique_ptr<SpendLedger> ledger_;
  std::unique_ptr<ModelRoute> route_;
  NotingListener listener_;
};

TEST_F(EscalationTest, AnAnswerThatIsSupportedIsTakenFromTheCheapTier) {
  ServeTexts(kSupportedAnswer, "x");
  const Answer answer = AskOnce();
  EXPECT_EQ(answer.text, kSupportedAnswer);
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap answer, taken"));
  EXPECT_EQ(answer.generation->decisions[0].grounding, 1);
  EXPECT_EQ(answer.generation->decisions[0].propensity, 1);
  EXPECT_THAT(listener_.events, ElementsAre("sources 2", "text", "citations 1"));
  EXPECT_EQ(listener_.text, kSupportedAnswer) << "whole, once it is checked";
  EXPECT_EQ(server_->requests().size(), 1u);
  ExpectKept(answer);
}

TEST_F(EscalationTest, LowGroundingAsksTheNextTierAndNothingOfTheFirstStreams) {
  ServeTexts(kWrong, kSupportedAnswer);
  const Answer answer = AskOnce();
  EXPECT_EQ(answer.text, kSupportedAnswer);
  EXPECT_FALSE(answer.abstained);
  EXPECT_THAT(answer.generator, HasSubstr("tier=dear"));
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap escalate", "dear answer, taken"));
  const TierDecision& first = answer.generation->decisions[0];
  EXPECT_EQ(first.completion, kWrong);
  EXPECT_EQ(first.reason, "its grounding is below 0.8");
  EXPECT_EQ(first.usage, (TokenUsage{.prompt_tokens = 100, .completion_tokens = 20}));
  EXPECT_EQ(listener_.text, kSupportedAnswer);
  EXPECT_EQ(answer.generation->usage, (TokenUsage{.prompt_tokens = 110, .completion_tokens = 30}));
  EXPECT_EQ(answer.generation->attempts.size(), 2u);
  EXPECT_EQ(answer.generation->cost_nano, 100u * 10 + 20 * 30 + 110 * 100 + 30 * 300);
  EXPECT_EQ(Account().spent_nano, answer.generation->cost_nano);
  EXPECT_EQ(Account().calls, 2u);
  ExpectKept(answer);
}

TEST_F(EscalationTest, ARefusalEscalatesUnlessItIsToBeKept) {
  ServeTexts(kRefusal, kSupportedAnswer);
  EXPECT_THAT(DecisionsOf(AskOnce()), ElementsAre("cheap escalate", "dear answer, taken"));
  rules_.on_refusal = false;
  ServeTexts(kRefusal, kSupportedAnswer);
  const Answer answer = AskOnce();
  EXPECT_TRUE(answer.abstained);
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap answer, taken"));
  ExpectKept(answer);
}

TEST_F(EscalationTest, BothRefuse) {
  ServeTexts(kRefusal, kRefusal);
  const Answer answer = AskOnce();
  EXPECT_TRUE(answer.abstained);
  EXPECT_THAT(answer.text, StartsWith("The model found no answer in the sources."));
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap escalate", "dear answer, taken"));
  ExpectKept(answer);
}

// Half supported: it could be given, but the next tier may do better.
TEST_F(EscalationTest, WhatCouldBeGivenIsNotReplacedByWorse) {
  ServeTexts(kHalf, kWrong);
  const Answer answer = AskOnce();
  EXPECT_EQ(answer.text, kHalf);
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap escalate, taken", "dear outdone"));
  EXPECT_EQ(answer.generation->tier, "cheap");
  EXPECT_EQ(answer.generation->decisions[1].completion, kWrong);
  EXPECT_EQ(listener_.text, kHalf) << "the dear tier's text was held back, too";
  ExpectKept(answer);
}

TEST_F(EscalationTest, WhereTheNextTierFailsTheFirstAnswerStands) {
  Serve(ChatStream(kHalf, 100, 20), {.status = 500, .body = "oops"});
  const Answer answer = AskOnce();
  EXPECT_EQ(answer.text, kHalf);
  EXPECT_FALSE(answer.abstained);
  EXPECT_THAT(DecisionsOf(answer), ElementsAre("cheap escalate, taken"));
  EXPECT_THAT(answer.generation->attempts[1].outcome, HasSubstr("HTTP 500"));
  EXPECT_EQ(listener_.text, kHalf);
  ExpectKept(answer);
}

TEST_F(EscalationTest, TheLastTierStreamsAndIsCutWithAnError) {
  Serve(ChatStream(kRefusal, 100, 5),
        {.pieces = {{ChatTextEvent("A backup ")}}, .end = ModelServer::End::kCut});
  EXPECT_EQ(Try().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(listener_.text, "A backup ");
  EXPECT_EQ(Account().calls, 2u);
}

TEST_F(EscalationTest, WhereTheMoneyIsSpentItDoesNotEscalate) {
  ServeTexts(kHalf, kSupportedAnswer);
  RouteSpec spec = route_->spec();
  spec.limits.tenant_day_nano = 100'000;  // the dear tier reserves more
  route_ = ModelRoute::Create(spec, {.ledger = *ledger_, .clock = docs_.clock}).value();
  const Answer answer = AskOnce();
  EXPECT_EQ(answer.text, kHalf);
  EXPECT_THAT(answer.generation->attempts[1].outcome, HasSubstr("may spend"));
}

TEST_F(EscalationTest, ExploringIsRecordedWithItsPropensity) {
  rules_.explore = 0.5;
  ServeTexts(kSupportedAnswer, kSupportedAnswer);
  int explored = 0;
  for (int i = 0; i < 20; ++i) {
    const Answer answer = AskOnce();
    const TierDecision& first = answer.generation->decisions[0];
    EXPECT_EQ(first.propensity, 0.5);
    if (first.decision != "escalate") continue;
    ++explored;
    EXPECT_EQ(first.reason, "explored");
    EXPECT_EQ(answer.generation->decisions[1].propensity, 1);
  }
  EXPECT_GT(explored, 0);  // both with a chance of one in a million to fail
  EXPECT_LT(explored, 20);
}

}  // namespace
}  // namespace vouch
