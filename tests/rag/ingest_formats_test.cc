#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "nlohmann/json.hpp"
#include "rag/answer.h"
#include "rag/folder_watcher.h"
#include "rag/ingestor.h"
#include "rag/parse/parser.h"
#include "rag/provenance.h"
#include "rag/replay.h"
#include "storage/store.h"
#include "tests/rag/span_checks.h"
#include "tests/support/pdf_writer.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Files = std::map<std::string, std::string>;  // id → bytes

class IngestFormatsTest : public ::testing::Test {
 protected:
  IngestFormatsTest() {
    DatabaseOptions options;
    options.path = dir_.File("db");
    auto opened = Database::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }

  IngestReport Run(const Files& files, const std::string& chunker = "structure") {
    IngestOptions options;
    options.collection = "c";
    options.embedder = "builtin/hash?dim=64";
    options.chunking = *ParseChunkOptions(chunker);
    auto ingestor = Ingestor::Begin(*database_, embedders_, options, CancelToken(), nullptr);
    EXPECT_TRUE(ingestor.ok()) << ingestor.status();
    for (const auto& [id, bytes] : files) {
      Document document;
      document.id = document.uri = document.external_id = id;
      document.media_type = *MediaTypeOf(id);
      document.bytes = bytes;
      EXPECT_TRUE((*ingestor)->Add(std::move(document)).ok());
    }
    const auto report = (*ingestor)->Finish();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(IngestReport());
  }

  std::shared_ptr<Collection> Get() { return database_->GetCollection(Principal(), "c").value(); }

  std::map<std::string, std::pair<Json, Provenance>> Rows() {
    SearchRequest request;
    request.query.node = AllLeaf{};
    request.limit = 1'000;
    request.projection.provenance = true;
    std::map<std::string, std::pair<Json, Provenance>> rows;
    const auto response = Get()->Search(request);
    EXPECT_TRUE(response.ok()) << response.status();
    for (const PointHit& hit : response->hits) {
      rows[hit.id.ToString()] = {Json::parse(hit.payload), DecodeProvenance(hit.provenance).value()};
    }
    return rows;
  }

  absl::StatusOr<Answer> AskFor(const std::string& question) {
    AskRequest request;
    request.collection = "c";
    request.question = question;
    request.mode = RetrievalMode::kText;
    request.max_sentences = 1;
    return Ask(*database_, embedders_, request);
  }

  TempDir dir_;
  EmbedderRegistry embedders_{ModelServerOptions()};
  std::unique_ptr<Database> database_;
};

std::string Manual() {
  return WritePdf({{{.size = 20, .text = "Pump Manual"}, {.y = 680, .text = "The pump is checked before each shift by the crew."}},
                   {{.size = 20, .text = "Repairs"}, {.y = 680, .text = "Seals are replaced every ninety days by the workshop."}}});
}

TEST_F(IngestFormatsTest, APdfIsCitedByItsPage) {
  const std::string pdf = Manual();
  const IngestReport report = Run({{"d/manual.pdf", pdf}});
  ASSERT_EQ(report.documents_added, 1u) << (report.skipped.empty() ? "" : report.skipped[0].reason);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  const auto& [payload, provenance] = rows.at("d/manual.pdf#1");
  EXPECT_EQ(payload["page"], 2);
  EXPECT_EQ(payload["language"], "en");
  EXPECT_EQ(payload["media_type"], "application/pdf");
  EXPECT_EQ(provenance.source_hash, ContentHash(pdf));
  const std::string rendition = Get()->store().GetArtifact(Get()->id(), provenance.rendition_hash).value();
  EXPECT_TRUE(SpansAreExact(rendition, payload["text"].get<std::string>(), provenance.spans));
  EXPECT_EQ(Get()->store().GetArtifact(Get()->id(), provenance.source_hash).value(), pdf);

  const auto answer = AskFor("How often are seals replaced?");
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->citations.size(), 1u) << answer->text;
  const Citation& citation = answer->citations[0];
  EXPECT_EQ(citation.page, 2u);
  EXPECT_TRUE(citation.verified);
  EXPECT_EQ(citation.rendition_hash, provenance.rendition_hash);
  EXPECT_EQ(rendition.substr(citation.source.begin, citation.source.end - citation.source.begin), citation.quote);
  EXPECT_EQ(answer->sources[0].page, 2u);
  // The record keeps it, and replays.
  const auto kept = AnswerFromJson(AnswerToJson(*answer));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->citations[0].page, 2u);
  EXPECT_EQ(AnswerToJson(*kept), AnswerToJson(*answer));
  const auto replay = Replay(*database_, embedders_, {.id = answer->id});
  ASSERT_TRUE(replay.ok());
  EXPECT_EQ(replay->level, "R3");

  EXPECT_EQ(Run({{"d/manual.pdf", pdf}}).commits, 0u);
}

TEST_F(IngestFormatsTest, ABadDocumentIsSkippedWithItsReason) {
  const IngestReport report = Run({{"d/bad.pdf", "%PDF-1.7 nothing"}, {"d/bad.docx", "x"}, {"d/good.csv", "a,b\n1,2\n"},
                                   {"d/mail.eml", "From: j@example.org\nSubject: Hi\n\nThe pump stopped again this morning."}});
  EXPECT_EQ(report.documents_added, 2u);
  ASSERT_EQ(report.skipped.size(), 2u);
  EXPECT_THAT(report.skipped[0].reason, HasSubstr("no ZIP archive"));
  EXPECT_THAT(report.skipped[1].reason, HasSubstr("the PDF cannot be read"));
  const auto rows = Rows();
  EXPECT_EQ(rows.at("d/good.csv#0").first["text"], "a | b\n1 | 2");
  EXPECT_EQ(rows.at("d/mail.eml#0").first["from"], "j@example.org");
}

TEST_F(IngestFormatsTest, AChildIsFoundAndItsParentIsAnswered) {
  const Files files = {{"d/a.md",
                        "# Pumps\n\nThe valve is closed before the pump is opened. The seals of the pump are replaced every "
                        "ninety days. The workshop keeps twelve spare seals in stock.\n"}};
  Run(files, "parent_child?child=16&parent=200");
  ASSERT_GE(Rows().size(), 3u);
  const auto answer = AskFor("ninety days");
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_FALSE(answer->hits.empty());
  // One source, which is the whole section; the quote's bytes are those of the file.
  ASSERT_EQ(answer->sources.size(), 1u);
  EXPECT_EQ(answer->sources[0].source.begin, 2u);  // after "# "
  EXPECT_GE(answer->sources[0].source.end, files.at("d/a.md").size() - 1);
  ASSERT_EQ(answer->citations.size(), 1u);
  const Citation& citation = answer->citations[0];
  EXPECT_TRUE(citation.verified);
  EXPECT_EQ(files.at("d/a.md").substr(citation.source.begin, citation.source.end - citation.source.begin), citation.quote);
  EXPECT_EQ(Replay(*database_, embedders_, {.id = answer->id})->level, "R3");
}

TEST_F(IngestFormatsTest, AnotherChunkerCutsAnewAndThenRests) {
  const Files files = {{"d/a.md", "# A\n\nOne sentence is here. Another one is here.\n"}};
  Run(files);
  const IngestReport again = Run(files, "sentence?tokens=8");
  EXPECT_EQ(again.documents_changed, 1u);
  EXPECT_GT(Rows().size(), 1u);
  for (const auto& [id, row] : Rows()) EXPECT_EQ(row.second.chunker, "sentence/1?tokens=8&overlap=0");
  EXPECT_EQ(Run(files, "sentence?tokens=8").commits, 0u);
}

TEST_F(IngestFormatsTest, MetadataOfItsOwnHasPrecedence) {
  const Files files = {{"d/a.md", "The pump is checked before each shift, and it is lubricated by the crew."}};
  IngestOptions options;
  options.collection = "c";
  options.embedder = "builtin/hash?dim=64";
  auto ingestor = Ingestor::Begin(*database_, embedders_, options, CancelToken(), nullptr);
  Document document;
  document.id = document.uri = "a.md";
  document.media_type = MediaType::kMarkdown;
  document.bytes = files.begin()->second;
  document.metadata = R"({"language": "British", "page": "front"})";
  ASSERT_TRUE((*ingestor)->Add(document).ok());
  ASSERT_TRUE((*ingestor)->Finish().ok());
  const Json payload = Rows().at("a.md#0").first;
  EXPECT_EQ(payload["language"], "British");
  EXPECT_EQ(payload["page"], "front");
}

class FolderWatcherTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) { std::ofstream(dir_.File(name)) << text; }

  std::unique_ptr<FolderWatcher> Open(std::vector<std::string> paths) {
    auto watcher = FolderWatcher::Open(paths, {.quiet = std::chrono::milliseconds(50), .longest = std::chrono::seconds(2)});
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *std::move(watcher);
  }

  // Whether a change is told; waits at most some seconds.
  static bool Changes(FolderWatcher& watcher, int tries = 40) {
    const auto changed = watcher.Wait([&tries] { return tries-- <= 0; });
    EXPECT_TRUE(changed.ok()) << changed.status();
    return changed.value_or(false);
  }

  TempDir dir_;
};

TEST_F(FolderWatcherTest, TellsWritesRenamesAndDeletesAnywhereBelow) {
  std::filesystem::create_directories(dir_.File("a/b"));
  std::filesystem::create_directories(dir_.File("a/.git"));
  auto watcher = Open({dir_.File("a")});
  EXPECT_EQ(watcher->folders(), 2u);
  EXPECT_FALSE(Changes(*watcher, 2));
  Write("a/b/one.md", "1");
  EXPECT_TRUE(Changes(*watcher));
  std::filesystem::rename(dir_.File("a/b/one.md"), dir_.File("a/two.md"));
  EXPECT_TRUE(Changes(*watcher));
  std::filesystem::remove(dir_.File("a/two.md"));
  EXPECT_TRUE(Changes(*watcher));
  Write("a/.git/index", "1");
  Write("a/.hidden", "1");
  EXPECT_FALSE(Changes(*watcher, 2));
  // A folder that comes later is watched from the next look on.
  std::filesystem::create_directories(dir_.File("a/c"));
  EXPECT_TRUE(Changes(*watcher));
  ASSERT_TRUE(watcher->Refresh().ok());
  Write("a/c/three.md", "1");
  EXPECT_TRUE(Changes(*watcher));
}

TEST_F(FolderWatcherTest, ABurstIsOneChange) {
  auto watcher = Open({dir_.path()});
  for (int i = 0; i < 500; ++i) Write("f" + std::to_string(i) + ".txt", "x");
  EXPECT_TRUE(Changes(*watcher));
  EXPECT_FALSE(Changes(*watcher, 3));
}

TEST_F(FolderWatcherTest, AFileIsWatchedByItsFolderAndWhatIsMissingIsSaid) {
  Write("a.md", "1");
  auto watcher = Open({dir_.File("a.md")});
  Write("new.md", "2");
  std::filesystem::rename(dir_.File("new.md"), dir_.File("a.md"));
  EXPECT_TRUE(Changes(*watcher));
  const auto missing = FolderWatcher::Open({dir_.File("no/such")}, {});
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
}

}  // namespace
}  // namespace vouch
