// What is kept of experiments: runs, looks, and what they leave.
#include "rag/deliver/experiment_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_format.h"
#include "rag/deliver/experiment_records.h"
#include "rag/feedback.h"
#include "storage/concat.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;


ExperimentSpec Canary() {
  ExperimentSpec spec;
  spec.name = "cheaper";
  spec.pipeline = "support";
  spec.challenger = "2";
  spec.mode = ExperimentMode::kCanary;
  spec.share = 0;
  spec.ramp = {{.share = 0.1, .answers = 5, .seconds = 0}, {.share = 0.5, .answers = 20, .seconds = 0}};
  spec.signal = ExperimentSignal::kAnswered;
  return spec;
}

class ExperimentBookTest : public ::testing::Test {
 protected:
  ExperimentBookTest() { Open(); }

  void Open() {
    book_.reset();
    store_.reset();
    store_ = Store::Open({.path = dir_.File("store")}).value();
    book_.emplace(*store_, clock_, [this](const std::string& message) { said_.push_back(message); });
    for (uint32_t chunks : {4, 5}) {
      PipelineSpec spec;
      spec.name = "support";
      spec.collection = "docs";
      spec.retrieve.chunks = chunks;
      ASSERT_TRUE(pipelines().Apply(kTenant, spec, false).ok());
    }
    if (pipelines().Get(kTenant, "support@champion").ok()) return;
    ASSERT_TRUE(pipelines().MoveAlias(kTenant, "support", "champion", {.number = 1}, {}).ok());
  }
  PipelineStore pipelines() { return PipelineStore(*store_, clock_); }

  // An answer of the run, by a caller of its own, and what `change` makes of it.
  std::string Keep(bool challenger, bool abstained = false, const std::string& caller = "",
                   const std::function<void(Answer*)>& change = nullptr) {
    const ExperimentEntry entry = book_->Get(kTenant, "cheaper").value();
    Answer answer;
    answer.id = Concat("answer-", ++answers_);
    answer.time_us = clock_.now_us;
    answer.tenant = kTenant;
    answer.pipeline = challenger ? "support@2" : "support@1";
    answer.abstained = abstained;
    answer.retrieve_us = 20'000;
    const double share = ShareAt(entry.spec, entry.state.step);
    answer.experiment = ExperimentArm{.experiment = Concat("cheaper@", entry.version.number),
                                      .run = entry.state.run,
                                      .step = entry.state.step,
                                      .mode = "canary",
                                      .challenger = challenger,
                                      .propensity = challenger ? share : 1 - share,
                                      .salt = "cheaper",
                                      .caller = caller.empty() ? answer.id : caller,
                                      .asked = "support@champion"};
    if (change) change(&answer);
    EXPECT_TRUE(store_->PutAnswer(kTenant, answer.id, AnswerToJson(answer)).ok());
    return answer.id;
  }
  void NoteError(const std::string& answer, const std::string& caller) {
    ExperimentArm arm = AnswerFromJson(store_->GetAnswer(kTenant, answer).value())->experiment.value();
    arm.caller = caller;
    ASSERT_TRUE(book_->NoteError(kTenant, arm).ok());
  }
  void PutRecord(const std::string& name, const std::string& bytes) {
    JournalChange change;
    change.records.push_back({name, bytes});
    ASSERT_TRUE(Journal::Of(*store_).Commit(kTenant, change).ok());
  }
  std::vector<std::string> RecordsOf(const std::string& prefix) {
    std::vector<std::string> names;
    EXPECT_TRUE(Journal::Of(*store_)
                    .ScanJournalRecords(kTenant, prefix,
                                        [&](std::string_view name, std::string_view) {
                                          names.emplace_back(name);
                                          return true;
                                        })
                    .ok());
    return names;
  }
  ExperimentEntry Look() { return book_->Look(kTenant, "cheaper").value(); }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    EXPECT_TRUE(Journal::Of(*store_)
                    .ScanAudit(kTenant, 1,
                               [&](AuditEntry&& entry) {
                                 if (entry.change.subject == "experiment/cheaper")
                                   actions.push_back(entry.change.action);
                                 return true;
                               })
                    .ok());
    return actions;
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::optional<ExperimentBook> book_;
  std::vector<std::string> said_;  // by the book
  int answers_ = 0;
};

TEST_F(ExperimentBookTest, AVersionStartsARunAndTheSameOneChangesNothing) {
  const SpecStore::Applied applied = book_->Apply(kTenant, Canary(), false, kActor).value();
  EXPECT_TRUE(applied.changed);
  ExperimentEntry entry = Look();
  EXPECT_EQ(entry.state.run, 1u);
  EXPECT_EQ(entry.state.champion, 1u);
  EXPECT_EQ(entry.state.challenger, 2u);
  EXPECT_FALSE(book_->Apply(kTenant, Canary(), false, kActor)->changed);
  ASSERT_TRUE(book_->Stop(kTenant, "cheaper", "enough", kActor).ok());
  // What has ended is not started by the same file.
  EXPECT_FALSE(book_->Apply(kTenant, Canary(), false, kActor)->changed);
  EXPECT_EQ(Look().state.status, ExperimentStatus::kStopped);
  EXPECT_TRUE(absl::IsFailedPrecondition(book_->Stop(kTenant, "cheaper", "", kActor).status()));
  EXPECT_EQ(book_->Start(kTenant, "cheaper", kActor)->state.run, 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(book_->Start(kTenant, "cheaper", kActor).status()));
  ExperimentSpec other = Canary();
  other.alpha = 0.01;
  EXPECT_TRUE(book_->Apply(kTenant, other, false, kActor)->changed);
  EXPECT_EQ(Look().state.run, 3u);
  EXPECT_THAT(Actions(), ElementsAre("experiment.apply", "experiment.start", "experiment.stop",
                                     "experiment.start", "experiment.apply", "experiment.start"));

  ExperimentSpec second = Canary();
  second.name = "second";
  EXPECT_THAT(std::string(book_->Apply(kTenant, second, false, kActor).status().message()),
              HasSubstr("experiment cheaper has the questions to support@champion"));
  EXPECT_TRUE(absl::IsNotFound(book_->Get(kTenant, "second").status()));
  second.pipeline = "sales";
  EXPECT_TRUE(absl::IsNotFound(book_->Apply(kTenant, second, false, kActor).status()));
}

TEST_F(ExperimentBookTest, AnswersCountOnceHoweverOftenItIsLookedAtAndTheStoreIsOpened) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  for (int i = 0; i < 3; ++i) Keep(i == 0);
  EXPECT_EQ(Look().state.steps[0].champion.answers, 2u);
  EXPECT_EQ(Look().state.steps[0].champion.answers, 2u);
  Open();
  Keep(false, false, "somebody");
  Keep(false, false, "somebody");
  const ExperimentState state = Look().state;
  EXPECT_EQ(state.steps[0].champion.answers, 4u);
  EXPECT_EQ(state.steps[0].challenger.answers, 1u);
  // A caller counts once in what it is decided by, and is told again after a restart.
  EXPECT_EQ(state.steps[0].champion.callers, 3u);
  EXPECT_EQ(state.steps[0].champion.signal.count, 3u);
  Open();
  Keep(false, false, "somebody");
  EXPECT_EQ(Look().state.steps[0].champion.signal.count, 3u);
  EXPECT_EQ(Look().state.sample.callers, 4u);
}

TEST_F(ExperimentBookTest, ARampRisesByAnswersAndIsRolledBackByAGuardrail) {
  ExperimentSpec spec = Canary();
  spec.guardrails.push_back({.metric = GuardrailMetric::kAbstained, .margin = 0.1});
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  for (int i = 0; i < 20; ++i) Keep(i % 5 == 0);  // 4 of the challenger
  EXPECT_EQ(Look().state.step, 0u);
  Keep(true);
  EXPECT_EQ(Look().state.step, 1u);
  for (int i = 0; i < 60; ++i) Keep(i % 2 == 0, /*abstained=*/i % 2 == 0);
  const ExperimentState state = Look().state;
  EXPECT_EQ(state.status, ExperimentStatus::kRolledBack);
  EXPECT_THAT(state.reason, HasSubstr("guardrail abstained at most the champion's + 0.1"));
  EXPECT_THAT(Actions(), ElementsAre("experiment.apply", "experiment.start", "experiment.step",
                                     "experiment.rollback"));
  // Answer by answer: looked at once or after each, it ends at the same one.
  const uint64_t ended_at = state.steps[1].challenger.answers;
  ASSERT_TRUE(book_->Start(kTenant, "cheaper", kActor).ok());
  for (int i = 0; i < 20; ++i) Keep(i % 5 == 0), Look();
  Keep(true);
  Look();
  for (int i = 0; i < 60 && IsActive(Look().state.status); ++i) Keep(i % 2 == 0, i % 2 == 0);
  EXPECT_EQ(Look().state.steps[1].challenger.answers, ended_at);
}

TEST_F(ExperimentBookTest, AClockThatJumpsNeitherMovesAStepNorHoldsItUp) {
  ExperimentSpec spec = Canary();
  spec.ramp[0].seconds = 600;
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  for (int i = 0; i < 10; ++i) Keep(true), Keep(false);
  clock_.now_us += int64_t{365} * 86'400 * 1'000'000;  // a year at once
  EXPECT_EQ(Look().state.step, 0u);
  clock_.now_us -= int64_t{730} * 86'400 * 1'000'000;
  EXPECT_EQ(Look().state.step, 0u);
  // Looked at each minute, it takes its ten, less the two that a jump may count for.
  int minutes = 0;
  while (Look().state.step == 0 && minutes < 20) clock_.now_us += 60'000'000, ++minutes;
  EXPECT_EQ(minutes, 8);
}

TEST_F(ExperimentBookTest, FeedbackIsASignalAndAFailedQuestionAnError) {
  ExperimentSpec spec = Canary();
  spec.signal = ExperimentSignal::kThumbs;
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  FeedbackStore feedback(*store_, clock_);
  const auto also = [](const Feedback& said, const Answer& answer) {
    const auto event = ExperimentBook::EventOf(said, *answer.experiment);
    return event ? std::vector<RecordChange>{*event} : std::vector<RecordChange>();
  };
  const std::string liked = Keep(true);
  const std::string disliked = Keep(false);
  ASSERT_TRUE(feedback.Add(kTenant, liked, {.thumbs_up = true}, kActor, also).ok());
  ASSERT_TRUE(feedback.Add(kTenant, disliked, {.thumbs_up = false}, kActor, also).ok());
  ASSERT_TRUE(feedback.Add(kTenant, disliked, {.correction = "No."}, kActor, also).ok());
  // Of one caller the first counts. Ids are in the order of milliseconds.
  clock_.now_us += 1'000;
  ASSERT_TRUE(feedback.Add(kTenant, disliked, {.thumbs_up = true}, kActor, also).ok());
  ExperimentArm arm = AnswerFromJson(store_->GetAnswer(kTenant, liked).value())->experiment.value();
  arm.caller = "another";
  ASSERT_TRUE(book_->NoteError(kTenant, arm).ok());
  for (int i = 0; i < 2; ++i) {
    const StepTally step = Look().state.steps[0];
    EXPECT_EQ(step.challenger.signal.count, 1u);
    EXPECT_EQ(step.challenger.signal.mean(), 1);
    EXPECT_EQ(step.champion.signal.count, 1u);
    EXPECT_EQ(step.champion.signal.mean(), 0);
    EXPECT_EQ(step.challenger.answers, 2u);
    EXPECT_EQ(step.challenger.errors.sum, 1);
    Open();
  }
  // What comes after the end is not kept for ever.
  ASSERT_TRUE(book_->NoteError(kTenant, arm).ok());
  ASSERT_TRUE(book_->Stop(kTenant, "cheaper", "", kActor).ok());
  Look();
  int events = 0;
  ASSERT_TRUE(Journal::Of(*store_)
                  .ScanJournalRecords(kTenant, ExperimentEventsOf("cheaper"),
                                      [&](std::string_view, std::string_view) { return ++events > 0; })
                  .ok());
  EXPECT_EQ(events, 0);
}

TEST_F(ExperimentBookTest, AnAliasThatIsMovedEndsIt) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  Keep(true);
  ASSERT_TRUE(pipelines()
                  .MoveAlias(kTenant, "support", "champion", {.number = 2, .expected_revision = 1}, {})
                  .ok());
  const ExperimentState state = Look().state;
  EXPECT_EQ(state.status, ExperimentStatus::kFinished);
  EXPECT_THAT(state.reason, HasSubstr("support@champion is version 2 now, and was 1"));
}

TEST_F(ExperimentBookTest, AVersionWithoutARunGetsOneAtTheNextLook) {
  // As a kill between the two leaves it.
  SpecStore specs(*store_, clock_, ExperimentBook::kKind);
  ASSERT_TRUE(specs.Apply(kTenant, "cheaper", ExperimentToJson(Canary()), false, kActor).ok());
  EXPECT_EQ(book_->Get(kTenant, "cheaper")->state.run, 0u);
  EXPECT_EQ(Look().state.run, 1u);
}

TEST_F(ExperimentBookTest, QuestionsThatFailRaiseNoRampAndAreNotAnswered) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  const std::string answer = Keep(true);
  for (int i = 0; i < 10; ++i) NoteError(answer, Concat("caller-", i));
  ExperimentState state = Look().state;
  EXPECT_EQ(state.steps[0].challenger.answers, 11u);
  EXPECT_EQ(state.step, 0u);
  // By whether it answers it is decided here: ten times it did not.
  EXPECT_EQ(state.steps[0].challenger.signal.count, 11u);
  EXPECT_EQ(state.steps[0].challenger.signal.sum, 1);
  for (int i = 0; i < 4; ++i) Keep(true);
  EXPECT_EQ(Look().state.step, 1u);
}

TEST_F(ExperimentBookTest, AShadowThatFailsIsComparedWithTheAnswerThatWasSeen) {
  ExperimentSpec spec = Canary();
  spec.mode = ExperimentMode::kShadow;
  spec.ramp.clear();
  spec.share = 1;
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  const std::string seen = Keep(false);
  ExperimentArm arm = AnswerFromJson(store_->GetAnswer(kTenant, seen).value())->experiment.value();
  arm.challenger = true;
  arm.propensity = 1;
  arm.shadow_of = seen;
  ASSERT_TRUE(book_->NoteError(kTenant, arm).ok());
  const FigureSums pairs = Look().state.pairs;
  EXPECT_EQ(pairs.count, 1u);
  EXPECT_EQ(pairs.sum, 0);  // 0 is that the champion alone answered, 1 that the challenger did
}

TEST_F(ExperimentBookTest, WhatAnAnswerCostsIsAllThatItsModelsTook) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  Keep(true, false, "", [](Answer* answer) {
    answer->generation.emplace().cost_nano = 2'000'000'000;
    answer->rewrites.emplace_back().attempts.emplace_back().cost_nano = 1'000'000'000;
  });
  EXPECT_EQ(Look().state.steps[0].challenger.cost.sum, 3);
}

TEST_F(ExperimentBookTest, AShadowIsNotComparedWithTheCallersCache) {
  ExperimentSpec spec = Canary();
  spec.mode = ExperimentMode::kShadow;
  spec.ramp.clear();
  spec.share = 1;
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  Keep(false, false, "a", [](Answer* answer) { answer->cache = CacheUse{.answer_id = "before"}; });
  Keep(false, false, "b", [](Answer* answer) { answer->cache = CacheUse{}; });  // it had none
  const ExperimentState state = Look().state;
  EXPECT_EQ(state.steps[0].champion.answers, 2u);
  EXPECT_EQ(state.steps[0].champion.cost.count, 1u);
  EXPECT_GT(*state.champion_ms.Quantile(0.5), 0);
  EXPECT_EQ(state.steps[0].champion.abstained.count, 2u);
}

TEST_F(ExperimentBookTest, AChallengerWhoseHitsAreMissingErrs) {
  ExperimentSpec spec = Canary();
  spec.mode = ExperimentMode::kInterleave;
  spec.ramp.clear();
  spec.share = 1;
  spec.signal = ExperimentSignal::kCitations;
  ASSERT_TRUE(book_->Apply(kTenant, spec, false, kActor).ok());
  Keep(false, false, "", [](Answer* answer) { answer->experiment->against = "support@2"; });
  for (int i = 0; i < 3; ++i) Keep(false);
  const StepTally step = Look().state.steps[0];
  EXPECT_EQ(step.challenger.errors.count, 4u);
  EXPECT_EQ(step.challenger.errors.sum, 3);
  EXPECT_EQ(step.champion.errors.sum, 0);
  for (int i = 0; i < 10; ++i) Keep(false);
  EXPECT_EQ(Look().state.status, ExperimentStatus::kRolledBack);
}

TEST_F(ExperimentBookTest, WhatCannotBeReadIsPassedOverAndTold) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  Keep(false);
  ASSERT_TRUE(store_->PutAnswer(kTenant, "bad", R"({"of": "cheaper@1"})").ok());
  Keep(false);
  PutRecord(Concat(ExperimentEventsOf("cheaper"), "bad"), "{}");
  EXPECT_EQ(Look().state.steps[0].champion.answers, 2u);
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_THAT(said_[0], HasSubstr("experiment cheaper of tenant default passes over answer bad: "));
  EXPECT_THAT(said_[1], HasSubstr("passes over its event experiment-event/cheaper/bad: "));
  EXPECT_THAT(RecordsOf(ExperimentEventsOf("cheaper")), IsEmpty());
  Open();
  Keep(false);
  EXPECT_EQ(Look().state.steps[0].champion.answers, 3u);
  EXPECT_EQ(said_.size(), 2u);
  // An answer alone that is damaged, too: it lies behind afterwards.
  ASSERT_TRUE(store_->PutAnswer(kTenant, "worse", R"({"of": "cheaper@1"})").ok());
  for (int i = 0; i < 2; ++i) Look();
  EXPECT_EQ(said_.size(), 3u);
}

TEST_F(ExperimentBookTest, OneThatCannotBeReadRestsAndIsRemoved) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  ASSERT_TRUE(pipelines().MoveAlias(kTenant, "support", "second", {.number = 1}, {}).ok());
  ExperimentSpec other = Canary();
  other.name = "other";
  other.champion = "second";
  ASSERT_TRUE(book_->Apply(kTenant, other, false, kActor).ok());
  Keep(true, false, "somebody");
  Look();
  for (const std::string& damaged : {std::string("{}"), std::string(R"({"format": 2})")}) {
    PutRecord(ExperimentStateName("cheaper"), damaged);
    EXPECT_THAT(std::string(book_->List(kTenant).status().message()), HasSubstr("experiment cheaper: "));
    std::vector<std::string> unread;
    const auto entries = book_->ListReadable(
        kTenant, [&](const std::string& name, const absl::Status&) { unread.push_back(name); });
    ASSERT_EQ(entries->size(), 1u);
    EXPECT_EQ(entries->front().spec.name, "other");
    EXPECT_THAT(unread, ElementsAre("cheaper"));
    ASSERT_TRUE(book_->Remove(kTenant, "cheaper", kActor).ok());
    EXPECT_TRUE(absl::IsNotFound(book_->Get(kTenant, "cheaper").status()));
    // Its next run is not one that callers were noted for.
    ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
    EXPECT_EQ(Look().state.run, 3u);
    EXPECT_EQ(Look().state.status, ExperimentStatus::kRunning);
  }
}

TEST_F(ExperimentBookTest, WhatAnEndedRunLeftGoesAndAnActiveOneKeepsItsCallers) {
  ASSERT_TRUE(book_->Apply(kTenant, Canary(), false, kActor).ok());
  std::string answer;
  for (int i = 0; i < 30; ++i) answer = Keep(false, false, absl::StrFormat("%016x", i * 0x1234567890));
  Keep(false, false, "not a hash");
  Look();
  const std::string callers = ExperimentCallersOf("cheaper");
  const auto drop = [&] { return book_->DropLeftovers(kTenant, "cheaper", CancelToken()); };
  ASSERT_TRUE(drop().ok());
  EXPECT_EQ(RecordsOf(callers).size(), 31u);
  // A start waits for none of it.
  ASSERT_TRUE(book_->Stop(kTenant, "cheaper", "", kActor).ok());
  ASSERT_TRUE(book_->Start(kTenant, "cheaper", kActor).ok());
  EXPECT_EQ(RecordsOf(callers).size(), 31u);
  Keep(false, false, "anew");
  Look();
  const CancelToken stopped(absl::InfiniteFuture(), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(book_->DropLeftovers(kTenant, "cheaper", stopped)));
  ASSERT_TRUE(drop().ok());
  EXPECT_THAT(RecordsOf(callers), ElementsAre(ExperimentCallerName("cheaper", 2, "anew")));
  // And of one that was removed, with what came late.
  ASSERT_TRUE(book_->Remove(kTenant, "cheaper", kActor).ok());
  NoteError(answer, "late");
  EXPECT_THAT(*book_->NamesOfRuns(kTenant), ElementsAre("cheaper"));
  ASSERT_TRUE(drop().ok());
  EXPECT_THAT(RecordsOf(callers), IsEmpty());
  EXPECT_THAT(RecordsOf(ExperimentEventsOf("cheaper")), IsEmpty());
}

}  // namespace
}  // namespace vouch
