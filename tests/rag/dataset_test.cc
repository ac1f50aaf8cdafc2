#include "rag/eval/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/eval/dataset_store.h"
#include "rag/eval/passages.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ErrorOf(std::string_view questions) {
  return std::string(ParseQuestions(questions).status().message());
}

TEST(DatasetTest, BeirQuestionsWithJudgements) {
  auto questions = *ParseQuestions("{\"_id\": 7, \"text\": \"why?\", \"metadata\": {}}\n\n"
                                   "{\"_id\": \"b\", \"text\": \"how?\"}\r\n");
  ASSERT_EQ(questions.size(), 2);
  EXPECT_EQ(questions[0].id, "7");
  ASSERT_TRUE(AddJudgements({{"7", {{"d1", 2}, {"d2", 0}}}}, &questions).ok());
  EXPECT_EQ(questions[0].documents.at("d1"), 2);
  EXPECT_THAT(questions[1].documents, IsEmpty());  // a question without judgement stays one
  EXPECT_THAT(AddJudgements({{"c", {{"d1", 1}}}}, &questions).message(),
              HasSubstr("query \"c\" is none of the questions"));
  EXPECT_THAT(AddJudgements({{"7", {{"d1", 1}}}}, &questions).message(), HasSubstr("judged already"));
}

TEST(DatasetTest, SquadAsLinesAndAsItsFile) {
  const auto lines = *ParseQuestions(
      R"({"id": "1", "title": "t", "context": "c", "question": "who?", "answers": {"text": ["Ada", "Ada", "Ada L."], "answer_start": [1, 1, 1]}})"
      "\n"
      R"({"id": "2", "question": "what?", "answers": {"text": [], "answer_start": []}})");
  EXPECT_THAT(lines[0].references, ElementsAre("Ada", "Ada L."));
  EXPECT_FALSE(lines[0].unanswerable);
  EXPECT_TRUE(lines[1].unanswerable);
  const auto file = *ParseQuestions(
      R"({"version": "v2.0", "data": [{"title": "Ada", "paragraphs": [{"context": "c", "qas": [
        {"id": "1", "question": "who?", "answers": [{"text": "Ada", "answer_start": 1}], "is_impossible": false},
        {"id": "2", "question": "what?", "answers": [], "plausible_answers": [], "is_impossible": true}]}]}]})");
  ASSERT_EQ(file.size(), 2);
  EXPECT_THAT(file[0].references, ElementsAre("Ada"));
  EXPECT_THAT(file[0].tags, ElementsAre("Ada"));
  EXPECT_TRUE(file[1].unanswerable);
}

TEST(DatasetTest, BadQuestionsNameTheLine) {
  EXPECT_THAT(ErrorOf("{\"_id\": \"a\", \"text\": \"x\"}\nnonsense"), HasSubstr("line 2: it is no JSON"));
  EXPECT_THAT(ErrorOf("{\"text\": \"x\"}"), HasSubstr("line 1: it has no \"_id\""));
  EXPECT_THAT(ErrorOf("{\"_id\": \"a\"}"), HasSubstr("its text has 0 bytes"));
  EXPECT_THAT(ErrorOf("{\"_id\": \"a\", \"text\": \"x\"}\n{\"_id\": \"a\", \"text\": \"y\"}"),
              HasSubstr("line 2: the id \"a\" stands twice"));
  EXPECT_THAT(ErrorOf(R"({"_id": "a", "text": "x", "answers": ["y"], "unanswerable": true})"),
              HasSubstr("unanswerable and has answers"));
  EXPECT_THAT(ErrorOf(R"({"_id": "a", "text": "x", "documents": {"d": 1.5}})"),
              HasSubstr("no whole number"));
  EXPECT_THAT(ErrorOf(R"({"_id": "a", "text": "x", "documents": ["d", "d"]})"),
              HasSubstr("judged twice"));
  EXPECT_THAT(ErrorOf(R"({"_id": "a", "text": "x", "passages": [{"document": "d", "source_hash": "z", "source": [0, 1]}]})"),
              HasSubstr("no content hash"));
  EXPECT_THAT(ErrorOf(R"({"data": 3})"), HasSubstr("\"data\" is no list"));
}

TEST(DatasetTest, TheCanonicalFormReadsBackTheSame) {
  std::vector<DatasetQuestion> questions(2);
  questions[0] = {.id = "a",
                  .text = "why \"so\"?\n",
                  .tags = {"hard", "long"},
                  .references = {"because", "né"},
                  .documents = {{"d1", 2}, {"d2", -1}},
                  .passages = {{"doc", std::string(32, 'a'), {3, 9}, 2}}};
  questions[1] = {.id = "b", .text = "x", .unanswerable = true};
  const std::string text = EncodeQuestions(questions);
  EXPECT_THAT(text, HasSubstr(R"({"_id":"b","text":"x","unanswerable":true})"));
  EXPECT_EQ(*ParseQuestions(text), questions);
  EXPECT_EQ(EncodeQuestions(*ParseQuestions(text)), text);
}

TEST(DatasetStoreTest, VersionsAreNumberedAndNeverChange) {
  IngestedCollection docs;
  DatasetStore store(EvaluationRecords::Of(docs.database->store()), "t");
  std::vector<DatasetQuestion> questions = {
      {.id = "a", .text = "x", .tags = {"s"}, .documents = {{"d", 1}, {"e", 0}}}};
  const DatasetInfo first = *store.Put("support", "a.jsonl", questions, 5);
  EXPECT_EQ(first.version, 1);
  EXPECT_EQ(first.judged, 1);
  EXPECT_EQ(first.judgements, 2);
  EXPECT_THAT(first.tags, ElementsAre("s"));
  EXPECT_EQ(store.Put("support", "again.jsonl", questions, 6)->version, 1);  // nothing new
  questions.push_back({.id = "b", .text = "y", .references = {"z"}});
  EXPECT_EQ(store.Put("support", "b.jsonl", questions, 7)->version, 2);
  questions.pop_back();
  const DatasetInfo third = *store.Put("support", "a.jsonl", questions, 8);
  EXPECT_EQ(third.version, 3);
  EXPECT_EQ(third.hash, first.hash);  // the same questions, the same hash
  EXPECT_EQ(store.Get({"support", 2})->questions.size(), 2);
  EXPECT_EQ(store.Get({"support", 0})->info.version, 3);
  EXPECT_EQ(store.List()->size(), 3);
  EXPECT_THAT(DatasetStore(EvaluationRecords::Of(docs.database->store()), "other").List().value(), IsEmpty());
}

TEST(DatasetStoreTest, WhatIsNotThereIsSaidWithWhatIs) {
  IngestedCollection docs;
  DatasetStore store(EvaluationRecords::Of(docs.database->store()), "t");
  EXPECT_THAT(store.Get({"x", 0}).status().message(), HasSubstr("vouch dataset import"));
  ASSERT_TRUE(store.Put("facts", "", {{.id = "a", .text = "x"}}, 1).ok());
  EXPECT_THAT(store.Get({"x", 0}).status().message(), HasSubstr("there are: facts"));
  EXPECT_THAT(store.Get({"facts", 4}).status().message(), HasSubstr("no version 4; its latest is 1"));
  EXPECT_THAT(store.Put("facts", "", {}, 1).status().message(), HasSubstr("there are no questions"));
  EXPECT_EQ(store.Put("../x", "", {{.id = "a", .text = "x"}}, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseDatasetRef("facts@v2")->version, 2);
  EXPECT_FALSE(ParseDatasetRef("facts@latest").ok());
  EXPECT_FALSE(ParseDatasetRef("facts@0").ok());
}

RetrievedChunk ChunkOf(std::string point, double score, std::string hash, ByteSpan source) {
  return {.point = std::move(point), .document = "doc", .score = score, .source_document = "doc",
          .source_hash = std::move(hash), .source = source};
}

TEST(PassagesTest, FollowTheTextThroughAnotherCutAndAChangedSource) {
  IngestedCollection docs;
  const std::string before = "Wings lift. Tails steer. Engines push.";
  const std::string after = "First of all: Wings lift. And engines push. Wings bend.";
  docs.AddDocument("doc", MediaType::kText, before);
  docs.Commit();
  ASSERT_TRUE(docs.collection->store()
                  .PutArtifact(docs.collection->id(), {ContentHash(after), after})
                  .ok());
  const std::string old_hash = ContentHash(before);
  const DatasetQuestion question{.id = "q",
                                 .text = "x",
                                 .passages = {{"doc", old_hash, {0, 11}, 1},     // Wings lift.
                                              {"doc", old_hash, {12, 24}, 2}}};  // Tails steer.
  PassageFollower follower(*docs.collection);
  // Two passages in one chunk: it stands for both. Another chunk touches the second by two bytes.
  auto judged = follower.Follow(question, {ChunkOf("doc#1", 3, old_hash, {22, 38}),
                                           ChunkOf("doc#0", 2, old_hash, {0, 24})});
  EXPECT_THAT(judged->ranked, ElementsAre("chunk:doc#1", "passage:0", "passage:1"));
  EXPECT_EQ(judged->levels.at("passage:1"), 2);
  EXPECT_EQ(judged->lost_passages, 0);
  // In the new source the first passage stands elsewhere, and the second is gone.
  judged = follower.Follow(question, {ChunkOf("doc#0", 3, ContentHash(after), {0, 26}),
                                      ChunkOf("doc#1", 2, ContentHash(after), {26, 55})});
  EXPECT_THAT(judged->ranked, ElementsAre("passage:0", "chunk:doc#1"));
  EXPECT_EQ(judged->lost_passages, 1);
  // Of another document, the same bytes are another passage.
  RetrievedChunk other = ChunkOf("other#0", 3, old_hash, {0, 11});
  other.source_document = "other";
  EXPECT_THAT(follower.Follow(question, {other})->ranked, ElementsAre("chunk:other#0"));
}

TEST(PassagesTest, JudgedChunksBecomePassages) {
  IngestedCollection docs;
  docs.AddDocument("doc", MediaType::kText, "Wings lift. Tails steer.");
  const Version version = docs.Commit();
  std::vector<DatasetQuestion> questions = {{.id = "q", .text = "x"}};
  const auto add = [&](const Qrels& qrels) {
    return AddChunkJudgements(*docs.collection, version, docs.principal, qrels, &questions);
  };
  ASSERT_TRUE(add({{"q", {{"doc#0", 2}}}}).ok());
  ASSERT_EQ(questions[0].passages.size(), 1);
  EXPECT_EQ(questions[0].passages[0].document, "doc");
  EXPECT_EQ(questions[0].passages[0].level, 2);
  EXPECT_EQ(questions[0].passages[0].source, (ByteSpan{0, 24}));
  EXPECT_THAT(add({{"q", {{"doc#9", 1}}}}).message(), HasSubstr("judges the chunk \"doc#9\""));
  EXPECT_THAT(add({{"z", {{"doc#0", 1}}}}).message(), HasSubstr("none of the questions"));
}

}  // namespace
}  // namespace vouch
