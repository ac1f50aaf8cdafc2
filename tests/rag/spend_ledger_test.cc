#include "rag/llm/spend_ledger.h"

#include "rag/llm/budget_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "rag/llm/circuit_breaker.h"
#include "rag/llm/retry_budget.h"
#include "storage/store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

TEST(SpendBookTest, GoldenBytes) {
  SpendBook book;
  book.Account("p") = {.pipeline = "p",
                       .calls = 1,
                       .prompt_tokens = 20,
                       .completion_tokens = 3,
                       .spent_nano = 500,
                       .lapsed_nano = 7};
  (void)book.Account("a");
  book.next_id = 9;
  book.reservations.push_back({.id = 8, .pipeline = "p", .nano = 5, .lease_until_us = 100});
  const std::string json =
      R"({"format":1,"next_id":9,"accounts":[{"pipeline":"a","calls":0,"prompt_tokens":0,)"
      R"("completion_tokens":0,"spent_nano":0,"lapsed_nano":0},{"pipeline":"p","calls":1,)"
      R"("prompt_tokens":20,"completion_tokens":3,"spent_nano":500,"lapsed_nano":7}],)"
      R"("reservations":[{"id":8,"pipeline":"p","nano":5,"lease_until_us":100}]})";
  EXPECT_EQ(book.Encode(), json);
  EXPECT_EQ(*SpendBook::Decode(json), book);
}

TEST(SpendBookTest, DamageNamesTheField) {
  const auto error = [](const std::string& json) { return SpendBook::Decode(json).status(); };
  EXPECT_THAT(error("[").message(), HasSubstr("no JSON object"));
  EXPECT_EQ(error(R"({"format":2})").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(error(R"({"format":1,"next_id":1,"accounts":[{}],"reservations":[]})").message(),
              HasSubstr("accounts[0]"));
  EXPECT_THAT(
      error(R"({"format":1,"next_id":1,"accounts":[],"reservations":[{"id":1,"pipeline":"p",)"
            R"("nano":5,"lease_until_us":1}]})")
          .message(),
      HasSubstr("reservations[0]"));
}

class SpendLedgerTest : public ::testing::Test {
 protected:
  SpendLedgerTest() { Open(); }
  void Open() {
    store_.reset();
    StoreOptions options;
    options.path = dir_.File("store");
    store_ = Store::Open(options).value();
    ledger_ = std::make_unique<SpendLedger>(store_->catalog(), clock_);
  }
  SpendBook Book() { return ledger_->Read("t", ledger_->Today()).value(); }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<SpendLedger> ledger_;
};

TEST_F(SpendLedgerTest, ReservedThenSettled) {
  const auto ticket = ledger_->Reserve("t", "p", 100, {.tenant_day_nano = 150}, 1'000);
  ASSERT_TRUE(ticket.ok()) << ticket.status();
  EXPECT_EQ(ticket->day, "2026-09-21");
  EXPECT_EQ(Book().CommittedNano("p"), 100u);
  const absl::Status refused =
      ledger_->Reserve("t", "q", 51, {.tenant_day_nano = 150}, 1'000).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      refused.message(),
      "tenant t may spend 0.000000150 a day; 0.000000100 of it is spent or reserved, and this call "
      "may cost 0.000000051");
  ASSERT_TRUE(
      ledger_->Settle(*ticket, TokenUsage{.prompt_tokens = 7, .completion_tokens = 2}, 40).ok());
  Open();  // what is settled is kept
  EXPECT_EQ(Book().accounts.size(), 1u);
  EXPECT_EQ(Book().accounts[0], (SpendAccount{.pipeline = "p",
                                              .calls = 1,
                                              .prompt_tokens = 7,
                                              .completion_tokens = 2,
                                              .spent_nano = 40}));
  EXPECT_TRUE(Book().reservations.empty());
  EXPECT_TRUE(ledger_->Reserve("t", "q", 51, {.tenant_day_nano = 150}, 1'000).ok());
  EXPECT_EQ(
      ledger_->Reserve("t", "p", 51, {.pipeline_day_nano = 90}, 1'000).status().message(),
      "pipeline p may spend 0.000000090 a day; 0.000000040 of it is spent or reserved, and this "
      "call may cost 0.000000051");
  EXPECT_TRUE(ledger_->Read("other", "2026-09-21")->accounts.empty());
}

TEST_F(SpendLedgerTest, BudgetsHoldBesideTheCallersLimits) {
  BudgetStore budgets(store_->catalog());
  EXPECT_EQ(budgets.Set("t", {.pipeline = "p", .day_nano = 90}).value(), std::nullopt);
  EXPECT_EQ(budgets.Set("t", {.pipeline = "", .day_nano = 120}).value(), std::nullopt);
  EXPECT_THAT(budgets.List("t").value(), ::testing::ElementsAre(Budget{"", 120}, Budget{"p", 90}));
  EXPECT_TRUE(ledger_->Reserve("t", "p", 90, {.pipeline_day_nano = 1'000}, 1'000).ok());
  EXPECT_EQ(ledger_->Reserve("t", "p", 1, {}, 1'000).status().message(),
            "pipeline p may spend 0.000000090 a day; 0.000000090 of it is spent or reserved, and "
            "this call may cost 0.000000001");
  EXPECT_EQ(ledger_->Reserve("t", "q", 31, {}, 1'000).status().message(),
            "tenant t may spend 0.000000120 a day; 0.000000090 of it is spent or reserved, and "
            "this call may cost 0.000000031");
  EXPECT_TRUE(ledger_->Reserve("other", "p", 1'000, {}, 1'000).ok()) << "another tenant's money";
  Open();  // they are kept, as is what is spent
  EXPECT_EQ(ledger_->Reserve("t", "p", 1, {}, 1'000).status().code(),
            absl::StatusCode::kResourceExhausted);
  BudgetStore again(store_->catalog());
  EXPECT_EQ(again.Set("t", {.pipeline = "p", .day_nano = 91}).value(), 90u);
  EXPECT_TRUE(ledger_->Reserve("t", "p", 1, {}, 1'000).ok());
  clock_.now_us += 24LL * 3'600 * 1'000'000;
  EXPECT_TRUE(ledger_->Reserve("t", "p", 91, {}, 1'000).ok()) << "a new day";
  ASSERT_TRUE(again.Remove("t", "p").ok());
  EXPECT_EQ(again.Remove("t", "p").message(), "pipeline p has no budget");
  EXPECT_EQ(again.Set("t", {std::string(129, 'x'), 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Budgets, TheirBytes) {
  const std::vector<Budget> budgets = {{"", 1'500'000'000}, {"support", 7}};
  const std::string bytes = EncodeBudgets(budgets);
  EXPECT_EQ(bytes,
            R"({"format":1,"budgets":[{"pipeline":"","day_nano":1500000000},)"
            R"({"pipeline":"support","day_nano":7}]})");
  EXPECT_EQ(DecodeBudgets(bytes).value(), budgets);
  EXPECT_EQ(DecodeBudgets(R"({"format":2,"budgets":[]})").status().code(),
            absl::StatusCode::kFailedPrecondition);
  for (const char* damaged :
       {"", "[]", "{}", R"({"format":1})", R"({"format":1,"budgets":[1]})",
        R"({"format":1,"budgets":[{"pipeline":"p","day_nano":-1}]})",
        R"({"format":1,"budgets":[{"pipeline":"p","day_nano":1},{"pipeline":"p","day_nano":1}]})"}) {
    EXPECT_EQ(DecodeBudgets(damaged).status().code(), absl::StatusCode::kDataLoss) << damaged;
  }
  EXPECT_EQ(FormatNano(1'500'000'000), "1.500000000");
}

TEST_F(SpendLedgerTest, AProcessThatDiedHasSpentWhatItReserved) {
  const auto ticket = ledger_->Reserve("t", "p", 100, {}, 1'000);
  Open();
  clock_.now_us += 1'000'000 + 1;
  const auto next = ledger_->Reserve("t", "p", 10, {.tenant_day_nano = 109}, 1'000);
  EXPECT_EQ(next.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(ledger_->Reserve("t", "p", 10, {.tenant_day_nano = 110}, 1'000).ok());
  EXPECT_EQ(Book().accounts[0].lapsed_nano, 100u);
  // It was only slow.
  ASSERT_TRUE(ledger_->Settle(*ticket, TokenUsage{.prompt_tokens = 1}, 60).ok());
  EXPECT_EQ(Book().accounts[0].lapsed_nano, 0u);
  EXPECT_EQ(Book().accounts[0].spent_nano, 60u);
}

TEST_F(SpendLedgerTest, ACallThatNoServerTookCostsNothing) {
  const auto ticket = ledger_->Reserve("t", "p", 100, {}, 1'000);
  ASSERT_TRUE(ledger_->Settle(*ticket, std::nullopt, 0).ok());
  EXPECT_EQ(Book().CommittedNano(std::nullopt), 0u);
  EXPECT_EQ(Book().accounts[0].calls, 0u);
}

TEST_F(SpendLedgerTest, ACallCountsOnTheDayThatItWasReserved) {
  const auto ticket = ledger_->Reserve("t", "p", 100, {}, 100'000'000);
  clock_.now_us += int64_t{86'400} * 1'000'000;
  ASSERT_TRUE(ledger_->Settle(*ticket, TokenUsage{.prompt_tokens = 1}, 60).ok());
  EXPECT_EQ(ledger_->Read("t", "2026-09-21")->accounts[0].spent_nano, 60u);
  EXPECT_EQ(Book().CommittedNano(std::nullopt), 0u);
}

// Random reservations, settlements, lapses and restarts, against sums kept beside.
TEST_F(SpendLedgerTest, TheLimitHoldsWhateverHappens) {
  std::mt19937_64 random(5);
  const SpendLimits limits{.tenant_day_nano = 5'000, .pipeline_day_nano = 3'000};
  std::vector<SpendLedger::Ticket> running;
  uint64_t spent = 0;
  for (int step = 0; step < 400; ++step) {
    const uint64_t choice = random() % 10;
    if (choice < 5) {
      const auto ticket =
          ledger_->Reserve("t", random() % 2 ? "p" : "q", random() % 300, limits, 1'000'000);
      if (ticket.ok()) running.push_back(*ticket);
    } else if (choice < 9 && !running.empty()) {
      const size_t at = random() % running.size();
      const uint64_t cost = running[at].nano / 4;
      ASSERT_TRUE(ledger_->Settle(running[at], TokenUsage{.prompt_tokens = 1}, cost).ok());
      spent += cost;
      running.erase(running.begin() + static_cast<long>(at));
    } else {
      Open();
    }
    uint64_t reserved = 0;
    for (const SpendLedger::Ticket& ticket : running) reserved += ticket.nano;
    ASSERT_EQ(Book().CommittedNano(std::nullopt), spent + reserved);
    ASSERT_LE(spent + reserved, 5'000u);
    ASSERT_LE(Book().CommittedNano("p"), 3'000u);
  }
}

TEST(CircuitBreakerTest, OpensTriesOneAndCloses) {
  ManualClock clock;
  CircuitBreaker breaker({.window = 10, .min_calls = 4, .failure_ratio = 0.5, .open_ms = 1'000},
                         clock);
  for (bool ok : {false, true, false}) {
    EXPECT_TRUE(breaker.Allow());
    breaker.Record(ok);
  }
  EXPECT_TRUE(breaker.Allow()) << "three calls say little";
  breaker.Record(false);
  EXPECT_FALSE(breaker.Allow());
  clock.now_us += 1'000'000;
  EXPECT_TRUE(breaker.Allow());
  EXPECT_FALSE(breaker.Allow()) << "one call tries at a time";
  breaker.Record(false);
  EXPECT_FALSE(breaker.Allow());
  clock.now_us += 1'000'000;
  EXPECT_TRUE(breaker.Allow());
  breaker.Abandon();
  EXPECT_TRUE(breaker.Allow()) << "the one before it said nothing";
  breaker.Record(true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(breaker.Allow());
    breaker.Record(false);
  }
  EXPECT_TRUE(breaker.Allow()) << "what was before it closed is forgotten";
}

TEST(RetryBudgetTest, ATenthOfTheRequests) {
  RetryBudget budget;
  int taken = 0;
  while (budget.TakeRetry()) ++taken;
  EXPECT_EQ(taken, 10);
  for (int i = 0; i < 50; ++i) budget.OnRequest();
  for (taken = 0; budget.TakeRetry();) ++taken;
  EXPECT_EQ(taken, 5);
}

}  // namespace
}  // namespace vouch
