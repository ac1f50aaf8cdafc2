#include "rag/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/pipeline_store.h"
#include "rag/prompt_template.h"
#include "rag/replay.h"
#include "rag/rewrite.h"
#include "storage/store.h"
#include "tests/rag/ingested_collection.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

PipelineSpec Support() {
  PipelineSpec spec;
  spec.name = "support";
  spec.collection = "docs";
  return spec;
}

TEST(Pipeline, TheCanonicalFormIsTheSameBytesAfterReadingIt) {
  PipelineSpec spec = Support();
  spec.description = "a \"quoted\" name, ü";
  spec.rewrite = {.standalone = true, .questions = 3, .hypothetical = true};
  spec.retrieve = {.mode = RetrievalMode::kText, .filter = "{}", .chunks = 5, .query = "{\"all\":{}}"};
  spec.assemble = {.max_prompt_tokens = 900, .order = PassageOrder::kDocument, .dedupe = true};
  spec.prompt = {.system = "s", .user = "{{sources}} {{question}}", .variables = {{"b", "1"}, {"a", "2"}}};
  spec.generate = {.generator = "route", .max_sentences = 2};
  spec.guard = {.min_grounding = 0.75, .hold = true};
  const std::string canonical = PipelineToJson(spec);
  const absl::StatusOr<PipelineSpec> read = PipelineFromJson(canonical);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(PipelineToJson(*read), canonical);
}

// Answers name pipelines by this hash: the bytes of format 1 never change.
TEST(Pipeline, TheCanonicalFormOfTheDefaultsIsWrittenHere) {
  EXPECT_EQ(PipelineToJson(Support()),
            R"({"format":1,"name":"support","description":"","collection":"docs",)"
            R"("rewrite":{"standalone":false,"questions":0,"hypothetical":false},)"
            R"("retrieve":{"mode":"hybrid","filter":"","chunks":8,"query":""},)"
            R"("assemble":{"max_prompt_tokens":0,"order":"rank","dedupe":false},)"
            R"("prompt":{"system":"","user":"","variables":{}},)"
            R"("generate":{"generator":"","max_sentences":4},)"
            R"("guard":{"min_grounding":0.5,"hold":false}})");
}

TEST(Pipeline, MistakesNameTheFieldAndWhatItTakes) {
  const auto mistake = [](auto change) {
    PipelineSpec spec = Support();
    change(spec);
    return std::string(CheckPipeline(spec).message());
  };
  EXPECT_EQ(CheckPipeline(Support()), absl::OkStatus());
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.name = "-a"; }), HasSubstr("name is '-a'; it takes"));
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.collection = ""; }), HasSubstr("collection is missing"));
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.rewrite.questions = 1; }),
              HasSubstr("rewrite.questions is 1; it takes 2 to 8"));
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.retrieve.chunks = 101; }),
              HasSubstr("retrieve.chunks is 101; it takes 1 to 100"));
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.generate.generator = "gpt"; }),
              HasSubstr("generate.generator is 'gpt'"));
  EXPECT_THAT(mistake([](PipelineSpec& s) { s.guard.min_grounding = 2; }),
              HasSubstr("guard.min_grounding is 2"));
}

TEST(PromptTemplate, VariablesAreDeclaredAndUsed) {
  const auto mistake = [](PromptStep step) { return std::string(CheckPromptTemplate(step).message()); };
  EXPECT_EQ(mistake({.user = "{{sources}} {{ question }}"}), "");
  EXPECT_THAT(mistake({.user = "{{sources}} {{question}} {{product}}"}),
              HasSubstr("prompt.user has {{product}} at byte 25; declare it"));
  EXPECT_THAT(mistake({.user = "{{sources}} {{question}}", .variables = {{"product", "V"}}}),
              HasSubstr("prompt.variables has 'product', which no text of the prompt uses"));
  EXPECT_THAT(mistake({.system = "{{question}}"}), HasSubstr("no place {{sources}}"));
  EXPECT_THAT(mistake({.user = "{{sources"}), HasSubstr("a {{ at byte 0 that nothing closes"));
  EXPECT_THAT(mistake({.user = "{{a b}}"}), HasSubstr("is no variable's name"));
  EXPECT_THAT(mistake({.user = "{{sources}}{{question}}", .variables = {{"sources", ""}}}),
              HasSubstr("prompt.variables has 'sources'"));
}

TEST(PromptTemplate, WhatIsPutInIsNotReadAgain) {
  EXPECT_EQ(FillTemplate("a {{x}} {{y}}b", {{"x", "{{y}}"}, {"y", "2"}}), "a {{y}} 2b");
}

class PipelineStoreTest : public ::testing::Test {
 protected:
  IngestedCollection docs_;
  PipelineStore store_{docs_.database->store(), docs_.clock};
};

TEST_F(PipelineStoreTest, VersionsCountUpAndNeverChange) {
  PipelineSpec spec = Support();
  const auto first = store_.Apply("t", spec, false).value();
  EXPECT_TRUE(first.changed);
  EXPECT_EQ(first.version.number, 1u);
  EXPECT_EQ(first.previous, "");
  EXPECT_FALSE(store_.Apply("t", spec, false)->changed);
  spec.retrieve.chunks = 4;
  EXPECT_TRUE(store_.Apply("t", spec, /*dry_run=*/true)->changed);
  EXPECT_EQ((*store_.Get("t", "support"))->number, 1u) << "a dry run keeps nothing";
  const auto second = store_.Apply("t", spec, false).value();
  EXPECT_EQ(second.version.number, 2u);
  EXPECT_EQ(second.previous, PipelineToJson(Support()));
  EXPECT_EQ((*store_.Get("t", "support"))->spec.retrieve.chunks, 4u);
  EXPECT_EQ((*store_.Get("t", "support@1"))->hash, first.version.hash);
  EXPECT_THAT(store_.Get("t", "support@3").status().message(), HasSubstr("its versions are 1 to 2"));
  EXPECT_THAT(store_.Get("u", "support").status().message(), HasSubstr("none was applied yet"))
      << "another tenant";
}

TEST_F(PipelineStoreTest, AliasesMoveAndRemovedNamesKeepTheirVersions) {
  PipelineSpec spec = Support();
  ASSERT_TRUE(store_.Apply("t", spec, false).ok());
  spec.retrieve.chunks = 4;
  ASSERT_TRUE(store_.Apply("t", spec, false).ok());
  const auto move = [&](const char* alias, PipelineStore::AliasTarget target) {
    return store_.MoveAlias("t", "support", alias, target, {}).status();
  };
  EXPECT_EQ(move("champion", {.number = 1}), absl::OkStatus());
  EXPECT_EQ((*store_.Get("t", "support@champion"))->number, 1u);
  EXPECT_TRUE(absl::IsAborted(move("champion", {.number = 2}))) << "decided before the first move";
  EXPECT_EQ(move("champion", {.number = 2, .expected_revision = 1}), absl::OkStatus());
  EXPECT_EQ((*store_.Get("t", "support@champion"))->number, 2u);
  EXPECT_TRUE(absl::IsInvalidArgument(move("7", {.number = 1})));
  EXPECT_TRUE(absl::IsNotFound(move("x", {.number = 3})));
  auto state = store_.GetAlias("t", "support", "champion").value();
  EXPECT_THAT(state.earlier, ElementsAre(1));
  ASSERT_EQ(state.steps.size(), 2u);
  EXPECT_EQ(move("champion", {.number = 1, .expected_revision = 2, .back = true}), absl::OkStatus());
  state = store_.GetAlias("t", "support", "champion").value();
  EXPECT_EQ(state.number, 1u);
  EXPECT_EQ(state.revision, 3u);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      move("champion", {.number = 1, .expected_revision = 3, .back = true})));
  EXPECT_THAT(store_.Get("t", "support@best").status().message(), HasSubstr("it has champion"));

  EXPECT_EQ(store_.Remove("t", "support"), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(store_.Remove("t", "support")));
  EXPECT_TRUE(absl::IsNotFound(store_.Get("t", "support").status()));
  EXPECT_TRUE(absl::IsNotFound(store_.Get("t", "support@champion").status()));
  EXPECT_EQ((*store_.Get("t", "support@2"))->number, 2u);
  const auto again = store_.Apply("t", spec, false).value();
  EXPECT_TRUE(again.changed);
  EXPECT_EQ(again.version.number, 2u) << "the same specification is the same version";
  EXPECT_TRUE(absl::IsNotFound(store_.Get("t", "support@champion").status()));
  EXPECT_EQ(store_.GetAlias("t", "support", "champion")->revision, 4u)
      << "what was decided before the removal is not done after it";
  std::vector<std::string> actions;
  ASSERT_TRUE(Journal::Of(docs_.database->store())
                  .ScanAudit("t", 1,
                             [&](AuditEntry&& entry) {
                               actions.push_back(entry.change.action);
                               return true;
                             })
                  .ok());
  EXPECT_THAT(actions, ElementsAre("pipeline.apply", "pipeline.apply", "pipeline.remove", "pipeline.apply"));
}

constexpr char kGuide[] =
    "# Backup\n\nA backup is incremental: days share their files.\n\n"
    "# Restore\n\nA backup is restored into an empty folder only.\n";

class PipelineAskTest : public PipelineStoreTest {
 protected:
  PipelineAskTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown, kGuide);
    docs_.Commit();
  }

  // `replies` in turn.
  void ServeModel(std::vector<std::string> replies) {
    server_ = std::make_unique<ModelServer>([replies](size_t number, const ModelServer::Request&) {
      const std::string& text = replies[std::min(number, replies.size() - 1)];
      return text.empty() ? ModelServer::Reply{.status = 404, .body = "{}"}
                          : ChatStream(text, 9, 9);
    });
    RouteSpec spec;
    spec.retries = 0;
    spec.tiers = {{.name = "small",
                   .endpoint = {.base_url = server_->base_url(), .model = "m"},
                   .parameters = {}}};
    route_ = ModelRoute::Create(std::move(spec), {.ledger = ledger_}).value();
  }

  absl::StatusOr<Answer> AskBy(const PipelineSpec& spec, const std::string& question,
                               std::vector<ChatMessage> conversation = {},
                               AnswerListener* listener = nullptr) {
    const auto applied = store_.Apply("default", spec, false);
    if (!applied.ok()) return applied.status();
    AskRequest request;
    request.question = question;
    request.conversation = std::move(conversation);
    request.listener = listener;
    absl::Status status =
        UsePipeline(std::make_shared<PipelineVersion>(applied->version), route_.get(), &request);
    if (!status.ok()) return status;
    return Ask(*docs_.database, docs_.embedders, request);
  }

  std::string ReplayLevel(const std::string& id) {
    ReplayRequest request;
    request.id = id;
    const ReplayReport report = Replay(*docs_.database, docs_.embedders, request).value();
    for (const ReplayStep& step : report.steps) EXPECT_EQ(step.first_difference, "") << step.level;
    return report.level;
  }

  SpendLedger ledger_{docs_.database->store().catalog(), docs_.clock};
  std::unique_ptr<ModelServer> server_;
  std::unique_ptr<ModelRoute> route_;
};

TEST_F(PipelineAskTest, TheRecordNamesItAndReplaysByThatVersion) {
  ServeModel({"A backup is restored into an empty folder only [1]."});
  PipelineSpec spec = Support();
  spec.prompt = {.system = "Speak as {{voice}}.",
                 .user = "{{sources}}\n\nQ: {{question}}",
                 .variables = {{"voice", "a sailor"}}};
  const Answer answer = AskBy(spec, "Into which folder is a backup restored?").value();
  EXPECT_EQ(answer.pipeline, "support@1");
  EXPECT_EQ(answer.pipeline_hash, ContentHash(PipelineToJson(spec)));
  ASSERT_TRUE(answer.generation.has_value());
  EXPECT_EQ(answer.generation->prompt_id, "pipeline/support@1");
  ASSERT_EQ(answer.generation->prompt.size(), 2u);
  EXPECT_EQ(answer.generation->prompt[0].content, "Speak as a sailor.");
  EXPECT_THAT(answer.generation->prompt[1].content,
              AllOf(HasSubstr("> A backup is restored into an empty folder only."),
                    HasSubstr("Q: Into which folder")));
  spec.prompt = {};
  ASSERT_EQ(store_.Apply("default", spec, false)->version.number, 2u);
  ASSERT_TRUE(store_.Remove("default", "support").ok());
  EXPECT_EQ(ReplayLevel(answer.id), "R3");
  const Answer kept = GetAnswer(*docs_.database, Principal{}, answer.id).value();
  EXPECT_EQ(AnswerToJson(kept), AnswerToJson(answer));
}

TEST_F(PipelineAskTest, AConversationBecomesAQuestionThatStandsAlone) {
  ServeModel({"Into which folder is a backup restored?",
              "A backup is restored into an empty folder only [1]."});
  PipelineSpec spec = Support();
  spec.rewrite.standalone = true;
  const Answer answer = AskBy(spec, "And where does it go?",
                              {{.role = "user", .content = "What is a backup?"},
                               {.role = "assistant", .content = "It is incremental."}})
                            .value();
  ASSERT_EQ(answer.rewrites.size(), 1u);
  EXPECT_THAT(answer.rewrites[0].texts, ElementsAre("Into which folder is a backup restored?"));
  EXPECT_EQ(answer.question, "And where does it go?") << "as it was asked";
  EXPECT_THAT(answer.generation->prompt.back().content,
              HasSubstr("Question: Into which folder is a backup restored?"));
  EXPECT_FALSE(answer.abstained) << answer.text;
  EXPECT_THAT(server_->requests()[0].body, HasSubstr("> User: What is a backup?"));
  server_.reset();
  EXPECT_EQ(ReplayLevel(answer.id), "R3") << "from the recorded question";
  EXPECT_EQ(AnswerToJson(GetAnswer(*docs_.database, Principal{}, answer.id).value()),
            AnswerToJson(answer));
}

TEST_F(PipelineAskTest, PartsAndAPassageAreLookedForBesideTheQuestion) {
  ServeModel({"1. What do days share?\n\n2) Where is a backup restored?\n3. One too many?",
              "A backup goes into a folder.", "Days share their files [1]."});
  PipelineSpec spec = Support();
  spec.rewrite = {.questions = 2, .hypothetical = true};
  const Answer answer = AskBy(spec, "What do days share, and where is it restored?").value();
  EXPECT_THAT(RetrievalTexts(answer),
              ElementsAre("What do days share, and where is it restored?", "What do days share?",
                          "Where is a backup restored?", "A backup goes into a folder."));
  EXPECT_EQ(ReplayLevel(answer.id), "R3");
}

TEST_F(PipelineAskTest, AModelThatFailsLeavesTheQuestionAsItIs) {
  ServeModel({""});
  PipelineSpec spec = Support();
  spec.rewrite.hypothetical = true;
  const Answer answer = AskBy(spec, "Into which folder is a backup restored?").value();
  ASSERT_EQ(answer.rewrites.size(), 1u);
  EXPECT_TRUE(answer.rewrites[0].texts.empty());
  EXPECT_THAT(answer.rewrites[0].attempts.at(0).outcome, HasSubstr("404"));
  EXPECT_THAT(answer.text, HasSubstr("empty folder"));
  EXPECT_EQ(ReplayLevel(answer.id), "R3");
}

TEST_F(PipelineAskTest, WithoutModelsAStepThatNeedsOneIsAnError) {
  PipelineSpec spec = Support();
  spec.rewrite.standalone = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(AskBy(spec, "Why?").status()));
  spec = Support();
  spec.generate.generator = "route";
  EXPECT_TRUE(absl::IsFailedPrecondition(AskBy(spec, "Why?").status()));
}

struct Heard final : AnswerListener {
  absl::Status OnSources(const std::vector<AnswerSource>&) override { return absl::OkStatus(); }
  absl::Status OnText(std::string_view piece) override {
    text += piece;
    return absl::OkStatus();
  }
  absl::Status OnCitations(const std::vector<Citation>&) override { return absl::OkStatus(); }
  std::string text;
};

TEST_F(PipelineAskTest, HeldBackTextIsNeverWithdrawn) {
  ServeModel({"It goes into 7 camels [1]."});
  PipelineSpec spec = Support();
  Heard streamed;
  ASSERT_TRUE(AskBy(spec, "Into which folder is a backup restored?", {}, &streamed)->abstained);
  EXPECT_THAT(streamed.text, HasSubstr("camels"));
  spec.guard.hold = true;
  Heard held;
  const Answer answer =
      AskBy(spec, "Into which folder is a backup restored?", {}, &held).value();
  EXPECT_TRUE(answer.abstained);
  EXPECT_THAT(held.text, Not(HasSubstr("camels")));
  EXPECT_EQ(held.text, answer.text);
}

TEST_F(PipelineAskTest, PassagesAreAssembledAsItSays) {
  docs_.AddDocument("copy.md", MediaType::kMarkdown, kGuide);
  docs_.Commit();
  ServeModel({"A backup is restored into an empty folder only [1]."});
  PipelineSpec spec = Support();
  const auto sources = [&] {
    std::vector<std::string> names;
    const Answer answer = AskBy(spec, "Into which folder is a backup restored?").value();
    EXPECT_EQ(ReplayLevel(answer.id), "R3");
    for (const AnswerSource& source : answer.sources) names.push_back(source.document);
    return names;
  };
  const std::vector<std::string> ranked = sources();
  spec.assemble.dedupe = true;
  const std::vector<std::string> deduped = sources();
  EXPECT_EQ(deduped.size() * 2, ranked.size());
  EXPECT_THAT(deduped, Not(testing::Contains(deduped.front() == "guide.md" ? "copy.md" : "guide.md")));
}

}  // namespace
}  // namespace vouch
