// Gates, promotions and rollbacks over kept evaluations.
#include "rag/deliver/promoter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "nlohmann/json.hpp"
#include "rag/answer.h"
#include "rag/deliver/slo.h"
#include "rag/deliver/spec_store.h"
#include "storage/journal.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/hook_server.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;


GateSpec Quality() {
  GateSpec gate;
  gate.name = "quality";
  gate.pipeline = "support";
  gate.alias = "champion";
  gate.dataset = "set";
  return gate;
}

TEST(Gate, TheCanonicalFormIsWrittenHereAndReadBack) {
  GateSpec gate = Quality();
  gate.thresholds.push_back({.metric = "ndcg_cut_10", .min = 0.5});
  gate.no_worse.push_back({.metric = "map", .margin = 0.25});
  gate.guardrails.push_back({.metric = "latency_ms", .share = 0.5});
  const std::string canonical = GateToJson(gate);
  EXPECT_EQ(
      canonical,
      R"({"format":1,"name":"quality","description":"","pipeline":"support","alias":"champion",)"
      R"("dataset":"set","thresholds":[{"metric":"ndcg_cut_10","min":0.5,"max":null,"slice":"",)"
      R"("sure":false}],"no_worse":[{"metric":"map","margin":0.25,"share":null,"better":false}],)"
      R"("guardrails":[{"metric":"latency_ms","margin":0.0,"share":0.5,"better":false}],)"
      R"("hooks":[],"alpha":0.05,"max_errors":0})");
  EXPECT_EQ(GateToJson(GateFromJson(canonical).value()), canonical);
  EXPECT_TRUE(absl::IsDataLoss(GateFromJson("[]").status()));
}

TEST(Gate, MistakesNameTheFieldAndWhatItTakes) {
  const auto mistake = [](auto change) {
    GateSpec gate = Quality();
    gate.thresholds.push_back({.metric = "map", .min = 0.5});
    change(gate);
    return std::string(CheckGate(gate).message());
  };
  EXPECT_EQ(mistake([](GateSpec&) {}), "");
  EXPECT_THAT(mistake([](GateSpec& g) { g.thresholds[0].metric = "ndgc"; }),
              HasSubstr("thresholds[0].metric is 'ndgc'; there are ndcg_cut_10"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.thresholds[0].min.reset(); }),
              HasSubstr("takes min, max or both"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.thresholds.clear(); }), HasSubstr("asks for nothing"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.dataset = ""; }), HasSubstr("dataset is missing"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.guardrails.push_back({.metric = "map"}); }),
              HasSubstr("guardrails take latency_ms, cost, answered"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.no_worse.push_back({.metric = "map", .margin = -1}); }),
              HasSubstr("no_worse[0].margin is -1"));
  EXPECT_THAT(mistake([](GateSpec& g) { g.alpha = 0.6; }), HasSubstr("alpha is 0.6"));
}

class PromoterTest : public ::testing::Test {
 protected:
  PromoterTest() {
    store_ = Store::Open({.path = dir_.File("store")}).value();
    for (uint32_t chunks : {4, 5, 6}) {
      PipelineSpec spec;
      spec.name = "support";
      spec.collection = "docs";
      spec.retrieve.chunks = chunks;
      versions_.push_back(pipelines().Apply(kTenant, spec, false)->version);
    }
    std::vector<DatasetQuestion> questions;
    for (int i = 0; i < kQuestions; ++i) {
      DatasetQuestion question;
      question.id = "q" + std::to_string(i);
      question.text = "what is " + question.id;
      question.documents["d"] = 1;
      questions.push_back(question);
    }
    EXPECT_TRUE(datasets().Put("set", "", questions, 1).ok());
  }

  static constexpr int kQuestions = 40;

  PipelineStore pipelines() { return PipelineStore(*store_, clock_); }
  EvaluationRecords& records() { return EvaluationRecords::Of(*store_); }
  DatasetStore datasets() { return DatasetStore(records(), kTenant); }
  SpecStore gates() { return SpecStore(*store_, clock_, Promoter::kGateKind); }

  void Declare(const GateSpec& gate) {
    ASSERT_EQ(CheckGate(gate), absl::OkStatus());
    ASSERT_TRUE(gates().Apply(kTenant, gate.name, GateToJson(gate), false, "default/a").ok());
  }

  // An evaluation of a version in which question i has the figure map(i), and took `latency_ms`.
  void Evaluate(uint64_t number, const std::function<double(int)>& map, double latency_ms = 10,
                uint64_t errors = 0) {
    EvaluationRecord record;
    record.id = "eval-" + std::to_string(number) + "-" + std::to_string(++evaluations_);
    record.finished = true;
    record.dataset = "set";
    record.dataset_version = 1;
    record.collection = "docs";
    record.version = 1;
    record.mode = "hybrid";
    record.answers = "none";
    record.pipeline = "support@" + std::to_string(number);
    record.pipeline_hash = versions_[number - 1].hash;
    record.questions = kQuestions;
    record.errors = errors;
    std::vector<QuestionResult> results;
    double sum = 0;
    for (int i = 0; i < kQuestions; ++i) {
      QuestionResult result;
      result.index = static_cast<uint64_t>(i);
      result.id = "q" + std::to_string(i);
      result.metrics = {{"map", map(i)}, {"latency_ms", latency_ms + i % 3}};
      sum += map(i);
      results.push_back(result);
    }
    record.metrics.push_back({.name = "map",
                              .count = kQuestions,
                              .mean = sum / kQuestions,
                              .interval = {sum / kQuestions - 0.1, sum / kQuestions + 0.1}});
    record.metrics.push_back({.name = "latency_ms",
                              .count = kQuestions,
                              .mean = latency_ms + 1,
                              .interval = {latency_ms, latency_ms + 2}});
    EvaluationStore store(records(), kTenant);
    ASSERT_TRUE(store.Put(record).ok());
    ASSERT_TRUE(store.PutResults(record.id, results).ok());
  }

  absl::StatusOr<Promotion> Promote(uint64_t number, const HookRunner* hooks = nullptr,
                                    std::string reason = "", bool force = false) {
    PromoteRequest request;
    request.pipeline = "support@" + std::to_string(number);
    request.alias = "champion";
    request.reason = std::move(reason);
    request.force = force;
    return Promoter(*store_, clock_, hooks).Promote(request);
  }
  absl::StatusOr<Promotion> Rollback(std::optional<uint64_t> revision = {}) {
    RollbackRequest request;
    request.pipeline = "support";
    request.alias = "champion";
    request.expected_revision = revision;
    return Promoter(*store_, clock_, nullptr).Rollback(request);
  }
  uint64_t Champion() { return pipelines().GetAlias(kTenant, "support", "champion")->number; }
  AuditEntry LastEntry() {
    AuditEntry last;
    EXPECT_TRUE(Journal::Of(*store_)
                    .ScanAudit(kTenant, 1,
                               [&](AuditEntry&& entry) {
                                 last = std::move(entry);
                                 return true;
                               })
                    .ok());
    return last;
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::vector<PipelineVersion> versions_;
  int evaluations_ = 0;
};

TEST_F(PromoterTest, WithoutGatesAnAliasMovesAndItIsOnRecord) {
  const auto first = Promote(1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->moved);
  EXPECT_EQ(Champion(), 1u);
  const AuditEntry entry = LastEntry();
  EXPECT_EQ(entry.change.action, "promote");
  EXPECT_EQ(entry.change.subject, "pipeline/support@champion");
  EXPECT_EQ(entry.number, first->audit_number);
  EXPECT_EQ(Json::parse(entry.change.after)["number"], 1);
  EXPECT_TRUE(Promote(1)->already);
  EXPECT_EQ(LastEntry().number, entry.number) << "nothing happened";
  EXPECT_TRUE(absl::IsNotFound(Promote(9).status()));
}

TEST_F(PromoterTest, AGateThatIsNotMetRefusesWithItsReasons) {
  GateSpec gate = Quality();
  gate.thresholds.push_back({.metric = "map", .min = 0.5});
  Declare(gate);
  auto promotion = Promote(1);
  ASSERT_TRUE(promotion.ok()) << promotion.status();
  EXPECT_FALSE(promotion->moved);
  EXPECT_THAT(promotion->says,
              AllOf(HasSubstr("support@1 has no finished evaluation of dataset set@1"),
                    HasSubstr("vouch eval run --pipeline support@1 --dataset set@1")));
  Evaluate(1, [](int) { return 0.25; });
  promotion = Promote(1);
  EXPECT_FALSE(promotion->moved);
  EXPECT_EQ(promotion->gates[0].checks[0].verdict, GateVerdict::kFail);
  EXPECT_THAT(promotion->says, HasSubstr("map >= 0.5: fail (it is 0.25"));
  EXPECT_EQ(LastEntry().change.action, "promote.refused");
  EXPECT_EQ(Champion(), 0u);
  Evaluate(1, [](int) { return 0.75; });
  promotion = Promote(1);
  EXPECT_TRUE(promotion->moved) << promotion->says;
  const Json evidence = Json::parse(LastEntry().change.after);
  EXPECT_EQ(evidence["gates"][0]["gate"], "quality@1");
  EXPECT_EQ(evidence["gates"][0]["evaluation"], "eval-1-2");
  EXPECT_EQ(evidence["gates"][0]["checks"][0]["verdict"], "pass");
  EXPECT_EQ(evidence["gates"][0]["checks"][0]["value"], 0.75);
}

TEST_F(PromoterTest, ADatasetThatIsNotThereIsARefusal) {
  GateSpec gate = Quality();
  gate.dataset = "other";
  gate.thresholds.push_back({.metric = "map", .min = 0.5});
  Declare(gate);
  EXPECT_THAT(Promote(1)->says, HasSubstr("vouch dataset import other"));
}

TEST_F(PromoterTest, AFigureThatNoQuestionHasAndOneThatTheIntervalCrosses) {
  GateSpec gate = Quality();
  gate.thresholds = {{.metric = "token_f1", .min = 0.5},
                     {.metric = "map", .min = 0.45, .sure = true}};
  gate.thresholds[0].metric = "recall_10";
  Declare(gate);
  Evaluate(1, [](int) { return 0.5; });
  const auto promotion = Promote(1);
  ASSERT_TRUE(promotion.ok()) << promotion.status();
  EXPECT_EQ(promotion->gates[0].checks[0].verdict, GateVerdict::kMissing);
  EXPECT_EQ(promotion->gates[0].checks[1].verdict, GateVerdict::kCannotTell);
  EXPECT_THAT(promotion->gates[0].checks[1].says, HasSubstr("add questions"));
}

TEST_F(PromoterTest, QuestionsThatCouldNotBeRunCount) {
  GateSpec gate = Quality();
  gate.thresholds.push_back({.metric = "map", .min = 0.1});
  Declare(gate);
  Evaluate(
      1, [](int) { return 0.5; }, 10, /*errors=*/2);
  EXPECT_THAT(Promote(1)->says, HasSubstr("2 of 40 questions could not be run"));
  gate.max_errors = 2;
  Declare(gate);
  EXPECT_TRUE(Promote(1)->moved);
}

TEST_F(PromoterTest, TheChallengerMustBeNoWorseThanTheChampion) {
  const auto champion = [](int i) { return 0.5 + 0.01 * (i % 7); };
  ASSERT_TRUE(Promote(1)->moved);
  GateSpec gate = Quality();
  gate.no_worse.push_back({.metric = "map", .margin = 0.05});
  gate.guardrails.push_back({.metric = "latency_ms", .share = 0.5});
  Declare(gate);
  Evaluate(2, [&](int i) { return champion(i) - 0.2; });
  EXPECT_THAT(Promote(2)->says,
              AllOf(HasSubstr("support@1 has no finished evaluation of dataset set@1"),
                    HasSubstr("--pipeline support@1 --dataset set@1 --at 1 --answers none")));
  Evaluate(1, champion);
  auto promotion = Promote(2);
  EXPECT_EQ(promotion->gates[0].checks[0].verdict, GateVerdict::kFail) << promotion->says;
  EXPECT_THAT(promotion->says, HasSubstr("worse by more than 0.05"));
  // Up and down by much: too few questions to say that it loses no more than .05.
  Evaluate(2, [&](int i) { return champion(i) + (i % 2 == 0 ? 0.4 : -0.42); });
  promotion = Promote(2);
  EXPECT_EQ(promotion->gates[0].checks[0].verdict, GateVerdict::kCannotTell) << promotion->says;
  EXPECT_FALSE(promotion->moved) << "cannot tell is no pass";
  EXPECT_THAT(promotion->says, HasSubstr("so many questions find a difference of"));
  // A little worse, surely, and within the margin; but slow.
  Evaluate(
      2, [&](int i) { return champion(i) - 0.01 - 0.001 * (i % 3); }, /*latency_ms=*/50);
  promotion = Promote(2);
  EXPECT_EQ(promotion->gates[0].checks[0].verdict, GateVerdict::kPass) << promotion->says;
  EXPECT_EQ(promotion->gates[0].checks[1].verdict, GateVerdict::kFail);
  Evaluate(
      2, [&](int i) { return champion(i) - 0.01 - 0.001 * (i % 3); }, /*latency_ms=*/11);
  promotion = Promote(2);
  EXPECT_TRUE(promotion->moved) << promotion->says;
  EXPECT_EQ(promotion->gates[0].champion_evaluation, "eval-1-2");
}

TEST_F(PromoterTest, TheFirstChampionHasNothingToBeComparedWith) {
  GateSpec gate = Quality();
  gate.no_worse.push_back({.metric = "map", .margin = 0.05});
  Declare(gate);
  Evaluate(1, [](int) { return 0.5; });
  EXPECT_TRUE(Promote(1)->moved);
}

TEST_F(PromoterTest, ForceTakesAReasonAndIsOnRecord) {
  GateSpec gate = Quality();
  gate.thresholds.push_back({.metric = "map", .min = 0.5});
  Declare(gate);
  EXPECT_TRUE(absl::IsInvalidArgument(Promote(1, nullptr, "", true).status()));
  const auto promotion = Promote(1, nullptr, "the index was lost", true);
  ASSERT_TRUE(promotion.ok()) << promotion.status();
  EXPECT_TRUE(promotion->moved);
  EXPECT_TRUE(promotion->forced);
  const AuditEntry entry = LastEntry();
  EXPECT_EQ(entry.change.reason, "the index was lost");
  EXPECT_EQ(Json::parse(entry.change.after)["forced"], true);
  EXPECT_EQ(Json::parse(entry.change.after)["gates"][0]["passed"], false);
}

TEST_F(PromoterTest, RollbackIsOneStep) {
  EXPECT_TRUE(absl::IsNotFound(Rollback().status()));
  ASSERT_TRUE(Promote(1)->moved);
  EXPECT_TRUE(absl::IsFailedPrecondition(Rollback().status()));
  ASSERT_TRUE(Promote(2)->moved);
  ASSERT_TRUE(Promote(3)->moved);
  auto back = Rollback();
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->from, 3u);
  EXPECT_EQ(back->to, 2u);
  EXPECT_EQ(Champion(), 2u);
  EXPECT_EQ(LastEntry().change.action, "rollback");
  EXPECT_TRUE(absl::IsAborted(Rollback(/*revision=*/3).status())) << "it was moved since";
  EXPECT_EQ(Rollback(4)->to, 1u);
  EXPECT_EQ(Champion(), 1u);
}

TEST_F(PromoterTest, OfTwoPromotionsAtOnceOneWinsAndTheOtherIsTold) {
  // Both wait in the hook until both have been asked, so both were decided at the same revision.
  std::atomic<int> asked = 0;
  HookServer server([&asked](size_t, const HookServer::Request&) {
    ++asked;
    for (int i = 0; i < 2'000 && asked < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return HookServer::Reply{};
  });
  HookSpec hook;
  hook.name = "asked";
  hook.events = {"before.promote"};
  hook.url = server.url();
  hook.on_failure = HookSpec::OnFailure::kRefuse;
  const auto runner = HookRunner::Start(*store_, clock_, {hook}).value();
  absl::StatusOr<Promotion> outcomes[2] = {absl::InternalError(""), absl::InternalError("")};
  std::thread other([&] { outcomes[0] = Promote(1, runner.get()); });
  outcomes[1] = Promote(2, runner.get());
  other.join();
  ASSERT_NE(outcomes[0].ok(), outcomes[1].ok()) << outcomes[0].status() << outcomes[1].status();
  const absl::Status lost = outcomes[0].ok() ? outcomes[1].status() : outcomes[0].status();
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_THAT(std::string(lost.message()), HasSubstr("was moved meanwhile"));
  EXPECT_EQ(Champion(), outcomes[0].ok() ? 1u : 2u);
}

TEST_F(PromoterTest, AHookCanRefuseAndOneThatAGateWantsMustBeThere) {
  HookServer server([](size_t, const HookServer::Request& request) {
    const Json event = Json::parse(request.body);
    if (event["data"]["to"] == 2)
      return HookServer::Reply{.body = R"({"allowed": false, "reason": "not on a Friday"})"};
    return HookServer::Reply{};
  });
  GateSpec gate = Quality();
  gate.dataset = "";
  gate.hooks = {"approval"};
  Declare(gate);
  EXPECT_THAT(Promote(1)->says, HasSubstr("no hook of this process is named approval"));
  HookSpec hook;
  hook.name = "approval";
  hook.events = {"before.promote"};
  hook.url = server.url();
  hook.on_failure = HookSpec::OnFailure::kRefuse;
  const auto runner = HookRunner::Start(*store_, clock_, {hook}).value();
  EXPECT_TRUE(Promote(1, runner.get())->moved);
  const auto refused = Promote(2, runner.get());
  EXPECT_FALSE(refused->moved);
  EXPECT_THAT(refused->says, HasSubstr("not on a Friday"));
  EXPECT_TRUE(Promote(2, runner.get(), "must be", true)->moved);
}

TEST_F(PromoterTest, WhileTheErrorBudgetIsSpentNothingIsPromoted) {
  ASSERT_TRUE(Promote(1)->moved);
  SloSpec slo;
  slo.name = "answered";
  slo.pipeline = "support";
  slo.alias = "champion";
  slo.signal = SloSignal::kAnswered;
  slo.objective = 0.9;
  ASSERT_EQ(CheckSlo(slo), absl::OkStatus());
  SpecStore slos(*store_, clock_, Promoter::kSloKind);
  ASSERT_TRUE(slos.Apply(kTenant, slo.name, SloToJson(slo), false, "default/a").ok());
  const auto answer = [&](int number, bool abstained, const std::string& by, bool evaluation) {
    Answer record;
    record.id = "a" + std::to_string(number);
    record.time_us = clock_.NowMicros() + number;
    record.pipeline = by;
    record.pipeline_hash = "x";
    record.abstained = abstained;
    record.evaluation = evaluation;
    ASSERT_TRUE(store_->PutAnswer(kTenant, record.id, AnswerToJson(record)).ok());
  };
  for (int i = 0; i < 20; ++i) answer(i, i < 1, "support@1", false);
  for (int i = 20; i < 60; ++i) answer(i, true, "support@2", false);  // not the champion's
  for (int i = 60; i < 90; ++i) answer(i, true, "support@1", true);   // an evaluation's
  const auto fine = Promote(2);
  ASSERT_TRUE(fine.ok()) << fine.status();
  EXPECT_TRUE(fine->moved) << fine->says;
  EXPECT_THAT(fine->gates.at(0).checks.at(0).says, HasSubstr("1 of 20 answers in 30 days"));
  ASSERT_EQ(Rollback()->to, 1u);
  clock_.now_us += 1'000'000;
  for (int i = 90; i < 95; ++i) answer(i, true, "support@1", false);
  clock_.now_us += 1'000'000;
  const auto frozen = Promote(2);
  EXPECT_FALSE(frozen->moved);
  EXPECT_THAT(frozen->says,
              AllOf(HasSubstr("% of the error budget is spent: 6 of 25"), HasSubstr("roll back")));
  EXPECT_TRUE(Promote(2, nullptr, "it mends the cause", true)->moved);
}

}  // namespace
}  // namespace vouch
