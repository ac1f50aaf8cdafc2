#include "rag/eval/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>

#include "rag/eval/compare.h"
#include "rag/eval/report.h"
#include "tests/rag/default_tenant.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;


// Finds each question's document at a rank that `rank` says (0: not at all), without any index.
class RankedSubject final : public EvaluationSubject {
 public:
  RankedSubject(Collection& collection, std::function<int(int)> rank)
      : collection_(collection), rank_(std::move(rank)) {}

  absl::StatusOr<SubjectResult> Run(const DatasetQuestion& question,
                                    const CancelToken& cancel) override {
    const int number = std::stoi(question.id.substr(1));
    const int runs = ++runs_;
    if (runs > die_after) ::raise(SIGKILL);
    if (runs > fail_after) return absl::UnavailableError("the subject is gone");
    if (number == bad_question) return absl::InvalidArgumentError("no such words");
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    SubjectResult result;
    for (int rank = 1; rank <= 20; ++rank) {
      const bool hit = rank == rank_(number);
      result.chunks.push_back({.point = "p" + std::to_string(rank),
                               .document = hit ? "d" + std::to_string(number)
                                               : "x" + std::to_string(rank),
                               .score = 100.0 - rank});
    }
    return result;
  }
  SubjectVersions versions() const override {
    return {.collection = "docs", .version = Version(version), .mode = "text", .embedder = "e"};
  }
  Collection& collection() override { return collection_; }
  int runs() const { return runs_; }

  int die_after = INT32_MAX;
  int fail_after = INT32_MAX;
  int bad_question = -1;
  uint64_t version = 1;

 private:
  Collection& collection_;
  const std::function<int(int)> rank_;
  std::atomic<int> runs_ = 0;
};

std::vector<DatasetQuestion> Questions(int count) {
  std::vector<DatasetQuestion> questions;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    questions.push_back({.id = "q" + number,
                         .text = "question <" + number + ">",
                         .tags = {i % 2 == 0 ? "even" : "odd"},
                         .documents = {{"d" + number, 1}}});
  }
  return questions;
}

class EvaluationTest : public testing::Test {
 protected:
  EvaluationRecords& records() { return EvaluationRecords::Of(docs_.database->store()); }
  EvaluationStore store() { return EvaluationStore(records(), kTenant); }
  DatasetStore datasets() { return DatasetStore(records(), kTenant); }
  void Import(const std::string& name, const std::vector<DatasetQuestion>& questions) {
    ASSERT_TRUE(datasets().Put(name, "test", questions, 1).ok());
  }
  absl::StatusOr<EvaluationRecord> Run(EvaluationSubject& subject, const std::string& dataset,
                                       uint32_t parallel = 1) {
    return Evaluator(docs_.database->store(), docs_.clock, kTenant)
        .Run(subject, {.dataset = {dataset, 0}, .parallel = parallel, .keep_every = 4});
  }
  static double MeanOf(const EvaluationRecord& record, const std::string& name) {
    for (const MetricSummary& metric : record.metrics) {
      if (metric.name == name) return metric.mean;
    }
    return -1;
  }

  IngestedCollection docs_;
};

TEST_F(EvaluationTest, FiguresByHandAndBySlice) {
  Import("set", Questions(4));
  RankedSubject subject(*docs_.collection, [](int number) { return number % 2 == 0 ? 1 : 2; });
  const EvaluationRecord record = *Run(subject, "set");
  EXPECT_TRUE(record.finished);
  EXPECT_EQ(record.embedder, "e");
  EXPECT_DOUBLE_EQ(MeanOf(record, "recip_rank"), 0.75);
  EXPECT_DOUBLE_EQ(MeanOf(record, "context_precision"), 1.0 / 8);
  ASSERT_EQ(record.slices.size(), 2);
  EXPECT_EQ(record.slices[0].tag, "even");
  EXPECT_EQ(record.slices[0].questions, 2);
  EXPECT_EQ(EncodeEvaluation(*store().Get(record.id)), EncodeEvaluation(record));
  EXPECT_EQ(EncodeEvaluation(*DecodeEvaluation(EncodeEvaluation(record))), EncodeEvaluation(record));
}

TEST_F(EvaluationTest, FiguresDoNotDependOnThreads) {
  Import("set", Questions(40));
  const auto rank = [](int number) { return number % 7; };
  RankedSubject one(*docs_.collection, rank);
  RankedSubject many(*docs_.collection, rank);
  const EvaluationRecord alone = *Run(one, "set", 1);
  const EvaluationRecord together = *Run(many, "set", 8);
  for (const char* name : {"ndcg_cut_10", "map", "recall_10"}) {
    EXPECT_EQ(MeanOf(alone, name), MeanOf(together, name)) << name;
  }
}

TEST_F(EvaluationTest, OneQuestionOneWithoutJudgementAndOneThatFails) {
  Import("one", Questions(1));
  RankedSubject subject(*docs_.collection, [](int) { return 1; });
  const EvaluationRecord single = *Run(subject, "one");
  EXPECT_DOUBLE_EQ(MeanOf(single, "ndcg_cut_10"), 1);
  EXPECT_TRUE(std::isnan(single.metrics[0].interval.low));  // one value says nothing of the spread

  std::vector<DatasetQuestion> questions = Questions(3);
  questions[1].documents.clear();
  Import("mixed", questions);
  subject.bad_question = 2;
  const EvaluationRecord mixed = *Run(subject, "mixed");
  EXPECT_EQ(mixed.errors, 1);
  EXPECT_EQ(mixed.metrics[0].count, 1);    // only q0 is judged and could be run
  EXPECT_EQ(mixed.metrics[0].missing, 2);  // counted, not averaged
  EXPECT_DOUBLE_EQ(mixed.metrics[0].mean, 1);
  const auto results = *store().Results(mixed.id);
  EXPECT_EQ(WorstFirst(results, "ndcg_cut_10").front()->id, "q2");  // what failed stands first
}

TEST_F(EvaluationTest, GoesOnAfterAnErrorWithWhatIsMissing) {
  Import("set", Questions(20));
  const auto rank = [](int number) { return number % 5; };
  RankedSubject failing(*docs_.collection, rank);
  failing.fail_after = 10;
  const auto stopped = Run(failing, "set");
  ASSERT_EQ(stopped.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(stopped.status().message(), HasSubstr("go on by --resume "));
  const EvaluationRecord begun = store().List(1)->front();
  EXPECT_FALSE(begun.finished);

  Evaluator evaluator(docs_.database->store(), docs_.clock, kTenant);
  RankedSubject other(*docs_.collection, rank);
  other.version = 2;
  EXPECT_EQ(evaluator.Resume(begun, other, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  RankedSubject rest(*docs_.collection, rank);
  const EvaluationRecord resumed = *evaluator.Resume(begun, rest, {});
  EXPECT_EQ(rest.runs(), 10);
  RankedSubject whole(*docs_.collection, rank);
  EXPECT_EQ(MeanOf(resumed, "ndcg_cut_10"), MeanOf(*Run(whole, "set"), "ndcg_cut_10"));
  EXPECT_EQ(evaluator.Resume(resumed, rest, {})->id, resumed.id);  // finished: nothing is run
  EXPECT_EQ(rest.runs(), 10);
}

TEST_F(EvaluationTest, ComparesWithAVerdict) {
  Import("set", Questions(60));
  RankedSubject low(*docs_.collection, [](int number) { return 2 + number % 3; });
  RankedSubject high(*docs_.collection, [](int number) { return 1 + number % 3; });
  RankedSubject mixed(*docs_.collection, [](int number) { return number == 7 ? 1 : 2 + number % 3; });
  const std::string a = Run(low, "set")->id;
  const std::string b = Run(high, "set")->id;
  const std::string c = Run(mixed, "set")->id;
  const CompareOptions options{.metrics = {"ndcg_cut_10", "latency_ms"}};
  const Comparison better = *CompareEvaluations(store(), datasets(), a, b, options);
  EXPECT_EQ(better.metrics[0].result.verdict, Verdict::kBetter);
  EXPECT_EQ(better.metrics[0].result.wins, 60);
  EXPECT_THAT(DescribeVerdict(better), HasSubstr("B is better: ndcg_cut_10 +"));
  EXPECT_EQ(CompareEvaluations(store(), datasets(), b, a, options)->metrics[0].result.verdict,
            Verdict::kWorse);
  const Comparison unsure = *CompareEvaluations(store(), datasets(), a, c, options);
  EXPECT_EQ(unsure.metrics[0].result.verdict, Verdict::kCannotTell);
  EXPECT_THAT(DescribeVerdict(unsure), HasSubstr("Cannot tell: "));
  EXPECT_THAT(DescribeVerdict(unsure), HasSubstr("it takes "));
  const Comparison same = *CompareEvaluations(store(), datasets(), a, a, options);
  EXPECT_EQ(same.metrics[0].result.ties, 60);
  EXPECT_EQ(same.metrics[0].result.verdict, Verdict::kCannotTell);

  const std::string page = ComparisonReport(better);
  EXPECT_THAT(page, HasSubstr("B is better"));
  EXPECT_THAT(page, HasSubstr("class=\"gain\""));
  EXPECT_THAT(page, Not(HasSubstr("http:")));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST_F(EvaluationTest, WhatCannotBeComparedIsSaid) {
  Import("set", Questions(3));
  Import("other", {{.id = "z1", .text = "else"}});
  RankedSubject subject(*docs_.collection, [](int) { return 1; });
  const std::string a = Run(subject, "set")->id;
  const std::string z = Run(subject, "other")->id;
  const auto message = [&](std::string_view left, std::string_view right, CompareOptions options) {
    return std::string(
        CompareEvaluations(store(), datasets(), left, right, options).status().message());
  };
  EXPECT_THAT(message(a, z, {}), HasSubstr("no question in common"));
  EXPECT_THAT(message(a, a, {.metrics = {"ndgc"}}), HasSubstr("no metric \"ndgc\"; there are: ndcg_cut_10"));
  EXPECT_THAT(message(a, a, {.metrics = {"token_f1"}}), HasSubstr("not in both"));
  EXPECT_THAT(message(a, "ffffffff", {}), HasSubstr("no evaluation ffffffff"));
  EXPECT_THAT(message("x", a, {}), HasSubstr("give at least 4"));
  EXPECT_THAT(message(a, a, {.paired = {.alpha = 2}}), HasSubstr("alpha is 2"));
}

TEST_F(EvaluationTest, TheReportStandsAlone) {
  std::vector<DatasetQuestion> questions = Questions(6);
  Import("set", questions);
  RankedSubject subject(*docs_.collection, [](int number) { return number; });
  const EvaluationRecord record = *Run(subject, "set");
  const std::string page = EvaluationReport(record, questions, *store().Results(record.id));
  EXPECT_THAT(page, HasSubstr("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("Evaluation of docs on set@1"));
  EXPECT_THAT(page, HasSubstr("question &lt;0&gt;"));  // escaped
  EXPECT_THAT(page, Not(HasSubstr("question <0>")));
  EXPECT_THAT(page, HasSubstr("ndcg_cut_10 by tag"));
  EXPECT_THAT(page, HasSubstr("class=\"whisker\""));
  EXPECT_THAT(page, HasSubstr("class=\"bar\""));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* outside : {"http:", "https:", "<script", "<link", "src=\""}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  // Worst first: q0, whose document was not found.
  EXPECT_LT(page.find("q0: "), page.find("q5: "));
  EXPECT_LT(page.find("q5: "), page.find("q1: "));
}

TEST_F(EvaluationTest, AnswersAreScoredThroughACollection) {
  docs_.AddDocument("moon.txt", MediaType::kText,
                    "The Eagle landed on the moon in July 1969. The crew came home safely.");
  docs_.AddDocument("bread.txt", MediaType::kText,
                    "Bread is baked from flour and water. Yeast makes the dough rise slowly.");
  docs_.Commit();
  Import("facts", {{.id = "moon",
                    .text = "When did the Eagle land on the moon?",
                    .references = {"The Eagle landed on the moon in July 1969."},
                    .documents = {{"moon.txt", 1}}},
                   {.id = "none", .text = "zebra quantum?", .unanswerable = true}});
  auto subject = NewCollectionSubject(*docs_.database, docs_.embedders,
                                      {.collection = "docs",
                                       .mode = RetrievalMode::kText,
                                       .depth = 10,
                                       .answers = AnswerKind::kQuotes,
                                       .principal = docs_.principal});
  ASSERT_TRUE(subject.ok()) << subject.status();
  const EvaluationRecord record =
      *Evaluator(docs_.database->store(), docs_.clock, kTenant)
           .Run(**subject, {.dataset = {"facts", 0}, .answers = "quotes", .keep_every = 1});
  EXPECT_THAT(record.generator, HasSubstr("builtin/extractive"));
  EXPECT_DOUBLE_EQ(MeanOf(record, "ndcg_cut_10"), 1);
  EXPECT_DOUBLE_EQ(MeanOf(record, "citation_precision"), 1);
  EXPECT_DOUBLE_EQ(MeanOf(record, "answered"), 0.5);
  EXPECT_GT(MeanOf(record, "token_f1"), 0.7);
  EXPECT_TRUE(record.has_answers);
  EXPECT_DOUBLE_EQ(record.abstention.abstain_precision, 1);
  EXPECT_EQ(MainMetric(record), "token_f1");
  // Each answer is kept as any other.
  const auto results = *store().Results(record.id);
  EXPECT_TRUE(GetAnswer(*docs_.database, docs_.principal, results[0].answer_id).ok());
}

// kill -9 in the middle. The victim is this program once more, since a forked store would lack its threads.
constexpr char kVictimData[] = "VOUCH_EVALUATION_VICTIM";
int RankOfVictim(int number) { return number % 4; }

TEST(EvaluationKillTest, DISABLED_Victim) {
  const char* data = std::getenv(kVictimData);
  ASSERT_NE(data, nullptr);
  DatabaseOptions options;
  options.path = data;
  auto database = Database::Open(options).value();
  CollectionSchema schema;
  schema.text.push_back({.name = "text", .paths = {"text"}});
  auto collection = database->CreateCollection({}, "docs", schema).value();
  EvaluationRecords& records = EvaluationRecords::Of(database->store());
  ASSERT_TRUE(DatasetStore(records, kTenant).Put("set", "", Questions(50), 1).ok());
  RankedSubject subject(*collection, RankOfVictim);
  subject.die_after = 30;
  (void)Evaluator(database->store(), database->clock(), kTenant)
      .Run(subject, {.dataset = {"set", 0}, .parallel = 1, .keep_every = 8});
  FAIL() << "still alive";
}

TEST(EvaluationKillTest, GoesOnWhereAKillEndedIt) {
  TempDir dir;
  DatabaseOptions options;
  options.path = dir.File("data");
  ASSERT_EQ(::setenv(kVictimData, options.path.c_str(), 1), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::execl("/proc/self/exe", "victim", "--gtest_also_run_disabled_tests",
            "--gtest_filter=EvaluationKillTest.DISABLED_Victim", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  auto database = Database::Open(options).value();
  auto collection = database->GetCollection({}, "docs").value();
  EvaluationRecords& records = EvaluationRecords::Of(database->store());
  EvaluationStore store(records, kTenant);
  const EvaluationRecord begun = store.List(10)->front();
  EXPECT_FALSE(begun.finished);
  EXPECT_EQ(store.Results(begun.id)->size(), 24);  // three batches of 8; six were in hand
  RankedSubject rest(*collection, RankOfVictim);
  Evaluator evaluator(database->store(), database->clock(), kTenant);
  const auto resumed = evaluator.Resume(begun, rest, {});
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(rest.runs(), 26);
  EXPECT_EQ(resumed->done, 50);
  EXPECT_TRUE(store.Get(begun.id)->finished);
}

TEST(EvaluationRecordTest, DamagedRecordsAreSaidToBe) {
  for (const char* text : {"", "[]", "{}", R"({"format": 1})", R"({"format": 9})"}) {
    EXPECT_EQ(DecodeEvaluation(text).status().code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_EQ(DecodeQuestionResult(text).status().code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_EQ(DecodeDatasetInfo(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace vouch
