#include "api/reranker_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

std::optional<std::string> Variables(const std::string& name) {
  return name == "FAR_KEY" ? std::optional<std::string>("sk-far") : std::nullopt;
}

TEST(RerankerFileTest, AllKeysAndTheKeyOfTheVariable) {
  ModelServer server([](size_t, const ModelServer::Request& request) {
    return ModelServer::Reply{.body = RerankReply(
                                  request.body, [](const std::string&, const std::string& text) {
                                    return static_cast<double>(text.size());
                                  })};
  });
  const absl::StatusOr<CrossEncoders> encoders = ParseRerankerFile(
      "rerankers.yaml",
      absl::StrCat(
          "rerankers:\n"
          "  - name: near\n    shape: jina\n    endpoint: ",
          server.base_url(),
          "/\n    model: small\n    api_key_env: FAR_KEY\n    path: text\n"
          "    max_document_bytes: 100\n    batch: 2\n    timeout_ms: 5000\n    retries: 0\n"
          "  - {name: far, shape: cohere, endpoint: 'https://models.test', model: large}\n"),
      Variables);
  ASSERT_TRUE(encoders.ok()) << encoders.status();
  ASSERT_EQ(encoders->size(), 2u);
  EXPECT_EQ(encoders->at("far")->id(),
            "cohere/large?url=https://models.test/v2/rerank&max_document_bytes=8192");
  const CrossEncoder& near = *encoders->at("near");
  EXPECT_EQ(near.document_path(), "text");
  EXPECT_EQ(near.max_document_bytes(), 100u);
  const std::vector<std::string> texts = {"a", "bbb", "cc"};
  const std::vector<double> expected = {1, 3, 2};
  EXPECT_EQ(*near.Score("?", texts, CancelToken()), expected);
  ASSERT_EQ(server.requests().size(), 2u) << "a batch of two, and the third";
  EXPECT_EQ(server.requests()[0].path, "/v1/rerank");
  EXPECT_EQ(server.requests()[0].authorization, "Bearer sk-far");
}

TEST(RerankerFileTest, MistakesAreNamed) {
  const std::string good = "name: a, shape: jina, endpoint: 'http://h', model: m";
  const std::pair<std::string, std::string> mistakes[] = {
      {"", "takes a mapping of keys"},
      {"reranker: []", "reranker is no known key; there are rerankers"},
      {"rerankers: []", "rerankers takes a list of 1 to 32"},
      {absl::StrCat("rerankers: [{", good, ", size: 1}]"), "rerankers[0].size is no known key"},
      {"rerankers: [{name: a, shape: jina, model: m}]", "rerankers[0].endpoint is missing"},
      {"rerankers: [{name: a, shape: voyage, endpoint: 'http://h', model: m}]",
       "rerankers[0].shape is 'voyage'; it takes cohere or jina"},
      {"rerankers: [{name: a, shape: jina, endpoint: h, model: m}]", "expected http://"},
      {absl::StrCat("rerankers: [{", good, ", batch: 0}]"), "batch is '0'; it takes a whole number from 1 to"},
      {absl::StrCat("rerankers: [{", good, "}, {", good, "}]"), "rerankers[1].name is 'a' twice"},
      {"rerankers: [", "not YAML"},
      {absl::StrCat("rerankers: [{", good, ", api_key_env: NO_KEY}]"), "NO_KEY"}};
  for (const auto& [text, message] : mistakes) {
    const absl::Status status = ParseRerankerFile("r.yaml", text, Variables).status();
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

TEST(RerankerFileTest, NoFileNoRerankers) {
  Config config;
  EXPECT_TRUE(RerankersOf(config, Variables)->empty());
  config.rerankers = "/nowhere/rerankers.yaml";
  EXPECT_THAT(RerankersOf(config, Variables).status().ToString(),
              HasSubstr("/nowhere/rerankers.yaml' cannot be read"));
}

}  // namespace
}  // namespace vouch
