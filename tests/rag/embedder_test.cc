#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rag/embed/builtin_hash.h"
#include "rag/embed/embedder_history.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

std::vector<std::vector<float>> Embed(const Embedder& embedder,
                                      const std::vector<std::string>& texts) {
  return *embedder.Embed(texts, CancelToken());
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(HashEmbedderTest, SharedWordsMakeTextsAlike) {
  const auto hash = *CreateHashEmbedder(512, "english");
  const auto vectors =
      Embed(*hash, {"the index is built in the background", "building indexes in background jobs",
                    "a recipe for tomato soup", ""});
  EXPECT_NEAR(Dot(vectors[0], vectors[0]), 1.0, 1e-6);
  EXPECT_GT(Dot(vectors[0], vectors[1]), 0.25);
  EXPECT_LT(std::abs(Dot(vectors[0], vectors[2])), 0.22);
  EXPECT_TRUE(vectors[3].empty());
}

TEST(HashEmbedderTest, WordOrderCounts) {
  const auto hash = *CreateHashEmbedder(512, "english");
  const auto vectors = Embed(*hash, {"dog bites man", "man bites dog"});
  EXPECT_LT(Dot(vectors[0], vectors[1]), 0.9);
  EXPECT_GT(Dot(vectors[0], vectors[1]), 0.25);
}

// The same everywhere and for ever: a stored vector must meet the vector of tomorrow's question.
TEST(HashEmbedderTest, GoldenVector) {
  const auto hash = *CreateHashEmbedder(8, "none");
  EXPECT_EQ(hash->id(), "builtin/hash?dim=8&language=none");
  EXPECT_EQ((*CreateHashEmbedder(8, "english"))->id(), "builtin/hash?dim=8");
  EXPECT_EQ((*CreateHashEmbedder(8, "french"))->id(), "builtin/hash?dim=8&language=french&elision=cut");
  EXPECT_EQ(Embed(*hash, {"vouch"})[0], Embed(*hash, {"Vouch"})[0]);
  std::vector<float> expected(8, 0.0f);
  expected[4] = 1.0f;
  EXPECT_EQ(Embed(*hash, {"vouch"})[0], expected);
}

TEST(HashEmbedderTest, BoundsOfTheDimension) {
  EXPECT_THAT(CreateHashEmbedder(7, "english").status().message(),
              HasSubstr("dim is 7; it takes 8 to 4096"));
  EXPECT_FALSE(CreateHashEmbedder(4097, "english").ok());
  EXPECT_THAT(CreateHashEmbedder(64, "klingon").status().message(), HasSubstr("klingon"));
}

std::vector<EmbedderHistoryEntry> TwoModels() {
  return {{Version(2), "builtin/lsa?dim=3#aa", "aa"}, {Version(9), "builtin/lsa?dim=3#bb", "bb"}};
}

TEST(EmbedderHistoryTest, RoundTripAndGoldenText) {
  EXPECT_EQ(EmbedderHistoryKey("embedding"), "embedder/embedding");
  const std::string json = EncodeEmbedderHistory(TwoModels());
  EXPECT_EQ(json, R"([{"from_version":2,"id":"builtin/lsa?dim=3#aa","artifact":"aa"},)"
                  R"({"from_version":9,"id":"builtin/lsa?dim=3#bb","artifact":"bb"}])");
  EXPECT_EQ(*DecodeEmbedderHistory(json), TwoModels());
}

TEST(EmbedderHistoryTest, TheLastEntryAtOrBeforeTheVersionHolds) {
  const auto entries = TwoModels();
  EXPECT_EQ(FindEmbedderAt(entries, Version(1)), nullptr);
  EXPECT_EQ(FindEmbedderAt(entries, Version(2))->artifact, "aa");
  EXPECT_EQ(FindEmbedderAt(entries, Version(8))->artifact, "aa");
  EXPECT_EQ(FindEmbedderAt(entries, Version(9))->artifact, "bb");
  EXPECT_EQ(FindEmbedderAt(entries, Version(100))->artifact, "bb");
}

TEST(EmbedderHistoryTest, DamageIsDataLossAndNamesTheEntry) {
  for (
      const auto& [json, message] : std::vector<std::pair<std::string, std::string>>{
          {"", "not a JSON array"},
          {"{}", "not a JSON array"},
          {"[1]", "entry 0 is not an object"},
          {R"([{"id":"a","artifact":"b"}])", "entry 0 has no from_version"},
          {R"([{"from_version":0,"id":"a","artifact":"b"}])", "entry 0 is out of order"},
          {R"([{"from_version":-1,"id":"a","artifact":"b"}])", "entry 0 has no from_version"},
          {R"([{"from_version":1,"id":"a","artifact":"b"},{"from_version":1,"id":"a","artifact":"b"}])",
           "entry 1 is out of order"},
          {R"([{"from_version":1,"artifact":"b"}])", "entry 0 has no id"},
          {R"([{"from_version":1,"id":"a","artifact":""}])", "entry 0 has no artifact"}}) {
    const absl::Status status = DecodeEmbedderHistory(json).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << json;
    EXPECT_THAT(status.message(), HasSubstr(message)) << json;
  }
}

}  // namespace
}  // namespace vouch
