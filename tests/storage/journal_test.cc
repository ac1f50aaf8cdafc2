// Changes that are on record: with their entries in one write, and each entry bound to the one before.
#include "storage/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/audit_table.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AuditDraft Draft(std::string action) {
  return {.time_us = 7, .actor = "t/alice", .action = std::move(action), .subject = "pipeline/a"};
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() { Open(); }
  void Open() {
    store_.reset();
    auto store = Store::Open({.path = dir_.File("store")});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  Journal& journal() { return Journal::Of(*store_); }
  std::vector<AuditEntry> Entries(uint64_t first = 1) {
    std::vector<AuditEntry> entries;
    const absl::Status status = journal().ScanAudit("t", first, [&](AuditEntry&& entry) {
      entries.push_back(std::move(entry));
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return entries;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_F(JournalTest, EntriesAreAChainThatGoesOnAfterOpening) {
  EXPECT_EQ(*journal().AuditSize("t"), 0u);
  const auto two = journal().Commit("t", {.entries = {Draft("a"), Draft("b")}});
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ((*two)[0].previous, NoAuditHash());
  EXPECT_EQ((*two)[1].previous, (*two)[0].hash);
  Open();
  ASSERT_TRUE(journal().Commit("t", {.entries = {Draft("c")}}).ok());
  ASSERT_TRUE(journal().Commit("other", {.entries = {Draft("x")}}).ok());
  const std::vector<AuditEntry> entries = Entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[2].previous, (*two)[1].hash);
  EXPECT_EQ(entries[2].number, 3u);
  EXPECT_EQ(Entries(3).size(), 1u);
  EXPECT_THAT(Entries(4), IsEmpty());
  EXPECT_EQ(*journal().AuditSize("t"), 3u);
  EXPECT_THAT(journal().Tenants(), ElementsAre("other", "t"));
}

TEST_F(JournalTest, AConditionThatDoesNotHoldChangesNothing) {
  JournalChange change{.conditions = {{"k", std::nullopt}},
                       .settings = {{"k", "1"}},
                       .records = {{"r", "x"}},
                       .entries = {Draft("a")}};
  ASSERT_TRUE(journal().Commit("t", change).ok());
  change.records = {{"r", std::nullopt}};
  EXPECT_TRUE(absl::IsAborted(journal().Commit("t", change).status()));
  EXPECT_EQ(*journal().GetJournalRecord("t", "r"), "x");
  EXPECT_EQ(Entries().size(), 1u);
  change.conditions = {{"k", "1"}};
  change.settings = {{"k", std::nullopt}};
  ASSERT_TRUE(journal().Commit("t", change).ok());
  EXPECT_EQ(*journal().GetJournalRecord("t", "r"), std::nullopt);
  EXPECT_EQ(*store_->catalog().GetTenantSetting("t", "k"), std::nullopt);
  EXPECT_EQ(Entries().size(), 2u);
}

TEST_F(JournalTest, OfTwoChangesAtOnceOneWins) {
  std::vector<std::thread> threads;
  std::vector<absl::Status> outcomes(4);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] = journal()
                        .Commit("t", {.conditions = {{"k", std::nullopt}},
                                      .settings = {{"k", std::to_string(i)}},
                                      .entries = {Draft("a")}})
                        .status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count_if(outcomes.begin(), outcomes.end(), [](const auto& s) { return s.ok(); }), 1);
  EXPECT_EQ(Entries().size(), 1u);
}

TEST_F(JournalTest, WhatIsOverALimitIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(journal().Commit("t", {.entries = {Draft("")}}).status()));
  AuditDraft long_reason = Draft("a");
  long_reason.reason.assign(Journal::kMaxReasonBytes + 1, 'x');
  EXPECT_THAT(std::string(journal().Commit("t", {.entries = {long_reason}}).status().message()),
              HasSubstr("must have 0 to 4096"));
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(JournalTest, ATagIsMadeWithItsEntryOrNotAtAll) {
  const auto info = store_->catalog().CreateCollection("t", "docs", CollectionSchema{}, 1);
  ASSERT_TRUE(info.ok()) << info.status();
  JournalChange change{.tag = TagChange{info->id, "v", Version(9)}, .entries = {Draft("tag")}};
  EXPECT_TRUE(absl::IsNotFound(journal().Commit("t", change).status()));
  EXPECT_THAT(Entries(), IsEmpty());
  change.tag->version = Version(0);  // removes it
  EXPECT_TRUE(absl::IsNotFound(journal().Commit("t", change).status()));
}

}  // namespace
}  // namespace vouch
