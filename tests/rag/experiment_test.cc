// Experiments: what they say, and when they end.
#include "rag/deliver/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "rag/deliver/experiment_state.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

ExperimentSpec CanaryTrial() {
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
  ExperimentSpec spec = CanaryTrial();
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
    ExperimentSpec spec = CanaryTrial();
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
  const auto shadow_latency = [](std::optional<double> max, std::optional<double> share) {
    return [=](ExperimentSpec& s) {
      s.mode = ExperimentMode::kShadow;
      s.ramp.clear();
      s.share = 1;
      s.guardrails = {{.metric = GuardrailMetric::kLatencyP95, .max = max, .margin = {}, .share = share}};
    };
  };
  EXPECT_THAT(mistake(shadow_latency({}, 0.2)),
              HasSubstr("guardrails[0] compares latency_p95_ms with the champion's; a shadow waits"));
  EXPECT_EQ(mistake(shadow_latency(500, {})), "");
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
  ExperimentSpec spec = CanaryTrial();
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

// The same of a shadow, whose questions are pairs. Interleaved hits: interleave_test.cc.
TEST(Experiment, AnAaShadowThatIsLookedAtAfterEveryAnswerRarelyEnds) {
  ExperimentSpec spec = CanaryTrial();
  spec.mode = ExperimentMode::kShadow;
  spec.ramp.clear();
  spec.share = 1;
  int ended = 0;
  for (uint64_t run = 0; run < 1'000; ++run) {
    SeededRandom random(run);
    ExperimentState state = NewRun(spec, 1, 1);
    bool ends = false;
    for (int i = 0; i < 300 && !ends; ++i) {
      const int champion = random.Uniform() < 0.7 ? 1 : 0;
      const int challenger = random.Uniform() < 0.7 ? 1 : 0;
      TakeOutcome(spec,
                  {.run = 1, .challenger = true, .share = 1, .asked = true, .signal = challenger,
                   .pair = challenger - champion},
                  &state);
      ends = Judge(spec, state).has_value();
    }
    ended += ends ? 1 : 0;
  }
  std::printf("A/A, shadow: %d of 1000 runs ended falsely\n", ended);
  EXPECT_LE(ended, 50);
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
  ExperimentSpec spec = CanaryTrial();
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

}  // namespace
}  // namespace vouch
