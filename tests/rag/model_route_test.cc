// A route against servers that do what servers do. What each fault leads to stands in
// rag/llm/README.md.
#include "rag/llm/model_route.h"

#include <gmock/gmock.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "tests/rag/route_fixture.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using End = ModelServer::End;
using Reply = ModelServer::Reply;
using Request = ModelServer::Request;

Reply GoodReply(size_t, const Request&) { return ChatStream("A tag pins a version.", 12, 6); }

// First the fault, then good replies.
ModelServer::Handler FirstThenGood(Reply fault) {
  return [fault = std::move(fault)](size_t number, const Request& request) {
    return number == 0 ? fault : GoodReply(number, request);
  };
}

TEST_F(RouteTest, StreamsTheFirstTiersReplyAndKeepsTheBooks) {
  ModelServer server(GoodReply);
  spec_.tiers = {Tier("small", server)};
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "A tag pins a version.");
  EXPECT_EQ(outcome.reply.text, streamed_);
  EXPECT_EQ(outcome.reply.model, "served-model");
  EXPECT_EQ(outcome.cost_nano, 12u * 10 + 6 * 30);
  ASSERT_EQ(outcome.attempts.size(), 1u);
  EXPECT_EQ(outcome.attempts[0].outcome, "ok");
  EXPECT_EQ(Account(), (SpendAccount{.pipeline = "default",
                                     .calls = 1,
                                     .prompt_tokens = 12,
                                     .completion_tokens = 6,
                                     .spent_nano = 300}));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].path, "/v1/chat/completions");
  EXPECT_EQ(requests[0].authorization, "Bearer sk-secret");
  EXPECT_EQ(
      nlohmann::json::parse(requests[0].body),
      nlohmann::json::parse(
          R"({"model":"m","max_tokens":100,"temperature":0.0,"stream":true,)"
          R"("stream_options":{"include_usage":true},"messages":[)"
          R"({"role":"system","content":"Be brief."},{"role":"user","content":"What is a tag?"}]})"));
}

TEST_F(RouteTest, WithoutStreaming) {
  ModelServer server([](size_t, const Request& request) {
    EXPECT_EQ(nlohmann::json::parse(request.body)["stream"], false);
    return Reply{.body = ChatReplyBody("A tag.", 12, 6)};
  });
  spec_.tiers = {Tier("small", server)};
  spec_.tiers[0].endpoint.stream = false;
  const RouteOutcome outcome = Ask();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(streamed_, "A tag.");
  EXPECT_EQ(Account().completion_tokens, 6u);
}

// Faults before the first byte of text: tried again, and nothing of them reaches the caller.
TEST_F(RouteTest, FaultsBeforeTheFirstByteAreTriedAgain) {
  const std::vector<std::pair<Reply, std::string>> faults = {
      {{.status = 429, .body = R"({"error":{"message":"slow down"}})"}, "HTTP 429: slow down"},
      {{.status = 500, .body = "oops"}, "HTTP 500: oops"},
      {{.status = 503, .body = std::string(100'000, 'x')}, "HTTP 503: xxx"},
      {{.pieces = {{"data: {\"choi"}}, .end = End::kCut}, "UNAVAILABLE"},
      {{.pieces = {{"data: {\"choi"}}}, "was cut inside an event"},
      {{.pieces = {{"data: {\"error\":{\"message\":\"overloaded\"}}\n\n"}}}, "overloaded"},
      {{.pieces = {{": ping\n\n"}}, .end = End::kCut}, "UNAVAILABLE"},
      {{.body = "<html>"}, "UNAVAILABLE"},
      {{.pieces = {{ChatFinishEvent()}, {kChatDone}}}, "has no text"}};
  for (const auto& [fault, message] : faults) {
    ModelServer server(FirstThenGood(fault));
    spec_.tiers = {Tier("small", server)};
    route_ = nullptr;
    const RouteOutcome outcome = Ask();
    EXPECT_TRUE(outcome.status.ok()) << message << ": " << outcome.status;
    EXPECT_EQ(streamed_, "A tag pins a version.");
    ASSERT_EQ(outcome.attempts.size(), 2u) << message;
    EXPECT_THAT(outcome.attempts[0].outcome,
                AllOf(HasSubstr(message), HasSubstr(server.base_url())));
    EXPECT_EQ(outcome.attempts[1].outcome, "ok");
  }
}

// Once text was given away the caller gets an error, and what came is paid for.
TEST_F(RouteTest, FaultsAfterTheFirstByteAreErrors) {
  const std::string cut_event = ChatTextEvent("Grüße");
  const size_t inside_character = cut_event.find("\xC3") + 1;
  std::string crlf_cut = ChatTextEvent("A tag ") + "data: {\"cho";
  const std::vector<std::pair<Reply, std::string>> faults = {
      {{.pieces = {{ChatTextEvent("A tag ")}}, .end = End::kCut}, "UNAVAILABLE"},
      {{.pieces = {{ChatTextEvent("A tag ")}, {cut_event.substr(0, inside_character)}},
        .end = End::kCut},
       "UNAVAILABLE"},
      {{.pieces = {{ChatTextEvent("A tag ")}, {cut_event.substr(0, inside_character)}}},
       "was cut inside an event"},
      {{.pieces = {{crlf_cut}}}, "was cut inside an event"},
      {{.pieces = {{ChatTextEvent("A tag ")}}}, "was cut after 6 bytes"},
      {{.pieces = {{ChatTextEvent("A tag ") + "data: {broken\n\n"}}}, "no JSON object"},
      {{.pieces = {{ChatTextEvent("A tag ") + "data: " + std::string(2 << 20, 'x')}}},
       "1048576 bytes"},
      {{.pieces = {{ChatTextEvent("A tag ") + "data: {\"error\":\"lost\"}\n\n"}}}, "lost"}};
  for (const auto& [fault, message] : faults) {
    ModelServer server(FirstThenGood(fault));
    spec_.tiers = {Tier("small", server)};
    route_ = nullptr;
    const RouteOutcome outcome = Ask();
    EXPECT_FALSE(outcome.status.ok()) << message;
    EXPECT_THAT(outcome.attempts.back().outcome, HasSubstr(message));
    EXPECT_TRUE(outcome.delivered);
    EXPECT_EQ(streamed_, "A tag ");
    EXPECT_EQ(server.requests().size(), 1u) << "nothing is tried again";
    EXPECT_TRUE(outcome.attempts.back().usage.estimated);
    EXPECT_EQ(outcome.attempts.back().usage.completion_tokens, 2u);
    EXPECT_EQ(outcome.attempts.back().usage.prompt_tokens, kPromptEstimate);
  }
}

TEST_F(RouteTest, WhereNobodyWatchesACutReplyIsTriedAgain) {
  ModelServer server(FirstThenGood({.pieces = {{ChatTextEvent("A tag ")}}, .end = End::kCut}));
  spec_.tiers = {Tier("small", server)};
  const RouteOutcome outcome = Route().Generate(messages_, "t", CancelToken(), nullptr);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.reply.text, "A tag pins a version.");
  EXPECT_EQ(Account().calls, 2u);
  EXPECT_EQ(Account().completion_tokens, 2u + 6);
  EXPECT_EQ(Account().spent_nano, outcome.cost_nano);
}

TEST_F(RouteTest, SilentServersRunIntoTheTimeout) {
  ModelServer server([](size_t number, const Request& request) {
    if (number == 0) return Reply{.end = End::kSilent};
    if (number == 1) return Reply{.pieces = {{": ping\n\n"}}, .end = End::kSilent};
    return GoodReply(number, request);
  });
  spec_.tiers = {Tier("small", server)};
  spec_.tiers[0].endpoint.silence_ms = 40;
  const RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_EQ(outcome.attempts.size(), 3u);
  EXPECT_THAT(outcome.attempts[0].outcome,
              AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("no byte for 40 ms")));
  EXPECT_EQ(Account().calls, 3u) << "its head came: the prompt may have been read";
  EXPECT_EQ(Account().prompt_tokens, 2 * kPromptEstimate + 12);
}

TEST_F(RouteTest, ASlowStreamIsNoFault) {
  ModelServer server([](size_t number, const Request& request) {
    Reply reply = GoodReply(number, request);
    for (ModelServer::Piece& piece : reply.pieces) piece.pause_ms = 10;
    return reply;
  });
  spec_.tiers = {Tier("small", server)};
  spec_.tiers[0].endpoint.silence_ms = 2'000;
  EXPECT_TRUE(Ask().status.ok());
  EXPECT_EQ(streamed_, "A tag pins a version.");
}

TEST_F(RouteTest, StreamsThatEndInOtherWaysAreWhole) {
  std::string crlf;
  for (char c : ChatTextEvent("A tag.") + ChatFinishEvent() + ChatUsageEvent(12, 6) + kChatDone) {
    crlf += c == '\n' ? "\r\n" : std::string(1, c);
  }
  const std::vector<Reply> replies = {
      {.pieces = {{crlf}}},
      {.pieces = {{ChatTextEvent("A tag.")}, {ChatFinishEvent()}, {ChatUsageEvent(12, 6)}}},
      {.pieces = {{ChatTextEvent("A tag.")}, {ChatFinishEvent()}, {ChatUsageEvent(12, 6)}},
       .end = End::kCut},
      {.pieces =
           {{ChatTextEvent("A tag.")}, {ChatUsageEvent(12, 6)}, {ChatFinishEvent()}, {kChatDone}}},
      {.pieces =
           {{ChatTextEvent("A tag.")}, {ChatFinishEvent()}, {ChatUsageEvent(12, 6)}, {kChatDone}},
       .end = End::kSilent}};
  for (const Reply& reply : replies) {
    ModelServer server([&](size_t, const Request&) { return reply; });
    spec_.tiers = {Tier("small", server)};
    route_ = nullptr;
    const RouteOutcome outcome = Ask();
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(streamed_, "A tag.");
    EXPECT_EQ(outcome.usage, (TokenUsage{.prompt_tokens = 12, .completion_tokens = 6}));
  }
}

TEST_F(RouteTest, UsageThatIsMissingOrEarlyIsEstimated) {
  ModelServer server([](size_t number, const Request&) {
    Reply reply{
        .pieces = {{ChatTextEvent("A tag pins a version.")}, {ChatFinishEvent()}, {kChatDone}}};
    if (number == 1) reply.pieces.insert(reply.pieces.begin(), {ChatUsageEvent(12, 1)});
    return reply;
  });
  spec_.tiers = {Tier("small", server)};
  EXPECT_EQ(
      Ask().usage,
      (TokenUsage{.prompt_tokens = kPromptEstimate, .completion_tokens = 7, .estimated = true}));
  EXPECT_EQ(Ask().usage,
            (TokenUsage{.prompt_tokens = 12, .completion_tokens = 7, .estimated = true}));
}

TEST_F(RouteTest, RefusalsGoToTheNextTierAndTheKeyIsNotPrinted) {
  for (int status : {400, 401, 403, 404, 307}) {
    ModelServer refuses([status](size_t, const Request& request) {
      return Reply{.status = status,
                   .body = R"({"error":{"message":"bad )" + request.authorization + "\"}}",
                   .headers = {{"Location", "http://elsewhere.test/v1"}}};
    });
    ModelServer server(GoodReply);
    spec_.tiers = {Tier("first", refuses), Tier("second", server)};
    route_ = nullptr;
    const RouteOutcome outcome = Ask();
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(refuses.requests().size(), 1u) << "a refusal is not tried again";
    EXPECT_EQ(outcome.tier, 1u);
    ASSERT_EQ(outcome.attempts.size(), 2u);
    EXPECT_THAT(outcome.attempts[0].outcome,
                AllOf(HasSubstr("HTTP " + std::to_string(status)), Not(HasSubstr("sk-secret"))));
    EXPECT_EQ(outcome.attempts[0].cost_nano, 0u);
  }
}

TEST_F(RouteTest, RetryAfterIsKeptOrLeadsToTheNextTier) {
  ModelServer busy([](size_t number, const Request& request) {
    if (number == 0) return Reply{.status = 429, .headers = {{"Retry-After", "7"}}};
    if (number == 1) return Reply{.status = 503};
    if (number == 2) return GoodReply(number, request);
    return Reply{.status = 429, .headers = {{"Retry-After", "3000"}}};
  });
  ModelServer other(GoodReply);
  spec_.tiers = {Tier("busy", busy), Tier("other", other)};
  EXPECT_TRUE(Ask().status.ok());
  EXPECT_THAT(pauses_, ElementsAre(7'000, 250))
      << "half of the doubled pause, by the random source";
  const RouteOutcome outcome = Ask();
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.tier, 1u);
  EXPECT_EQ(busy.requests().size(), 4u);
  EXPECT_EQ(pauses_.size(), 2u);
}

TEST_F(RouteTest, TheBreakerKeepsCallsAwayAndRetriesAreBudgeted) {
  std::atomic<bool> broken = true;
  ModelServer server([&](size_t number, const Request& request) {
    return broken ? Reply{.status = 500} : GoodReply(number, request);
  });
  ModelServer other(GoodReply);
  spec_.tiers = {Tier("small", server), Tier("other", other)};
  spec_.breaker = {.window = 10, .min_calls = 6, .failure_ratio = 0.5, .open_ms = 1'000};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Ask().status.ok());
  EXPECT_EQ(server.requests().size(), 6u) << "two asks with two retries each opened it";
  EXPECT_THAT(Ask().attempts[0].outcome, StartsWith("skipped: "));
  broken = false;
  clock_.now_us += 1'000'000;
  EXPECT_EQ(Ask().tier, 0u);
}

TEST_F(RouteTest, ATierThatCostsTooMuchIsSkipped) {
  ModelServer dear(GoodReply);
  ModelServer cheap(GoodReply);
  spec_.tiers = {Tier("dear", dear), Tier("cheap", cheap)};
  spec_.tiers[0].endpoint.model = "dear";
  spec_.prices.models["dear"] = {.input_nano = 1'000, .output_nano = 1'000};
  // The cheap tier reserves 17 · 10 + 100 · 30 and spends 12 · 10 + 6 · 30.
  spec_.limits.tenant_day_nano = 3'470;
  RouteOutcome outcome = Ask();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.tier, 1u);
  EXPECT_THAT(outcome.attempts[0].outcome, HasSubstr("skipped: tenant t may spend"));
  EXPECT_THAT(dear.requests(), IsEmpty());
  EXPECT_TRUE(Ask().status.ok());
  outcome = Ask();
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Account().spent_nano, 600u);
  clock_.now_us += int64_t{86'400} * 1'000'000;
  EXPECT_TRUE(Ask().status.ok()) << "a new day";
}

TEST_F(RouteTest, CancellationReachesTheTransferAndIsPaidFor) {
  ModelServer server([](size_t, const Request&) {
    return Reply{.pieces = {{ChatTextEvent("A tag ")}}, .end = End::kSilent};
  });
  ModelServer other(GoodReply);
  spec_.tiers = {Tier("small", server), Tier("other", other)};
  const CancelToken cancel(absl::InfiniteFuture(), [this] { return !streamed_.empty(); });
  EXPECT_EQ(Ask(cancel).status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Account().completion_tokens, 2u);
  const CancelToken deadline(absl::Now() + absl::Milliseconds(100), nullptr);
  EXPECT_EQ(Ask(deadline).status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Account().calls, 2u);
  EXPECT_THAT(other.requests(), IsEmpty());
}

TEST_F(RouteTest, TheCallersSinkEndsIt) {
  ModelServer server(GoodReply);
  spec_.tiers = {Tier("small", server)};
  const RouteOutcome outcome = Route().Generate(
      messages_, "t", CancelToken(),
      [](std::string_view) { return absl::UnavailableError("the caller has gone"); });
  EXPECT_EQ(outcome.status, absl::UnavailableError("the caller has gone"));
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(Account().calls, 1u);
}

TEST_F(RouteTest, SpecsAreChecked) {
  ModelServer server(GoodReply);
  const auto error = [&](const std::function<void(RouteSpec&)>& change) {
    RouteSpec spec = spec_;
    spec.tiers = {Tier("small", server)};
    change(spec);
    return std::string(CheckRoute(&spec).message());
  };
  EXPECT_EQ(error([](RouteSpec&) {}), "");
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers.clear(); }),
              HasSubstr("has 0 tiers; it takes 1 to 16"));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers.push_back(s.tiers[0]); }),
              HasSubstr("stands twice"));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers[0].endpoint.base_url = "ftp://u:p@h"; }),
              AllOf(HasSubstr("model tier \"small\""), HasSubstr("expected http://"),
                    Not(HasSubstr("u:p"))));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers[0].endpoint.model = "x"; }),
              HasSubstr("has no price in table test-1"));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers[0].parameters.max_tokens = 0; }),
              HasSubstr("max_tokens is 0; it takes 1 to 100000"));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers[0].parameters.temperature = 3; }),
              HasSubstr("temperature is 3"));
  EXPECT_THAT(error([](RouteSpec& s) { s.tiers[0].endpoint.api_key = "a\nb"; }),
              HasSubstr("line break"));
  EXPECT_THAT(error([](RouteSpec& s) { s.prices.models["m"].input_nano = 10'000'001; }),
              HasSubstr("over 10000000"));
  EXPECT_THAT(error([](RouteSpec& s) {
                s.prices = {};
                s.limits.tenant_day_nano = 1;
              }),
              HasSubstr("needs a price table"));
  EXPECT_THAT(error([](RouteSpec& s) { s.retries = 11; }),
              HasSubstr("retries is 11; it takes 0 to 10"));
}

}  // namespace
}  // namespace vouch
