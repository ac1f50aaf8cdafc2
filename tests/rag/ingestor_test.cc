#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "rag/embed/embedder_history.h"
#include "rag/ingest/ingest_schema.h"
#include "rag/ingestor.h"
#include "rag/parse/parser.h"
#include "rag/provenance.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Files = std::map<std::string, std::string>;  // id → bytes

constexpr char kHash[] = "builtin/hash?dim=64";
constexpr char kLsa[] = "builtin/lsa?dim=8";

MediaType TypeOf(const std::string& id) { return MediaTypeOf(id).value_or(MediaType::kText); }

Document MakeDocument(const std::string& id, const std::string& bytes) {
  Document document;
  document.id = document.uri = document.external_id = id;
  document.media_type = TypeOf(id);
  document.bytes = bytes;
  return document;
}

class IngestorTest : public ::testing::Test {
 protected:
  IngestorTest() { Open(); }

  void Open() {
    DatabaseOptions options;
    options.path = dir_.File("db");
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }

  std::unique_ptr<Ingestor> Begin(const std::string& embedder = kHash) {
    options_.embedder = embedder;
    options_.collection = name_;
    auto begun = Ingestor::Begin(*database_, embedders_, options_, CancelToken(), nullptr);
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.ok() ? *std::move(begun) : nullptr;
  }

  // One run over these files, as the command line does it: known ones are only named.
  IngestReport Run(const Files& files, const std::string& embedder = kHash) {
    auto ingestor = Begin(embedder);
    for (const auto& [id, bytes] : files) {
      const bool known = ingestor->KnownHash(id).value() == ContentHash(bytes);
      const absl::Status status = known ? ingestor->AddUnchanged(id) : ingestor->Add(MakeDocument(id, bytes));
      EXPECT_TRUE(status.ok()) << status;
    }
    const absl::StatusOr<IngestReport> report = ingestor->Finish();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(IngestReport());
  }

  std::shared_ptr<Collection> Get() { return database_->GetCollection(Principal(), name_).value(); }

  // All live rows: point id → payload and provenance; each chunk's spans are checked against the kept source.
  std::map<std::string, std::pair<Json, Json>> Rows(bool with_vectors = false) {
    auto collection = Get();
    SearchRequest request;
    request.query.node = AllLeaf{};
    request.limit = 10'000;
    request.projection.provenance = true;
    request.projection.vectors = with_vectors;
    std::map<std::string, std::pair<Json, Json>> rows;
    const auto response = collection->Search(request);
    EXPECT_TRUE(response.ok()) << response.status();
    for (const PointHit& hit : response->hits) {
      const Provenance provenance = DecodeProvenance(hit.provenance).value();
      const std::string source = collection->store().GetArtifact(collection->id(), provenance.source_hash).value();
      EXPECT_EQ(ContentHash(source), provenance.source_hash);
      const Json payload = Json::parse(hit.payload);
      const std::string text = payload["text"];
      for (const SpanPiece& piece : provenance.spans.pieces()) {
        if (!piece.exact) continue;
        EXPECT_EQ(text.substr(piece.text_begin, piece.text_end - piece.text_begin),
                  source.substr(piece.source_begin, piece.source_end - piece.source_begin));
      }
      Json row = payload;
      if (with_vectors) row["vector"] = hit.vectors;
      rows[hit.id.ToString()] = {row, Json::parse(hit.provenance)};
    }
    return rows;
  }

  std::vector<std::string> Ids() {
    std::vector<std::string> ids;
    for (const auto& [id, row] : Rows()) ids.push_back(id);
    return ids;
  }

  uint64_t VersionNow() { return Get()->Stats().version.value; }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_{ModelServerOptions()};
  IngestOptions options_;
  std::string name_ = "docs";
};

const Files kFiles = {
    {"docs/a.md", "# Storage\n\nRows are append only.\n\n## Commits\n\nA commit is *atomic* and durable.\n"},
    {"docs/b.html", "<title>Search</title><p>Graphs &amp; lists are searched.</p><h2>Text</h2><p>BM25 ranks.</p>"},
    {"docs/c.txt", "Plain words about backup.\n\nAnd restore."}};

TEST_F(IngestorTest, MakesTheCollectionWithRowsThatSayWhereTheyCameFrom) {
  const IngestReport report = Run(kFiles);
  EXPECT_EQ(report.documents_added, 3u);
  EXPECT_EQ(report.chunks_added, 5u);
  EXPECT_EQ(report.commits, 1u);
  EXPECT_THAT(Ids(), ElementsAre("docs/a.md#0", "docs/a.md#1", "docs/b.html#0", "docs/b.html#1", "docs/c.txt#0"));
  const auto rows = Rows(/*with_vectors=*/true);
  const auto& [payload, provenance] = rows.at("docs/a.md#1");
  EXPECT_EQ(payload["heading"], "Storage > Commits");
  EXPECT_EQ(payload["title"], "Storage");
  EXPECT_EQ(payload["text"], "Commits\n\nA commit is atomic and durable.");
  EXPECT_EQ(payload["vector"]["embedding"].size(), 64u);
  EXPECT_EQ(provenance["parser"], "markdown/2");
  EXPECT_EQ(provenance["embedder"], report.embedder);
  EXPECT_EQ(rows.at("docs/c.txt#0").first["title"], "c.txt");
}

TEST_F(IngestorTest, ASecondRunOverUnchangedInputCommitsNothing) {
  for (const char* embedder : {kHash, kLsa}) {
    name_ = std::string(embedder) == kHash ? "hash" : "lsa";
    Run(kFiles, embedder);
    const uint64_t version = VersionNow();
    const IngestReport again = Run(kFiles, embedder);
    EXPECT_EQ(again.commits, 0u);
    EXPECT_EQ(again.documents_unchanged, 3u);
    EXPECT_EQ(VersionNow(), version);
    // Also where the bytes are sent.
    auto ingestor = Begin(embedder);
    for (const auto& [id, bytes] : kFiles) ASSERT_TRUE(ingestor->Add(MakeDocument(id, bytes)).ok());
    EXPECT_EQ(ingestor->Finish()->documents_unchanged, 3u);
    EXPECT_EQ(VersionNow(), version);
  }
}

TEST_F(IngestorTest, AChangedDocumentReplacesItsChunksInOneCommit) {
  Run(kFiles);
  Files files = kFiles;
  files["docs/a.md"] = "# Storage\n\nShorter now.\n";
  const uint64_t version = VersionNow();
  const IngestReport report = Run(files);
  EXPECT_EQ(report.documents_changed, 1u);
  EXPECT_EQ(report.documents_unchanged, 2u);
  EXPECT_EQ(report.chunks_added, 1u);
  EXPECT_EQ(report.chunks_retired, 2u);
  EXPECT_EQ(VersionNow(), version + 1);
  EXPECT_THAT(Ids(), ElementsAre("docs/a.md#0", "docs/b.html#0", "docs/b.html#1", "docs/c.txt#0"));
  // The first state is still there to be read.
  SearchRequest request;
  request.query.node = AllLeaf{};
  request.at.at = Version(version);
  EXPECT_EQ(Get()->Search(request)->hits.size(), 5u);
}

TEST_F(IngestorTest, DocumentsGoneFromAScopeAreRetired) {
  Files files = kFiles;
  files["docs2/x.txt"] = "Another scope.";
  Run(files);
  options_.scopes = {"docs"};
  const IngestReport report = Run({{"docs/a.md", kFiles.at("docs/a.md")}});
  EXPECT_EQ(report.documents_deleted, 2u);
  EXPECT_EQ(report.chunks_retired, 3u);
  EXPECT_THAT(Ids(), ElementsAre("docs/a.md#0", "docs/a.md#1", "docs2/x.txt#0"));
  EXPECT_EQ(Run({{"docs/a.md", kFiles.at("docs/a.md")}}).commits, 0u);
}

TEST_F(IngestorTest, WhatCouldNotBeReadIsNotTakenForDeleted) {
  Run({{"docs/a.txt", "x y"}, {"docs/sub/b.txt", "y z"}, {"docs/c.txt", "z x"}, {"docs/d.txt", "gone"}});
  options_.scopes = {"docs"};
  auto ingestor = Begin();
  ingestor->AddSkipped("docs/a.txt", absl::PermissionDeniedError("no"));
  ingestor->AddSkipped("docs/sub", absl::PermissionDeniedError("closed"));
  ASSERT_TRUE(ingestor->Add(MakeDocument("docs/c.txt", "bad \xFF")).ok());
  const IngestReport report = ingestor->Finish().value();
  EXPECT_EQ(report.skipped_count, 3u);
  EXPECT_EQ(report.skipped[0].document, "docs/a.txt");
  EXPECT_THAT(report.skipped[2].reason, HasSubstr("byte 0xFF at offset 4"));
  EXPECT_THAT(Ids(), ElementsAre("docs/a.txt#0", "docs/c.txt#0", "docs/sub/b.txt#0"));
}

TEST_F(IngestorTest, BadDocumentsEndAStrictRun) {
  options_.skip_bad = false;
  auto ingestor = Begin();
  ASSERT_TRUE(ingestor->Add(MakeDocument("a.txt", "fine")).ok());
  const absl::Status bad = ingestor->Add(MakeDocument("b.txt", "\xFF"));
  EXPECT_THAT(std::string(bad.message()), HasSubstr("document 'b.txt': not UTF-8"));
  EXPECT_EQ(ingestor->Add(MakeDocument("c.txt", "fine")), bad);
  EXPECT_EQ(ingestor->Finish().status(), bad);
}

TEST_F(IngestorTest, RefusesWhatIsNoDocument) {
  auto ingestor = Begin();
  ASSERT_TRUE(ingestor->Add(MakeDocument("a.txt", "x")).ok());
  ASSERT_TRUE(ingestor->Add(MakeDocument("a.txt", "y")).ok());
  ASSERT_TRUE(ingestor->Add(MakeDocument("", "y")).ok());
  ASSERT_TRUE(ingestor->Add(MakeDocument(std::string(2'000, 'x'), "y")).ok());
  Document document = MakeDocument("m.txt", "y");
  document.metadata = "{";
  ASSERT_TRUE(ingestor->Add(document).ok());
  EXPECT_EQ(ingestor->AddUnchanged("unknown.txt").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ingestor->Finish()->skipped_count, 4u);
  EXPECT_THAT(Ids(), ElementsAre("a.txt#0"));
}

TEST_F(IngestorTest, APayloadThatDoesNotFitItsFieldSkipsItsDocumentAlone) {
  Document first = MakeDocument("a.txt", "one");
  first.metadata = R"({"year": 1999})";
  auto ingestor = Begin();
  ASSERT_TRUE(ingestor->Add(first).ok());
  ASSERT_TRUE(ingestor->Finish().ok());
  ingestor = Begin();
  Document second = MakeDocument("b.txt", "two");
  second.metadata = R"({"year": "unknown"})";
  ASSERT_TRUE(ingestor->Add(second).ok());
  ASSERT_TRUE(ingestor->Add(MakeDocument("c.txt", "three")).ok());
  const IngestReport report = ingestor->Finish().value();
  ASSERT_EQ(report.skipped.size(), 1u);
  EXPECT_EQ(report.skipped[0].document, "b.txt");
  EXPECT_THAT(report.skipped[0].reason, HasSubstr("year"));
  EXPECT_THAT(Ids(), ElementsAre("a.txt#0", "c.txt#0"));
}

TEST_F(IngestorTest, RecordsBecomeDocuments) {
  const std::string corpus =
      "{\"_id\":\"184\",\"title\":\"Wings\",\"text\":\"Lift \\u0026 drag.\",\"metadata\":{\"year\":1958}}\n"
      "{\"_id\":\"185\",\"title\":\"Empty\",\"text\":\"\"}\n";
  auto ingestor = Begin(kLsa);
  const absl::Status split = SplitJsonLines(
      "c.jsonl", corpus, [&](Document&& document) { return ingestor->Add(std::move(document)); },
      [](uint64_t, const absl::Status&) {});
  ASSERT_TRUE(split.ok()) << split;
  EXPECT_EQ(ingestor->Finish()->documents_added, 2u);
  const auto rows = Rows();
  EXPECT_EQ(rows.at("c.jsonl#184#0").first["doc_id"], "184");
  EXPECT_EQ(rows.at("c.jsonl#184#0").first["text"], "Lift & drag.");
  EXPECT_EQ(rows.at("c.jsonl#184#0").first["year"], 1958);
  EXPECT_EQ(rows.at("c.jsonl#185#0").first["title"], "Empty");
  EXPECT_GE(Get()->schema().FindPayload("year"), 0);
}

std::string Words(std::mt19937_64* random, int topic, int count) {
  static const std::vector<std::string> stems = {"wing", "boundary", "layer", "heat", "index", "library", "search",
                                                 "catalog", "query", "vector", "graph", "storage"};
  std::string text;
  for (int i = 0; i < count; ++i) text += stems[(topic * 3 + (*random)() % 5) % stems.size()] + " ";
  return text + "end.";
}

Files ManyFiles(int count) {
  std::mt19937_64 random(20261124);
  Files files;
  for (int i = 0; i < count; ++i) files["docs/f" + std::to_string(100 + i) + ".txt"] = Words(&random, i % 4, 20);
  return files;
}

TEST_F(IngestorTest, TheModelIsCommittedWithTheFirstRowsItEmbeds) {
  options_.batch_chunks = 4;
  const IngestReport report = Run(ManyFiles(10), kLsa);
  EXPECT_EQ(report.commits, 3u);
  auto collection = Get();
  const auto history =
      DecodeEmbedderHistory(collection->store().GetDocument(collection->id(), EmbedderHistoryKey("embedding"))->value())
          .value();
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].from_version, Version(1));
  EXPECT_EQ(history[0].id, report.embedder);
  for (const auto& [id, row] : Rows()) EXPECT_EQ(row.second["embedder"], report.embedder) << id;
}

TEST_F(IngestorTest, AModelThatKnowsFewOfTheTextsIsTrainedAnew) {
  Run(ManyFiles(4), kLsa);
  const std::string first = Run(ManyFiles(4), kLsa).embedder;
  EXPECT_EQ(Run(ManyFiles(8), kLsa).embedder, first);
  const uint64_t version = VersionNow();
  const IngestReport report = Run(ManyFiles(9), kLsa);
  EXPECT_NE(report.embedder, first);
  EXPECT_EQ(report.commits, 2u);
  EXPECT_EQ(VersionNow(), version + 2);
  for (const auto& [id, row] : Rows()) EXPECT_EQ(row.second["embedder"], report.embedder) << id;
  // Queries at the old version still take the old model.
  auto collection = Get();
  EXPECT_EQ(embedders_.Resolve(*collection, 0, Version(version))->get()->id(), first);
  EXPECT_EQ(Run(ManyFiles(9), kLsa).commits, 0u);
}

TEST_F(IngestorTest, RetrainOnDemand) {
  Run(ManyFiles(6), kLsa);
  const std::string first = Run(ManyFiles(6), kLsa).embedder;
  options_.retrain = true;
  EXPECT_EQ(Run(ManyFiles(6), kLsa).commits, 0u) << "the same texts give the same model";
  const IngestReport report = Run(ManyFiles(7), kLsa);
  EXPECT_NE(report.embedder, first);
  name_ = "hashed";
  options_.collection = name_;
  options_.embedder = kHash;
  EXPECT_EQ(Ingestor::Begin(*database_, embedders_, options_, CancelToken(), nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(IngestorTest, RetrainingKeepsSparseVectors) {
  CollectionSchema schema = DefaultIngestSchema(kLsa, {}).value();
  schema.sparse.push_back({.name = "splade"});
  ASSERT_TRUE(database_->CreateCollection(Principal(), name_, schema).ok());
  const std::string first = Run(ManyFiles(6), kLsa).embedder;
  SearchRequest request;
  request.query.node = AllLeaf{};
  request.limit = 1;
  request.projection.provenance = true;
  const PointHit chunk = Get()->Search(request)->hits.at(0);
  WriteRequest write;
  PointInput& point = write.upserts.emplace_back();
  point.id = chunk.id;
  point.payload = chunk.payload;
  point.provenance = chunk.provenance;
  point.sparse_vectors = {{"splade", {.indices = {3}, .values = {2}}}};
  ASSERT_TRUE(Get()->Write(std::move(write)).ok());
  options_.retrain = true;
  EXPECT_NE(Run(ManyFiles(7), kLsa).embedder, first);
  request.query.node = SparseLeaf{.field = "", .vector = {.indices = {3}, .values = {1}}};
  const auto response = Get()->Search(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->hits.size(), 1u);
  EXPECT_EQ(response->hits[0].id, chunk.id);
  EXPECT_NE(response->hits[0].row, chunk.row);
}

// A run that is dropped at any moment, then one that goes on: the same rows as one clean run.
TEST_F(IngestorTest, GoesOnWhereAnAbandonedRunEnded) {
  for (const char* embedder : {kHash, kLsa}) {
    const Files files = ManyFiles(12);
    options_.batch_chunks = 3;
    name_ = std::string("clean-") + (embedder == kHash ? "hash" : "lsa");
    Run(files, embedder);
    const auto want = Rows(/*with_vectors=*/true);
    for (int stop = 1; stop < 12; stop += 3) {
      name_ = "cut-" + std::to_string(stop) + (embedder == kHash ? "hash" : "lsa");
      {
        auto ingestor = Begin(embedder);
        int added = 0;
        for (const auto& [id, bytes] : files) {
          if (added++ == stop) break;
          ASSERT_TRUE(ingestor->Add(MakeDocument(id, bytes)).ok());
        }
      }
      Run(files, embedder);
      EXPECT_EQ(Rows(/*with_vectors=*/true), want) << name_;
    }
  }
}

// The same where the run ends between commits of an embedded set that was held for training.
TEST_F(IngestorTest, GoesOnAfterACancelBetweenCommits) {
  const Files files = ManyFiles(12);
  options_.batch_chunks = 3;
  name_ = "clean";
  Run(files, kLsa);
  const auto want = Rows(true);
  name_ = "cancelled";
  options_.collection = name_;
  int commits = 0;
  auto begun = Ingestor::Begin(*database_, embedders_, options_, CancelToken(absl::InfiniteFuture(), [&] { return commits >= 2; }),
                               [&](const IngestProgress& progress) { commits += progress.phase == "embedding"; });
  for (const auto& [id, bytes] : files) ASSERT_TRUE((*begun)->Add(MakeDocument(id, bytes)).ok());
  EXPECT_EQ((*begun)->Finish().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(VersionNow(), 2u);
  const IngestReport report = Run(files, kLsa);
  EXPECT_EQ(report.documents_unchanged, 6u);
  EXPECT_EQ(report.documents_added, 6u);
  EXPECT_EQ(Rows(true), want);
}

TEST_F(IngestorTest, TwoRunsAtATimeMakeOneState) {
  const Files files = ManyFiles(8);
  options_.batch_chunks = 2;
  auto first = Begin(kLsa);
  auto second = Begin(kLsa);
  for (const auto& [id, bytes] : files) {
    ASSERT_TRUE(first->Add(MakeDocument(id, bytes)).ok());
    ASSERT_TRUE(second->Add(MakeDocument(id, bytes)).ok());
  }
  EXPECT_EQ(first->Finish()->documents_added, 8u);
  EXPECT_EQ(second->Finish()->documents_unchanged, 8u);
  EXPECT_EQ(VersionNow(), 4u);
  EXPECT_EQ(Rows().size(), 8u);
}

TEST_F(IngestorTest, SurvivesAReopen) {
  Run(kFiles, kLsa);
  const auto want = Rows(true);
  database_.reset();
  Open();
  EXPECT_EQ(Rows(true), want);
  EXPECT_EQ(Run(kFiles, kLsa).commits, 0u);
}

TEST_F(IngestorTest, ExistingCollectionsMustFit) {
  CollectionSchema schema;
  schema.dense.push_back({.name = "v", .dim = 4});
  ASSERT_TRUE(database_->CreateCollection(Principal(), "docs", schema).ok());
  options_.collection = "docs";
  const auto begun = Ingestor::Begin(*database_, embedders_, options_, CancelToken(), nullptr);
  EXPECT_EQ(begun.status().code(), absl::StatusCode::kFailedPrecondition);
  options_.collection = "missing";
  options_.create_collection = false;
  EXPECT_EQ(Ingestor::Begin(*database_, embedders_, options_, CancelToken(), nullptr).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(IngestorTest, ATextFieldAloneIsEnough) {
  CollectionSchema schema;
  schema.text.push_back({.name = "body", .paths = {"text"}});
  ASSERT_TRUE(database_->CreateCollection(Principal(), "docs", schema).ok());
  const IngestReport report = Run(kFiles, "");
  EXPECT_EQ(report.embedder, "");
  EXPECT_EQ(Rows().size(), 5u);
  EXPECT_EQ(Run(kFiles, "").commits, 0u);
}

TEST_F(IngestorTest, ACollectionKeepsItsEmbedder) {
  Run(kFiles, "builtin/hash?dim=256");
  EXPECT_EQ(Run(kFiles, "").commits, 0u);
  EXPECT_EQ(Run(kFiles, "builtin/hash").commits, 0u) << "256 dimensions are its default";
  for (const char* other : {"builtin/hash?dim=64", "builtin/lsa", "openai/m?dim=256", "foo"}) {
    options_.embedder = other;
    const absl::Status status =
        Ingestor::Begin(*database_, embedders_, options_, CancelToken(), nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << other;
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(HasSubstr(other), HasSubstr("builtin/hash?dim=256")));
  }
}

TEST_F(IngestorTest, AnEmptyRunStillMakesTheCollection) {
  EXPECT_EQ(Run({}, kLsa).commits, 0u);
  EXPECT_TRUE(Rows().empty());
  EXPECT_EQ(Run({{"a.txt", " \n"}}, kLsa).documents_added, 1u) << "a document without text is known all the same";
  EXPECT_EQ(Run({{"a.txt", " \n"}}, kLsa).commits, 0u);
}

}  // namespace
}  // namespace vouch
