#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "rag/answer.h"
#include "rag/deliver/promoter.h"
#include "rag/deliver/spec_store.h"
#include "rag/eval/evaluation.h"
#include "rag/eval/pipeline_subject.h"
#include "rag/pipeline_store.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {

// A store with all that records speak of: two documents, a pipeline that was evaluated and promoted through its gate, and
// answers. The clock goes on a second with each step.
class VouchedStore {
 public:
  static constexpr char kTenant[] = "default";
  static constexpr int64_t kSecond = 1'000'000;

  VouchedStore() {
    docs.AddDocument("guide.md", MediaType::kMarkdown, "# Backup\n\nA backup is incremental: days share their files.\n");
    docs.AddDocument("sea.md", MediaType::kMarkdown, "# Sea\n\nThe sea is quiet at night.\n");
    docs.Commit();
  }

  Store& store() { return docs.database->store(); }
  int64_t Tick() { return docs.clock.now_us += kSecond; }

  // The first version of "support".
  void ApplyPipeline(uint32_t chunks) {
    Tick();
    PipelineSpec spec;
    spec.name = "support";
    spec.collection = "docs";
    spec.retrieve.chunks = chunks;
    spec.retrieve.mode = RetrievalMode::kText;
    ASSERT_TRUE(PipelineStore(store(), docs.clock).Apply(kTenant, spec, false).ok());
  }

  Answer AskIt(const std::string& question, const std::string& pipeline = "", const std::string& subject = "anonymous") {
    Tick();
    AskRequest request;
    request.collection = "docs";
    request.question = question;
    request.mode = RetrievalMode::kText;
    request.principal.subject = subject;
    if (!pipeline.empty()) {
      const auto version = PipelineStore(store(), docs.clock).Get(kTenant, pipeline).value();
      request.collection.clear();
      EXPECT_TRUE(UsePipeline(version, nullptr, &request).ok());
    }
    return Ask(*docs.database, docs.embedders, request).value();
  }

  void ImportQuestions() {
    Tick();
    std::vector<DatasetQuestion> questions(2);
    questions[0] = {.id = "backup", .text = "What is incremental?", .documents = {{"guide.md", 1}}};
    questions[1] = {.id = "sea", .text = "When is the sea quiet?", .documents = {{"sea.md", 1}}};
    ASSERT_TRUE(DatasetStore(EvaluationRecords::Of(store()), kTenant).Put("parts", "test", questions, docs.clock.now_us).ok());
  }

  EvaluationRecord Evaluate(const std::string& pipeline) {
    Tick();
    PipelineSubjectOptions options;
    options.pipeline = PipelineStore(store(), docs.clock).Get(kTenant, pipeline).value();
    auto subject = NewPipelineSubject(*docs.database, docs.embedders, options).value();
    EvaluationOptions evaluation_options;
    evaluation_options.dataset.name = "parts";
    evaluation_options.answers = "pipeline";
    evaluation_options.parallel = 1;
    evaluation_options.actor = "default/judge";
    return Evaluator(store(), docs.clock, kTenant).Run(*subject, evaluation_options).value();
  }

  void DeclareGate() {
    Tick();
    GateSpec gate;
    gate.name = "quality";
    gate.pipeline = "support";
    gate.alias = "champion";
    gate.dataset = "parts";
    gate.thresholds.push_back({.metric = "recall_10", .min = 0.9});
    ASSERT_TRUE(SpecStore(store(), docs.clock, Promoter::kGateKind)
                    .Apply(kTenant, "quality", GateToJson(gate), false, "default/admin")
                    .ok());
  }

  Promotion Promote(const std::string& pipeline, const std::string& subject) {
    Tick();
    PromoteRequest request{.pipeline = pipeline, .alias = "champion"};
    request.principal.subject = subject;
    return Promoter(store(), docs.clock, nullptr).Promote(request).value();
  }

  // All of it: pipeline, dataset, gate, evaluation, a refused and an accepted promotion, three answers.
  void TellTheStory() {
    ApplyPipeline(3);
    ImportQuestions();
    DeclareGate();
    EXPECT_FALSE(Promote("support@1", "eve").moved);
    evaluation = Evaluate("support@1");
    EXPECT_TRUE(Promote("support@1", "ada").moved);
    answers = {AskIt("What is incremental?", "support@champion", "max"), AskIt("When is the sea quiet?", "support@champion"),
               AskIt("What does a zebra cost?", "support@champion")};
  }

  IngestedCollection docs;
  EvaluationRecord evaluation;
  std::vector<Answer> answers;
};

}  // namespace vouch
