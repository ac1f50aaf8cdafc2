// Experiments while a store is served: who hears of what goes wrong, and who is kept from nothing by it.
#include "rag/deliver/experiment_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "absl/status/status.h"
#include "rag/deliver/experiment_records.h"
#include "rag/deliver/watch_job.h"
#include "rag/pipeline_store.h"
#include "storage/concat.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;


class ExperimentRunnerTest : public ::testing::Test {
 protected:
  ExperimentRunnerTest() {
    DatabaseOptions options;
    options.path = dir_.File("data");
    database_ = Database::Open(std::move(options)).value();
    for (const char* tenant : {kTenant, "other"}) {
      for (uint32_t chunks : {4, 5}) {
        PipelineSpec spec;
        spec.name = "support";
        spec.collection = "docs";
        spec.retrieve.chunks = chunks;
        EXPECT_TRUE(pipelines().Apply(tenant, spec, false).ok());
      }
      EXPECT_TRUE(pipelines().MoveAlias(tenant, "support", "champion", {.number = 1}, {}).ok());
    }
    Open();
  }

  PipelineStore pipelines() { return PipelineStore(database_->store(), database_->clock()); }
  Journal& journal() { return Journal::Of(database_->store()); }
  void Open(bool may_promote = true) {
    runner_.reset();
    runner_.emplace(ExperimentRunner::Dependencies{
        .database = *database_,
        .embedders = embedders_,
        .route = [](const std::string&) -> absl::StatusOr<std::shared_ptr<ModelRoute>> {
          throw std::runtime_error("no memory for a route");
        },
        .may_promote = may_promote,
        .warn =
            [this](const std::string& message) {
              const std::lock_guard<std::mutex> lock(mu_);
              said_.push_back(message);
            }});
  }
  static ExperimentSpec Spec(ExperimentMode mode) {
    ExperimentSpec spec;
    spec.name = "trial";
    spec.pipeline = "support";
    spec.challenger = "2";
    spec.mode = mode;
    spec.share = 1;
    spec.signal = ExperimentSignal::kAnswered;
    return spec;
  }
  ExperimentRunner::Assignment Assign(const std::string& tenant) {
    return runner_->Assign(tenant, "support@champion", "caller/a", "How?").value().value();
  }
  bool Shares(const std::string& tenant) {
    return runner_->Assign(tenant, "support@champion", "caller/a", "How?").value().has_value();
  }
  void PutState(const std::string& tenant, const std::string& bytes) {
    JournalChange change;
    change.records.push_back({ExperimentStateName("trial"), bytes});
    ASSERT_TRUE(journal().Commit(tenant, change).ok());
  }
  template <class Condition>
  bool Await(Condition condition) {
    for (int i = 0; i < 1'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  }
  std::vector<std::string> Said() {
    const std::lock_guard<std::mutex> lock(mu_);
    return said_;
  }
  double ErrorsOf(ArmTally StepTally::*arm) {
    return (runner_->Get(kTenant, "trial")->state.steps[0].*arm).errors.sum;
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_{ModelServerOptions{}};
  std::mutex mu_;
  std::vector<std::string> said_;  // guarded by mu_
  std::optional<ExperimentRunner> runner_;
};

TEST_F(ExperimentRunnerTest, OneThatCannotBeReadKeepsNoOtherFromAnything) {
  for (const char* tenant : {kTenant, "other"})
    ASSERT_TRUE(runner_->Apply(tenant, Spec(ExperimentMode::kAb), false, kActor).ok());
  PutState(kTenant, "{}");
  // The other one's end holds for the next question.
  EXPECT_TRUE(Shares("other"));
  ASSERT_TRUE(runner_->Stop("other", "trial", "", kActor).ok());
  EXPECT_FALSE(Shares("other"));
  EXPECT_FALSE(Shares(kTenant));
  EXPECT_TRUE(Await([&] { return !Said().empty(); }));
  EXPECT_THAT(Said(), Contains(HasSubstr("experiment trial of tenant default rests: ")));
  // Told once.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(runner_->List("other").ok());
  const std::vector<std::string> said = Said();
  EXPECT_EQ(std::count_if(said.begin(), said.end(),
                          [](const std::string& message) { return message.find(" rests: ") != std::string::npos; }),
            1);
  ASSERT_TRUE(runner_->Remove(kTenant, "trial", kActor).ok());
  ASSERT_TRUE(runner_->Apply(kTenant, Spec(ExperimentMode::kAb), false, kActor).ok());
  EXPECT_TRUE(Shares(kTenant));
}

TEST_F(ExperimentRunnerTest, AWinnerIsPromotedByAProcessThatMay) {
  Open(/*may_promote=*/false);
  ExperimentSpec spec = Spec(ExperimentMode::kAb);
  spec.promote = true;
  ASSERT_TRUE(runner_->Apply(kTenant, spec, false, kActor).ok());
  ExperimentState state = runner_->Get(kTenant, "trial")->state;
  state.status = ExperimentStatus::kWon;
  runner_.reset();
  PutState(kTenant, ExperimentStateToJson(state));
  Open(/*may_promote=*/false);
  runner_.reset();  // looks once more
  EXPECT_EQ(pipelines().Get(kTenant, "support@champion").value()->number, 1u);
  Open(/*may_promote=*/true);
  EXPECT_TRUE(Await([&] { return pipelines().Get(kTenant, "support@champion").value()->number == 2; }));
  EXPECT_TRUE(Await([&] { return !runner_->Get(kTenant, "trial")->state.promotion.empty(); }));
}

TEST_F(ExperimentRunnerTest, WhatAShadowThrowsIsAnErrorAndEndsNothing) {
  ASSERT_TRUE(runner_->Apply(kTenant, Spec(ExperimentMode::kShadow), false, kActor).ok());
  AskRequest ask;
  ask.question = "How?";
  ask.principal.tenant = kTenant;
  for (int i = 0; i < 2; ++i) runner_->AskShadow(Assign(kTenant), ask, "seen", Version{1});
  EXPECT_TRUE(Await([&] { return ErrorsOf(&StepTally::challenger) == 2; }));
}

TEST_F(ExperimentRunnerTest, WhatFailsIsAnErrorOfWhoWasAskedWhateverItFailedBy) {
  ASSERT_TRUE(runner_->Apply(kTenant, Spec(ExperimentMode::kAb), false, kActor).ok());
  const ExperimentArm arm = Assign(kTenant).arm;
  EXPECT_TRUE(arm.challenger);
  for (const absl::Status& status :
       {absl::NotFoundError("no collection"), absl::InvalidArgumentError("no dense field"),
        absl::OutOfRangeError(""), absl::UnavailableError(""), absl::InternalError("")}) {
    runner_->TakeError(kTenant, arm, status);
  }
  EXPECT_EQ(ErrorsOf(&StepTally::challenger), 5);
  for (const absl::Status& status : {absl::CancelledError(""), absl::PermissionDeniedError(""),
                                     absl::UnauthenticatedError(""), absl::ResourceExhaustedError("the day's money")}) {
    runner_->TakeError(kTenant, arm, status);
  }
  EXPECT_EQ(ErrorsOf(&StepTally::challenger), 5);
}

TEST_F(ExperimentRunnerTest, AConversationIsKnownByItsFirstQuestionAndNotByAGreeting) {
  const std::vector<ChatMessage> greeted = {{.role = "assistant", .content = "Hello!"}};
  std::vector<ChatMessage> later = greeted;
  later.push_back({.role = "user", .content = "How?"});
  later.push_back({.role = "assistant", .content = "By screws."});
  const auto caller = [](const std::vector<ChatMessage>& conversation, const char* question) {
    return ExperimentRunner::CallerOf("", Principal(), conversation, question);
  };
  EXPECT_EQ(caller(greeted, "How?"), caller(later, "And then?"));
  EXPECT_NE(caller(greeted, "How?"), caller(greeted, "Why?"));
  EXPECT_EQ(caller({}, "How?"), caller(greeted, "How?"));
}

TEST_F(ExperimentRunnerTest, WhatARunLeavesGoesInTheBackground) {
  ASSERT_TRUE(runner_->Apply(kTenant, Spec(ExperimentMode::kAb), false, kActor).ok());
  const ExperimentArm arm = Assign(kTenant).arm;
  runner_->TakeError(kTenant, arm, absl::InternalError(""));
  EXPECT_EQ(ErrorsOf(&StepTally::challenger), 1);
  const auto left = [&] {
    std::vector<std::string> names;
    EXPECT_TRUE(journal()
                    .ScanJournalRecords(kTenant, ExperimentCallersOf("trial"),
                                        [&](std::string_view name, std::string_view) {
                                          names.emplace_back(name);
                                          return true;
                                        })
                    .ok());
    return names;
  };
  EXPECT_EQ(left().size(), 1u);
  ASSERT_TRUE(runner_->Remove(kTenant, "trial", kActor).ok());
  EXPECT_TRUE(Await([&] { return left().empty(); }));
  EXPECT_THAT(Said(), IsEmpty());
}

TEST(WatchJob, ALookThatThrowsIsToldAndTakenAgain) {
  std::mutex mu;
  int looks = 0;
  std::vector<std::string> said;
  {
    const WatchJob job(
        std::chrono::seconds(0),
        [&](const CancelToken&) {
          const std::lock_guard<std::mutex> lock(mu);
          ++looks;
          throw std::runtime_error("no memory");
        },
        [&](const std::string& message) {
          const std::lock_guard<std::mutex> lock(mu);
          said.push_back(message);
        });
    for (int i = 0; i < 1'000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const std::lock_guard<std::mutex> lock(mu);
      if (looks > 1) break;
    }
  }
  EXPECT_GT(looks, 1);
  EXPECT_EQ(said[0], "unexpected: no memory");
}

}  // namespace
}  // namespace vouch
