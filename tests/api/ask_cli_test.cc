// `vouch ask` with models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AskCliTest : public testing::Test {
 protected:
  AskCliTest() {
    Write("notes/storage.md", "# Backups\n\nA backup is incremental. Nothing stops the writers.\n");
    const ProgramResult result = Run({"ingest", "notes", dir_.File("notes")});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }

  void Serve(const std::string& text) {
    server_ = std::make_unique<ModelServer>(
        [text](size_t, const ModelServer::Request&) { return ChatStream(text, 80, 6); });
  }

  ProgramResult Run(const std::vector<std::string>& words) {
    return RunVouch(words, dir_.path(), environment_);
  }
  // Asks the model of the server.
  ProgramResult Ask(std::vector<std::string> words) {
    words.insert(words.begin(), {"ask", "notes", "Are backups incremental?"});
    words.insert(words.end(), {"--model", "m", "--endpoint", server_->base_url()});
    return Run(words);
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<ModelServer> server_;
};

TEST_F(AskCliTest, AModelAnswersWithSources) {
  Serve("Yes, a backup is incremental [1].");
  environment_["OPENAI_API_KEY"] = "sk-env";
  const ProgramResult result = Ask({});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              StartsWith("Yes, a backup is incremental [1].\n\nSources\n[1] notes/storage.md"));
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("verified: \"A backup is incremental.\""),
                    HasSubstr("Model served-model at " + server_->base_url() + ": 80 + 6 tokens"),
                    HasSubstr("100 % of the sentences supported"),
                    HasSubstr("openai/m?route=default&tier=model&prompt=answer/1")));
  EXPECT_EQ(server_->requests()[0].authorization, "Bearer sk-env");
  const ProgramResult shown = Run({"answer", "list", "--json"});
  EXPECT_THAT(shown.out + result.out + result.err, Not(HasSubstr("sk-env")));
  const std::string id = nlohmann::json::parse(shown.out)["answers"][0]["id"];
  const ProgramResult record = Run({"answer", "show", id, "--json"});
  const auto json = nlohmann::json::parse(record.out);
  EXPECT_EQ(json["generation"]["prompt"].size(), 2u);
  EXPECT_EQ(json["generation"]["parameters"]["model"], "m");
  EXPECT_THAT(record.out, Not(HasSubstr("sk-env")));
}

TEST_F(AskCliTest, JsonIsTheWholeRecord) {
  Serve("A backup is incremental [1].");
  const ProgramResult result = Ask({"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["text"], "A backup is incremental [1].");
  EXPECT_EQ(json["generation"]["usage"]["prompt_tokens"], 80);
}

TEST_F(AskCliTest, WhatIsNotSupportedIsSaidAndWithdrawnBelowTheThreshold) {
  Serve("A backup takes 7 days [1].");
  ProgramResult result = Ask({});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              StartsWith("A backup takes 7 days [1].\n\nWithdrawn. The sources do not support"));
  EXPECT_THAT(result.out, HasSubstr("the number 7 is not in the cited text"));
  result = Ask({"--min-grounding", "0"});
  EXPECT_THAT(result.out,
              AllOf(Not(HasSubstr("Withdrawn")), HasSubstr("Not supported by what is cited")));
}

TEST_F(AskCliTest, WithoutAnAnsweringModelSentencesAreQuoted) {
  server_ = std::make_unique<ModelServer>([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.status = 404, .body = R"({"error":{"message":"no such model"}})"};
  });
  const ProgramResult result = Ask({});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("A backup is incremental. [1]"),
                                HasSubstr("No model answered; sentences are quoted instead"),
                                HasSubstr("HTTP 404: no such model")));
}

TEST_F(AskCliTest, AStreamThatIsCutIsAnError) {
  server_ = std::make_unique<ModelServer>([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A backup ")}},
                              .end = ModelServer::End::kCut};
  });
  const ProgramResult result = Ask({});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "A backup \n");
  EXPECT_THAT(result.err, HasSubstr("error (UNAVAILABLE): " + server_->base_url()));
}

TEST_F(AskCliTest, RoutesAndKeysComeFromFiles) {
  Serve("A backup is incremental [1].");
  Write("key", "sk-file\n");
  Write("route.yaml",
        "prices: {version: p1, models: {m: {input_per_million: 1, output_per_million: 2}}}\n"
        "limits: {tenant_day: 0.001}\n"
        "tiers:\n  - {name: local, endpoint: '" +
            server_->base_url() +
            "', model: m, max_tokens: 200, api_key_file: " + dir_.File("key") + "}\n");
  const std::vector<std::string> ask = {"ask", "notes", "Are backups incremental?", "--route",
                                        dir_.File("route.yaml")};
  ProgramResult result = Run(ask);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("0.000092000 USD by prices p1"));
  EXPECT_EQ(server_->requests()[0].authorization, "Bearer sk-file");
  // The day's limit holds from one run of the program to the next.
  for (int i = 0; i < 10 && result.out.find("may spend") == std::string::npos; ++i)
    result = Run(ask);
  EXPECT_THAT(result.out, AllOf(HasSubstr("tenant default may spend 0.001000000 a day"),
                                StartsWith("A backup is incremental. [1]")));
}

TEST_F(AskCliTest, MistakesAreNamed) {
  ProgramResult result = Run({"ask", "notes", "q", "--model", "m"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("no server is set for it"));
  result = Run({"ask", "notes", "q", "--model", "m", "--server", "127.0.0.1:1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--model is for a store that the command opens itself"));
  result = Run({"ask", "notes", "q", "--model", "m", "--endpoint", "ftp://h"});
  EXPECT_THAT(result.err, HasSubstr("expected http://"));
  result = Run({"ask", "notes", "q", "--min-grounding", "2"});
  EXPECT_EQ(result.exit_code, 2);
  Write("bad.yaml", "tiers: 7\n");
  result = Run({"ask", "notes", "q", "--route", dir_.File("bad.yaml")});
  EXPECT_THAT(result.err, HasSubstr("bad.yaml, line 1: tiers takes a list"));
}

}  // namespace
}  // namespace vouch
