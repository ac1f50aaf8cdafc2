#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "rag/answer.h"
#include "rag/answer_id.h"
#include "rag/deliver/spec_store.h"
#include "rag/drift/drift_monitor.h"
#include "rag/embed/builtin_hash.h"
#include "rag/pipeline_store.h"
#include "rag/provenance.h"
#include "storage/journal.h"
#include "tests/rag/default_tenant.h"
#include "tests/rag/topic_questions.h"
#include "tests/support/manual_clock.h"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {

inline constexpr uint32_t kDim = 256;
inline constexpr int64_t kMinute = 60'000'000;

inline constexpr char kHash[] = "builtin/hash?dim=256";

inline DriftSpec Watch(std::vector<DriftKind> kinds) {
  DriftSpec spec;
  spec.name = "desk";
  spec.collection = "docs";
  spec.watch = std::move(kinds);
  spec.window = 60;
  return spec;
}

// How a question was answered.
struct Asked {
  bool evaluation = false;
  bool shadow = false;
  std::string pipeline = {};
};

// A collection whose questions, rows, embedder and index change.
class DriftMonitorTest : public ::testing::Test {
 protected:
  DriftMonitorTest() : server_([this](size_t, const ModelServer::Request& request) {
      if (on_embed_) on_embed_();
      return ModelServer::Reply{.body = EmbeddingsReply(
                                    request.body, [this](const std::string& t) { return Embed(t); })};
    }),
    embedders_({.base_url = server_.base_url()}) {
    DatabaseOptions options;
    options.path = dir_.File("data");
    options.clock = &clock_;
    options.seal_rows = 400;
    database_ = Database::Open(options).value();
  }

  std::vector<float> Embed(const std::string& text) {
    const std::string texts[] = {text};
    std::vector<float> vector = hash_->Embed(texts, {}).value()[0];
    if (swapped_) std::rotate(vector.begin(), vector.begin() + 1, vector.end());
    if (flipped_) {
      uint32_t bits = 0;
      std::memcpy(&bits, &vector[0], sizeof(bits));
      bits ^= 1;
      std::memcpy(&vector[0], &bits, sizeof(bits));
    }
    return vector;
  }

  void Create(const std::string& embedder, HnswOptions hnsw = {}) {
    CollectionSchema schema;
    schema.dense.push_back({.name = "embedding",
                            .dim = kDim,
                            .metric = Metric::kCosine,
                            .index = DenseIndexKind::kHnsw,
                            .hnsw = hnsw,
                            .embedder = embedder});
    collection_ = database_->CreateCollection({}, "docs", schema).value();
  }
  void Write(const std::vector<std::string>& texts) {
    WriteRequest write;
    for (const std::string& text : texts) {
      PointInput point;
      point.id = PointId(next_point_++);
      point.vectors.emplace_back("embedding", Embed(text));
      point.payload = nlohmann::json{{"text", text}}.dump();
      write.upserts.push_back(std::move(point));
    }
    ASSERT_TRUE(collection_->Write(std::move(write)).ok());
  }
  // Documents of `chunks` rows each.
  void WriteDocuments(const std::vector<std::string>& texts, int chunks) {
    WriteRequest write;
    for (const std::string& text : texts) {
      const std::string provenance = EncodeProvenance({.document = "d" + std::to_string(next_point_)});
      for (int i = 0; i < chunks; ++i) {
        PointInput point;
        point.id = PointId(next_point_++);
        point.vectors.emplace_back("embedding", Embed(text));
        point.payload = nlohmann::json{{"text", text}}.dump();
        point.provenance = provenance;
        write.upserts.push_back(std::move(point));
      }
    }
    ASSERT_TRUE(collection_->Write(std::move(write)).ok());
  }
  void MakePipeline(const std::string& name) {
    PipelineSpec pipeline;
    pipeline.name = name;
    pipeline.collection = "docs";
    ASSERT_TRUE(PipelineStore(database_->store(), clock_).Apply(kTenant, pipeline, false).ok());
  }
  void Ask(const std::vector<std::string>& texts, const Asked& how = {}) {
    for (const std::string& text : texts) {
      clock_.now_us += 1'000'000;
      Answer answer;
      answer.id = MakeUuidV7(clock_.now_us, RandomBytes());
      answer.time_us = clock_.now_us;
      answer.tenant = kTenant;
      answer.collection = "docs";
      answer.question = text;
      answer.evaluation = how.evaluation;
      answer.pipeline = how.pipeline;
      if (how.shadow) answer.experiment = ExperimentArm{.experiment = "e@1", .mode = "shadow", .shadow_of = "another"};
      ASSERT_TRUE(database_->store().PutAnswer(kTenant, answer.id, AnswerToJson(answer)).ok());
    }
  }
  void Declare(const DriftSpec& spec) {
    ASSERT_EQ(CheckDrift(spec), absl::OkStatus());
    SpecStore store(database_->store(), clock_, DriftMonitor::kKind);
    ASSERT_TRUE(store.Apply(kTenant, spec.name, DriftToJson(spec), false, "default/a").ok());
  }
  DriftMonitor Monitor() {
    DriftMonitorOptions options;
    options.starters.evaluate = [this](const DriftStart& start) -> absl::StatusOr<std::string> {
      ++started_;
      went_on_with_ = start.action.id;
      if (absl::Status kept = start.begun("run " + std::to_string(started_)); !kept.ok()) return kept;
      if (while_started_) while_started_();
      if (killed_) return absl::CancelledError("killed");
      return "evaluation of " + start.spec.evaluate_pipeline;
    };
    options.max_scanned_answers = max_scanned_answers_;
    options.steady = [this] { return steady_; };
    options.on_look = [this](const KindLook&, bool began) { began_ += began ? 1 : 0; };
    return DriftMonitor(*database_, embedders_, options);
  }
  DriftReference Reference() {
    return Monitor().MakeReference(kTenant, "desk", "default/a", {}).value();
  }
  DriftState Check() { return Monitor().Check(kTenant, "desk", {}).value(); }
  void LookAtDue() {
    Monitor().LookAtDue({}, [](const std::string& message) { ADD_FAILURE() << message; });
  }
  DriftState State() { return Monitor().ReadState(kTenant, "desk").value(); }
  void TakeDue() {
    Monitor().TakeDue({}, [](const std::string& message) { ADD_FAILURE() << message; });
  }
  std::vector<DriftAlarm> Alarms() { return Monitor().Alarms(kTenant, "desk").value(); }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    EXPECT_TRUE(Journal::Of(database_->store())
                    .ScanAudit(kTenant, 1,
                               [&](AuditEntry&& entry) {
                                 actions.push_back(entry.change.action);
                                 last_ = std::move(entry);
                                 return true;
                               })
                    .ok());
    return actions;
  }

  TempDir dir_;
  ManualClock clock_;
  SteadyTime steady_ = {.boot = "one", .us = 1'000};
  std::shared_ptr<const Embedder> hash_ = CreateHashEmbedder(kDim, "english").value();
  std::atomic<bool> swapped_ = false;
  std::atomic<bool> flipped_ = false;
  std::function<void()> on_embed_;  // before the model server replies
  ModelServer server_;
  EmbedderRegistry embedders_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  TopicQuestions questions_ = TopicQuestions(20261126);
  uint64_t next_point_ = 0;
  std::atomic<int> started_ = 0;
  int began_ = 0;
  bool killed_ = false;
  std::string went_on_with_;               // what the last start was told of an earlier one
  std::function<void()> while_started_;    // in the middle of a start
  uint64_t max_scanned_answers_ = kMaxScannedAnswers;
  AuditEntry last_;
};

}  // namespace vouch
