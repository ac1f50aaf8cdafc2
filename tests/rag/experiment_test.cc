// Experiments: what they say, when they end, and what is kept of them.
#include "rag/deliver/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "rag/deliver/experiment_book.h"
#include "rag/deliver/experiment_records.h"
#include "rag/deliver/experiment_state.h"
#include "rag/eval/seeded_random.h"
#include "rag/feedback.h"
#include "rag/interleave.h"
#include "storage/concat.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTenant[] = "default";
constexpr char kActor[] = "default/a";

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

TEST(Experiment, TheCanonicalFormIsWrittenHereAndReadBack) {
  ExperimentSpec spec = Canary();
  spec.guardrails.push_back({.metric = GuardrailMetric::kLatencyP95, .share = 0.25});
  const std::string canonical = ExperimentToJson(spec);
  EXPECT_EQ(
      canonical,
      R"({"format":1,"name":"cheaper","description":"","pipeline":"support","champion":"champion",)"
      R"("challenger":"2","mode":"canary","share":0.0,"ramp":[{"share":0.1,"answers":5,"seconds":0},)"
      R"({"share":0.5,"answers":20,"seconds":0}],"signal":"answered","guardrails":[{"metric":)"
      R"("latency_p95_ms","max":null,"margin":null,"share":0.25}],"alpha":0.05,"salt":"",)"
      R"("promote":false})");
  EXPECT_EQ(ExperimentToJson(ExperimentFromJson(canonical).value()), canonical);
  EXPECT_TRUE(absl::IsDataLoss(ExperimentFromJson("[]").status()));
}

TEST(Experiment, MistakesNameTheFieldAndWhatItTakes) {
  const auto mistake = [](auto change) {
    ExperimentSpec spec = Canary();
    change(spec);
    return std::string(CheckExperiment(spec).message());
  };
  EXPECT_EQ(mistake([](ExperimentSpec&) {}), "");
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.pipeline = ""; }), HasSubstr("pipeline is missing"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.ramp.clear(); }), HasSubstr("ramp has 0 steps"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.ramp[1].share = 0.1; }),
              HasSubstr("ramp[1].share is 0.1 after 0.1; shares rise"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.ramp[0].share = 1.5; }),
              HasSubstr("ramp[0].share is 1.5; it lies above 0 and up to 1"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.ramp[0].answers = 0; }),
              HasSubstr("ramp[0].answers is 0"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.mode = ExperimentMode::kAb; }),
              HasSubstr("ramp is a canary's"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.alpha = 0.5; }), HasSubstr("alpha is 0.5"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.guardrails.push_back({}); }),
              HasSubstr("guardrails[0] takes one of max"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) { s.guardrails.push_back({.max = 1.0}); }),
              HasSubstr("guardrails[0] allows 1; of errors it takes less than 1"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) {
                s.mode = ExperimentMode::kShadow;
                s.ramp.clear();
                s.share = 1;
                s.signal = ExperimentSignal::kThumbs;
              }),
              HasSubstr("nobody sees a shadow's answers"));
  EXPECT_THAT(mistake([](ExperimentSpec& s) {
                s.mode = ExperimentMode::kInterleave;
                s.ramp.clear();
                s.share = 1;
              }),
              HasSubstr("of interleaved hits it takes citations"));
  EXPECT_THAT(std::string(ParseExperimentMode("abc").status().message()),
              HasSubstr("mode is 'abc'; it takes shadow, ab, canary, interleave"));
}

// --- how a run ends

struct Rates {
  double signal = 0.7;
  double errors = 0.02;
  double slow = 0.05;  // answers of 1 s among those of about 0.1 s
};

struct Ended {
  ExperimentStatus status = ExperimentStatus::kRunning;
  std::string reason = {};
  uint64_t answers = 0;  // until then
};

// Answers of ever new callers, looked at after each.
Ended Simulate(const ExperimentSpec& spec, const Rates& champion, const Rates& challenger,
               uint64_t answers, uint64_t seed) {
  SeededRandom random(seed);
  ExperimentState state = NewRun(spec, 1, 1);
  for (uint64_t i = 1; i <= answers; ++i) {
    ExperimentOutcome outcome;
    outcome.run = 1;
    outcome.step = state.step;
    outcome.share = ShareAt(spec, state.step);
    outcome.challenger = random.Uniform() < outcome.share;
    outcome.asked = true;
    const Rates& rates = outcome.challenger ? challenger : champion;
    outcome.error = random.Uniform() < rates.errors;
    if (!*outcome.error) {
      outcome.signal = random.Uniform() < rates.signal ? 1 : 0;
      outcome.latency_ms = random.Uniform() < rates.slow ? 1'000 : 80 + 40 * random.Uniform();
      outcome.cost = 0.01 * random.Uniform();
    }
    TakeOutcome(spec, outcome, &state);
    if (const auto verdict = Judge(spec, state)) return {verdict->status, verdict->reason, i};
    if (state.step + 1 < spec.ramp.size() &&
        state.steps[state.step].challenger.answers >= spec.ramp[state.step].answers) {
      ++state.step;
    }
  }
  return {.answers = answers};
}

ExperimentSpec Guarded(ExperimentMode mode) {
  ExperimentSpec spec = Canary();
  spec.mode = mode;
  if (mode == ExperimentMode::kAb) {
    spec.ramp.clear();
    spec.share = 0.5;
  }
  spec.guardrails = {{.metric = GuardrailMetric::kErrors, .margin = 0.0},
                     {.metric = GuardrailMetric::kLatencyP95, .share = 0.0},
                     {.metric = GuardrailMetric::kCost, .share = 0.0}};
  return spec;
}

// The figure that is asked for: an A/A experiment, looked at after every answer, ends falsely in at most
// 5 % of its runs. `bench_experiment` does it over longer runs.
TEST(Experiment, AnAaExperimentThatIsLookedAtAfterEveryAnswerRarelyEnds) {
  for (const ExperimentMode mode : {ExperimentMode::kAb, ExperimentMode::kCanary}) {
    ExperimentSpec bare = Guarded(mode);
    bare.guardrails.clear();
    ExperimentSpec guarded = Guarded(mode);
    int by_signal = 0;
    int by_guardrail = 0;
    for (uint64_t run = 0; run < 1'000; ++run) {
      by_signal += Simulate(bare, {}, {}, 300, run).status != ExperimentStatus::kRunning ? 1 : 0;
      if (run % 4 != 0) continue;
      // The guardrails allow nothing beyond the champion, so that each difference is one too many.
      const Ended ended = Simulate(guarded, {}, {}, 300, run);
      by_guardrail += ended.reason.find("guardrail") != std::string::npos ? 1 : 0;
    }
    std::printf("A/A, %s: %d of 1000 runs ended falsely, %d of 250 by a guardrail\n",
                std::string(ExperimentModeName(mode)).c_str(), by_signal, by_guardrail);
    EXPECT_LE(by_signal, 50);
    EXPECT_LE(by_guardrail, 12);
  }
}

TEST(Experiment, AWorseChallengerIsRolledBackAndABetterOneWins) {
  const ExperimentSpec ab = Guarded(ExperimentMode::kAb);
  uint64_t answers = 0;
  for (uint64_t run = 0; run < 20; ++run) {
    const Ended worse = Simulate(ab, {.signal = 0.8}, {.signal = 0.5}, 3'000, run);
    EXPECT_EQ(worse.status, ExperimentStatus::kRolledBack);
    EXPECT_THAT(worse.reason, HasSubstr("the challenger is worse: answered"));
    answers += worse.answers;
    const Ended better = Simulate(ab, {.signal = 0.5}, {.signal = 0.8}, 3'000, run);
    EXPECT_EQ(better.status, ExperimentStatus::kWon) << better.reason;
  }
  std::printf("a challenger at 0.5 against 0.8 is stopped after %.0f answers in the mean\n",
              static_cast<double>(answers) / 20);
  EXPECT_LT(answers / 20, 300u);
}

TEST(Experiment, AGuardrailEndsItWithConfidenceAndNotOnOneOfTwo) {
  ExperimentSpec spec = Guarded(ExperimentMode::kCanary);
  spec.guardrails[0].margin = 0.05;
  spec.guardrails[1].share = 0.2;
  const Ended errors = Simulate(spec, {}, {.errors = 0.6}, 3'000, 1);
  EXPECT_EQ(errors.status, ExperimentStatus::kRolledBack);
  EXPECT_THAT(errors.reason, HasSubstr("guardrail errors at most the champion's + 0.05: it is 0."));
  EXPECT_LT(errors.answers, 500u);
  const Ended slow = Simulate(spec, {.slow = 0.01}, {.slow = 0.6}, 5'000, 1);
  EXPECT_EQ(slow.status, ExperimentStatus::kRolledBack);
  EXPECT_THAT(slow.reason, HasSubstr("guardrail latency_p95_ms at most 1.2 of the champion's"));

  ExperimentState state = NewRun(spec, 1, 1);
  for (int i = 0; i < 50; ++i) {
    TakeOutcome(spec, {.run = 1, .share = 0.1, .asked = true, .error = false}, &state);
  }
  TakeOutcome(spec, {.run = 1, .challenger = true, .share = 0.1, .asked = true, .error = true}, &state);
  TakeOutcome(spec, {.run = 1, .challenger = true, .share = 0.1, .asked = true, .error = false}, &state);
  EXPECT_FALSE(Judge(spec, state).has_value());
  // Whatever the champion does.
  spec.guardrails = {{.metric = GuardrailMetric::kErrors, .max = 0.1}};
  state = NewRun(spec, 1, 1);
  for (int i = 0; i < 9; ++i) {
    TakeOutcome(spec, {.run = 1, .challenger = true, .share = 0.1, .asked = true, .error = true}, &state);
    EXPECT_FALSE(Judge(spec, state).has_value());
  }
  TakeOutcome(spec, {.run = 1, .challenger = true, .share = 0.1, .asked = true, .error = true}, &state);
  ASSERT_TRUE(Judge(spec, state).has_value());
  EXPECT_EQ(Judge(spec, state)->status, ExperimentStatus::kRolledBack);
}

TEST(Experiment, CallersThatAreLostOnTheWayMakeNothingOfItBelievable) {
  ExperimentSpec spec = Guarded(ExperimentMode::kAb);
  spec.guardrails.clear();
  ExperimentState state = NewRun(spec, 1, 1);
  SeededRandom random(3);
  std::optional<ExperimentVerdict> verdict;
  for (int i = 0; i < 5'000 && !verdict; ++i) {
    const bool challenger = random.Uniform() < 0.5;
    if (challenger && random.Uniform() < 0.3) continue;  // it takes so long that they go away
    TakeOutcome(spec, {.run = 1, .challenger = challenger, .share = 0.5, .asked = true, .signal = 1},
                &state);
    verdict = Judge(spec, state);
  }
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->status, ExperimentStatus::kMismatch);
  EXPECT_THAT(verdict->reason, HasSubstr("callers do not come to the arms in their shares"));
}

TEST(Experiment, AShadowIsComparedQuestionByQuestion) {
  ExperimentSpec spec = Canary();
  spec.mode = ExperimentMode::kShadow;
  spec.ramp.clear();
  spec.share = 1;
  ExperimentState state = NewRun(spec, 1, 1);
  for (int i = 0; i < 60; ++i) {
    TakeOutcome(spec, {.run = 1, .challenger = true, .share = 1, .asked = true, .signal = 0.4, .pair = -0.4 + 0.01 * (i % 3)},
                &state);
  }
  const AlwaysValidEstimate difference = Examine(spec, state).difference;
  ASSERT_TRUE(difference.known);
  EXPECT_NEAR(difference.value, -0.39, 1e-9);
  EXPECT_LT(difference.interval.high, 0);
  EXPECT_EQ(Judge(spec, state)->status, ExperimentStatus::kRolledBack);
}

TEST(Experiment, LatenciesAreCountedInStepsOfATwentieth) {
  LatencyCounts latency;
  EXPECT_FALSE(latency.Quantile(0.95).has_value());
  for (int i = 1; i <= 200; ++i) latency.Add(i);
  EXPECT_NEAR(*latency.Quantile(0.95), 190, 10);
  EXPECT_NEAR(*latency.Quantile(0.5), 100, 6);
  EXPECT_GT(*latency.Quantile(0.95, 2.5), *latency.Quantile(0.95) - 1e-9);
  LatencyCounts few;
  for (int i = 0; i < 50; ++i) few.Add(100);
  EXPECT_FALSE(few.Quantile(0.95, 2.5).has_value());
}

// --- interleaved hits

std::vector<PointHit> Hits(const std::vector<uint64_t>& rows) {
  std::vector<PointHit> hits;
  for (uint64_t row : rows) hits.emplace_back().row = RowId(row);
  return hits;
}
std::vector<uint64_t> RowsOf(const Interleaved& mixed) {
  std::vector<uint64_t> rows;
  for (const PointHit& hit : mixed.hits) rows.push_back(hit.row.value);
  return rows;
}

TEST(Interleave, TeamsPickInTurnsAndEachHitStandsOnce) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Interleaved mixed = TeamDraft(Hits({1, 2, 3, 4}), Hits({2, 5, 1, 6}), 4, seed);
    ASSERT_EQ(mixed.hits.size(), 4u);
    ASSERT_EQ(mixed.teams.size(), 4u);
    // After each round both have the same number.
    EXPECT_NE(mixed.teams[0], mixed.teams[1]);
    EXPECT_NE(mixed.teams[2], mixed.teams[3]);
    const std::vector<uint64_t> rows = RowsOf(mixed);
    EXPECT_EQ(std::set<uint64_t>(rows.begin(), rows.end()).size(), 4u);
    EXPECT_EQ(RowsOf(TeamDraft(Hits({1, 2, 3, 4}), Hits({2, 5, 1, 6}), 4, seed)), rows);
  }
  // One that has none left leaves the rest to the other.
  const Interleaved rest = TeamDraft(Hits({1}), Hits({2, 3, 4}), 10, 1);
  EXPECT_EQ(rest.hits.size(), 4u);
  EXPECT_EQ(TeamDraft({}, {}, 4, 1).teams, "");
}

TEST(Interleave, NobodyIsFavoured) {
  int first = 0;
  int shared = 0;
  for (uint64_t question = 0; question < 4'000; ++question) {
    const uint64_t seed = InterleaveSeed("salt", std::to_string(question));
    const Interleaved mixed = TeamDraft(Hits({1, 2}), Hits({1, 3}), 3, seed);
    first += mixed.teams[0] == kChampionTeam ? 1 : 0;
    // What both rank first is each one's as often.
    EXPECT_EQ(mixed.hits[0].row, RowId(1));
    shared += mixed.teams[1] == kChampionTeam ? 1 : 0;
  }
  EXPECT_NEAR(first, 2'000, 130);  // four standard deviations
  EXPECT_EQ(first + shared, 4'000);
  EXPECT_NE(InterleaveSeed("salt", "a"), InterleaveSeed("other", "a"));
}

// --- what is kept

class ExperimentBookTest : public ::testing::Test {
 protected:
  ExperimentBookTest() { Open(); }

  void Open() {
    book_.reset();
    store_.reset();
    store_ = Store::Open({.path = dir_.File("store")}).value();
    book_.emplace(*store_, clock_);
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

  // An answer of the run, by a caller of its own.
  std::string Keep(bool challenger, bool abstained = false, const std::string& caller = "") {
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
    EXPECT_TRUE(store_->PutAnswer(kTenant, answer.id, AnswerToJson(answer)).ok());
    return answer.id;
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

}  // namespace
}  // namespace vouch
