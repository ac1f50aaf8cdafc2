// What a server looks at by itself, which questions and rows make a window, and what forgetting leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "rag/forget/forget_record.h"
#include "storage/erasure.h"
#include "tests/rag/drift_fixture.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DriftDueTest : public DriftMonitorTest {
 protected:
  // The next turn of a server at the monitor.
  void Turn() {
    clock_.now_us += 10 * kMinute;
    LookAtDue();
  }
};

// 150 rows are 30 documents, and no window of 60.
TEST_F(DriftDueTest, AWindowOfDocumentsIsFullByDocumentsNotByRows) {
  Create(kHash);
  WriteDocuments(questions_.Draw(200, 0), 1);
  Declare(Watch({DriftKind::kCorpus}));
  EXPECT_EQ(Reference().documents.size(), 200);
  const uint64_t rows = State().rows_until;
  WriteDocuments(questions_.Draw(30, 1), 5);
  Turn();
  EXPECT_THAT(State().kinds, IsEmpty());
  EXPECT_EQ(State().rows_until, rows);  // they wait for the others
  WriteDocuments(questions_.Draw(30, 1), 5);
  Turn();
  ASSERT_THAT(State().kinds, SizeIs(1));
  EXPECT_EQ(State().kinds[0].items, 60);
  EXPECT_THAT(State().drifting, ElementsAre(DriftKind::kCorpus));
  EXPECT_EQ(State().rows_until, rows + 300);
  Turn();
  EXPECT_EQ(State().looks, 1);
}

// An even sample of a few rows would see one document of 40 only.
TEST_F(DriftDueTest, ADocumentOfVeryManyRowsHidesNoOthers) {
  Create(kHash);
  WriteDocuments(questions_.Draw(60, 0), 1);
  Declare(Watch({DriftKind::kCorpus}));
  Reference();
  WriteDocuments(questions_.Draw(1, 0), 3'000);
  WriteDocuments(questions_.Draw(60, 1), 1);
  Turn();
  ASSERT_THAT(State().kinds, SizeIs(1));
  EXPECT_EQ(State().kinds[0].items, 60);
}

TEST_F(DriftDueTest, AnswersThatNobodyGotAreNoQuestions) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  Declare(Watch({DriftKind::kQueries}));
  Ask(questions_.Draw(40, 0));
  Ask(questions_.Draw(40, 1), {.shadow = true});
  EXPECT_EQ(Reference().answers.size(), 40);
  Ask(questions_.Draw(60, 1), {.shadow = true});
  Turn();
  EXPECT_THAT(State().kinds, IsEmpty());
}

TEST_F(DriftDueTest, QuestionsOfARarePipelineAreLookedAtAsFarBackAsAnybodyLooks) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  MakePipeline("rare");
  DriftSpec spec = Watch({DriftKind::kQueries});
  spec.collection = "";
  spec.pipeline = "rare";
  Declare(spec);
  max_scanned_answers_ = 100;
  const Asked rare = {.pipeline = "rare@1"};
  const Asked other = {.pipeline = "frequent@1"};
  Ask(questions_.Draw(60, 0), rare);
  EXPECT_EQ(Reference().answers.size(), 60);

  Ask(questions_.Draw(20, 0), rare);
  Ask(questions_.Draw(70, 0), other);
  Turn();  // not full, but there may be more
  EXPECT_THAT(State().kinds, IsEmpty());
  Ask(questions_.Draw(11, 0), other);
  Turn();
  ASSERT_THAT(State().kinds, SizeIs(1));
  EXPECT_EQ(State().kinds[0].verdict, DriftVerdict::kCannotTell);
  EXPECT_EQ(State().kinds[0].says,
            "19 questions were asked since, among the last 100 answers, which is as far back as it "
            "looks; it takes 30");
  Turn();  // told once
  EXPECT_EQ(State().looks, 1);

  Ask(questions_.Draw(40, 1), rare);
  Ask(questions_.Draw(60, 0), other);
  Turn();
  EXPECT_THAT(State().kinds, SizeIs(1));
  Ask(questions_.Draw(1, 0), other);
  Turn();
  EXPECT_EQ(State().looks, 2);
  EXPECT_EQ(State().kinds[0].items, 39);
  EXPECT_THAT(State().drifting, ElementsAre(DriftKind::kQueries));
}

TEST_F(DriftDueTest, AClockThatWasADayAheadHidesNoQuestions) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  Declare(Watch({DriftKind::kQueries}));
  clock_.now_us += 1'440 * kMinute;
  Ask(questions_.Draw(100, 0));
  Reference();
  clock_.now_us -= 1'440 * kMinute;
  Ask(questions_.Draw(50, 1));
  clock_.now_us -= 2'880 * kMinute;
  Ask(questions_.Draw(1, 1));
  clock_.now_us += 2'880 * kMinute;
  Ask(questions_.Draw(9, 1));
  Turn();
  ASSERT_THAT(State().kinds, SizeIs(1));
  EXPECT_EQ(State().kinds[0].items, 60);
  EXPECT_THAT(State().drifting, ElementsAre(DriftKind::kQueries));
}

TEST_F(DriftDueTest, TheIndexIsAskedEachQuestionOnce) {
  Create(kHash);
  Write(questions_.Draw(100, 0));
  Declare(Watch({DriftKind::kIndex}));
  Ask(questions_.Draw(60, 0));
  Reference();
  Turn();
  Ask(questions_.Draw(59, 0));
  Turn();
  EXPECT_EQ(State().looks, 0);
  Ask(questions_.Draw(1, 0));
  Turn();
  EXPECT_EQ(State().looks, 1);
  EXPECT_EQ(State().kinds[0].items, 60);
  Turn();
  Ask(questions_.Draw(59, 0));
  Turn();
  EXPECT_EQ(State().looks, 1);
  EXPECT_EQ(Check().kinds[0].items, 60);  // whoever asks gets the latest ones
}

TEST_F(DriftDueTest, WhatAnAlarmStartsHoldsUpNoLook) {
  Create("openai/m?dim=256");
  DriftSpec spec = Watch({DriftKind::kEmbedder});
  spec.evaluate_pipeline = "p";
  spec.evaluate_dataset = "d";
  Declare(spec);
  Write(questions_.Draw(10, 0));
  Reference();
  flipped_ = true;
  Turn();
  EXPECT_EQ(started_, 0);  // a look starts nothing itself
  EXPECT_EQ(State().due_alarm, 1);
  std::promise<void> started;
  std::promise<void> go_on;
  while_started_ = [&] {
    started.set_value();
    go_on.get_future().wait();
  };
  std::thread actions([this] { TakeDue(); });
  started.get_future().wait();
  flipped_ = false;
  Turn();
  EXPECT_EQ(State().looks, 2);
  EXPECT_THAT(State().drifting, IsEmpty());
  EXPECT_THAT(Check().drifting, IsEmpty());
  TakeDue();  // another is at it
  EXPECT_EQ(started_, 1);
  go_on.set_value();
  actions.join();
  EXPECT_EQ(Alarms()[0].actions[0].state, "done");
  EXPECT_EQ(State().due_alarm, 0);
  EXPECT_EQ(State().looks, 3);  // what looks found meanwhile stays
}

TEST_F(DriftDueTest, QuestionsOfAnotherPipelineAreNotComparedWith) {
  Create(kHash);
  Write(questions_.Draw(50, 0));
  MakePipeline("p");
  MakePipeline("q");
  DriftSpec spec = Watch({DriftKind::kQueries});
  spec.collection = "";
  spec.pipeline = "p";
  Declare(spec);
  Ask(questions_.Draw(60, 0), {.pipeline = "p@1"});
  EXPECT_EQ(Reference().pipeline, "p");
  spec.pipeline = "q";
  Declare(spec);
  Ask(questions_.Draw(60, 1), {.pipeline = "q@1"});
  const DriftState state = Check();
  EXPECT_EQ(state.kinds[0].verdict, DriftVerdict::kCannotTell);
  EXPECT_EQ(state.kinds[0].says,
            "reference 1 has questions by pipeline p; make a new one: vouch drift reference desk");
}

TEST_F(DriftDueTest, WordsOfAReferenceAreReadFromItsAnswers) {
  CollectionSchema schema;
  schema.dense.push_back({.name = "embedding", .dim = kDim, .embedder = kHash});
  schema.text.push_back({.name = "body", .paths = {"text"}, .language = "german"});
  collection_ = database_->CreateCollection({}, "docs", schema).value();
  Ask({"Das Haus und die Häuser", "Ist der Hafen das?"});
  const auto asked = LatestQuestions(database_->store(), {.tenant = kTenant, .collection = "docs", .limit = 10}, {}).value();
  ASSERT_THAT(asked.questions, SizeIs(2));
  // One that is not there is left out; another tenant's is not read.
  const std::vector<std::string> answers = {asked.questions[0].answer, "gone", asked.questions[1].answer};
  const std::vector<DriftWords> words = WordsOfAnswers(*collection_, kTenant, answers, {}).value();
  EXPECT_EQ(words, WordsOfQuestions(*collection_, asked.questions, {}).value());
  EXPECT_THAT(words, ElementsAre(SizeIs(1), SizeIs(1)));  // stems of German, without its stop words
  EXPECT_THAT(WordsOfAnswers(*collection_, "another", answers, {}).value(), IsEmpty());
}

TEST_F(DriftDueTest, ForgottenRowsGoFromReferences) {
  Create(kHash);
  Write(questions_.Draw(40, 0));
  Declare(Watch({DriftKind::kCorpus}));
  const DriftReference before = Reference();
  EvaluationRecords& records = EvaluationRecords::Of(database_->store());
  const auto read = [&] { return ReadDriftReference(records, kTenant, "desk", 1).value(); };
  // Row 3 by its number, and an older row of a document that has no rows any more.
  const ForgottenRows forgotten{.collection = "docs", .rows = {3, 1'000}, .document = "5"};
  EXPECT_EQ(ForgetInReferences(records, kTenant, forgotten, /*change=*/false).value(), 2);
  EXPECT_EQ(read().rows.size(), 40);
  EXPECT_EQ(ForgetInReferences(records, kTenant, {.collection = "others", .rows = {3}}, true).value(), 0);
  EXPECT_EQ(ForgetInReferences(records, kTenant, forgotten, /*change=*/true).value(), 2);
  const DriftReference after = read();
  EXPECT_EQ(after.rows.size(), 38);
  EXPECT_EQ(after.row_points.size(), 38);
  EXPECT_THAT(after.rows, Not(testing::Contains(3)));
  EXPECT_THAT(after.documents, Not(testing::Contains(DocumentMark("5"))));
  EXPECT_EQ(std::vector<float>(after.row_points.values.begin(), after.row_points.values.begin() + 3 * kDim),
            std::vector<float>(before.row_points.values.begin(), before.row_points.values.begin() + 3 * kDim));
  EXPECT_EQ(ForgetInReferences(records, kTenant, forgotten, /*change=*/true).value(), 0);
}

// Between the reading of the rows and the keeping of the reference.
TEST_F(DriftDueTest, WhatIsErasedWhileAReferenceIsMadeIsNotInIt) {
  Create("openai/m?dim=256");
  Write(questions_.Draw(40, 0));
  Declare(Watch({DriftKind::kCorpus, DriftKind::kEmbedder}));
  on_embed_ = [this] {
    const RowErasure erasures[] = {{.row = RowId(7), .payload = std::string(kErasedPayload)}};
    EXPECT_TRUE(Erasure::Of(database_->store()).EraseRows(collection_->id(), erasures).ok());
  };
  const DriftReference reference = Reference();
  EXPECT_EQ(reference.rows.size(), 39);
  EXPECT_THAT(reference.rows, Not(testing::Contains(7)));
  EXPECT_THAT(ReadDriftReference(EvaluationRecords::Of(database_->store()), kTenant, "desk", 1)->rows,
              Not(testing::Contains(7)));
}

}  // namespace
}  // namespace vouch
