#include "rag/llm/chat_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/llm/sse_decoder.h"
#include "rag/llm/token_usage.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The events of a stream that comes in pieces of `step` bytes.
std::vector<std::string> EventsOf(std::string_view stream, size_t step,
                                  std::string* rest = nullptr) {
  SseDecoder decoder;
  std::vector<std::string> events;
  for (size_t at = 0; at < stream.size(); at += step) {
    const absl::Status status = decoder.Feed(stream.substr(at, step), [&](std::string_view data) {
      events.emplace_back(data);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  if (rest != nullptr) *rest = decoder.TakeRest();
  return events;
}

TEST(SseDecoderTest, LineEndsCommentsAndFieldsInPiecesOfAnySize) {
  const std::string stream =
      "\xEF\xBB\xBF: hello\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata:  lines\n\n\n\rdata: "
      "three\r\r"
      "data\ndata:\n\nid: 7\n\ndata: caf\xC3\xA9\n\ndata: cut";
  for (size_t step = 1; step <= stream.size(); ++step) {
    std::string rest;
    EXPECT_THAT(EventsOf(stream, step, &rest),
                ElementsAre("one", "two\n lines", "three", "\n", "caf\xC3\xA9"))
        << step;
    EXPECT_EQ(rest, "cut");
  }
}

TEST(SseDecoderTest, AnEventHasALimit) {
  const auto take = [](std::string_view) { return absl::OkStatus(); };
  SseDecoder decoder;
  const std::string line = "data: " + std::string(SseDecoder::kMaxEventBytes / 2, 'x') + "\n";
  EXPECT_TRUE(decoder.Feed(line, take).ok());
  const absl::Status status = decoder.Feed(line, take);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("1048576 bytes"));
}

struct Read {
  absl::Status status;
  std::string text;  // as the sink got it
  ChatReply reply;
};

Read ReadAll(std::string_view body, size_t step = SIZE_MAX) {
  Read read;
  ChatReader reader([&](std::string_view piece) {
    read.text += piece;
    return absl::OkStatus();
  });
  for (size_t at = 0; at < body.size() && read.status.ok();) {
    const std::string_view piece = body.substr(at, step);
    read.status = reader.Feed(piece);
    at += piece.size();
  }
  if (read.status.ok()) read.status = reader.Finish();
  read.reply = reader.reply();
  return read;
}

TEST(ChatReaderTest, AStreamInPiecesOfAnySize) {
  const std::string body = ": ping\n\n" + ChatTextEvent("Grüße, ") + ChatTextEvent("Welt") +
                           ChatFinishEvent("length") + ChatUsageEvent(9, 2) + kChatDone;
  for (size_t step : {size_t{1}, size_t{2}, size_t{7}, body.size()}) {
    const Read read = ReadAll(body, step);
    ASSERT_TRUE(read.status.ok()) << read.status;
    EXPECT_EQ(read.text, "Grüße, Welt");
    EXPECT_EQ(read.reply.text, read.text);
    EXPECT_EQ(read.reply.finish_reason, "length");
    EXPECT_EQ(read.reply.model, "served-model");
    EXPECT_EQ(read.reply.fingerprint, "fp_1");
    EXPECT_EQ(read.reply.usage, (TokenUsage{.prompt_tokens = 9, .completion_tokens = 2}));
    EXPECT_FALSE(read.reply.text_after_usage);
  }
}

TEST(ChatReaderTest, AnObjectWhereTheServerDoesNotStream) {
  const Read read = ReadAll(" \n" + ChatReplyBody("Hello.", 3, 1), 5);
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.text, "Hello.");
  EXPECT_EQ(read.reply.usage->prompt_tokens, 3u);
}

TEST(ChatReaderTest, EndsThatAreTaken) {
  EXPECT_TRUE(ReadAll(ChatTextEvent("a") + ChatFinishEvent()).status.ok()) << "no [DONE]";
  EXPECT_TRUE(ReadAll(ChatTextEvent("a") + kChatDone).status.ok()) << "no finish_reason";
  EXPECT_TRUE(ReadAll(ChatTextEvent("a") + "data: [DONE]").status.ok()) << "no empty line";
  EXPECT_TRUE(ReadAll(ChatTextEvent("a") + kChatDone + "data: {broken\n\n").status.ok())
      << "what follows [DONE] does not count";
  const Read cut_after = ReadAll(ChatTextEvent("a") + ChatFinishEvent() + kChatDone + "data: {");
  EXPECT_TRUE(cut_after.status.ok());
}

TEST(ChatReaderTest, CutStreamsKeepWhatCame) {
  const std::string event = ChatTextEvent("Grüße");
  for (size_t cut = 1; cut < event.size() - 2; ++cut) {
    const Read read = ReadAll(ChatTextEvent("one ") + event.substr(0, cut));
    EXPECT_EQ(read.status.code(), absl::StatusCode::kUnavailable) << cut;
    EXPECT_THAT(read.status.message(), HasSubstr("was cut"));
    EXPECT_EQ(read.text, "one ");
  }
  EXPECT_THAT(ReadAll(ChatTextEvent("one ")).status.message(), HasSubstr("cut after 4 bytes"));
  EXPECT_THAT(ReadAll("").status.message(), HasSubstr("cut after 0 bytes"));
  EXPECT_THAT(ReadAll(R"({"choices": [{"mess)").status.message(), HasSubstr("is cut"));
}

TEST(ChatReaderTest, BrokenRepliesSayHow) {
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {"data: {\"choices\": [}\n\n", "an event that is no JSON object"},
           {"data: [1]\n\n", "an event that is no JSON object"},
           {"data: {\"a\": \"\xC3\x28\"}\n\n", "an event that is no JSON object"},
           {"data: " + std::string(100, '[') + "\n\n", "an event that is no JSON object"},
           {"data: {\"error\": {\"message\": \"overloaded\", \"code\": null}}\n\n",
            "ends with an error: overloaded"},
           {R"({"error": "no such model"})", "is an error: no such model"},
           {R"({"choices": []})", "has no message"},
           {ChatFinishEvent() + kChatDone, "has no text"}}) {
    const absl::Status status = ReadAll(body).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << body;
    EXPECT_THAT(status.message(), HasSubstr(message)) << body;
  }
}

TEST(ChatReaderTest, ValuesOfOtherKindsAreLeftOut) {
  const Read read = ReadAll(
      "data: {\"choices\": [{\"index\": 1, \"delta\": {\"content\": \"other\"}}], \"model\": 7}\n\n"
      "data: {\"choices\": [{\"delta\": {\"content\": null, \"role\": \"assistant\"}}], \"usage\": "
      "[]}\n\n"
      "data: {\"choices\": {\"x\": 1}, \"usage\": {\"prompt_tokens\": -1, \"completion_tokens\": "
      "2}}\n\n"
      "data: {\"choices\": [7, {\"delta\": \"x\"}], \"usage\": {\"prompt_tokens\": 1, "
      "\"completion_tokens\": 99999999999}}\n\n"
      "data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"let me think\", \"content\": "
      "\"a\"}, "
      "\"finish_reason\": \"stop\"}]}\n\n");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.text, "a");
  EXPECT_EQ(read.reply.model, "");
  EXPECT_FALSE(read.reply.usage.has_value());
  EXPECT_EQ(read.reply.unseen_tokens, 4u);
}

TEST(ChatReaderTest, UsageEarlyCountsAsFarAsItKnew) {
  const Read early = ReadAll(ChatUsageEvent(9, 1) + ChatTextEvent("a b c d") + ChatFinishEvent());
  EXPECT_EQ(early.reply.usage->prompt_tokens, 9u);
  EXPECT_TRUE(early.reply.text_after_usage);
  const Read twice = ReadAll(ChatUsageEvent(9, 1) + ChatTextEvent("a b c d") +
                             ChatUsageEvent(9, 4) + ChatFinishEvent());
  EXPECT_EQ(twice.reply.usage->completion_tokens, 4u);
  EXPECT_FALSE(twice.reply.text_after_usage);
}

TEST(ChatReaderTest, TextHasALimit) {
  std::string body;
  while (body.size() < 2 * ChatReader::kMaxTextBytes) {
    body += ChatTextEvent(std::string(100'000, 'x'));
  }
  EXPECT_EQ(ReadAll(body).status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadAll("{" + std::string(ChatReader::kMaxBodyBytes, ' ')).status.code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ChatReaderTest, RefusalsAreToldApart) {
  const Read read = ReadAll(
      R"({"choices": [{"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}]})");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.reply.refusal, "I cannot.");
  EXPECT_THAT(read.text, IsEmpty());
}

TEST(TokenEstimateTest, WordsNumbersAndSigns) {
  EXPECT_EQ(EstimateTokens(""), 0u);
  EXPECT_EQ(EstimateTokens("a backup is incremental."), 1u + 2 + 1 + 3 + 1);
  EXPECT_EQ(EstimateTokens("12345 -- 7"), 2u + 2 + 1);
  EXPECT_EQ(EstimateTokens("日本"), 3u);
  EXPECT_EQ(EstimateTokens(" \n\t"), 0u);
}

}  // namespace
}  // namespace vouch
