#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rag/ingest/chunk_point.h"
#include "rag/ingest/document_entry.h"
#include "rag/ingest/ingest_schema.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

TEST(IngestSchemaTest, MetadataKeysOfOneKindAreDeclared) {
  const std::vector<std::string> metadata = {
      R"({"year":1999,"lang":"en","score":1,"open":true,"mixed":1,"tags":["a","b"],"long":"x","title":"t","object":{"a":1},"big":18446744073709551615,"none":null})",
      R"({"year":2001,"lang":"de","score":2.5,"mixed":"a","tags":"c","long":")" + std::string(300, 'x') + R"("})", "{}"};
  const CollectionSchema schema = DefaultIngestSchema("builtin/lsa?dim=64&language=german", metadata).value();
  const auto type = [&](const char* path) -> std::string {
    const int field = schema.FindPayload(path);
    return field < 0 ? "" : std::string(PayloadTypeName(schema.payload[field].type));
  };
  EXPECT_EQ(type("year"), "integer");
  EXPECT_EQ(type("lang"), "keyword");
  EXPECT_EQ(type("score"), "float");
  EXPECT_EQ(type("open"), "bool");
  EXPECT_EQ(type("tags"), "keyword");
  EXPECT_EQ(type("title"), "keyword");
  for (const char* path : {"mixed", "long", "object", "big", "none"}) EXPECT_EQ(type(path), "") << path;
  EXPECT_EQ(schema.dense.at(0).dim, 64u);
  EXPECT_EQ(schema.text.at(0).language, "german");
  EXPECT_EQ(schema.text.at(0).paths, (std::vector<std::string>{"title", "heading", "text"}));
}

TEST(IngestSchemaTest, KeysOfObjectsAreDeclaredByTheirPath) {
  const std::vector<std::string> metadata = {
      R"({"authors":[{"name":"Kim","born":1970},{"name":["Lee"]}],"journal":{"name":"x","year":1999},"by":"Kim"})",
      R"({"authors":{"name":"Ada","born":"1815"},"journal":{"year":2000.5},"by":{"name":"Kim"}})"};
  const CollectionSchema schema = DefaultIngestSchema("builtin/hash?dim=64", metadata).value();
  std::vector<std::string> paths;
  for (const PayloadField& field : schema.payload) {
    paths.push_back(field.path + " " + std::string(PayloadTypeName(field.type)));
  }
  paths.erase(paths.begin(), paths.begin() + 7);  // those of every collection
  // "authors.born" and "by" have values of two kinds.
  EXPECT_EQ(paths, (std::vector<std::string>{"authors.name keyword", "by.name keyword",
                                             "journal.name keyword", "journal.year float"}));
  std::string deep = "1";
  for (int i = 0; i < 60; ++i) deep = "{\"k\":" + deep + "}";
  const std::vector<std::string> too_deep = {deep};
  EXPECT_EQ(DefaultIngestSchema("builtin/hash?dim=64", too_deep)->payload.size(), 7u);
}

TEST(IngestSchemaTest, MoreKeysThanFieldsAreKeptUndeclared) {
  std::string metadata = "{";
  for (int i = 0; i < 100; ++i) metadata += (i > 0 ? "," : "") + std::string("\"k") + std::to_string(i) + "\":1";
  const std::vector<std::string> all = {metadata + ",\"\":1,\"a b\":1}"};
  const auto schema = DefaultIngestSchema("builtin/hash?dim=64", all);
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_TRUE(schema->Validate().ok());
  EXPECT_EQ(schema->payload.size(), Limits::kMaxFields);
}

TEST(IngestSchemaTest, ASchemaMustTakeTextOrVectors) {
  CollectionSchema schema;
  schema.dense.push_back({.name = "v", .dim = 4});
  const auto fields = FindIngestFields(schema, "docs");
  EXPECT_EQ(fields.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(fields.status().message()), HasSubstr("neither a dense field with an embedder"));
  schema.text.push_back({.name = "t", .paths = {"body"}});
  EXPECT_FALSE(FindIngestFields(schema, "docs").ok());
  schema.text.push_back({.name = "u", .paths = {"title", "text"}});
  EXPECT_EQ(FindIngestFields(schema, "docs")->text, 1);
  EXPECT_EQ(FindIngestFields(schema, "docs")->dense, -1);
}

TEST(ChunkPointTest, IdsDifferForAllChunks) {
  EXPECT_EQ(ChunkPointId("docs/a.md", 3).ToString(), "docs/a.md#3");
  const std::string long_id(600, 'a');
  EXPECT_NE(ChunkPointId(long_id, 0), ChunkPointId(long_id + "b", 0));
  EXPECT_NE(ChunkPointId("c#1", 0), ChunkPointId("c", 1));
  EXPECT_NE(ChunkPointId("c#1", 0), ChunkPointId("c#1#0", 0));
}

TEST(ChunkPointTest, MetadataNeverHidesAChunksOwnKeys) {
  Document document;
  document.uri = "docs/a.md";
  document.external_id = "a";
  document.metadata = R"({"title":"mine","year":1,"none":null})";
  Chunk chunk;
  chunk.text = "text";
  chunk.heading = "H";
  EXPECT_EQ(ChunkPayload(document, "Title", "", chunk).value(),
            R"({"doc_id":"a","heading":"H","media_type":"text/plain","metadata":{"title":"mine"},"ordinal":0,)"
            R"("source":"docs/a.md","text":"text","title":"Title","year":1})");
  EXPECT_EQ(EmbeddedTextOf(ChunkPayload(document, "Title", "", chunk).value()), TextToEmbed("Title", "H", "text", false));
  chunk.places = {{.page = 4, .begin = 0, .end = 4}};
  const std::string whole = ChunkPayload(document, "Title", "de", chunk).value();
  EXPECT_THAT(whole, HasSubstr(R"("language":"de")"));
  EXPECT_THAT(whole, HasSubstr(R"("page":4)"));
  document.media_type = MediaType::kJsonLines;
  EXPECT_EQ(EmbeddedTextOf(ChunkPayload(document, "Title", "", chunk).value()), "Title text");
  document.metadata = "[1]";
  EXPECT_FALSE(ChunkPayload(document, "Title", "", chunk).ok());
}

TEST(DocumentEntryTest, ScopesHoldWhatLiesUnderThem) {
  EXPECT_TRUE(InScope("docs", "docs"));
  EXPECT_TRUE(InScope("docs/a.md", "docs"));
  EXPECT_TRUE(InScope("c.jsonl#1", "c.jsonl"));
  EXPECT_FALSE(InScope("docs2/a.md", "docs"));
  EXPECT_FALSE(InScope("doc", "docs"));
}

TEST(DocumentEntryTest, KeepsItsForm) {
  DocumentEntry entry;
  entry.hash = "h";
  entry.metadata_hash = "m";
  entry.media_type = MediaType::kHtml;
  entry.uri = "u";
  entry.external_id = "x";
  entry.parser = "html/1";
  entry.chunker = "c";
  entry.embedder = "e";
  entry.chunks = 3;
  EXPECT_EQ(entry.Encode(),
            R"({"chunker":"c","chunks":3,"embedder":"e","external_id":"x","hash":"h","media_type":"text/html",)"
            R"("metadata_hash":"m","parser":"html/1","uri":"u"})");
  entry.rendition_hash = "r";
  EXPECT_EQ(DocumentEntry::Decode(entry.Encode())->rendition_hash, "r");
  entry.rendition_hash.clear();
  EXPECT_TRUE(DocumentEntry::Decode(entry.Encode())->SameAs(entry));
  EXPECT_EQ(DocumentEntry::Decode("{}").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vouch
