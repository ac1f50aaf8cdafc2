// A cache that cannot be wrong: what may share an answer, and everything that must not.
#include "rag/answer_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/pipeline.h"
#include "rag/replay.h"
#include "rag/same_question.h"
#include "storage/store.h"
#include "tests/rag/ingested_collection.h"
#include "tests/rag/noting_listener.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using Request = ModelServer::Request;

bool Same(const std::string& a, const std::string& b, bool similar = false) {
  return CanonicalQuestion(a, similar) == CanonicalQuestion(b, similar);
}

TEST(SameQuestion, SpellingThatSaysNothing) {
  EXPECT_TRUE(Same("How are backups made?", "  how  are\nbackups made  "));
  EXPECT_TRUE(Same("How are backups made?", "How are backups made?!"));
  EXPECT_FALSE(Same("Please how are backups made?", "How are backups made?"));
  EXPECT_TRUE(Same("Please, how are backups made?", "How are backups made?", true));
  EXPECT_TRUE(Same("Hello, how are backups made, please?", "how are backups made", true));
  EXPECT_TRUE(Same("Bitte wie entsteht ein Backup?", "Wie entsteht ein Backup?", true));
  EXPECT_TRUE(Same("What’s a “tag”?", "What's a \"tag\"?", true));
}

TEST(SameQuestion, WhateverCouldChangeWhatIsAsked) {
  const std::pair<const char*, const char*> pairs[] = {
      {"Is a backup made?", "Is a backup not made?"},
      {"Is a backup made?", "Isn't a backup made?"},
      {"Is a backup never made?", "Is a backup ever made?"},
      {"Can I store it with a key?", "Can I store it without a key?"},
      {"What costs 5 euros?", "What costs 6 euros?"},
      {"What is at -5 degrees?", "What is at 5 degrees?"},
      {"What changed in 3.5?", "What changed in 35?"},
      {"What is 10 %?", "What is 10 ?"},
      {"Is it < 5?", "Is it > 5?"},
      {"How do I enable it?", "How do I disable it?"},
      {"Who made it?", "When made it?"},
      {"Does Rome beat Carthage?", "Does Carthage beat Rome?"},
      {"What is the law in the US?", "What is the law in the us?"},
      {"What is C++?", "What is C?"},
      {"What is C#?", "What is C?"},
      {"What is a universe?", "What is a university?"},
      {"Did backups run?", "Do backups run?"},
      {"Who is the president?", "Who is a president?"},
      {"Which backup is first?", "Which backups is first?"},
      {"Den Hund beißt der Mann?", "Der Hund beißt den Mann?"},
      {"Who plays March?", "Who plays march?"},
      {"NASA does what?", "nasa does what?"},
      {"Whom does it please?", "Whom does it?"},
      {"What is hi?", "What is?"},
      {"What is a?", "What is?"}};
  for (const auto& [a, b] : pairs) {
    EXPECT_FALSE(Same(a, b)) << a << " / " << b;
    EXPECT_FALSE(Same(a, b, true)) << a << " / " << b;
  }
}

TEST(AnswerCache, IsBoundedForgetsTheLongestUnusedAndTheOld) {
  ManualClock clock;
  AnswerCache cache(clock, /*max_entries=*/2);
  cache.Put("a", "1");
  cache.Put("b", "2");
  EXPECT_EQ(cache.Find("a", 0), "1");
  cache.Put("c", "3");
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find("b", 0), std::nullopt);
  clock.now_us += 10'000'000;
  EXPECT_EQ(cache.Find("a", 10), "1");
  clock.now_us += 1;
  EXPECT_EQ(cache.Find("a", 10), std::nullopt);
  cache.Put("c", "4");
  cache.Drop("c", "3");  // another one's
  EXPECT_EQ(cache.Find("c", 0), "4");
  cache.Drop("c", "4");
  EXPECT_EQ(cache.size(), 0u);
}

constexpr char kGuide[] =
    "# Backup\n\n"
    "A backup is restored into an empty folder only. A running store is never overwritten.\n";
constexpr char kQuestion[] = "Into which folder is a backup restored?";
constexpr char kSupported[] = "A backup is restored into an empty folder [1].";

class CachedAnswerTest : public ::testing::Test {
 protected:
  CachedAnswerTest() {
    Write("guide.md", kGuide);
    ledger_ = std::make_unique<SpendLedger>(docs_.database->store().catalog(), docs_.clock);
    server_ = std::make_unique<ModelServer>(
        [this](size_t, const Request&) { return ChatStream(says_, 100, 20); });
    UseModel("m");
    pipeline_.name = "support";
    pipeline_.collection = "docs";
    pipeline_.retrieve.mode = RetrievalMode::kText;
    pipeline_.cache.enabled = true;
  }

  // With another document, since the embedder wants more than one text; no question finds that.
  void Write(const std::string& id, const std::string& text) {
    docs_.AddDocument(id, MediaType::kMarkdown, text);
    docs_.AddDocument("zebra.md", MediaType::kMarkdown, "# Zebras\n\nZebras graze quietly.\n");
    docs_.Commit();
  }

  void UseModel(const std::string& model) {
    RouteSpec spec;
    spec.tiers = {{.name = "small",
                   .endpoint = {.base_url = server_->base_url(), .model = model},
                   .parameters = {}}};
    spec.retries = 0;
    route_ =
        ModelRoute::Create(std::move(spec), {.ledger = *ledger_, .clock = docs_.clock}).value();
  }

  Answer AskOnce(const std::string& question = kQuestion,
                 const std::function<void(AskRequest&)>& change = nullptr) {
    docs_.clock.now_us += 1'000'000;
    auto version = std::make_shared<PipelineVersion>();
    version->spec = pipeline_;
    version->number = 1;
    version->hash = ContentHash(PipelineToJson(pipeline_));
    AskRequest request;
    request.question = question;
    request.principal = docs_.principal;
    request.cache = &cache_;
    EXPECT_TRUE(UsePipeline(version, route_.get(), &request).ok());
    listener_ = NotingListener();
    request.listener = &listener_;
    if (change) change(request);
    absl::StatusOr<Answer> answer = Ask(*docs_.database, docs_.embedders, request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : Answer();
  }
  static std::string HitOf(const Answer& answer) {
    return answer.cache ? answer.cache->answer_id : "no cache";
  }

  IngestedCollection docs_;
  std::string says_ = kSupported;
  std::unique_ptr<ModelServer> server_;
  std::unique_ptr<SpendLedger> ledger_;
  std::unique_ptr<ModelRoute> route_;
  PipelineSpec pipeline_;
  AnswerCache cache_{docs_.clock};
  NotingListener listener_;
};

TEST_F(CachedAnswerTest, AHitCostsNothingAndIsARecordOfItsOwn) {
  const Answer first = AskOnce();
  EXPECT_EQ(HitOf(first), "");
  const Answer second = AskOnce("into which folder is a backup  restored");
  EXPECT_EQ(HitOf(second), first.id);
  EXPECT_EQ(server_->requests().size(), 1u);
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(second.text, first.text);
  EXPECT_EQ(second.generator, first.generator);
  EXPECT_EQ(second.question, "into which folder is a backup  restored");
  EXPECT_EQ(second.generation->usage, TokenUsage());
  EXPECT_EQ(second.generation->cost_nano, 0u);
  EXPECT_TRUE(second.generation->attempts.empty());
  ASSERT_EQ(second.citations.size(), 1u);
  EXPECT_TRUE(second.citations[0].verified);
  EXPECT_EQ(listener_.text, first.text);
  const absl::StatusOr<Answer> kept = GetAnswer(*docs_.database, docs_.principal, second.id);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(AnswerToJson(*kept), AnswerToJson(second));
  EXPECT_EQ(HitOf(AskOnce(kQuestion, [](AskRequest& ask) { ask.cache = nullptr; })), "no cache");
}

TEST_F(CachedAnswerTest, AReplacedChunkIsNoHit) {
  (void)AskOnce();
  Write("guide.md", "# Backup\n\nA backup is restored into any folder you like.\n");
  EXPECT_EQ(HitOf(AskOnce()), "");
  EXPECT_EQ(server_->requests().size(), 2u);
}

// The same text in a new row is another version of the chunk.
TEST_F(CachedAnswerTest, AChunkWrittenAnewIsNoHit) {
  (void)AskOnce();
  Write("guide.md", kGuide);
  EXPECT_EQ(HitOf(AskOnce()), "");
}

TEST_F(CachedAnswerTest, AnotherDocumentAmongTheSourcesIsNoHit) {
  (void)AskOnce();
  Write("other.md", "# Restoring\n\nA backup is restored into a folder of its own.\n");
  EXPECT_EQ(HitOf(AskOnce()), "");
}

TEST_F(CachedAnswerTest, AnotherModelPromptQuestionOrConversationIsNoHit) {
  (void)AskOnce();
  EXPECT_EQ(HitOf(AskOnce("Into which folder is a backup not restored?")), "");
  EXPECT_EQ(HitOf(AskOnce(kQuestion, [](AskRequest& ask) {
              ask.conversation = {{.role = "user", .content = "I mean those of Berlin."}};
            })),
            "");
  UseModel("another");
  EXPECT_EQ(HitOf(AskOnce()), "");
  UseModel("m");
  EXPECT_NE(HitOf(AskOnce()), "");
  pipeline_.guard.min_grounding = 0.6;
  EXPECT_EQ(HitOf(AskOnce()), "") << "another version of the pipeline";
}

TEST_F(CachedAnswerTest, WhatWasNoWholeAnswerIsNotKept) {
  says_ = "I do not know.";
  (void)AskOnce();
  says_ = "Backups are made of cheese [1].";
  (void)AskOnce();
  EXPECT_EQ(cache_.size(), 0u);
  says_ = kSupported;
  EXPECT_EQ(HitOf(AskOnce()), "");
  EXPECT_EQ(cache_.size(), 1u);
}

// The proposal is checked like a new answer: where its record is gone, models are asked, and the entry
// goes.
TEST_F(CachedAnswerTest, AnEntryWhoseRecordIsGoneIsDropped) {
  (void)AskOnce();
  ASSERT_EQ(cache_.size(), 1u);
  // Another tenant's question never finds this tenant's record.
  const std::string key = "k";
  cache_.Put(key, "01900000-0000-7000-8000-000000000000");
  EXPECT_EQ(GetAnswer(*docs_.database, docs_.principal, *cache_.Find(key, 0)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_NE(HitOf(AskOnce()), "");
}

TEST_F(CachedAnswerTest, APipelineWithoutACacheHasNone) {
  pipeline_.cache = {};
  EXPECT_EQ(HitOf(AskOnce()), "no cache");
  EXPECT_EQ(HitOf(AskOnce()), "no cache");
  EXPECT_EQ(server_->requests().size(), 2u);
}

TEST_F(CachedAnswerTest, OldEntriesAreNoHits) {
  pipeline_.cache.max_age_seconds = 60;
  (void)AskOnce();
  docs_.clock.now_us += 61'000'000;
  EXPECT_EQ(HitOf(AskOnce()), "");
}

}  // namespace
}  // namespace vouch
