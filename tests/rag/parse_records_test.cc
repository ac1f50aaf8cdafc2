#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "rag/parse/json_string.h"
#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct Split {
  std::vector<Document> documents;
  std::vector<std::pair<uint64_t, std::string>> errors;
};

Split SplitAll(const std::string& bytes) {
  Split split;
  const absl::Status status = SplitJsonLines(
      "c.jsonl", bytes,
      [&](Document&& document) {
        split.documents.push_back(std::move(document));
        return absl::OkStatus();
      },
      [&](uint64_t line, const absl::Status& error) { split.errors.emplace_back(line, std::string(error.message())); });
  EXPECT_TRUE(status.ok()) << status;
  return split;
}

TEST(JsonLinesTest, EachRecordIsADocument) {
  const Split split = SplitAll(
      "\xEF\xBB\xBF{\"_id\": \"a\", \"title\": \"T\", \"text\": \"x\", \"metadata\": {\"year\": 1960}}\r\n"
      "\n  \n{\"_id\": 7, \"text\": \"y\"}");
  ASSERT_EQ(split.documents.size(), 2u);
  EXPECT_EQ(split.documents[0].id, "c.jsonl#a");
  EXPECT_EQ(split.documents[0].uri, "c.jsonl");
  EXPECT_EQ(split.documents[0].external_id, "a");
  EXPECT_EQ(split.documents[0].metadata, "{\"year\":1960}");
  EXPECT_EQ(split.documents[0].bytes.back(), '}');
  EXPECT_EQ(split.documents[1].id, "c.jsonl#7");
  EXPECT_EQ(split.documents[1].metadata, "{}");
  EXPECT_TRUE(split.errors.empty());
}

TEST(JsonLinesTest, BadLinesAreNamedAndTheRestGoesOn) {
  std::string deep = "{\"_id\": \"d\", \"text\": \"x\", \"metadata\": " + std::string(100, '[') + std::string(100, ']') + "}";
  const Split split = SplitAll(
      "{\"_id\": \"a\", \"text\": \"x\"}\n"
      "[1]\n"
      "{\"text\": \"x\"}\n"
      "{\"_id\": \"a\", \"text\": \"again\"}\n"
      "{\"_id\": \"b\", \"text\": 5}\n"
      "{\"_id\": \"c\"}\n"
      "{\"_id\": \"d\", \"text\": \"\xFF\"}\n"
      "{\"_id\": \"e\", \"text\": \"x\", \"metadata\": 1}\n"
      "{\"_id\": \"\", \"text\": \"x\"}\n" +
      deep + "\n" +
      "{\"_id\": \"z\", \"text\": \"last\"}\n"
      "{\"_id\": \"y\", \"text\": \"cut of");
  EXPECT_EQ(split.documents.size(), 2u);
  EXPECT_THAT(split.errors,
              ElementsAre(Pair(2, HasSubstr("must be a JSON object, not array")), Pair(3, HasSubstr("no \"_id\"")),
                          Pair(4, HasSubstr("stands in line 1 already")), Pair(5, HasSubstr("\"text\" must be a string")),
                          Pair(6, HasSubstr("neither \"text\" nor \"title\"")), Pair(7, HasSubstr("byte 0xFF at offset 22")),
                          Pair(8, HasSubstr("\"metadata\" must be an object, not number")),
                          Pair(9, HasSubstr("\"_id\" is empty")), Pair(10, HasSubstr("the limit is 64")),
                          Pair(12, HasSubstr("cut off"))));
}

TEST(JsonLinesTest, StopsWithTheCallersError) {
  int calls = 0;
  const absl::Status status = SplitJsonLines(
      "c", "{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"x\"}\n",
      [&](Document&&) {
        ++calls;
        return absl::CancelledError("enough");
      },
      [](uint64_t, const absl::Status&) {});
  EXPECT_EQ(status, absl::CancelledError("enough"));
  EXPECT_EQ(calls, 1);
}

ParsedDocument ParseRecord(const std::string& line) {
  Document document;
  document.media_type = MediaType::kJsonLines;
  document.bytes = line;
  return ParseDocument(document).value();
}

TEST(JsonRecordTest, SpansPointIntoTheLine) {
  const std::string line = R"({"_id":"1","title":"A \"b\"","text":"one\n\ntwo \u00e9 \ud83d\ude00 \\ end"})";
  const ParsedDocument parsed = ParseRecord(line);
  EXPECT_EQ(parsed.title, "A \"b\"");
  EXPECT_EQ(parsed.text, "one\n\ntwo é 😀 \\ end");
  EXPECT_TRUE(DocumentIsSound(line, parsed));
  ASSERT_EQ(parsed.blocks.size(), 2u);
  const auto source = [&](const std::string& piece) {
    const size_t at = parsed.text.find(piece);
    const ByteSpan span = parsed.spans.ToSource(at, at + piece.size());
    return line.substr(span.begin, span.end - span.begin);
  };
  EXPECT_EQ(source("two"), "two");
  EXPECT_EQ(source("é"), "\\u00e9");
  EXPECT_EQ(source("😀 \\ e"), "\\ud83d\\ude00 \\\\ e");
}

TEST(JsonRecordTest, OnlyTheFirstLevelCountsAndTheLastOfTwoKeys) {
  const ParsedDocument parsed = ParseRecord(
      R"({"metadata":{"text":"no"},"list":["text",{"text":"no"}],"text":"first","\u0074ext" : "yes","x":"text"})");
  EXPECT_EQ(parsed.text, "yes");
}

TEST(JsonRecordTest, ATitleThatTheTextRepeatsIsAHeading) {
  const auto blocks = [](const std::string& title, const std::string& text) {
    const std::string line = nlohmann::json{{"_id", "1"}, {"title", title}, {"text", text}}.dump();
    const ParsedDocument parsed = ParseRecord(line);
    EXPECT_TRUE(DocumentIsSound(line, parsed)) << line;
    std::vector<std::string> found;
    for (const Block& block : parsed.blocks) {
      found.push_back((block.kind == Block::Kind::kHeading ? "h:" : "p:") +
                      parsed.text.substr(block.begin, block.end - block.begin));
    }
    return found;
  };
  EXPECT_THAT(blocks("Wing flow .", "wing flow . the flow past a wing ."),
              ElementsAre("h:wing flow .", "p:the flow past a wing ."));
  EXPECT_THAT(blocks("Wing flow", "Wing flow\nThe flow past a wing."),
              ElementsAre("h:Wing flow", "p:The flow past a wing."));
  EXPECT_THAT(blocks("Wing flow", "Wing flow\n\nThe flow."),
              ElementsAre("h:Wing flow", "p:The flow."));
  EXPECT_THAT(blocks("Wing flow", "Wing flow. The flow."),
              ElementsAre("h:Wing flow.", "p:The flow."));
  EXPECT_THAT(blocks("Wing flow", "Wing flow past a plate is studied."),
              ElementsAre("p:Wing flow past a plate is studied."));
  EXPECT_THAT(blocks("Wing flow", "The wing flow."), ElementsAre("p:The wing flow."));
  EXPECT_THAT(blocks("Wing flow", "wing flow"), ElementsAre("h:wing flow"));
  EXPECT_THAT(blocks(".", ". x"), ElementsAre("p:. x"));
  EXPECT_THAT(blocks("", "x"), ElementsAre("p:x"));
}

// Against nlohmann::json on random strings with every kind of escape.
TEST(JsonStringTest, DecodesAsNlohmannDoes) {
  constexpr uint64_t kSeed = 20261124;
  std::mt19937_64 random(kSeed);
  const std::vector<std::string> atoms = {"a",    "B c",  "\\n",     "\\t",           "\\\"", "\\\\", "\\/", "\\b", "\\f",
                                          "\\r",  "é",    "\\u00E9", "\\ud83d\\ude00", "😀",   "{",    "]",   ",",   ":",
                                          "text", "\\u0000", "\\u0022"};
  for (int round = 0; round < 2'000; ++round) {
    std::string literal;
    for (uint64_t i = random() % 12; i > 0; --i) literal += atoms[random() % atoms.size()];
    const std::string json = "{ \"k\" :[\"x\\\"\"] , \"text\": \"" + literal + "\"}";
    JsonString value;
    ASSERT_TRUE(FindJsonString(json, "text", &value)) << json;
    EXPECT_EQ(value.text, nlohmann::json::parse(json)["text"].get<std::string>()) << json << " seed " << kSeed;
    for (const SpanPiece& piece : value.spans.pieces()) {
      ASSERT_LE(piece.source_end, json.size());
      if (piece.exact) {
        EXPECT_EQ(value.text.substr(piece.text_begin, piece.text_end - piece.text_begin),
                  json.substr(piece.source_begin, piece.source_end - piece.source_begin));
      }
    }
  }
}

}  // namespace
}  // namespace vouch
