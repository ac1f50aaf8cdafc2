// Burn alarms on record, which is what hooks are told.
#include "rag/deliver/slo_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/answer.h"
#include "rag/deliver/event.h"
#include "rag/deliver/promoter.h"
#include "rag/deliver/slo.h"
#include "rag/deliver/spec_store.h"
#include "storage/journal.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;


TEST(SloMonitor, ABurnIsToldOnceWhenItBeginsAndOnceWhenItEnds) {
  TempDir dir;
  ManualClock clock;
  const auto store = Store::Open({.path = dir.File("store")}).value();
  PipelineSpec pipeline;
  pipeline.name = "support";
  pipeline.collection = "docs";
  ASSERT_TRUE(PipelineStore(*store, clock).Apply(kTenant, pipeline, false).ok());
  PromoteRequest promote{.pipeline = "support@1", .alias = "champion"};
  ASSERT_TRUE(Promoter(*store, clock, nullptr).Promote(promote)->moved);
  SloSpec slo;
  slo.name = "answered";
  slo.pipeline = "support";
  slo.alias = "champion";
  slo.signal = SloSignal::kAnswered;
  slo.objective = 0.9;
  ASSERT_TRUE(SpecStore(*store, clock, Promoter::kSloKind)
                  .Apply(kTenant, slo.name, SloToJson(slo), false, "default/a")
                  .ok());
  SloMonitor monitor(*store, clock);
  uint64_t seen = Journal::Of(*store).AuditSize(kTenant).value();
  const auto look = [&] {
    EXPECT_EQ(monitor.Look(), absl::OkStatus());
    std::vector<std::string> events;
    EXPECT_TRUE(Journal::Of(*store)
                    .ScanAudit(kTenant, seen + 1,
                               [&](AuditEntry&& entry) {
                                 const auto event = EventOfEntry(entry);
                                 events.push_back(entry.change.action + ": " +
                                                  (event ? event->type + " " + event->subject : ""));
                                 seen = entry.number;
                                 return true;
                               })
                    .ok());
    return events;
  };
  EXPECT_THAT(look(), IsEmpty());
  for (int i = 0; i < 40; ++i) {
    Answer answer;
    answer.id = "a" + std::to_string(i);
    answer.time_us = clock.NowMicros() + i;
    answer.pipeline = "support@1";
    answer.pipeline_hash = "x";
    answer.abstained = true;
    ASSERT_TRUE(store->PutAnswer(kTenant, answer.id, AnswerToJson(answer)).ok());
  }
  clock.now_us += 1'000'000;
  EXPECT_THAT(look(), ElementsAre("slo_burn.begin: after.slo_burn slo/answered"));
  EXPECT_THAT(look(), IsEmpty());
  clock.now_us += int64_t{31 * 86'400} * 1'000'000;
  EXPECT_THAT(look(), ElementsAre("slo_burn.end: after.slo_burn slo/answered"));
}

}  // namespace
}  // namespace vouch
