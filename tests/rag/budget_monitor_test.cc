// Spending limits that are near, reached, or have refused.
#include "rag/deliver/budget_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "rag/deliver/event.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/refused_limits.h"
#include "storage/journal.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Json = nlohmann::json;

constexpr uint64_t kUnit = 1'000'000'000;

class BudgetMonitorTest : public ::testing::Test {
 protected:
  BudgetMonitorTest() {
    store_ = Store::Open({.path = dir_.File("store")}).value();
    EXPECT_TRUE(BudgetStore(store_->catalog()).Set(kTenant, {"support", 10 * kUnit}).ok());
  }
  bool Spend(const std::string& pipeline, uint64_t nano) {
    SpendLedger ledger(store_->catalog(), clock_);
    const auto ticket = ledger.Reserve(kTenant, pipeline, nano, limits_, 1'000);
    if (!ticket.ok()) return false;
    EXPECT_TRUE(ledger.Settle(*ticket, TokenUsage(), nano).ok());
    return true;
  }
  // The entries that a look adds, as "action subject".
  std::vector<std::string> Look() {
    Journal& journal = Journal::Of(*store_);
    const uint64_t before = journal.AuditSize(kTenant).value();
    EXPECT_EQ(BudgetMonitor(*store_, clock_,
                            [this](const std::string&) { return limits_; })
                  .Look(),
              absl::OkStatus());
    std::vector<std::string> entries;
    EXPECT_TRUE(journal
                    .ScanAudit(kTenant, before + 1,
                               [&](AuditEntry&& entry) {
                                 entries.push_back(entry.change.action + " " + entry.change.subject);
                                 event_ = EventOfEntry(entry);
                                 return true;
                               })
                    .ok());
    return entries;
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  SpendLimits limits_;
  std::optional<Event> event_;
};

TEST_F(BudgetMonitorTest, EachLimitIsToldOnceADayWhereItIsNearAndWhereItIsReached) {
  EXPECT_TRUE(Spend("support", 7 * kUnit));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_TRUE(Spend("support", 1 * kUnit));
  EXPECT_THAT(Look(), ElementsAre("budget.near budget/support"));
  ASSERT_TRUE(event_.has_value());
  EXPECT_EQ(event_->type, "after.budget");
  const Json data = Json::parse(event_->data);
  EXPECT_EQ(data["after"]["share"], 0.8);
  EXPECT_EQ(data["after"]["limit"], "10.000000000");
  EXPECT_EQ(data["after"]["refused"], false);
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_TRUE(Spend("support", 2 * kUnit));
  EXPECT_THAT(Look(), ElementsAre("budget.spent budget/support"));
  EXPECT_THAT(Look(), IsEmpty());
  clock_.now_us += int64_t{86'400} * 1'000'000;  // another day, another budget
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_TRUE(Spend("support", 10 * kUnit));
  EXPECT_THAT(Look(), ElementsAre("budget.spent budget/support"));
}

TEST_F(BudgetMonitorTest, ALimitThatRefusedIsReachedHoweverMuchIsLeft) {
  EXPECT_TRUE(Spend("support", 1 * kUnit));
  EXPECT_FALSE(Spend("support", 9 * kUnit + 1));
  EXPECT_THAT(Look(), ElementsAre("budget.spent budget/support"));
  EXPECT_EQ(Json::parse(event_->data)["after"]["refused"], true);
  EXPECT_FALSE(Spend("support", 9 * kUnit + 1));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(*ReadRefusedLimits(store_->catalog(), kTenant, "2026-09-21"), ElementsAre("support"));
}

TEST_F(BudgetMonitorTest, LimitsOfTheServersRouteCountToo) {
  limits_.tenant_day_nano = 4 * kUnit;
  EXPECT_TRUE(Spend("other", 4 * kUnit));
  EXPECT_THAT(Look(), ElementsAre("budget.spent budget/(all pipelines)"));
  limits_.pipeline_day_nano = 5 * kUnit;
  EXPECT_THAT(Look(), ElementsAre("budget.near budget/other"));
}

TEST_F(BudgetMonitorTest, WhatYesterdaysEndBroughtIsToldToday) {
  EXPECT_TRUE(Spend("support", 10 * kUnit));
  clock_.now_us += int64_t{86'400} * 1'000'000;
  EXPECT_THAT(Look(), ElementsAre("budget.spent budget/support"));
  EXPECT_EQ(Json::parse(event_->data)["after"]["day"], "2026-09-21");
}

}  // namespace
}  // namespace vouch
