#include "rag/eval/tune_fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "rag/retriever.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

FusionEntry Entry(uint64_t version) {
  FusionEntry entry;
  entry.from_version = Version(version);
  entry.tuned = {.settings = {.method = FusionMethod::kRrf, .text_weight = 1, .dense_weight = 0.2},
                 .judgements = "abc",
                 .tuned_at = Version(version - 1),
                 .embedder = "builtin/hash?dim=8",
                 .queries = 12,
                 .folds = 3,
                 .tuned = 0.5,
                 .text = 0.4,
                 .dense = 0.25,
                 .standard = 0.45};
  return entry;
}

TEST(FusionHistoryTest, ReadsBackWhatItWrote) {
  FusionEntry removed;
  removed.from_version = Version(9);
  removed.removed = true;
  const std::vector<FusionEntry> entries = {Entry(7), removed, Entry(11)};
  EXPECT_EQ(DecodeFusionHistory(EncodeFusionHistory(entries)).value(), entries);
  EXPECT_EQ(FindFusionAt(entries, Version(6)), nullptr);
  EXPECT_EQ(FindFusionAt(entries, Version(8)), &entries[0]);
  EXPECT_EQ(FindFusionAt(entries, Version(9)), nullptr);
  EXPECT_EQ(FindFusionAt(entries, Version(100)), &entries[2]);
  EXPECT_THAT(entries[0].id(), testing::StartsWith("fusion#"));
  EXPECT_NE(entries[0].id(), entries[2].id());
  EXPECT_EQ(removed.id(), "");
}

TEST(FusionHistoryTest, GoldenBytes) {
  EXPECT_EQ(
      EncodeFusionHistory(std::vector<FusionEntry>{Entry(7)}),
      R"([{"from_version":7,"method":"rrf","text_weight":1.0,"dense_weight":0.2,"by_reliability":true,)"
      R"("feedback_weight":1.0,"judgements":"abc","tuned_at":6,"embedder":"builtin/hash?dim=8","queries":12,)"
      R"("folds":3,"tuned":0.5,"text":0.4,"dense":0.25,"standard":0.45}])");
}

TEST(FusionHistoryTest, PhrasesAreWrittenWhereThereAreSome) {
  FusionEntry entry = Entry(7);
  entry.tuned.settings.phrase_weight = 0.5;
  const std::string bytes = EncodeFusionHistory(std::vector<FusionEntry>{entry});
  EXPECT_THAT(bytes, HasSubstr(R"("feedback_weight":1.0,"phrase_weight":0.5,"judgements")"));
  EXPECT_EQ(DecodeFusionHistory(bytes).value().front(), entry);
  EXPECT_THAT(FormatFusion(entry.tuned.settings), HasSubstr("feedback 1, phrases 0.5"));
}

TEST(FusionHistoryTest, DamageIsNamed) {
  const std::string good = EncodeFusionHistory(std::vector<FusionEntry>{Entry(7), Entry(8)});
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.rfind(from), from.size(), to);
    return std::string(DecodeFusionHistory(bytes).status().message());
  };
  EXPECT_THAT(broken("\"rrf\"", "\"sum\""), HasSubstr("entry 1 has no good method"));
  EXPECT_THAT(broken("\"dense_weight\":0.2", "\"dense_weight\":-1"),
              HasSubstr("entry 1 has no good dense_weight"));
  EXPECT_THAT(broken("\"from_version\":8", "\"from_version\":7"),
              HasSubstr("entry 1 is out of order"));
  EXPECT_THAT(broken("\"folds\":3", "\"folds\":-3"), HasSubstr("no good folds"));
  EXPECT_THAT(DecodeFusionHistory("{}").status().message(), HasSubstr("not a JSON array"));
  EXPECT_THAT(DecodeFusionHistory("[1]").status().message(), HasSubstr("entry 0 is not an object"));
}

// Documents about one animal each; the questions' words stand in them.
class TuneFusionTest : public ::testing::Test {
 protected:
  TuneFusionTest() {
    static const char* const kAnimals[] = {"cat", "dog", "fox", "owl", "hen", "bee",
                                           "ant", "elk", "eel", "cod", "ram", "yak"};
    for (const char* animal : kAnimals) {
      const std::string name = animal;
      docs_.AddDocument(
          name + ".txt", MediaType::kText,
          "The " + name + " lives here. A " + name + " eats and sleeps with others.\n");
      request_.queries.push_back({"q-" + name, "where does the " + name + " live"});
      request_.qrels["q-" + name][name + ".txt"] = 1;
    }
    docs_.Commit();
    request_.folds = 3;
  }
  absl::StatusOr<TextQuery> Build(Version at) {
    return BuildTextQuery(*docs_.collection, docs_.embedders, "cat", RetrievalMode::kHybrid, at,
                          {});
  }

  IngestedCollection docs_{4};
  FusionTuningRequest request_;
};

TEST_F(TuneFusionTest, EachQueryIsInOneFoldAndTheResultIsTheSameEveryTime) {
  double last = 0;
  const auto tuning =
      TuneFusion(*docs_.collection, docs_.embedders, request_, [&](double done) { last = done; });
  ASSERT_TRUE(tuning.ok()) << tuning.status();
  EXPECT_EQ(last, 1);
  ASSERT_EQ(tuning->folds.size(), 3u);
  uint64_t queries = 0;
  double tuned = 0;
  for (const FusionFold& fold : tuning->folds) {
    queries += fold.queries;
    tuned += fold.tuned * static_cast<double>(fold.queries);
  }
  EXPECT_EQ(queries, 12u);
  EXPECT_EQ(tuning->result.queries, 12u);
  EXPECT_DOUBLE_EQ(tuning->result.tuned, tuned / 12);
  EXPECT_EQ(tuning->result.text, 1);  // each question's animal stands in one document
  EXPECT_EQ(tuning->result.tuned, 1);
  EXPECT_THAT(tuning->result.embedder, HasSubstr("builtin/lsa?dim=4#"));
  const auto again = TuneFusion(*docs_.collection, docs_.embedders, request_, nullptr);
  EXPECT_EQ(again->result, tuning->result);
  request_.qrels["q-cat"]["dog.txt"] = 1;
  EXPECT_NE(TuneFusion(*docs_.collection, docs_.embedders, request_, nullptr)->result.judgements,
            tuning->result.judgements);
}

TEST_F(TuneFusionTest, AStoredFusionHoldsFromItsVersionOn) {
  const Version before = docs_.collection->Resolve(ReadAt()).value();
  TunedFusion tuned = TuneFusion(*docs_.collection, docs_.embedders, request_, nullptr)->result;
  tuned.settings = {.method = FusionMethod::kRrf,
                    .text_weight = 1,
                    .dense_weight = 0.25,
                    .by_reliability = false,
                    .feedback_weight = 0};
  const Version stored = StoreFusion(*docs_.collection, tuned, docs_.principal).value();
  EXPECT_EQ(stored.value, before.value + 1);
  EXPECT_EQ(Build(before)->fusion, "");
  const TextQuery now = *Build(stored);
  EXPECT_THAT(now.fusion, testing::StartsWith("fusion#"));
  const auto& fuse = std::get<FuseNode>(now.root.node);
  EXPECT_EQ(fuse.method, FusionMethod::kRrf);
  EXPECT_EQ(fuse.weights, (std::vector<double>{0.25, 1}));
  EXPECT_FALSE(fuse.by_reliability);
  EXPECT_FALSE(fuse.feedback.has_value());

  const Version removed = RemoveFusion(*docs_.collection, docs_.principal).value();
  EXPECT_EQ(Build(removed)->fusion, "");
  EXPECT_EQ(Build(stored)->fusion, now.fusion);
  EXPECT_EQ(RemoveFusion(*docs_.collection, docs_.principal).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(TuneFusionTest, ALegOfWeightZeroIsLeftOut) {
  const TextLegs legs = *BuildTextLegs(*docs_.collection, docs_.embedders, "cat",
                                       RetrievalMode::kHybrid, Version(1), {});
  ASSERT_EQ(legs.legs.size(), 2u);
  FusionSettings text{.dense_weight = 0, .feedback_weight = 0};
  EXPECT_TRUE(std::holds_alternative<TextLeaf>(FuseLegs(legs, text).node));
  text.feedback_weight = 1;
  EXPECT_EQ(std::get<FuseNode>(FuseLegs(legs, text).node).children.size(), 1u);
}

TEST_F(TuneFusionTest, PhrasesAreOfNeighbouringWords) {
  const auto build = [&](const std::string& text) {
    TextLegs legs = *BuildTextLegs(*docs_.collection, docs_.embedders, text, RetrievalMode::kHybrid,
                                   Version(1), {});
    EXPECT_TRUE(AddPhrases(docs_.collection->schema(), legs).ok());
    return legs;
  };
  const TextLegs legs = build("Where the cat lives, and eats");
  ASSERT_TRUE(legs.phrases.has_value());
  const auto& leaf = std::get<TextLeaf>(legs.phrases->node);
  EXPECT_EQ(FormatTextClause(*leaf.clause), "(\"Where cat\" \"cat lives\" \"lives eats\")");
  EXPECT_FALSE(build("cat").phrases.has_value());
  EXPECT_FALSE(build("the cat").phrases.has_value());
  std::string many;
  for (size_t i = 0; i < 3 * kMaxPhrases; ++i) many += "cat ";
  const TextLegs of_many = build(many);
  const auto& any = std::get<TextLeaf>(of_many.phrases->node);
  EXPECT_EQ(std::get<TextBoolean>(any.clause->kind).should.size(), kMaxPhrases);

  const QueryNode without = FuseLegs(legs, {});
  EXPECT_EQ(std::get<FuseNode>(without.node).children.size(), 2u);
  const QueryNode with = FuseLegs(legs, {.text_weight = 0.5, .phrase_weight = 0.5});
  const auto& fuse = std::get<FuseNode>(with.node);
  ASSERT_EQ(fuse.children.size(), 3u);
  EXPECT_EQ(fuse.weights, (std::vector<double>{1, 0.5, 0.25}));
  EXPECT_TRUE(std::get<TextLeaf>(fuse.children[2].node).clause.has_value());
  SearchRequest request;
  request.query = with;
  EXPECT_TRUE(docs_.collection->Search(request).ok());
}

TEST_F(TuneFusionTest, WhatCannotBeTuned) {
  request_.folds = 1;
  EXPECT_THAT(TuneFusion(*docs_.collection, docs_.embedders, request_, nullptr).status().message(),
              HasSubstr("folds is 1; it takes 2 to 20"));
  request_.folds = 20;
  EXPECT_THAT(TuneFusion(*docs_.collection, docs_.embedders, request_, nullptr).status().message(),
              HasSubstr("12 queries have a relevant document, fewer than the 20 folds"));
}

TEST(FusionCandidatesTest, LegsFirstThenTheDefaultEachOnce) {
  const std::vector<FusionSettings> candidates = FusionCandidates();
  EXPECT_EQ(candidates[0].dense_weight, 0);
  EXPECT_EQ(candidates[1].text_weight, 0);
  EXPECT_EQ(candidates[2], FusionSettings());
  for (size_t i = 0; i < candidates.size(); ++i) {
    EXPECT_EQ(std::count(candidates.begin(), candidates.end(), candidates[i]), 1) << i;
  }
}

TEST(MeanFusionTest, EachLegHasTheMeanOfItsShares) {
  const FusionSettings standard;  // a quarter for each of four legs
  EXPECT_EQ(MeanFusion({standard, standard}), standard);
  const FusionSettings phrases{.dense_weight = 0, .feedback_weight = 0, .phrase_weight = 1};
  // Text has 1/4 + 1/2, dense 1/4, feedback 1/2, phrases 1/2.
  EXPECT_EQ(MeanFusion({standard, phrases}),
            (FusionSettings{.dense_weight = 0.33, .feedback_weight = 0.5, .phrase_weight = 0.67}));
  const FusionSettings dense{.text_weight = 0, .feedback_weight = 0};
  EXPECT_EQ(MeanFusion({dense, dense}), dense);
}

TEST(ShrunkGainTest, ChanceTakesAStandardError) {
  EXPECT_EQ(ShrunkGain({}), 0);
  EXPECT_DOUBLE_EQ(ShrunkGain({0.5, 0.5}), 0.5);
  EXPECT_DOUBLE_EQ(ShrunkGain({0, 1}), 0.5 - 0.5 / std::sqrt(2.0));
}

}  // namespace
}  // namespace vouch
