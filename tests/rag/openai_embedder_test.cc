#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <nlohmann/json.hpp>

#include "rag/embed/embedder_registry.h"
#include "rag/embed/openai.h"
#include "rag/embed/openai_reply.h"
#include "rag/http/http_error.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<float> LengthVector(const std::string& text) {
  return {static_cast<float>(text.size()), 1.0f};
}

ModelServer::Reply Good(size_t, const ModelServer::Request& request) {
  return {.body = EmbeddingsReply(request.body, LengthVector)};
}

OpenAiEmbedderOptions OptionsFor(const ModelServer& server) {
  return {.base_url = server.base_url(),
          .model = "test-model",
          .dim = 2,
          .api_key = "sk-secret",
          .first_pause_ms = 0};
}

absl::StatusOr<std::vector<std::vector<float>>> Embed(const OpenAiEmbedderOptions& options,
                                                      const std::vector<std::string>& texts,
                                                      const CancelToken& cancel = CancelToken()) {
  const auto embedder = CreateOpenAiEmbedder(options);
  if (!embedder.ok()) return embedder.status();
  return (*embedder)->Embed(texts, cancel);
}

TEST(OpenAiEmbedderTest, VectorsInTheOrderOfTheTextsAcrossBatches) {
  ModelServer server(Good);
  OpenAiEmbedderOptions options = OptionsFor(server);
  options.batch = 2;
  const auto vectors = Embed(options, {"a", "bb", "", "cccc", " \n", "eeeee"});
  ASSERT_TRUE(vectors.ok()) << vectors.status();
  const std::vector<std::vector<float>> expected = {{1, 1}, {2, 1}, {}, {4, 1}, {}, {5, 1}};
  EXPECT_EQ(*vectors, expected);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].path, "/v1/embeddings");
  EXPECT_EQ(requests[0].authorization, "Bearer sk-secret");
  const auto body = nlohmann::json::parse(requests[0].body);
  EXPECT_EQ(body, nlohmann::json::parse(
                      R"({"model":"test-model","input":["a","bb"],"encoding_format":"float"})"));
}

TEST(OpenAiEmbedderTest, Base64RepliesAreTaken) {
  ModelServer server([](size_t, const ModelServer::Request& request) {
    return ModelServer::Reply{.body = EmbeddingsReply(request.body, LengthVector, /*base64=*/true)};
  });
  const std::vector<std::vector<float>> expected = {{3, 1}};
  EXPECT_EQ(*Embed(OptionsFor(server), {"abc"}), expected);
}

TEST(OpenAiEmbedderTest, TriesAgainWhenTooManyRequestsAndServerErrors) {
  ModelServer server([](size_t number, const ModelServer::Request& request) {
    if (number == 0)
      return ModelServer::Reply{.status = 429, .body = R"({"error":{"message":"slow down"}})"};
    if (number == 1) return ModelServer::Reply{.status = 503, .body = "loading"};
    return Good(number, request);
  });
  EXPECT_TRUE(Embed(OptionsFor(server), {"abc"}).ok());
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(OpenAiEmbedderTest, GivesUpAfterTheRetriesWithTheServersMessage) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 500, .body = R"({"error":{"message":"out of memory"}})"};
  });
  OpenAiEmbedderOptions options = OptionsFor(server);
  options.retries = 2;
  const absl::Status status = Embed(options, {"abc"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("HTTP 500: out of memory (tried 3 times)"));
  EXPECT_THAT(status.message(), HasSubstr("test-model"));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(OpenAiEmbedderTest, ALongRetryAfterIsNotWaitedFor) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 429, .body = "{}", .headers = {{"Retry-After", "3000"}}};
  });
  EXPECT_EQ(Embed(OptionsFor(server), {"abc"}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.requests().size(), 1u);
}

// The pause that Retry-After asks for is kept, and ends when the request is cancelled.
TEST(OpenAiEmbedderTest, RetryAfterIsKeptAndCanBeCancelled) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 429, .body = "{}", .headers = {{"Retry-After", "50"}}};
  });
  std::atomic<int> asked = 0;
  const CancelToken cancel(absl::InfiniteFuture(),
                           [&] { return !server.requests().empty() && ++asked > 3; });
  EXPECT_EQ(Embed(OptionsFor(server), {"abc"}, cancel).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(OpenAiEmbedderTest, RefusalsAreNotTriedAgainAndTheKeyIsNotPrinted) {
  for (const auto& [http, code] :
       std::vector<std::pair<int, absl::StatusCode>>{{400, absl::StatusCode::kInvalidArgument},
                                                     {401, absl::StatusCode::kUnauthenticated},
                                                     {403, absl::StatusCode::kPermissionDenied},
                                                     {404, absl::StatusCode::kNotFound}}) {
    ModelServer server([http = http](size_t, const ModelServer::Request& request) {
      return ModelServer::Reply{
          .status = http,
          .body = nlohmann::json{{"error", {{"message", "bad: " + request.authorization}}}}.dump()};
    });
    const absl::Status status = Embed(OptionsFor(server), {"abc"}).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.message(), HasSubstr("bad: Bearer ***"));
    EXPECT_THAT(status.message(), Not(HasSubstr("sk-secret")));
    EXPECT_EQ(server.requests().size(), 1u);
  }
}

TEST(OpenAiEmbedderTest, ASlowServerIsLeftWhenTheRequestIsCancelled) {
  std::latch done(1);
  ModelServer server([&](size_t number, const ModelServer::Request& request) {
    done.wait();
    return Good(number, request);
  });
  const CancelToken cancel(absl::InfiniteFuture(), [&] { return !server.requests().empty(); });
  EXPECT_EQ(Embed(OptionsFor(server), {"abc"}, cancel).status().code(),
            absl::StatusCode::kCancelled);
  done.count_down();
}

TEST(OpenAiEmbedderTest, ASlowServerRunsIntoTheTimeout) {
  std::latch done(1);
  ModelServer server([&](size_t number, const ModelServer::Request& request) {
    done.wait();
    return Good(number, request);
  });
  OpenAiEmbedderOptions options = OptionsFor(server);
  options.timeout_ms = 20;
  options.retries = 0;
  const absl::Status status = Embed(options, {"abc"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("no reply within 20 ms"));
  done.count_down();
}

TEST(OpenAiEmbedderTest, NoServer) {
  OpenAiEmbedderOptions options{
      .base_url = "", .model = "m", .dim = 2, .retries = 1, .first_pause_ms = 0};
  {
    ModelServer gone(Good);
    options.base_url = gone.base_url();
  }
  const absl::Status status = Embed(options, {"abc"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("(tried 2 times)"));
}

TEST(OpenAiEmbedderTest, WrongRepliesSayWhatIsWrong) {
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"data":[{"index":0,"embedding":[1,2]},{"ind)", "is no JSON object"},
           {"", "is no JSON object"},
           {R"({"object":"list"})", "has no \"data\" array"},
           {R"({"data":[{"index":0,"embedding":[1,2]}]})", "has 1 vectors for 2 texts"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]})",
            "has index 0 twice"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":2,"embedding":[1,2]}]})",
            "without an index below 2"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"embedding":[1,2]}]})",
            "without an index below 2"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1,2,3]}]})",
            "has a vector of 3 dimensions; the field has 2"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1,1e300]}]})",
            "not finite"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1,null]}]})",
            "no number"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":"AAAA"}]})",
            "no base64 of 32-bit floats"},
           {R"({"data":[{"index":0,"embedding":[1,2]},{"index":1}]})", "without an embedding"}}) {
    const absl::Status status = ParseEmbeddingsReply(body, 2, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << body;
    EXPECT_THAT(status.message(), HasSubstr(message)) << body;
  }
  const std::vector<std::vector<float>> zero = {{}};
  EXPECT_EQ(*ParseEmbeddingsReply(R"({"data":[{"index":0,"embedding":[0,0]}]})", 1, 2), zero);
}

TEST(OpenAiEmbedderTest, ErrorMessagesOfAllKinds) {
  EXPECT_EQ(ErrorMessageOf(R"({"error":{"message":"a","type":"x"}})"), "a");
  EXPECT_EQ(ErrorMessageOf(R"({"error":"b"})"), "b");
  EXPECT_EQ(ErrorMessageOf(R"({"detail":"c"})"), "c");
  EXPECT_EQ(ErrorMessageOf("<html>\n"), "<html>\\n");
  EXPECT_LT(ErrorMessageOf(std::string(100'000, 'x')).size(), 400u);
}

TEST(OpenAiEmbedderTest, OptionsAreCheckedAndTheIdHoldsNoSecret) {
  const auto create = [](OpenAiEmbedderOptions options) {
    return CreateOpenAiEmbedder(std::move(options)).status();
  };
  EXPECT_THAT(create({.base_url = "ftp://x", .model = "m", .dim = 2}).message(),
              HasSubstr("expected http://"));
  EXPECT_THAT(create({.base_url = "http://x", .model = "", .dim = 2}).message(),
              HasSubstr("name is empty"));
  EXPECT_THAT(create({.base_url = "http://x", .model = "m", .dim = 0}).message(),
              HasSubstr("dim is 0"));
  EXPECT_THAT(create({.base_url = "http://x", .model = "m", .dim = 2, .batch = 2049}).message(),
              HasSubstr("batch is 2049"));
  EXPECT_THAT(
      create({.base_url = "http://x", .model = "m", .dim = 2, .api_key = "a\r\nb"}).message(),
      HasSubstr("line break"));
  const auto embedder = CreateOpenAiEmbedder({.base_url = "http://user:pass@host/v1/",
                                              .model = "org/m:latest",
                                              .dim = 2,
                                              .api_key = "sk-secret"});
  EXPECT_EQ((*embedder)->id(), "openai/org/m:latest?dim=2&base_url=http://host/v1");
}

TEST(EmbedderSpecTest, KindsAndParameters) {
  EXPECT_EQ(EmbedderRegistry::ParseSpec("builtin/lsa")->dim, 300u);
  EXPECT_TRUE(EmbedderRegistry::ParseSpec("builtin/lsa")->trained);
  EXPECT_EQ(EmbedderRegistry::ParseSpec("builtin/lsa?dim=64&language=german")->language, "german");
  EXPECT_EQ(EmbedderRegistry::ParseSpec("builtin/hash")->dim, 256u);
  EXPECT_EQ(EmbedderRegistry::ParseSpec("openai/BAAI/bge-m3?dim=1024&request_dim=true")->dim,
            1024u);
  for (const auto& [spec, message] : std::vector<std::pair<std::string, std::string>>{
           {"builtin/bert", "there are builtin/lsa[?dim=N&language=L], builtin/hash"},
           {"", "unknown kind"},
           {"openai/", "unknown kind"},
           {"openai/m", "needs its dimension"},
           {"builtin/lsa?dim=0", "dim is \"0\"; it takes 1 to 4096"},
           {"builtin/lsa?dim=5000", "it takes 1 to 4096"},
           {"builtin/lsa?size=3", "unknown parameter \"size\""},
           {"builtin/lsa?dim", "\"dim\" is no name=value"},
           {"builtin/hash?language=klingon", "klingon"},
           {"openai/m?dim=2&language=english", "unknown parameter \"language\""}}) {
    const absl::Status status = EmbedderRegistry::ParseSpec(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << spec;
    EXPECT_THAT(status.message(), HasSubstr(message)) << spec;
  }
}

TEST(EmbedderSpecTest, CreateOfASpecAlone) {
  EmbedderRegistry embedders({});
  EXPECT_EQ((*embedders.Create("builtin/hash?dim=64"))->id(), "builtin/hash?dim=64");
  EXPECT_EQ(*embedders.Create("builtin/hash?dim=64"), *embedders.Create("builtin/hash?dim=64"));
  EXPECT_EQ(embedders.Create("builtin/lsa").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(embedders.Create("openai/m?dim=2").status().message(),
              HasSubstr("no base_url is configured"));
}

}  // namespace
}  // namespace vouch
