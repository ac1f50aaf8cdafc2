// Datasets of live answers.
#include "rag/eval/live_questions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "rag/answer_id.h"
#include "tests/rag/vouched_store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LiveQuestionsTest : public ::testing::Test {
 protected:
  LiveQuestions Grow(LiveQuestionsRequest request = {}) {
    request.dataset = "live";
    const auto grown = GrowByLiveQuestions(*world_.docs.database, request);
    EXPECT_TRUE(grown.ok()) << grown.status();
    return grown.ok() ? *grown : LiveQuestions();
  }
  std::vector<DatasetQuestion> Questions(uint32_t version = 0) {
    return DatasetStore(EvaluationRecords::Of(world_.store()), "default").Get({.name = "live", .version = version})->questions;
  }
  static AnswerFilter Filter(const std::vector<std::string>& terms) { return AnswerFilter::Parse(terms).value(); }

  VouchedStore world_;
};

TEST_F(LiveQuestionsTest, WhatWasCitedIsTheJudgementAndSaysSo) {
  world_.TellTheStory();
  const LiveQuestions grown = Grow();
  EXPECT_EQ(grown.answers, 3u) << "those of the evaluation are none";
  EXPECT_EQ(grown.added, 3u);
  EXPECT_EQ(grown.info.version, 1u);
  std::map<std::string, DatasetQuestion> by_text;
  for (const DatasetQuestion& question : Questions()) by_text[question.text] = question;
  const DatasetQuestion& cited = by_text.at("What is incremental?");
  EXPECT_THAT(cited.tags, ElementsAre("cited", "live"));
  ASSERT_THAT(cited.passages, SizeIs(1));
  EXPECT_EQ(cited.passages[0].document, "guide.md");
  EXPECT_EQ(cited.passages[0].source_hash, world_.answers[0].citations[0].source_hash);
  const DatasetQuestion& abstained = by_text.at("What does a zebra cost?");
  EXPECT_THAT(abstained.tags, ElementsAre("live", "unjudged"));
  EXPECT_THAT(abstained.passages, IsEmpty());
  EXPECT_FALSE(abstained.unanswerable) << "that it abstained does not say that there is no answer";
}

TEST_F(LiveQuestionsTest, GrowingKeepsWhatIsThereAndAddsWhatIsNew) {
  world_.TellTheStory();
  Grow();
  const std::vector<DatasetQuestion> before = Questions();
  EXPECT_EQ(Grow().info.version, 1u) << "nothing is new";
  world_.AskIt("what is incremental");  // the same, in another spelling
  world_.AskIt("Which days share their files?");
  const LiveQuestions grown = Grow();
  EXPECT_EQ(grown.info.version, 2u);
  EXPECT_EQ(grown.added, 1u);
  EXPECT_EQ(grown.known, 3u);
  EXPECT_EQ(grown.repeated, 1u);
  const std::vector<DatasetQuestion> after = Questions();
  ASSERT_THAT(after, SizeIs(before.size() + 1));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
  EXPECT_THAT(Questions(1), SizeIs(3)) << "a version never changes";
}

TEST_F(LiveQuestionsTest, ASampleDependsOnItsSeedAlone) {
  for (int i = 0; i < 20; ++i) world_.AskIt("What is number " + std::to_string(i) + "?");
  const auto sample = [&](uint64_t seed) {
    const LiveQuestions grown = Grow({.sample = 5, .seed = seed, .dry_run = true});
    EXPECT_EQ(grown.added, 5u);
    EXPECT_EQ(grown.not_sampled, 15u);
    return grown.info.hash;
  };
  const std::string first = sample(1);
  EXPECT_EQ(sample(1), first);
  EXPECT_NE(sample(2), first);
  EXPECT_TRUE(absl::IsNotFound(
      DatasetStore(EvaluationRecords::Of(world_.store()), "default").Get({.name = "live"}).status()))
      << "dry runs keep nothing";
  EXPECT_EQ(Grow({.sample = 5}).info.hash, first);
}

TEST_F(LiveQuestionsTest, PipelineRangeAndFilterChoose) {
  world_.TellTheStory();
  world_.AskIt("Which days share their files?");
  const auto answers = [&](LiveQuestionsRequest request) {
    request.dry_run = true;
    return Grow(std::move(request)).answers;
  };
  EXPECT_EQ(answers({}), 4u);
  EXPECT_EQ(answers({.pipeline = "support"}), 3u);
  EXPECT_EQ(answers({.pipeline = "support@1"}), 3u);
  EXPECT_EQ(answers({.filter = Filter({"abstained"})}), 1u);
  EXPECT_EQ(answers({.filter = Filter({"answered", "subject=max"})}), 1u);
  EXPECT_EQ(answers({.range = {.from_us = world_.answers[1].time_us, .to_us = world_.answers[2].time_us}}), 1u);
  LiveQuestionsRequest nobody{.dataset = "live", .pipeline = "suport"};
  const absl::Status none = GrowByLiveQuestions(*world_.docs.database, nobody).status();
  EXPECT_TRUE(absl::IsNotFound(none)) << none;
  EXPECT_THAT(std::string(AnswerFilter::Parse({"grounding<2"}).status().message()),
              HasSubstr("filter is 'grounding<2'; it takes answered"));
}

// The clock was an hour and more behind for a while; the answers of before then are found all the same.
TEST(AnswersBetween, AClockThatWasWrongForAWhileHidesNothing) {
  TempDir dir;
  const auto store = Store::Open({.path = dir.File("store")}).value();
  constexpr int64_t kHour = int64_t{3'600} * 1'000'000;
  const int64_t now_us = 500'000 * kHour + 123'457;
  std::vector<std::string> ids;
  for (const int64_t time_us : {now_us, now_us - 50 * kHour, now_us - 49 * kHour, now_us + 3}) {
    ids.push_back(MakeUuidV7(time_us, {}));
    EXPECT_EQ(TimeOfUuidV7(ids.back()), time_us);
    ASSERT_TRUE(store->PutAnswer("default", ids.back(), "{}").ok());
  }
  const auto found = AnswersBetween(*store, "default", {.from_us = now_us, .to_us = now_us + 3}, 10, CancelToken());
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(*found, SizeIs(1)) << "the end is not in it";
  EXPECT_EQ(found->front().id, ids[0]);
  const auto many = AnswersBetween(*store, "default", {}, 3, CancelToken());
  EXPECT_THAT(std::string(many.status().message()), HasSubstr("more than 3 answers; choose a shorter one"));
  EXPECT_LT(TimeOfUuidV7("nobody"), 0);
}

// A thousand answers and more from before a jump forward of the clock, newer by their numbers than those of the range.
TEST(AnswersBetween, ManyOlderOnesAfterThoseOfTheRangeHideNothing) {
  TempDir dir;
  const auto store = Store::Open({.path = dir.File("store")}).value();
  constexpr int64_t kHour = int64_t{3'600} * 1'000'000;
  constexpr int64_t kNowUs = 500'000 * kHour;
  const std::string wanted = MakeUuidV7(kNowUs, {});
  ASSERT_TRUE(store->PutAnswer("default", wanted, "{}").ok());
  std::vector<std::thread> writers;  // of puts at a time, one sync makes several durable
  for (int writer = 0; writer < 16; ++writer) {
    writers.emplace_back([&store, writer] {
      for (int i = 0; i < 70; ++i)
        EXPECT_TRUE(store->PutAnswer("default", MakeUuidV7(kNowUs - 2 * kHour - writer * 1'000 - i, {}), "{}").ok());
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(store->PutAnswer("default", wanted, "{\"again\":1}").ok()) << "written again, it counts once";
  const auto found = AnswersBetween(*store, "default", {.from_us = kNowUs}, 10, CancelToken());
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_EQ(found->front().id, wanted);
}

TEST(AnswersBetween, ARangeBeginsIn1970AndEndsAfterItsBeginning) {
  EXPECT_TRUE(CheckRange({}).ok());
  const TimeRange before{.from_us = std::numeric_limits<int64_t>::min()};
  EXPECT_THAT(std::string(CheckRange(before).message()), HasSubstr("it takes times from 1970 on"));
  EXPECT_THAT(std::string(CheckRange({.from_us = 1'790'000'000'000'000, .to_us = 1'780'000'000'000'000}).message()),
              HasSubstr("from 2026-09-21T14:13:20Z to 2026-05-28T20:26:40Z"));
}

TEST_F(LiveQuestionsTest, FeedbackCorrectsJudgesAndChooses) {
  world_.TellTheStory();
  FeedbackStore feedback(world_.store(), world_.docs.clock);
  const auto say = [&](size_t answer, FeedbackDraft draft, const std::string& who) {
    world_.Tick();
    ASSERT_TRUE(feedback.Add("default", world_.answers[answer].id, draft, who).ok());
  };
  say(0, {.thumbs_up = true}, "default/ada");
  say(1, {.thumbs_up = true}, "default/ada");
  say(1, {.thumbs_up = false, .correction = "At dawn."}, "default/ada");  // of each person the last word counts
  const auto matching = [&](const std::vector<std::string>& terms) {
    LiveQuestionsRequest request{.filter = Filter(terms), .dry_run = true};
    return Grow(std::move(request)).answers;
  };
  EXPECT_EQ(matching({"liked"}), 1u);
  EXPECT_EQ(matching({"disliked"}), 1u);
  LiveQuestions grown = Grow();
  EXPECT_EQ(grown.added, 3u);
  EXPECT_EQ(grown.corrected, 1u);
  const auto by_text = [&] {
    std::map<std::string, DatasetQuestion> questions;
    for (const DatasetQuestion& question : Questions()) questions[question.text] = question;
    return questions;
  };
  const DatasetQuestion sea = by_text().at("When is the sea quiet?");
  EXPECT_THAT(sea.references, ElementsAre("At dawn."));
  EXPECT_THAT(sea.tags, ElementsAre("corrected", "live", "unjudged")) << "what a disliked answer cites is no judgement";
  EXPECT_THAT(by_text().at("What is incremental?").tags, ElementsAre("cited", "live"));

  // A correction that comes later reaches the question that is there, once.
  say(2, {.correction = "Zebras are not for sale."}, "default/max");
  say(2, {.thumbs_up = true, .correction = "Nobody sells zebras."}, "default/eve");
  grown = Grow();
  EXPECT_EQ(grown.info.version, 2u);
  EXPECT_EQ(grown.corrected, 1u);
  EXPECT_EQ(grown.known, 3u);
  EXPECT_THAT(by_text().at("What does a zebra cost?").references, ElementsAre("Nobody sells zebras."));
  EXPECT_THAT(Questions(1), SizeIs(3));
  say(2, {.correction = "Five."}, "default/eve");
  EXPECT_EQ(Grow().info.version, 2u) << "a reference that is there stays";
}

TEST_F(LiveQuestionsTest, ShadowsAskNothing) {
  world_.TellTheStory();
  Answer shadow = world_.answers[0];
  shadow.id = MakeUuidV7(world_.Tick(), {});
  shadow.question = "Which shadow?";
  shadow.experiment.emplace().shadow_of = world_.answers[0].id;
  ASSERT_TRUE(world_.store().PutAnswer("default", shadow.id, AnswerToJson(shadow)).ok());
  EXPECT_EQ(Grow().answers, 3u);
}

// Questions as they stand in records: covered, in a conversation, with sources that are gone.
TEST(QuestionOfAnswer, TakesOnlyWhatStandsAlone) {
  LiveQuestions why;
  Answer answer;
  answer.question = "What of ****@******* and prices?";
  answer.redacted = 1;
  EXPECT_FALSE(QuestionOfAnswer(answer, {}, &why).has_value());
  EXPECT_EQ(why.covered, 1u);
  answer.redacted = 0;
  EXPECT_TRUE(QuestionOfAnswer(answer, {}, &why).has_value()) << "asterisks of the caller's own";
  answer.conversation = {{"user", "Tell me of backups."}};
  answer.question = "And how long?";
  EXPECT_FALSE(QuestionOfAnswer(answer, {}, &why).has_value());
  EXPECT_EQ(why.follow_ups, 1u);
  answer.rewrites.push_back({.kind = "standalone", .texts = {"How long does a backup take?"}});
  Citation gone;
  gone.document = "a.md";
  gone.source_hash = "aa";
  gone.quote = R"({"erased":"00"})";
  answer.citations.push_back(gone);
  const auto question = QuestionOfAnswer(answer, {}, &why);
  ASSERT_TRUE(question.has_value());
  EXPECT_EQ(question->text, "How long does a backup take?");
  EXPECT_THAT(question->tags, ElementsAre("live", "unjudged")) << "its source was forgotten";
}

}  // namespace
}  // namespace vouch
