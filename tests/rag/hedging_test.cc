// A second request beside a slow one: whose text the caller gets, and what is paid for.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "rag/llm/budget_store.h"
#include "rag/llm/hedged_chat.h"
#include "rag/llm/latency_window.h"
#include "tests/rag/route_fixture.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using Reply = ModelServer::Reply;
using Request = ModelServer::Request;

constexpr int kSamples = 20;     // quick requests, by which it is known what is usual
constexpr int kNeverMs = 5'000;  // longer than any of these tests lasts

Reply Good(const std::string& text) { return ChatStream(text, 12, 6); }
Reply After(int pause_ms, const std::string& text) {
  return {.pieces = {{ChatTextEvent(text), pause_ms},
                     {ChatFinishEvent() + ChatUsageEvent(12, 6) + kChatDone}}};
}

class HedgingTest : public RouteTest {
 protected:
  // The quick requests; what comes after them gets `replies`.
  void Serve(std::vector<Reply> replies, double share = 0.05, int first_pause_ms = 0) {
    server_ = std::make_unique<ModelServer>([replies, first_pause_ms](size_t number, const Request&) {
      if (number == kSamples) std::this_thread::sleep_for(std::chrono::milliseconds(first_pause_ms));
      return number < kSamples || number >= kSamples + replies.size() ? Good("quick")
                                                                      : replies[number - kSamples];
    });
    spec_.tiers = {Tier("small", *server_)};
    spec_.retries = 0;
    spec_.hedge = HedgeRules{.share = share, .min_delay_ms = 20};
    for (int i = 0; i < kSamples; ++i) ASSERT_TRUE(Ask().status.ok());
  }

  std::unique_ptr<ModelServer> server_;
};

TEST_F(HedgingTest, ASlowRequestGetsASecondOneAndTheLoserIsPaidFor) {
  Serve({After(kNeverMs, "slow"), Good("second")});
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "second") << "nothing of the loser reaches the caller";
  EXPECT_EQ(outcome.reply.text, "second");
  ASSERT_EQ(outcome.attempts.size(), 2u);
  EXPECT_FALSE(outcome.attempts[0].hedge);
  EXPECT_EQ(outcome.attempts[0].outcome, "CANCELLED: the other request was faster");
  EXPECT_EQ(outcome.attempts[0].usage,
            (TokenUsage{.prompt_tokens = kPromptEstimate, .estimated = true}));
  EXPECT_TRUE(outcome.attempts[1].hedge);
  EXPECT_EQ(outcome.attempts[1].outcome, "ok");
  EXPECT_EQ(outcome.usage, (TokenUsage{.prompt_tokens = 12, .completion_tokens = 6}));
  EXPECT_EQ(outcome.cost_nano, kPromptEstimate * 10 + 12 * 10 + 6 * 30);
  EXPECT_EQ(Account(),
            (SpendAccount{.pipeline = "default",
                          .calls = kSamples + 2,
                          .prompt_tokens = (kSamples + 1) * 12 + kPromptEstimate,
                          .completion_tokens = (kSamples + 1) * 6,
                          .spent_nano = (kSamples + 1) * 300 + kPromptEstimate * 10}));
  const auto requests = server_->requests();
  EXPECT_NE(requests[kSamples].idempotency_key, "");
  EXPECT_EQ(requests[kSamples].idempotency_key, requests[kSamples + 1].idempotency_key);
}

TEST_F(HedgingTest, TheFirstMayStillWin) {
  Serve({After(250, "first"), After(kNeverMs, "second")});
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "first");
  ASSERT_EQ(outcome.attempts.size(), 2u);
  EXPECT_EQ(outcome.attempts[0].outcome, "ok");
  EXPECT_EQ(outcome.attempts[1].outcome, "CANCELLED: the other request was faster");
  EXPECT_EQ(outcome.attempts[1].usage.prompt_tokens, kPromptEstimate);
  EXPECT_EQ(Account().calls, static_cast<uint64_t>(kSamples) + 2);
}

TEST_F(HedgingTest, ASecondRequestThatFailsChangesNothing) {
  Serve({After(300, "first"), {.status = 500, .body = "oops"}});
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "first");
  ASSERT_EQ(outcome.attempts.size(), 2u);
  EXPECT_THAT(outcome.attempts[1].outcome, HasSubstr("HTTP 500: oops"));
  EXPECT_EQ(Account().calls, static_cast<uint64_t>(kSamples) + 1) << "the server did not take it";
}

TEST_F(HedgingTest, WhereTheFirstFailsTheSecondMayAnswer) {
  Serve({{.pieces = {{": ping\n\n", 200}}, .end = ModelServer::End::kCut}, After(400, "second")});
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "second");
}

TEST_F(HedgingTest, AFirstRequestThatIsRefusedMeanwhileCostsNothing) {
  Serve({{.status = 503, .body = "full"}, After(400, "second")}, /*share=*/0.05, /*first_pause_ms=*/200);
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "second");
  ASSERT_EQ(outcome.attempts.size(), 2u);
  EXPECT_THAT(outcome.attempts[0].outcome, HasSubstr("HTTP 503: full"));
  EXPECT_EQ(outcome.attempts[0].usage, TokenUsage());
  EXPECT_EQ(outcome.cost_nano, 12u * 10 + 6 * 30);
  EXPECT_EQ(Account().calls, static_cast<uint64_t>(kSamples) + 1);
}

TEST_F(HedgingTest, TheirShareIsCapped) {
  Serve({After(kNeverMs, "slow"), Good("second"), After(200, "alone")}, /*share=*/0.01);
  EXPECT_EQ(Ask().attempts.size(), 2u);
  const RouteOutcome outcome = Ask();
  EXPECT_EQ(streamed_, "alone");
  EXPECT_EQ(outcome.attempts.size(), 1u) << "one is there from the start, and one per 100 requests";
}

TEST_F(HedgingTest, NoMoneyNoSecondRequest) {
  Serve({After(200, "alone")});
  // For one more call, not for two.
  spec_.limits.tenant_day_nano = kSamples * 300 + kPromptEstimate * 10 + 100 * 30;
  ASSERT_TRUE(BudgetStore(store_->catalog()).Set("t", {"", *spec_.limits.tenant_day_nano}).ok());
  const RouteOutcome outcome = Ask();
  EXPECT_EQ(streamed_, "alone");
  EXPECT_EQ(outcome.attempts.size(), 1u);
}

TEST_F(HedgingTest, TheCallerEndsBoth) {
  Serve({After(kNeverMs, "slow"), After(kNeverMs, "slow")});
  const RouteOutcome outcome =
      Ask(CancelToken(absl::Now() + absl::Milliseconds(300), nullptr));
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded) << outcome.status;
  EXPECT_EQ(outcome.attempts.size(), 2u);
  EXPECT_EQ(streamed_, "");
  (void)Account();  // all is settled
}

TEST_F(HedgingTest, TheCallersSinkEndsTheWinner) {
  Serve({After(kNeverMs, "slow"), Good("second")});
  const RouteOutcome outcome =
      Route().Generate(messages_, "t", CancelToken(),
                       [](std::string_view) { return absl::UnavailableError("the caller has gone"); });
  EXPECT_EQ(outcome.status, absl::UnavailableError("the caller has gone"));
  (void)Account();
}

TEST(LatencyWindow, QuantilesOfTheLastTimes) {
  LatencyWindow window;
  EXPECT_FALSE(window.Quantile(0.5, 0).has_value());
  for (int i = 1; i <= 100; ++i) window.Add(i);
  EXPECT_FALSE(window.Quantile(0.5, 101).has_value());
  EXPECT_EQ(window.Quantile(0.5, 100), 50);
  EXPECT_EQ(window.Quantile(0.95, 20), 95);
  EXPECT_EQ(window.Quantile(0.999, 20), 100);
  for (size_t i = 0; i < LatencyWindow::kTimes; ++i) window.Add(7);
  EXPECT_EQ(window.Quantile(0.999, 20), 7) << "old ones are forgotten";
}

}  // namespace
}  // namespace vouch
