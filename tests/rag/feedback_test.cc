// Feedback on answers, and what of it goes when a source is forgotten.
#include "rag/feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/forget/forget_answers.h"
#include "tests/rag/default_tenant.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;


class FeedbackTest : public ::testing::Test {
 protected:
  FeedbackTest() {
    store_ = Store::Open({.path = dir_.File("store")}).value();
    Keep("a1", "notes/rotor.md");
    Keep("a2", "notes/valve.md");
  }
  void Keep(const std::string& id, const std::string& document) {
    Answer answer;
    answer.id = id;
    answer.tenant = kTenant;
    answer.collection = "notes";
    answer.text = "It is held by four screws. [1]";
    answer.sources.push_back({.number = 1, .document = document});
    answer.citations.push_back({.source_number = 1, .document = document, .quote = "It is held."});
    ASSERT_TRUE(store_->PutAnswer(kTenant, id, AnswerToJson(answer)).ok());
  }
  FeedbackStore feedback() { return FeedbackStore(*store_, clock_); }
  std::string Mistake(const std::string& answer, const FeedbackDraft& draft) {
    return std::string(feedback().Add(kTenant, answer, draft, kActor).status().message());
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(FeedbackTest, ItIsKeptAsItWasSaidInItsOrder) {
  ASSERT_TRUE(feedback().Add(kTenant, "a1", {.thumbs_up = false, .comment = "no"}, kActor).ok());
  clock_.now_us += 1'000;
  ASSERT_TRUE(
      feedback().Add(kTenant, "a1", {.score = 0.25, .correction = "By six."}, "default/b").ok());
  store_.reset();
  store_ = Store::Open({.path = dir_.File("store")}).value();
  const std::vector<Feedback> all = feedback().List(kTenant, "a1").value();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].said.thumbs_up, false);
  EXPECT_EQ(all[0].said.comment, "no");
  EXPECT_FALSE(all[0].said.score.has_value());
  EXPECT_EQ(all[1].said.score, 0.25);
  EXPECT_EQ(all[1].said.correction, "By six.");
  EXPECT_EQ(all[1].actor, "default/b");
  EXPECT_EQ(all[1].time_us, clock_.now_us);
  EXPECT_THAT(feedback().List(kTenant, "a2").value(), SizeIs(0));
  EXPECT_THAT(feedback().ListLatest(kTenant, 1).value(), SizeIs(1));
  EXPECT_EQ(FeedbackToJson(FeedbackFromJson(FeedbackToJson(all[1])).value()), FeedbackToJson(all[1]));
}

TEST_F(FeedbackTest, MistakesNameTheFieldAndTheLimit) {
  EXPECT_THAT(Mistake("a1", {}), HasSubstr("takes thumbs (up or down), a score, or a correction"));
  EXPECT_THAT(Mistake("a1", {.comment = "hm"}), HasSubstr("takes thumbs"));
  EXPECT_THAT(Mistake("a1", {.score = 1.5}), HasSubstr("score is 1.5; it takes 0 to 1"));
  EXPECT_THAT(Mistake("a1", {.correction = std::string(65'537, 'x')}),
              HasSubstr("correction has 65537 bytes; the limit is 65536"));
  EXPECT_THAT(Mistake("a1", {.thumbs_up = true, .comment = std::string(4'097, 'x')}),
              HasSubstr("comment has 4097 bytes; the limit is 4096"));
  EXPECT_THAT(Mistake("a1", {.correction = "\xff"}), HasSubstr("correction is not UTF-8"));
  EXPECT_TRUE(absl::IsNotFound(feedback().Add(kTenant, "a9", {.score = 1}, kActor).status()));
  EXPECT_TRUE(absl::IsNotFound(feedback().List(kTenant, "a9").status()));
}

TEST_F(FeedbackTest, WhereASourceIsForgottenWhatWasSaidOfItsAnswersGoes) {
  for (const char* answer : {"a1", "a2"}) {
    ASSERT_TRUE(feedback()
                    .Add(kTenant, answer,
                         {.thumbs_up = true, .correction = "It is held by six.", .comment = "six!"},
                         kActor)
                    .ok());
  }
  ForgottenTexts counts;
  const auto forget = [&](bool change) {
    return ForgetInAnswers(*store_, kTenant, "notes", "notes/rotor.md", change, {}, &counts);
  };
  ASSERT_EQ(forget(false), absl::OkStatus());
  const uint64_t planned = counts.texts;
  EXPECT_EQ(feedback().List(kTenant, "a1")->front().said.comment, "six!");
  ASSERT_EQ(forget(true), absl::OkStatus());
  EXPECT_EQ(counts.texts, planned);
  const Feedback gone = feedback().List(kTenant, "a1")->front();
  EXPECT_EQ(gone.said.correction, R"({"erased":true})");
  EXPECT_EQ(gone.said.comment, R"({"erased":true})");
  EXPECT_EQ(gone.said.thumbs_up, true);
  EXPECT_EQ(feedback().List(kTenant, "a2")->front().said.comment, "six!");
  // Once more, as after a kill: nothing is left to erase, and what was erased stays so.
  ASSERT_EQ(forget(true), absl::OkStatus());
  EXPECT_EQ(feedback().List(kTenant, "a1")->front().said.comment, R"({"erased":true})");
}

}  // namespace
}  // namespace vouch
