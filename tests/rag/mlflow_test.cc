// Evaluations and pipelines as an MLflow server gets them, over HTTP.
#include "rag/export/mlflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/mlflow_server.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

MlflowRun ARun(const std::string& evaluation) {
  MlflowRun run;
  run.evaluation = evaluation;
  run.name = "support@1 on parts@1";
  run.start_ms = 1'790'000'000'000;
  run.end_ms = 1'790'000'005'000;
  run.params = {{"mode", "text"}, {"depth", "1000"}};
  run.metrics = {{"ndcg_cut_10", 0.875}, {"ndcg_cut_10.low", 0.5}};
  run.tags = {{"vouch.pipeline", "support@1"}};
  run.dataset = "parts";
  run.digest = "12c4df7ecc8b04d3836d7a62e0d9610e";
  run.source = "vouchdb://dataset/parts@1";
  return run;
}

MlflowModel AModel(uint64_t versions, uint64_t champion) {
  MlflowModel model{.name = "support", .description = "for the shop"};
  for (uint64_t number = 1; number <= versions; ++number)
    model.versions.push_back({.number = number, .hash = std::string("h").append(std::to_string(number)), .source = "vouchdb://pipeline/support"});
  model.aliases["champion"] = champion;
  return model;
}

class MlflowTest : public ::testing::Test {
 protected:
  absl::StatusOr<bool> Put(const MlflowRun& run) {
    const auto experiment = client_.Experiment("vouch & more", cancel_);
    if (!experiment.ok()) return experiment.status();
    return client_.PutRun(*experiment, run, cancel_);
  }

  MlflowServer server_;
  MlflowClient client_{server_.url() + "/", "secret-token"};
  const CancelToken cancel_ = {};
};

TEST_F(MlflowTest, AnEvaluationIsARunWithItsDataset) {
  EXPECT_EQ(*Put(ARun("e1")), true);
  EXPECT_THAT(server_.experiments(), ElementsAre(Pair("vouch & more", "1")));
  ASSERT_THAT(server_.runs(), SizeIs(1));
  const MlflowServer::Run run = server_.runs().begin()->second;
  EXPECT_EQ(run.status, "FINISHED");
  EXPECT_EQ(run.end_time, 1'790'000'005'000);
  EXPECT_THAT(run.params, ElementsAre(Pair("depth", "1000"), Pair("mode", "text")));
  EXPECT_THAT(run.metrics, ElementsAre(Pair("ndcg_cut_10", 0.875), Pair("ndcg_cut_10.low", 0.5)));
  EXPECT_THAT(run.datasets, ElementsAre("parts 12c4df7ecc8b04d3836d7a62e0d9610e"));
  EXPECT_EQ(server_.authorization(), "Bearer secret-token");
}

TEST_F(MlflowTest, DoneAgainNothingChanges) {
  EXPECT_EQ(*Put(ARun("e1")), true);
  EXPECT_EQ(client_.PutModel(AModel(2, 2), cancel_)->versions, 2u);
  const uint64_t writes = server_.writes();
  EXPECT_EQ(*Put(ARun("e1")), false);
  const auto again = client_.PutModel(AModel(2, 2), cancel_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->versions, 0u);
  EXPECT_EQ(again->aliases, 0u);
  EXPECT_EQ(server_.writes(), writes);
}

TEST_F(MlflowTest, WhatWasInterruptedIsGoneOnWith) {
  for (const char* step : {"runs/log-batch", "runs/log-inputs", "runs/update"}) {
    server_.FailOnce(step);
    const auto failed = Put(ARun("e1"));
    EXPECT_EQ(failed.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(failed.status().message()),
                AllOf(HasSubstr(server_.url()), HasSubstr(step), HasSubstr("the database is away"), Not(HasSubstr("secret"))));
    EXPECT_EQ(server_.runs().begin()->second.status, "RUNNING");
  }
  EXPECT_EQ(*Put(ARun("e1")), true);
  ASSERT_THAT(server_.runs(), SizeIs(1));
  EXPECT_EQ(server_.runs().begin()->second.status, "FINISHED");
}

TEST_F(MlflowTest, AliasesLeadToTheRegistrysOwnNumbers) {
  server_.AddForeignVersion("support");
  auto outcome = client_.PutModel(AModel(1, 1), cancel_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(server_.models()["support"].aliases["champion"], "2");
  server_.AddForeignVersion("support");
  outcome = client_.PutModel(AModel(2, 2), cancel_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->versions, 1u);
  EXPECT_EQ(outcome->aliases, 1u);
  const MlflowServer::Model model = server_.models()["support"];
  ASSERT_THAT(model.versions, SizeIs(4));
  EXPECT_EQ(model.aliases.at("champion"), "4");
  EXPECT_EQ(model.versions[3].tags.at("vouch.pipeline"), "support@2");
  EXPECT_EQ(model.versions[3].tags.at("vouch.hash"), "h2");
  // A rollback there is one here.
  EXPECT_EQ(client_.PutModel(AModel(2, 1), cancel_)->aliases, 1u);
  EXPECT_EQ(server_.models()["support"].aliases["champion"], "2");
}

TEST_F(MlflowTest, FiguresThatAJudgeAddsArriveToo) {
  EXPECT_EQ(*Put(ARun("e1")), true);
  MlflowRun judged = ARun("e1");
  judged.metrics["judge_relevance"] = 0.75;
  EXPECT_EQ(*Put(judged), true);
  ASSERT_THAT(server_.runs(), SizeIs(1));
  EXPECT_EQ(server_.runs().begin()->second.metrics.at("judge_relevance"), 0.75);
  EXPECT_EQ(server_.runs().begin()->second.status, "FINISHED");
  EXPECT_EQ(*Put(judged), false);
}

// Two stores, each with a pipeline "support".
TEST_F(MlflowTest, AnotherStoresVersionIsNotTakenForOurs) {
  ASSERT_TRUE(client_.PutModel(AModel(1, 1), cancel_).ok());
  MlflowModel other = AModel(1, 1);
  other.versions[0].hash = "another";
  const auto outcome = client_.PutModel(other, cancel_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->versions, 1u);
  EXPECT_EQ(server_.models()["support"].aliases["champion"], "2");
  EXPECT_EQ(client_.PutModel(other, cancel_)->versions, 0u);
}

TEST_F(MlflowTest, AliasesThatMlflowDoesNotTakeAreLeftOut) {
  MlflowModel model = AModel(1, 1);
  for (const char* alias : {"blue.green", "latest", "Latest", "v2", "vip", "v2-old"}) model.aliases[alias] = 1;
  const auto outcome = client_.PutModel(model, cancel_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->aliases, 3u);
  ASSERT_THAT(outcome->skipped, SizeIs(4));
  EXPECT_THAT(outcome->skipped[1], HasSubstr("alias 'blue.green' of support was left out"));
  EXPECT_TRUE(server_.models()["support"].aliases.contains("vip"));
  EXPECT_TRUE(server_.models()["support"].aliases.contains("v2-old"));
}

TEST_F(MlflowTest, AServerThatIsAnotherOneIsNamed) {
  const MlflowClient nobody("http://127.0.0.1:1", "");
  const absl::Status status = nobody.Experiment("x", cancel_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1/api/2.0/mlflow/experiments/get-by-name"));
  const MlflowClient elsewhere(server_.url() + "/nothing", "");
  EXPECT_EQ(elsewhere.Experiment("x", cancel_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace vouch
