// Whatever servers do, in any order: the caller gets a whole text or an error, never a mixture, and
// the books hold every token that the servers gave away.
#include <gmock/gmock.h>

#include <mutex>
#include <random>

#include "rag/llm/token_usage.h"
#include "storage/utf8.h"
#include "tests/rag/route_fixture.h"

namespace vouch {
namespace {

using End = ModelServer::End;
using Reply = ModelServer::Reply;

// What a reply costs by the rules of rag/llm/README.md, and the text it holds.
struct Planned {
  Reply reply;
  bool taken = true;  // 2xx
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  std::string whole_text;  // empty where it is no whole reply
};

class FaultyServer {
 public:
  FaultyServer(uint64_t seed, uint64_t prompt_estimate)
      : prompt_estimate_(prompt_estimate), random_(seed), server_([this](size_t, const auto&) {
          const std::lock_guard<std::mutex> lock(mu_);
          plans_.push_back(Plan());
          return plans_.back().reply;
        }) {}

  const ModelServer& server() const { return server_; }
  std::vector<Planned> plans() {
    const std::lock_guard<std::mutex> lock(mu_);
    return plans_;
  }

 private:
  std::vector<std::string> Words() {
    static const std::string kWords[] = {"tag ", "12 ", "Grüße ", "\"it\" ", "日本 ", "version. "};
    std::vector<std::string> words;
    for (uint64_t i = 1 + random_() % 8; i > 0; --i) words.push_back(kWords[random_() % 6]);
    return words;
  }

  static Planned NotTaken(int status, std::map<std::string, std::string> headers = {}) {
    return {.reply = {.status = status, .body = "{}", .headers = std::move(headers)},
            .taken = false,
            .whole_text = ""};
  }

  Planned Plan() {
    const uint64_t fault = random_() % 14;
    if (fault == 0) return NotTaken(429);
    if (fault == 1) return NotTaken(429, {{"Retry-After", random_() % 2 ? "3" : "900"}});
    if (fault == 2) return NotTaken(500 + static_cast<int>(random_() % 4));
    if (fault == 3) return NotTaken(302, {{"Location", "http://elsewhere.test/"}});
    Planned plan;
    std::string stream;
    const std::vector<std::string> words = Words();
    const size_t kept = fault < 9 ? random_() % words.size() : words.size();  // before the fault
    std::string text;
    const bool early = fault == 10;
    const uint64_t prompt = 5 + random_() % 20;
    const uint64_t completion = 1 + random_() % 30;
    if (early) stream += ChatUsageEvent(prompt, completion);
    for (size_t i = 0; i < kept; ++i) {
      text += words[i];
      stream += ChatTextEvent(words[i]);
    }
    plan.prompt_tokens = prompt_estimate_;
    plan.completion_tokens = EstimateTokens(text);
    if (fault < 9) {
      const std::string next = ChatTextEvent("Grüße");
      if (fault == 4) plan.reply.end = End::kCut;
      if (fault == 5) stream += next.substr(0, next.find("\xC3") + 1);
      if (fault == 6) stream += next.substr(0, 1 + random_() % (next.size() - 3));
      if (fault == 7) stream += "data: {\"error\":{\"message\":\"lost\"}}\n\n";
      if (fault == 8) stream += "data: " + std::string((1 << 20) + 5, 'x');
    } else {
      plan.whole_text = text;
      stream += ChatFinishEvent();
      if (early) {
        plan.prompt_tokens = prompt;
        plan.completion_tokens = std::max(completion, plan.completion_tokens);
      } else if (fault != 9) {
        stream += ChatUsageEvent(prompt, completion);
        plan.prompt_tokens = prompt;
        plan.completion_tokens = completion;
      }
      if (fault != 11) stream += kChatDone;
    }
    if (fault == 12) {
      std::string crlf;
      for (char c : stream) crlf += c == '\n' ? "\r\n" : std::string(1, c);
      stream = crlf;
    }
    // In writes that end anywhere, also inside characters.
    for (size_t at = 0; at < stream.size();) {
      const size_t size = stream.size() > 100'000 ? 300'000 : 1 + random_() % 200;
      plan.reply.pieces.push_back({stream.substr(at, size)});
      at += size;
    }
    if (plan.reply.pieces.empty()) plan.reply.pieces.push_back({": ping\n\n"});
    return plan;
  }

  const uint64_t prompt_estimate_;
  std::mutex mu_;
  std::mt19937_64 random_;
  std::vector<Planned> plans_;
  ModelServer server_;
};

class RoutePropertyTest : public RouteTest {};

TEST_F(RoutePropertyTest, WholeTextOrErrorAndBooksToTheToken) {
  const uint64_t seed = 20'261'125;
  SCOPED_TRACE("seed " + std::to_string(seed));
  FaultyServer first(seed, kPromptEstimate);
  FaultyServer second(seed + 1, kPromptEstimate);
  spec_.tiers = {Tier("first", first.server()), Tier("second", second.server())};
  spec_.breaker.min_calls = 1'000;  // it has tests of its own; here every call shall go out
  SpendAccount booked;
  int whole = 0;
  int errors = 0;
  for (int i = 0; i < 150; ++i) {
    clock_.now_us += 1'000;
    const bool streamed = i % 3 != 0;
    const RouteOutcome outcome =
        streamed ? Ask() : Route().Generate(messages_, "t", CancelToken(), nullptr);
    for (const ModelAttempt& attempt : outcome.attempts) {
      booked.prompt_tokens += attempt.usage.prompt_tokens;
      booked.completion_tokens += attempt.usage.completion_tokens;
      booked.spent_nano += attempt.cost_nano;
    }
    ASSERT_TRUE(IsValidUtf8(streamed_));
    if (outcome.status.ok()) {
      ++whole;
      FaultyServer& server = outcome.tier == 0 ? first : second;
      EXPECT_EQ(outcome.reply.text, server.plans().back().whole_text);
      if (streamed) {
        EXPECT_EQ(streamed_, outcome.reply.text);
      }
    } else {
      ++errors;
      EXPECT_NE(outcome.status.message(), "");
      EXPECT_EQ(outcome.delivered, streamed && !streamed_.empty());
    }
  }
  EXPECT_GT(whole, 50);
  EXPECT_GT(errors, 10);
  SpendAccount given;
  for (FaultyServer* server : {&first, &second}) {
    for (const Planned& plan : server->plans()) {
      if (!plan.taken) continue;
      ++given.calls;
      given.prompt_tokens += plan.prompt_tokens;
      given.completion_tokens += plan.completion_tokens;
    }
  }
  const SpendAccount account = Account();
  EXPECT_EQ(account.calls, given.calls);
  EXPECT_EQ(account.prompt_tokens, given.prompt_tokens);
  EXPECT_EQ(account.completion_tokens, given.completion_tokens);
  EXPECT_EQ(account.spent_nano, 10 * given.prompt_tokens + 30 * given.completion_tokens);
  EXPECT_EQ(booked.prompt_tokens, account.prompt_tokens);
  EXPECT_EQ(booked.completion_tokens, account.completion_tokens);
  EXPECT_EQ(booked.spent_nano, account.spent_nano);
}

}  // namespace
}  // namespace vouch
