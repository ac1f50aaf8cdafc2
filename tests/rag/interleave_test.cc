// Interleaved hits: whose they are, and what follows from it.
#include "rag/interleave.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "rag/deliver/experiment_book.h"
#include "rag/deliver/experiment_state.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

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
    const uint64_t seed = InterleaveSeed({.salt = "salt", .caller = "c"}, std::to_string(question));
    const Interleaved mixed = TeamDraft(Hits({1, 2}), Hits({1, 3}), 3, seed);
    first += mixed.teams[0] == kChampionTeam ? 1 : 0;
    // What both rank first is each one's as often.
    EXPECT_EQ(mixed.hits[0].row, RowId(1));
    shared += mixed.teams[1] == kChampionTeam ? 1 : 0;
  }
  EXPECT_NEAR(first, 2'000, 130);  // four standard deviations
  EXPECT_EQ(first + shared, 4'000);
  EXPECT_NE(InterleaveSeed({.salt = "salt"}, "a"), InterleaveSeed({.salt = "other"}, "a"));
}

// A question that everybody asks: each caller counts for himself, so each has a coin of his own.
TEST(Interleave, NobodyIsFavouredByOneQuestionOfManyCallers) {
  int first = 0;
  for (int caller = 0; caller < 300; ++caller) {
    const uint64_t seed = InterleaveSeed({.salt = "salt", .caller = std::to_string(caller)}, "How is it held?");
    first += TeamDraft(Hits({1, 2}), Hits({1, 2}), 2, seed).teams[0] == kChampionTeam ? 1 : 0;
  }
  EXPECT_NEAR(first, 150, 35);  // four standard deviations
}

ExperimentSpec Mixed() {
  ExperimentSpec spec;
  spec.name = "mixed";
  spec.pipeline = "support";
  spec.mode = ExperimentMode::kInterleave;
  spec.share = 1;
  spec.signal = ExperimentSignal::kCitations;
  return spec;
}

// What a caller's question to two rankings that are the same adds, of whose hits the first `cited` are cited.
ExperimentOutcome Asked(const std::string& salt, const std::string& caller, const std::string& question, size_t cited) {
  Answer answer;
  answer.experiment = ExperimentArm{.salt = salt, .caller = caller, .against = "support@2"};
  Interleaved mixed =
      TeamDraft(Hits({1, 2, 3, 4}), Hits({1, 2, 3, 4}), 4, InterleaveSeed(*answer.experiment, question));
  answer.hits = std::move(mixed.hits);
  answer.experiment->teams = std::move(mixed.teams);
  for (size_t i = 0; i < cited; ++i) answer.citations.emplace_back().row = answer.hits[i].row;
  return {.run = 1, .share = 1, .asked = true, .pair = CreditOf(answer), .error = false, .challenger_error = false};
}

// As of the other modes: an A/A experiment, looked at after every question, ends falsely in at most 5 % of its runs.
// Half of the callers have the same question, as callers do.
TEST(Interleave, AnAaExperimentThatIsLookedAtAfterEveryQuestionRarelyEnds) {
  const ExperimentSpec spec = Mixed();
  int ended = 0;
  for (uint64_t run = 0; run < 1'000; ++run) {
    SeededRandom random(run);
    ExperimentState state = NewRun(spec, 1, 1);
    bool ends = false;
    for (int caller = 0; caller < 300 && !ends; ++caller) {
      const uint64_t question = random.Below(2) == 0 ? 0 : random.Below(20);
      const ExperimentOutcome outcome = Asked("salt-" + std::to_string(run), std::to_string(caller),
                                              std::to_string(question), 1 + question % 3);
      TakeOutcome(spec, outcome, &state);
      ends = Judge(spec, state).has_value();
    }
    ended += ends ? 1 : 0;
  }
  std::printf("A/A, interleave: %d of 1000 runs ended falsely\n", ended);
  EXPECT_LE(ended, 50);
}

TEST(Interleave, AChallengerWhoseSearchFailsIsRolledBackAndARareFailureIsNot) {
  const ExperimentSpec spec = Mixed();
  ExperimentState state = NewRun(spec, 1, 1);
  ExperimentOutcome failed{.run = 1, .share = 1, .asked = true, .error = false, .challenger_error = true};
  for (int i = 0; i < 9; ++i) {
    TakeOutcome(spec, failed, &state);
    EXPECT_FALSE(Judge(spec, state).has_value());
  }
  TakeOutcome(spec, failed, &state);
  const auto verdict = Judge(spec, state);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->status, ExperimentStatus::kRolledBack);
  EXPECT_THAT(verdict->reason, HasSubstr("the challenger's search failed for 10 of 10 questions"));
  // One of fifty.
  state = NewRun(spec, 1, 1);
  for (int i = 0; i < 1'000; ++i) {
    failed.challenger_error = i % 50 == 49;
    TakeOutcome(spec, failed, &state);
    EXPECT_FALSE(Judge(spec, state).has_value());
  }
  // Also one that has won.
  state = NewRun(spec, 1, 1);
  state.status = ExperimentStatus::kWon;
  failed.challenger_error = true;
  for (int i = 0; i < 10; ++i) TakeOutcome(spec, failed, &state);
  EXPECT_TRUE(Judge(spec, state).has_value());
}

TEST(Interleave, WhatWasNotInterleavedIsNobodysCredit) {
  Answer answer;
  answer.experiment = ExperimentArm{};
  answer.hits = Hits({1});
  answer.citations.emplace_back().row = RowId(1);
  EXPECT_FALSE(CreditOf(answer).has_value());
  answer.experiment->teams = "B";
  EXPECT_EQ(CreditOf(answer), 1);
}

}  // namespace
}  // namespace vouch
