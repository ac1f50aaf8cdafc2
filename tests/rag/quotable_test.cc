#include "rag/quotable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "rag/chunk/chunker.h"
#include "rag/parse/parser.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Slices(const std::string& text, const std::vector<ByteSpan>& spans) {
  std::vector<std::string> slices;
  for (const ByteSpan& span : spans)
    slices.push_back(text.substr(span.begin, span.end - span.begin));
  return slices;
}

// Of the first chunk of a document.
std::vector<std::string> QuotableOf(MediaType type, std::string bytes) {
  Document document;
  document.media_type = type;
  document.bytes = std::move(bytes);
  const std::vector<Chunk> chunks = Chunker({}).Split(ParseDocument(document).value(), type);
  return Slices(chunks.at(0).text, QuotableSentences(chunks[0].text, chunks[0].blocks));
}

TEST(QuotableTest, OnlyWholeSentencesOfProse) {
  EXPECT_THAT(
      QuotableOf(
          MediaType::kMarkdown,
          "# Backups are incremental.\n\nA backup shares its files. It goes into:\n\n- an empty "
          "folder\n"
          "- A folder may lie anywhere.\n\n```\nvouch backup create DIR. Then list it.\n```\n\n"
          "| command | what it does for you. |\n|---|---|\n| list | It lists all backups. |\n\nSee "
          "also\n"),
      ElementsAre("A backup shares its files.", "A folder may lie anywhere."));
  EXPECT_THAT(
      QuotableOf(
          MediaType::kHtml,
          "<h2>Tags never move.</h2><p>A tag pins a version.</p><pre>Run it with care now.</pre>"
          "<table><tr><td>A cell has a sentence.</td></tr></table><ul><li>x, y</li></ul>"
          "<dl><dt>fsync</dt><dd><p>Writes are synced to disk.</p></dd></dl>"),
      ElementsAre("A tag pins a version.", "Writes are synced to disk."));
}

TEST(QuotableTest, RecordsAndTheirRepeatedTitles) {
  EXPECT_THAT(
      QuotableOf(
          MediaType::kJsonLines,
          R"({"title":"wing flow is studied .","text":"wing flow is studied . the wing is thin . it is smooth ."})"),
      ElementsAre("the wing is thin .", "it is smooth ."));
}

TEST(QuotableTest, ListsOfPlainTextWithoutTheirMarkers) {
  EXPECT_THAT(
      QuotableOf(
          MediaType::kText,
          "Rules:\n- No row is lost.\n* Every commit is durable.\n1. Reads name a version.\n"),
      ElementsAre("No row is lost.", "Every commit is durable.", "Reads name a version."));
}

TEST(QuotableTest, AnOnlyParagraphWithoutAStopIsASentence) {
  EXPECT_THAT(QuotableOf(MediaType::kText, "buy milk and eggs tomorrow"),
              ElementsAre("buy milk and eggs tomorrow"));
  EXPECT_THAT(QuotableOf(MediaType::kMarkdown, "# Shopping\n\nbuy milk and eggs\n"),
              ElementsAre("buy milk and eggs"));
  EXPECT_THAT(QuotableOf(MediaType::kText, "buy milk and eggs\n\nand some bread too"), IsEmpty());
  EXPECT_THAT(QuotableOf(MediaType::kText, "these are the options:"), IsEmpty());
  EXPECT_THAT(QuotableOf(MediaType::kMarkdown, "# A heading of many words\n"), IsEmpty());
}

TEST(QuotableTest, WithoutBlocksEmptyLinesSetParagraphsApart) {
  const std::string text = "A title of some words\n\nA walrus eats clams. It is large";
  EXPECT_THAT(Slices(text, QuotableSentences(text, std::nullopt)),
              ElementsAre("A walrus eats clams."));
}

TEST(QuotableTest, BlocksOutsideTheTextArePassedOver) {
  const Block::Kind kind = Block::Kind::kParagraph;
  EXPECT_THAT(QuotableSentences("A walrus eats clams.", {{{kind, 0, 5, 500}, {kind, 0, 9, 3}}}),
              IsEmpty());
  EXPECT_THAT(QuotableSentences("", {{{kind, 0, 0, 1}}}), IsEmpty());
  EXPECT_THAT(QuotableSentences("", std::nullopt), IsEmpty());
}

TEST(QuotableTest, WhatAWholeSentenceIs) {
  for (const char* whole :
       {"A walrus eats clams.", "Is it \"durable\"?", "He said: \"It is done.\"",
        "It is so (see below).", "2) Open the lid first.", "吾輩は猫である。", "the wing is thin .",
        "C++ is fast!"}) {
    EXPECT_TRUE(IsWholeSentence(whole)) << whole;
  }
  for (const char* part :
       {"", ".", "See also", "Too short.", "as follows:", "and so on...", "and more of it…",
        "of it (see below.", "see below) is all.", "a | b is what it is.",
        ", which is why it works.", "1 2 3 4 5 6 + = 7 8 9.", "It ends with a semicolon;"}) {
    EXPECT_FALSE(IsWholeSentence(part)) << part;
  }
  EXPECT_FALSE(IsWholeSentence(std::string(700, 'x') + " is too long."));
}

}  // namespace
}  // namespace vouch
