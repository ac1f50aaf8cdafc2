// Monitors over a collection whose questions, rows, embedder and index change.
#include "rag/drift/drift_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "nlohmann/json.hpp"
#include "rag/answer.h"
#include "rag/answer_id.h"
#include "rag/deliver/event.h"
#include "rag/deliver/spec_store.h"
#include "rag/embed/builtin_hash.h"
#include "storage/journal.h"
#include "tests/rag/topic_questions.h"
#include "tests/support/manual_clock.h"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

constexpr char kTenant[] = "default";
constexpr uint32_t kDim = 256;
constexpr int64_t kMinute = 60'000'000;

DriftSpec Watch(std::vector<DriftKind> kinds) {
  DriftSpec spec;
  spec.name = "desk";
  spec.collection = "docs";
  spec.watch = std::move(kinds);
  spec.window = 60;
  return spec;
}

class DriftMonitorTest : public ::testing::Test {
 protected:
  DriftMonitorTest() : server_([this](size_t, const ModelServer::Request& request) {
      return ModelServer::Reply{.body = EmbeddingsReply(
                                    request.body, [this](const std::string& t) { return Embed(t); })};
    }),
    embedders_({.base_url = server_.base_url()}) {
    DatabaseOptions options;
    options.path = dir_.File("data");
    options.clock = &clock_;
    options.seal_rows = 400;
    database_ = Database::Open(options).value();
  }

  std::vector<float> Embed(const std::string& text) {
    const std::string texts[] = {text};
    std::vector<float> vector = hash_->Embed(texts, {}).value()[0];
    if (swapped_) std::rotate(vector.begin(), vector.begin() + 1, vector.end());
    if (flipped_) {
      uint32_t bits = 0;
      std::memcpy(&bits, &vector[0], sizeof(bits));
      bits ^= 1;
      std::memcpy(&vector[0], &bits, sizeof(bits));
    }
    return vector;
  }

  void Create(const std::string& embedder, HnswOptions hnsw = {}) {
    CollectionSchema schema;
    schema.dense.push_back({.name = "embedding",
                            .dim = kDim,
                            .metric = Metric::kCosine,
                            .index = DenseIndexKind::kHnsw,
                            .hnsw = hnsw,
                            .embedder = embedder});
    collection_ = database_->CreateCollection({}, "docs", schema).value();
  }
  void Write(const std::vector<std::string>& texts) {
    WriteRequest write;
    for (const std::string& text : texts) {
      PointInput point;
      point.id = PointId(next_point_++);
      point.vectors.emplace_back("embedding", Embed(text));
      point.payload = Json{{"text", text}}.dump();
      write.upserts.push_back(std::move(point));
    }
    ASSERT_TRUE(collection_->Write(std::move(write)).ok());
  }
  void Ask(const std::vector<std::string>& texts, bool evaluation = false) {
    for (const std::string& text : texts) {
      clock_.now_us += 1'000'000;
      Answer answer;
      answer.id = MakeUuidV7(clock_.now_us, RandomBytes());
      answer.time_us = clock_.now_us;
      answer.tenant = kTenant;
      answer.collection = "docs";
      answer.question = text;
      answer.evaluation = evaluation;
      ASSERT_TRUE(database_->store().PutAnswer(kTenant, answer.id, AnswerToJson(answer)).ok());
    }
  }
  void Declare(const DriftSpec& spec) {
    ASSERT_EQ(CheckDrift(spec), absl::OkStatus());
    SpecStore store(database_->store(), clock_, DriftMonitor::kKind);
    ASSERT_TRUE(store.Apply(kTenant, spec.name, DriftToJson(spec), false, "default/a").ok());
  }
  DriftMonitor Monitor() {
    DriftMonitorOptions options;
    options.starters.evaluate = [this](const std::string&, const DriftSpec& spec, const DriftAlarm&,
                                       const CancelToken&) -> absl::StatusOr<std::string> {
      ++started_;
      if (killed_) return absl::CancelledError("killed");
      return "evaluation of " + spec.evaluate_pipeline;
    };
    options.steady = [this] { return steady_; };
    options.on_look = [this](const KindLook&, bool began) { began_ += began ? 1 : 0; };
    return DriftMonitor(*database_, embedders_, options);
  }
  DriftReference Reference() {
    return Monitor().MakeReference(kTenant, "desk", "default/a", {}).value();
  }
  DriftState Check() { return Monitor().Check(kTenant, "desk", {}).value(); }
  void LookAtDue() {
    Monitor().LookAtDue({}, [](const std::string& message) { ADD_FAILURE() << message; });
  }
  DriftState State() { return Monitor().ReadState(kTenant, "desk").value(); }
  std::vector<DriftAlarm> Alarms() { return Monitor().Alarms(kTenant, "desk").value(); }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    EXPECT_TRUE(Journal::Of(database_->store())
                    .ScanAudit(kTenant, 1,
                               [&](AuditEntry&& entry) {
                                 actions.push_back(entry.change.action);
                                 last_ = std::move(entry);
                                 return true;
                               })
                    .ok());
    return actions;
  }

  TempDir dir_;
  ManualClock clock_;
  SteadyTime steady_ = {.boot = "one", .us = 1'000};
  std::shared_ptr<const Embedder> hash_ = CreateHashEmbedder(kDim, "english").value();
  std::atomic<bool> swapped_ = false;
  std::atomic<bool> flipped_ = false;
  ModelServer server_;
  EmbedderRegistry embedders_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  TopicQuestions questions_ = TopicQuestions(20261126);
  uint64_t next_point_ = 0;
  int started_ = 0;
  int began_ = 0;
  bool killed_ = false;
  AuditEntry last_;
};

constexpr char kHash[] = "builtin/hash?dim=256";

TEST_F(DriftMonitorTest, QuestionsOfANewTopicAlarmOnceAndTheirEndIsToldOnce) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  Declare(Watch({DriftKind::kQueries}));
  EXPECT_TRUE(absl::IsFailedPrecondition(Monitor().Check(kTenant, "desk", {}).status()));
  Ask(questions_.Draw(300, 0));
  Ask(questions_.Draw(100, 1), /*evaluation=*/true);  // what evaluations ask does not count
  const DriftReference reference = Reference();
  EXPECT_EQ(reference.number, 1);
  EXPECT_EQ(reference.answers.size(), 240);  // four windows, the latest

  EXPECT_EQ(Check().kinds[0].says, "0 questions were asked since; it takes 30");
  Ask(questions_.Draw(60, 0));
  DriftState state = Check();
  ASSERT_THAT(state.kinds, SizeIs(1));
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kSteady) << state.kinds[0].says;
  EXPECT_EQ(state.kinds[0].items, 60);
  EXPECT_THAT(state.kinds[0].tests, SizeIs(4));
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
  LookAtDue();  // the same window is not looked at twice
  EXPECT_EQ(State().looks, 1);
  Write(questions_.Draw(60, 1));
  clock_.now_us += 10 * kMinute;
  LookAtDue();
  EXPECT_THAT(State().drifting, ElementsAre(DriftKind::kCorpus));
  clock_.now_us -= 1'000 * kMinute;  // a clock that goes back stops nothing
  LookAtDue();
  EXPECT_EQ(State().looked_us, clock_.now_us);
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
  LookAtDue();
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(Alarms()[0].actions[0].state, "done");
  EXPECT_EQ(State().due_alarm, 0);
  LookAtDue();
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
  EXPECT_EQ(EncodeDriftReference(DecodeDriftReference(bytes).value()), bytes);
  // A vector too short, a format of later, no JSON.
  for (const auto& [from, to] : {std::pair("mpkZP83MTD8=", "mpkZPw=="), std::pair("\"dim\":2", "\"dim\":0")}) {
    std::string damaged = bytes;
    damaged.replace(damaged.find(from), std::strlen(from), to);
    EXPECT_TRUE(absl::IsDataLoss(DecodeDriftReference(damaged).status())) << to;
  }
  std::string later = bytes;
  later.replace(later.find("\"format\":1"), 10, "\"format\":2");
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeDriftReference(later).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeDriftReference("").status()));
}

}  // namespace
}  // namespace vouch
