#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <nlohmann/json.hpp>

#include "rag/rerank/http_cross_encoder.h"
#include "rag/rerank/rerank_reply.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

double LengthOf(const std::string&, const std::string& text) {
  return static_cast<double>(text.size());
}
ModelServer::Reply Good(size_t, const ModelServer::Request& request) {
  return {.body = RerankReply(request.body, LengthOf)};
}

HttpCrossEncoderOptions OptionsFor(const ModelServer& server,
                                   RerankShape shape = RerankShape::kJina) {
  HttpCrossEncoderOptions options;
  options.shape = shape;
  options.endpoint = server.base_url();
  options.model = "test-model";
  options.api_key = "sk-secret";
  options.first_pause_ms = 0;
  return options;
}

absl::StatusOr<std::vector<double>> Score(const HttpCrossEncoderOptions& options,
                                          const std::vector<std::string>& texts,
                                          const CancelToken& cancel = CancelToken()) {
  const auto encoder = CreateHttpCrossEncoder(options);
  if (!encoder.ok()) return encoder.status();
  return (*encoder)->Score("why?", texts, cancel);
}

TEST(HttpCrossEncoderTest, ScoresInTheOrderOfTheTextsAcrossBatches) {
  ModelServer server(Good);
  HttpCrossEncoderOptions options = OptionsFor(server);
  options.batch = 2;
  const std::vector<double> expected = {1, 4, 2};
  EXPECT_EQ(*Score(options, {"a", "bbbb", "cc"}), expected);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].path, "/v1/rerank");
  EXPECT_EQ(requests[0].authorization, "Bearer sk-secret");
  EXPECT_EQ(nlohmann::json::parse(requests[0].body),
            nlohmann::json::parse(R"({"model":"test-model","query":"why?","documents":["a","bbbb"],
                                      "top_n":2,"return_documents":false})"));
}

TEST(HttpCrossEncoderTest, CoheresShapeAndThePathsOfEndpoints) {
  ModelServer server(Good);
  const std::string root = server.base_url().substr(0, server.base_url().size() - 3);
  const std::pair<std::string, std::string> paths[] = {
      {root, "/v2/rerank"}, {root + "/v2/", "/v2/rerank"}, {root + "/api/rerank", "/api/rerank"}};
  for (const auto& [endpoint, path] : paths) {
    HttpCrossEncoderOptions options = OptionsFor(server, RerankShape::kCohere);
    options.endpoint = endpoint;
    ASSERT_TRUE(Score(options, {"a"}).ok());
    EXPECT_EQ(server.requests().back().path, path);
  }
  EXPECT_EQ(nlohmann::json::parse(server.requests().back().body),
            nlohmann::json::parse(
                R"({"model":"test-model","query":"why?","documents":["a"],"top_n":1})"));
}

TEST(HttpCrossEncoderTest, TriesAgainAndGivesUpWithTheServersMessage) {
  ModelServer once([](size_t number, const ModelServer::Request& request) {
    if (number == 0) return ModelServer::Reply{.status = 503, .body = "loading"};
    return Good(number, request);
  });
  EXPECT_TRUE(Score(OptionsFor(once), {"a"}).ok());
  ModelServer always([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 500, .body = R"({"error":{"message":"out of memory"}})"};
  });
  const absl::Status status = Score(OptionsFor(always), {"a"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("HTTP 500: out of memory (tried 2 times)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("rerank model test-model"));
}

TEST(HttpCrossEncoderTest, RefusalsAreNoFaultOfTheAskerAndTheKeyIsNotPrinted) {
  for (int http : {400, 401, 403, 404}) {
    ModelServer server([http](size_t, const ModelServer::Request& request) {
      return ModelServer::Reply{.status = http,
                                .body = nlohmann::json{{"detail", request.authorization}}.dump()};
    });
    const absl::Status status = Score(OptionsFor(server), {"a"}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("Bearer ***"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("sk-secret")));
    EXPECT_EQ(server.requests().size(), 1u);
  }
}

TEST(HttpCrossEncoderTest, ASlowServerRunsIntoTheTimeoutOrTheRequestsEnd) {
  std::latch done(1);
  ModelServer server([&](size_t number, const ModelServer::Request& request) {
    done.wait();
    return Good(number, request);
  });
  HttpCrossEncoderOptions options = OptionsFor(server);
  options.retries = 0;
  options.timeout_ms = 20;
  EXPECT_EQ(Score(options, {"a"}).status().code(), absl::StatusCode::kDeadlineExceeded);
  options.timeout_ms = 60'000;
  const CancelToken cancelled(absl::InfiniteFuture(), [&] { return server.requests().size() > 1; });
  EXPECT_EQ(Score(options, {"a"}, cancelled).status().code(), absl::StatusCode::kCancelled);
  const CancelToken late(absl::Now() + absl::Milliseconds(50), nullptr);
  const absl::Status status = Score(options, {"a"}, late).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the request's deadline"));
  done.count_down();
}

TEST(HttpCrossEncoderTest, AHugeReplyIsNotTaken) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.body = std::string(size_t{2} << 20, ' ')};
  });
  EXPECT_EQ(Score(OptionsFor(server), {"a"}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(HttpCrossEncoderTest, WrongRepliesSayWhatIsWrong) {
  const std::string one = R"({"index":0,"relevance_score":1})";
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"results":[{"index":0,)", "is no JSON object"},
           {R"({"results":[)" + one + R"(,{"index":1,"relevance_score":NaN}]})",
            "is no JSON object"},
           {R"({"results":[)" + one + R"(,{"index":1,"relevance_score":1e999}]})",
            "is no JSON object"},
           {R"({"data":[]})", "has no \"results\" array"},
           {R"({"results":[)" + one + "]}", "has 1 scores for 2 texts"},
           {R"({"results":[)" + one + "," + one + "]}", "has index 0 twice"},
           {R"({"results":[)" + one + R"(,{"index":2,"relevance_score":1}]})",
            "without an index below 2"},
           {R"({"results":[)" + one + R"(,{"index":-1,"relevance_score":1}]})",
            "without an index below 2"},
           {R"({"results":[)" + one + R"(,{"index":1,"relevance_score":null}]})",
            "no number as relevance_score at index 1"},
           {R"({"results":[)" + one + R"(,{"index":1}]})", "no number as relevance_score"},
           {R"({"results":[)" + one + ",3]}", "an entry that is no object"}}) {
    const absl::Status status = ParseRerankReply(body, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << body;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << body;
    ModelServer server([body = body](size_t, const ModelServer::Request&) {
      return ModelServer::Reply{.body = body};
    });
    const absl::Status scored = Score(OptionsFor(server), {"a", "b"}).status();
    EXPECT_THAT(std::string(scored.message()),
                HasSubstr("rerank model test-model at " + server.base_url() + "/rerank"));
    EXPECT_EQ(server.requests().size(), 1u) << "a wrong reply is not asked for again";
  }
  const std::vector<double> scores = {-2, 0.5};
  EXPECT_EQ(*ParseRerankReply(R"({"results":[{"index":1,"relevance_score":0.5,"document":{}},
                                             {"index":0,"relevance_score":-2}]})",
                              2),
            scores);
}

TEST(HttpCrossEncoderTest, OptionsAreChecked) {
  const auto error = [](auto change) {
    HttpCrossEncoderOptions options;
    options.endpoint = "http://user:pass@host/";
    options.model = "m";
    change(options);
    return CreateHttpCrossEncoder(options).status().ToString();
  };
  EXPECT_THAT(error([](auto& o) { o.endpoint = "ftp://x"; }), HasSubstr("expected http://"));
  EXPECT_THAT(error([](auto& o) { o.model = ""; }), HasSubstr("name is empty"));
  EXPECT_THAT(error([](auto& o) { o.batch = 1001; }), HasSubstr("batch is 1001; it takes 1 to"));
  EXPECT_THAT(error([](auto& o) { o.timeout_ms = 0; }), HasSubstr("timeout_ms is 0"));
  EXPECT_THAT(error([](auto& o) { o.retries = 11; }), HasSubstr("retries is 11"));
  EXPECT_THAT(error([](auto& o) { o.max_document_bytes = 65'537; }), HasSubstr("65537"));
  EXPECT_THAT(error([](auto& o) { o.api_key = "a\nb"; }), HasSubstr("line break"));
  HttpCrossEncoderOptions options;
  options.endpoint = "http://user:pass@host/";
  options.model = "m";
  EXPECT_EQ((*CreateHttpCrossEncoder(options))->id(),
            "cohere/m?url=http://host/v2/rerank&max_document_bytes=8192");
}

}  // namespace
}  // namespace vouch
