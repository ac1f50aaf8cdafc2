// Monitors over a collection whose questions, rows, embedder and index change.
#include "rag/drift/drift_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "rag/deliver/event.h"
#include "tests/rag/drift_fixture.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

TEST_F(DriftMonitorTest, QuestionsOfANewTopicAlarmOnceAndTheirEndIsToldOnce) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  Declare(Watch({DriftKind::kQueries}));
  EXPECT_TRUE(absl::IsFailedPrecondition(Monitor().Check(kTenant, "desk", {}).status()));
  Ask(questions_.Draw(300, 0));
  Ask(questions_.Draw(100, 1), {.evaluation = true});  // what evaluations ask does not count
  const DriftReference reference = Reference();
  EXPECT_EQ(reference.number, 1);
  EXPECT_EQ(reference.answers.size(), 240);  // four windows, the latest

  EXPECT_EQ(Check().kinds[0].says, "0 questions were asked since; it takes 30");
  Ask(questions_.Draw(60, 0));
  DriftState state = Check();
  ASSERT_THAT(state.kinds, SizeIs(1));
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kSteady) << state.kinds[0].says;
  EXPECT_EQ(state.kinds[0].items, 60);
  ASSERT_THAT(state.kinds[0].tests, SizeIs(5));
  EXPECT_EQ(state.kinds[0].tests[3].what, "words");
  EXPECT_EQ(state.kinds[0].alpha, 0.01);

  Ask(questions_.Draw(60, 0.9));
  state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kDrift) << state.kinds[0].says;
  EXPECT_THAT(state.drifting, ElementsAre(DriftKind::kQueries));
  ASSERT_THAT(Alarms(), SizeIs(1));
  const KindLook alarmed = Alarms()[0].kinds[0];
  ASSERT_THAT(alarmed.examples, SizeIs(5));
  // The examples are of the new topic: only there does a word of it stand.
  const Answer example = GetAnswer(*database_, {}, alarmed.examples[0].id).value();
  EXPECT_THAT(example.question, testing::ContainsRegex(
                                    "vineyard|grape|harvest|barrel|cork|tannin|cellar|vintage|"
                                    "bouquet|sommelier"));
  EXPECT_THAT(Actions(), ElementsAre("monitor.apply", "monitor.reference", "drift.begin"));
  const Event event = EventOfEntry(last_).value();
  EXPECT_EQ(event.type, "after.drift");
  EXPECT_EQ(event.subject, "monitor/desk");
  EXPECT_EQ(Json::parse(event.data)["after"]["kinds"][0]["kind"], "queries");

  Check();  // still so: nothing new is told
  EXPECT_EQ(began_, 1);
  Ask(questions_.Draw(60, 0));
  EXPECT_THAT(Check().drifting, IsEmpty());
  EXPECT_THAT(Actions(),
              ElementsAre("monitor.apply", "monitor.reference", "drift.begin", "drift.end"));
  EXPECT_THAT(Alarms(), SizeIs(1));  // and stays
}

TEST_F(DriftMonitorTest, AServerLooksOnceAWholeWindowHasCome) {
  Create(kHash);
  Write(questions_.Draw(100, 0));
  DriftSpec spec = Watch({DriftKind::kQueries, DriftKind::kCorpus});
  Declare(spec);
  LookAtDue();  // without a reference there is nothing to do
  EXPECT_EQ(State().looks, 0);
  Ask(questions_.Draw(100, 0));
  Reference();
  Ask(questions_.Draw(59, 0));
  LookAtDue();
  EXPECT_THAT(State().kinds, IsEmpty());
  Ask(questions_.Draw(1, 0));
  LookAtDue();  // not yet: it looks every ten minutes
  EXPECT_THAT(State().kinds, IsEmpty());
  clock_.now_us += 10 * kMinute;
  LookAtDue();
  ASSERT_THAT(State().kinds, SizeIs(1));
  EXPECT_EQ(State().kinds[0].items, 60);
  clock_.now_us += 10 * kMinute;
  const int64_t looked_us = State().looked_us;
  LookAtDue();  // the same window is not looked at twice
  EXPECT_EQ(State().looks, 1);
  EXPECT_EQ(State().looked_us, looked_us);  // and that was no look
  Write(questions_.Draw(60, 1));
  clock_.now_us += 10 * kMinute;
  LookAtDue();
  EXPECT_THAT(State().drifting, ElementsAre(DriftKind::kCorpus));
  clock_.now_us -= 1'000 * kMinute;  // a clock that goes back stops nothing
  LookAtDue();
  EXPECT_EQ(State().turn_us, clock_.now_us);
}

TEST_F(DriftMonitorTest, RowsThatAreWrittenAreHeldAgainstThoseOfTheReference) {
  Create(kHash);
  Write(questions_.Draw(200, 0));
  Declare(Watch({DriftKind::kCorpus}));
  EXPECT_EQ(Reference().rows.size(), 200);
  Write(questions_.Draw(60, 0));
  EXPECT_EQ(Check().kinds[0].verdict, DriftVerdict::kSteady);
  Write(questions_.Draw(200, 0.9));
  const DriftState state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kDrift) << state.kinds[0].says;
  EXPECT_EQ(state.kinds[0].items, 60);  // evenly of what was written since
  // A new reference is a version of its own, and what drifted is steady against it.
  EXPECT_EQ(Reference().number, 2);
  EXPECT_THAT(State().drifting, IsEmpty());
  EXPECT_EQ(ReadDriftReference(EvaluationRecords::Of(database_->store()), kTenant, "desk", 1)
                ->rows.size(),
            200);
  EXPECT_TRUE(absl::IsNotFound(
      ReadDriftReference(EvaluationRecords::Of(database_->store()), kTenant, "desk", 3).status()));
}

TEST_F(DriftMonitorTest, AnyBitOfTheEmbedderIsTold) {
  Create("openai/m?dim=256");
  Write(questions_.Draw(10, 0));
  Declare(Watch({DriftKind::kEmbedder}));
  EXPECT_EQ(Reference().sentinel_noise, 0);
  DriftState state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kSteady);
  EXPECT_EQ(state.kinds[0].says, "all 16 sentinel texts have the same vectors, bit by bit");
  flipped_ = true;
  state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kDrift);
  EXPECT_THAT(state.kinds[0].examples, SizeIs(16));
  EXPECT_LT(state.kinds[0].examples[0].distance, 1e-6);
  flipped_ = false;
  EXPECT_THAT(Check().drifting, IsEmpty());
  swapped_ = true;
  state = Check();
  EXPECT_THAT(state.kinds[0].says, HasSubstr("16 of 16 sentinel texts have other vectors"));
  EXPECT_GT(state.kinds[0].examples[0].distance, 0.5);
}

TEST_F(DriftMonitorTest, AnIndexThatFindsLessThanItMustIsTold) {
  Create(kHash, {.m = 2, .ef_construction = 8, .ef_search = 1});
  DriftSpec spec = Watch({DriftKind::kIndex});
  Declare(spec);
  Write(questions_.Draw(350, 0));
  Ask(questions_.Draw(60, 0));
  const DriftReference reference = Reference();
  EXPECT_EQ(reference.recall, 1);  // exact, as long as nothing is sealed
  EXPECT_EQ(Check().kinds[0].verdict, DriftVerdict::kSteady);
  Write(questions_.Draw(450, 0));
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  ASSERT_TRUE(collection_->Optimize({}, [](double) {}).ok());
  const DriftState state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kDrift) << state.kinds[0].says;
  EXPECT_THAT(state.kinds[0].says, HasSubstr("that reference 1 surely had"));
  EXPECT_EQ(state.kinds[0].items, 60);
  // The questions of which it missed most.
  const std::vector<DriftExample> examples = Alarms().at(0).kinds.at(0).examples;
  ASSERT_THAT(examples, SizeIs(5));
  for (size_t i = 0; i < examples.size(); ++i) {
    EXPECT_GT(examples[i].distance, 0);
    EXPECT_LE(examples[i].distance, i == 0 ? 1 : examples[i - 1].distance);
    EXPECT_TRUE(GetAnswer(*database_, {}, examples[i].id).ok());
  }
}

TEST_F(DriftMonitorTest, WhatAnAlarmStartsCoolsDownWhateverTheClockDoes) {
  Create("openai/m?dim=256");
  DriftSpec spec = Watch({DriftKind::kEmbedder});
  spec.evaluate_pipeline = "p@1";
  spec.evaluate_dataset = "d";
  spec.cool_down_minutes = 60;
  Declare(spec);
  Write(questions_.Draw(10, 0));
  Reference();
  const auto alarm = [this] {
    flipped_ = true;
    Check();
    flipped_ = false;
    Check();
  };
  alarm();
  EXPECT_EQ(started_, 1);
  ASSERT_THAT(Alarms()[0].actions, SizeIs(1));
  EXPECT_EQ(Alarms()[0].actions[0].state, "done");
  EXPECT_EQ(Alarms()[0].actions[0].says, "evaluation of p@1");
  clock_.now_us += 100'000 * kMinute;  // set forward
  steady_.us += 59 * kMinute;
  alarm();
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(Alarms()[0].actions[0].state, "held back");
  EXPECT_EQ(Alarms()[0].actions[0].says, "the cool-down lasts 1 min more");
  clock_.now_us -= 200'000 * kMinute;  // set back
  steady_.us += 1 * kMinute;
  alarm();
  EXPECT_EQ(started_, 2);
  // Over a restart of the machine the clock counts, and one that was set back only once.
  steady_ = {.boot = "two", .us = 5};
  clock_.now_us -= 1'000 * kMinute;
  alarm();
  EXPECT_EQ(started_, 2);
  steady_.us += 61 * kMinute;
  alarm();
  EXPECT_EQ(started_, 3);
  EXPECT_EQ(Alarms().size(), 5);
}

TEST_F(DriftMonitorTest, WhatWasCutShortStaysDue) {
  Create("openai/m?dim=256");
  DriftSpec spec = Watch({DriftKind::kEmbedder});
  spec.evaluate_pipeline = "p";
  spec.evaluate_dataset = "d";
  Declare(spec);
  Write(questions_.Draw(10, 0));
  Reference();
  flipped_ = true;
  killed_ = true;
  const CancelToken ended(absl::InfiniteFuture(), [this] { return started_ > 0; });
  EXPECT_FALSE(Monitor().Check(kTenant, "desk", ended).ok());
  // The alarm is on record with what it starts, and nothing of it is lost.
  EXPECT_EQ(Alarms()[0].actions[0].state, "due");
  EXPECT_EQ(State().due_alarm, 1);
  killed_ = false;
  EXPECT_EQ(Alarms()[0].actions[0].id, "run 1");  // before it ran
  TakeDue();
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(went_on_with_, "run 1");
  EXPECT_EQ(Alarms()[0].actions[0].state, "done");
  EXPECT_EQ(State().due_alarm, 0);
  TakeDue();
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(began_, 1);
}

TEST_F(DriftMonitorTest, AReferenceOfAnotherEmbedderIsNotComparedWith) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  Declare(Watch({DriftKind::kQueries, DriftKind::kEmbedder}));
  Ask(questions_.Draw(100, 0));
  Reference();
  Ask(questions_.Draw(60, 0));
  // Another collection of the same name.
  ASSERT_TRUE(database_->DropCollection({}, "docs").ok());
  Create("builtin/hash?dim=256&language=german");
  Write(questions_.Draw(50, 0));
  const DriftState state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kCannotTell);
  EXPECT_THAT(state.kinds[0].says, HasSubstr("make a new one: vouch drift reference desk"));
  EXPECT_EQ(state.kinds[1].verdict, DriftVerdict::kDrift);
}

TEST(DriftSpec, TheCanonicalFormIsWrittenHereAndReadBack) {
  DriftSpec spec = Watch({DriftKind::kQueries, DriftKind::kIndex});
  spec.evaluate_pipeline = "p";
  spec.evaluate_dataset = "d";
  const std::string canonical = DriftToJson(spec);
  EXPECT_EQ(canonical,
            R"({"format":1,"name":"desk","description":"","collection":"docs","pipeline":"",)"
            R"("field":"","watch":["queries","index"],"false_alarms":0.01,"window":60,)"
            R"("min_moved":0.02,"min_recall":0.0,"sentinels":[],"every_minutes":10,)"
            R"("evaluate_pipeline":"p","evaluate_dataset":"d","reembed_with":"",)"
            R"("cool_down_minutes":1440})");
  EXPECT_EQ(DriftToJson(DriftFromJson(canonical).value()), canonical);
  EXPECT_TRUE(absl::IsDataLoss(DriftFromJson("[]").status()));
  EXPECT_EQ(spec.AlphaOf(DriftKind::kQueries), 0.005);
  EXPECT_EQ(spec.AlphaOf(DriftKind::kCorpus), 0);
}

TEST(DriftSpec, MistakesNameTheFieldAndWhatItTakes) {
  const auto mistake = [](auto change) {
    DriftSpec spec = Watch({DriftKind::kQueries});
    change(spec);
    return std::string(CheckDrift(spec).message());
  };
  EXPECT_EQ(mistake([](DriftSpec&) {}), "");
  EXPECT_THAT(mistake([](DriftSpec& s) { s.pipeline = "p"; }), HasSubstr("one of the two"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.watch.clear(); }), HasSubstr("watch is missing"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.watch.push_back(s.watch[0]); }),
              HasSubstr("watch has queries twice"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.window = 29; }),
              HasSubstr("window is 29; it takes 30 to 1000"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.false_alarms = 0; }),
              HasSubstr("false_alarms is 0; it takes 0.0001 to 0.2"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.evaluate_dataset = "d"; }),
              HasSubstr("on_alarm.evaluate takes a pipeline and a dataset"));
  EXPECT_THAT(mistake([](DriftSpec& s) { s.sentinels = {""}; }),
              HasSubstr("sentinels[0] has 0 bytes"));
  EXPECT_THAT(std::string(ParseDriftKind("index1").status().message()),
              HasSubstr("'index1'; there are queries, corpus, embedder, index"));
}

TEST(DriftRecords, AreReadAsTheyWereWritten) {
  DriftReference reference{.monitor = "desk", .number = 3, .collection = "docs", .dim = 2};
  reference.questions.dim = reference.row_points.dim = 2;
  reference.answers = {"a"};
  reference.questions.Add({3, 4});
  reference.rows = {7};
  reference.row_points.Add({0, 1});
  reference.sentinels = {"s"};
  reference.sentinel_values = {0.5f, -0.25f};
  const std::string bytes = EncodeDriftReference(reference);
  EXPECT_THAT(bytes, StartsWith(R"({"format":1,"monitor":"desk","number":3,"created_us":0,)"));
  EXPECT_THAT(bytes, HasSubstr(R"("answers":["a"],"questions":"mpkZP83MTD8=","rows":[7],)"));
  // As an earlier program wrote it: what there was not then is not there now.
  EXPECT_THAT(bytes, EndsWith(R"("recall_questions":0,"recall":0.0,"recall_low":0.0})"));
  EXPECT_EQ(EncodeDriftReference(DecodeDriftReference(bytes).value()), bytes);
  // A vector too short, a format of later, no JSON.
  for (const auto& [from, to] : {std::pair("mpkZP83MTD8=", "mpkZPw=="), std::pair("\"dim\":2", "\"dim\":0")}) {
    std::string damaged = bytes;
    damaged.replace(damaged.find(from), std::strlen(from), to);
    EXPECT_TRUE(absl::IsDataLoss(DecodeDriftReference(damaged).status())) << to;
  }
  DriftReference marked = reference;
  marked.pipeline = "p";
  marked.documents = {DocumentMark("a.md")};
  const DriftReference read = DecodeDriftReference(EncodeDriftReference(marked)).value();
  EXPECT_EQ(read.pipeline, "p");
  EXPECT_EQ(read.documents, marked.documents);
  marked.documents.push_back("another");
  EXPECT_TRUE(absl::IsDataLoss(DecodeDriftReference(EncodeDriftReference(marked)).status()));
  std::string later = bytes;
  later.replace(later.find("\"format\":1"), 10, "\"format\":2");
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeDriftReference(later).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeDriftReference("").status()));
}

}  // namespace
}  // namespace vouch
