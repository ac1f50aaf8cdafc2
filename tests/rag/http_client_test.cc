#include "rag/http/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "rag/http/http_error.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

HttpRequest RequestTo(const ModelServer& server) {
  return {.url = server.base_url() + "/x?key=sk-secret", .body = "{}"};
}

TEST(HttpClientTest, TheSinkGetsTheBodyAsItComes) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{"one "}, {"two "}, {"three", 5}}};
  });
  const HttpClient client;
  std::string body;
  const auto reply = client.Post(RequestTo(server), CancelToken(), [&](std::string_view bytes) {
    body += bytes;
    return HttpMore::kWanted;
  });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(body, "one two three");
  EXPECT_EQ(reply->body, "");
  EXPECT_EQ(reply->status, 200);
}

TEST(HttpClientTest, AnErrorsBodyDoesNotReachTheSinkAndIsCut) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 503, .body = std::string(200'000, 'x')};
  });
  const HttpClient client;
  const auto reply = client.Post(RequestTo(server), CancelToken(), [](std::string_view) {
    ADD_FAILURE() << "the sink was called";
    return HttpMore::kWanted;
  });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reply->body.size(), HttpClient::kMaxErrorBytes);
}

TEST(HttpClientTest, AnErrorOfTheSinkEndsTheExchange) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{"one"}}, .end = ModelServer::End::kSilent};
  });
  const HttpClient client;
  const auto reply = client.Post(RequestTo(server), CancelToken(), [](std::string_view) {
    return absl::StatusOr<HttpMore>(absl::DataLossError("no"));
  });
  EXPECT_EQ(reply.status(), absl::DataLossError("no"));
}

// A server that does not end its reply after what was the last of it costs no timeout.
TEST(HttpClientTest, AfterTheLastPieceTheEndIsNotWaitedFor) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{"one"}}, .end = ModelServer::End::kSilent};
  });
  const HttpClient client;
  const auto reply = client.Post(RequestTo(server), CancelToken(),
                                 [](std::string_view) { return HttpMore::kLast; });
  EXPECT_TRUE(reply.ok()) << reply.status();
}

TEST(HttpClientTest, ConnectionsAreUsedAgain) {
  ModelServer server(
      [](size_t, const ModelServer::Request&) { return ModelServer::Reply{.body = "{}"}; },
      /*keep_alive=*/true);
  const HttpClient client;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Post(RequestTo(server), CancelToken()).ok());
  std::set<int> ports;
  for (const ModelServer::Request& request : server.requests()) ports.insert(request.client_port);
  EXPECT_EQ(ports.size(), 1u);
}

TEST(HttpClientTest, BoundsNameTheUrlWithoutSecrets) {
  ModelServer server([](size_t number, const ModelServer::Request&) {
    if (number == 0) return ModelServer::Reply{.body = std::string(1'001, 'x')};
    ModelServer::Reply reply{.pieces = {{"one"}}};
    reply.end = number == 1 ? ModelServer::End::kSilent : ModelServer::End::kCut;
    return reply;
  });
  const HttpClient client;
  HttpRequest request = RequestTo(server);
  request.max_reply_bytes = 1'000;
  const absl::Status too_long = client.Post(request, CancelToken()).status();
  EXPECT_EQ(too_long.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(too_long.message(),
              AllOf(HasSubstr(server.base_url() + "/x: the reply is longer than 1000"),
                    Not(HasSubstr("secret"))));
  request.silence_ms = 30;
  const absl::Status silent = client.Post(request, CancelToken()).status();
  EXPECT_EQ(silent.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(silent.message(), HasSubstr("no byte for 30 ms"));
  request.silence_ms = 60'000;
  const absl::Status cut = client.Post(request, CancelToken()).status();
  EXPECT_EQ(cut.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(cut.message(), AllOf(HasSubstr("/x: "), Not(HasSubstr("secret"))));
}

TEST(HttpClientTest, RedirectsAreNotFollowed) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 307,
                              .headers = {{"Location", "http://user:pass@elsewhere.test/v1?k=v"}}};
  });
  const HttpClient client;
  const HttpRequest request = RequestTo(server);
  const auto reply = client.Post(request, CancelToken());
  ASSERT_TRUE(reply.ok()) << reply.status();
  const absl::Status status = StatusOfReply(request.url, *reply);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("redirects to http://elsewhere.test/v1, which"));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpClientTest, RetryAfterInSecondsAndAsADate) {
  ModelServer server([](size_t number, const ModelServer::Request&) {
    const char* const values[] = {"7", "Fri, 31 Dec 2100 23:59:59 GMT", "soon", "-3"};
    return ModelServer::Reply{.status = 429, .headers = {{"Retry-After", values[number]}}};
  });
  const HttpClient client;
  std::vector<int64_t> pauses;
  for (int i = 0; i < 4; ++i) {
    pauses.push_back(client.Post(RequestTo(server), CancelToken())->retry_after_ms);
  }
  EXPECT_THAT(pauses, ::testing::ElementsAre(7'000, 3'600'000, -1, -1));
}

TEST(HttpErrorTest, UrlsLoseTheirSecrets) {
  EXPECT_EQ(UrlWithoutSecrets("http://user:pass@host:1/v1/x?key=k#f"), "http://host:1/v1/x");
  EXPECT_EQ(UrlWithoutSecrets("https://host"), "https://host");
  EXPECT_EQ(UrlWithoutSecrets("http://user:p?ss@host/v1"), "http://…");
  EXPECT_EQ(UrlWithoutSecrets("http://host?key=a@b"), "http://…");
  EXPECT_EQ(UrlWithoutSecrets("host/v1?x"), "host/v1");
  EXPECT_EQ(WithoutSecret("Bearer abc, abc", "abc"), "Bearer ***, ***");
  EXPECT_EQ(WithoutSecret("abc", ""), "abc");
}

TEST(HttpErrorTest, CodesOfStatuses) {
  const auto code = [](long status) {
    return StatusOfReply("http://h/v1", {.status = status}).code();
  };
  EXPECT_EQ(code(401), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(429), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(500), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(413), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      StatusOfReply("http://h/v1?k=v", {.status = 404, .body = R"({"error":"no such model"})"}),
      absl::NotFoundError("http://h/v1: HTTP 404: no such model"));
}

}  // namespace
}  // namespace vouch
