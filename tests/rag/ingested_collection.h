#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "query/database.h"
#include "rag/chunk/chunker.h"
#include "rag/embed/embedder_history.h"
#include "rag/embed/embedder_registry.h"
#include "rag/embed/lsa.h"
#include "rag/parse/parser.h"
#include "rag/provenance.h"
#include "storage/store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace vouch {

// A database with a collection "docs" of parsed and chunked documents, embedded by one builtin/lsa
// model that is trained on all of them: what retrieval and answers stand on, without the ingestor.
class IngestedCollection {
 public:
  explicit IngestedCollection(uint32_t dim = 32, std::string embedder = "") : dim_(dim) {
    DatabaseOptions options;
    options.path = dir_.path();
    options.clock = &clock;
    database = Database::Open(options).value();
    CollectionSchema schema;
    schema.dense.push_back(
        {.name = "embedding",
         .dim = dim,
         .metric = Metric::kCosine,
         .index = DenseIndexKind::kHnsw,
         .hnsw = {},
         .embedder = embedder.empty() ? "builtin/lsa?dim=" + std::to_string(dim) : embedder});
    schema.text.push_back({.name = "text", .paths = {"title", "text"}});
    schema.payload.push_back({.path = "doc_id", .type = PayloadType::kKeyword});
    collection = database->CreateCollection(principal, "docs", schema).value();
  }

  void AddDocument(std::string id, MediaType type, std::string bytes) {
    Document document;
    document.id = document.uri = document.external_id = std::move(id);
    document.media_type = type;
    document.bytes = std::move(bytes);
    Add(document);
  }

  void Add(const Document& document) {
    const ParsedDocument parsed = ParseDocument(document).value();
    const std::string hash = ContentHash(document.bytes);
    artifacts_.push_back({hash, document.bytes});
    for (const Chunk& chunk : Chunker({}).Split(parsed, document.media_type)) {
      PointInput point;
      point.id = PointId::FromString(document.id + "#" + std::to_string(chunk.ordinal)).value();
      point.payload = nlohmann::json{
          {"doc_id", document.external_id},
          {"source", document.uri},
          {"title", parsed.title},
          {"heading", chunk.heading},
          {"text",
           chunk.text}}.dump();
      point.provenance = EncodeProvenance({.document = document.id,
                                           .uri = document.uri,
                                           .source_hash = hash,
                                           .source = chunk.source,
                                           .spans = chunk.spans,
                                           .blocks = chunk.blocks,
                                           .parser = parsed.parser,
                                           .chunker = "test",
                                           .embedder = "test"});
      texts_.push_back(parsed.title + " " + chunk.text);
      points_.push_back(std::move(point));
    }
  }

  // Trains, embeds and writes all that was added, in one commit.
  Version Commit() {
    WriteRequest write;
    write.principal = principal;
    if (!texts_.empty()) {
      const auto lsa = TrainLsa({.dim = dim_}, texts_, CancelToken(), nullptr).value();
      const std::string bytes = SerializeLsa(*lsa);
      const Artifact model{ContentHash(bytes), bytes};
      artifacts_.push_back(model);
      history_.push_back({Version(collection->Stats().version.value + 1), lsa->id(), model.hash});
      write.documents.push_back({EmbedderHistoryKey("embedding"), EncodeEmbedderHistory(history_)});
      const auto vectors = lsa->Embed(texts_, CancelToken()).value();
      for (size_t i = 0; i < points_.size(); ++i) {
        if (!vectors[i].empty()) points_[i].vectors = {{"embedding", vectors[i]}};
      }
    }
    write.upserts = std::exchange(points_, {});
    write.artifacts = std::exchange(artifacts_, {});
    texts_.clear();
    absl::StatusOr<WriteResult> result = collection->Write(std::move(write));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->version : Version();
  }

 private:
  TempDir dir_;

 public:
  ManualClock clock;
  Principal principal;
  EmbedderRegistry embedders{ModelServerOptions()};
  std::unique_ptr<Database> database;
  std::shared_ptr<Collection> collection;

 private:
  uint32_t dim_;
  std::vector<PointInput> points_;
  std::vector<std::string> texts_;
  std::vector<Artifact> artifacts_;
  std::vector<EmbedderHistoryEntry> history_;
};

}  // namespace vouch
