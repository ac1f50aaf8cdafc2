#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/parse/parser.h"
#include "rag/parse/utf8.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;

ParsedDocument Parse(MediaType type, std::string bytes) {
  Document document;
  document.media_type = type;
  document.bytes = std::move(bytes);
  return ParseDocument(document).value();
}

std::vector<std::string> Texts(const std::vector<Chunk>& chunks) {
  std::vector<std::string> texts;
  for (const Chunk& chunk : chunks) texts.push_back(chunk.text);
  return texts;
}

const ChunkOptions kSmall{.target_bytes = 20, .max_bytes = 40, .record_max_bytes = 100};

TEST(ChunkerTest, HeadingsStartChunksAndGiveThePath) {
  const auto document = Parse(MediaType::kMarkdown, "# A\n\nx\n\n## B\n\ny\n\n### C\n\nz\n\n## D\n\nw\n\n# E\n");
  const auto chunks = Chunker({}).Split(document, MediaType::kMarkdown);
  EXPECT_THAT(Texts(chunks), ElementsAre("A\n\nx", "B\n\ny", "C\n\nz", "D\n\nw", "E"));
  EXPECT_EQ(chunks[0].heading, "A");
  EXPECT_EQ(chunks[2].heading, "A > B > C");
  EXPECT_EQ(chunks[3].heading, "A > D");
  EXPECT_EQ(chunks[4].heading, "E");
  EXPECT_EQ(chunks[4].ordinal, 4u);
}

TEST(ChunkerTest, HeadingsWithoutTextBetweenThemStayTogether) {
  const auto document = Parse(MediaType::kMarkdown, "# Title\n## Part\ntext\n");
  const auto chunks = Chunker({}).Split(document, MediaType::kMarkdown);
  EXPECT_THAT(Texts(chunks), ElementsAre("Title\n\nPart\n\ntext"));
  EXPECT_EQ(chunks[0].heading, "Title > Part");
}

TEST(ChunkerTest, ClosesAtTheBlockBorderPastTheTarget) {
  const auto document = Parse(MediaType::kText, "aaaa aaaa\n\nbbbb bbbb\n\ncccc cccc\n\ndddd\n\n" + std::string(38, 'e'));
  EXPECT_THAT(Texts(Chunker(kSmall).Split(document, MediaType::kText)),
              ElementsAre("aaaa aaaa\n\nbbbb bbbb", "cccc cccc\n\ndddd", std::string(38, 'e')));
}

TEST(ChunkerTest, CutsLongParagraphsAtSentencesThenWordsThenCharacters) {
  EXPECT_THAT(Texts(Chunker(kSmall).Split(
                  Parse(MediaType::kText, "First sentence of it. Second sentence, longer. Third one, long too."), MediaType::kText)),
              ElementsAre("First sentence of it.", "Second sentence, longer.", "Third one, long too."));
  for (const Chunk& chunk :
       Chunker(kSmall).Split(Parse(MediaType::kText, "words without any stop that go on and on and on for very long"),
                             MediaType::kText)) {
    EXPECT_LE(chunk.text.size(), 40u);
    EXPECT_NE(chunk.text.back(), ' ');
  }
  std::string wide;
  for (int i = 0; i < 50; ++i) wide += "😀";
  const auto chunks = Chunker({.target_bytes = 10, .max_bytes = 23}).Split(Parse(MediaType::kText, wide), MediaType::kText);
  std::string joined;
  for (const Chunk& chunk : chunks) {
    EXPECT_LE(chunk.text.size(), 23u);
    EXPECT_FALSE(FindInvalidUtf8(chunk.text)) << chunk.text;
    joined += chunk.text;
  }
  EXPECT_EQ(joined, wide);
}

TEST(ChunkerTest, CutsCodeAtLines) {
  const auto document = Parse(MediaType::kMarkdown, "```\nline one;\n  line two;\nline three;\n  line four;\n```\n");
  EXPECT_THAT(Texts(Chunker(kSmall).Split(document, MediaType::kMarkdown)),
              ElementsAre("line one;\n  line two;", "line three;\n  line four;"));
}

TEST(ChunkerTest, RecordsStayWhole) {
  const std::string line = R"({"_id":"1","title":"T","text":"First paragraph here.\n\nSecond paragraph here."})";
  const auto chunks = Chunker(kSmall).Split(Parse(MediaType::kJsonLines, line), MediaType::kJsonLines);
  EXPECT_THAT(Texts(chunks), ElementsAre("First paragraph here.\n\nSecond paragraph here."));
  EXPECT_TRUE(SpansAreExact(line, chunks[0].text, chunks[0].spans));
  EXPECT_EQ(line.substr(chunks[0].source.begin, chunks[0].source.end - chunks[0].source.begin),
            R"(First paragraph here.\n\nSecond paragraph here.)");
  const std::string long_line = R"({"_id":"1","text":")" + std::string(30, 'a') + R"(. Bb.\n\n)" + std::string(80, 'c') + "\"}";
  EXPECT_GT(Chunker(kSmall).Split(Parse(MediaType::kJsonLines, long_line), MediaType::kJsonLines).size(), 2u);
  EXPECT_EQ(Chunker(kSmall).Split(Parse(MediaType::kJsonLines, R"({"title":"only"})"), MediaType::kJsonLines).size(), 1u);
  EXPECT_TRUE(Chunker(kSmall).Split(Parse(MediaType::kJsonLines, R"({"text":" "})"), MediaType::kJsonLines).empty());
}

// "h:Title" for each block of a chunk.
std::vector<std::string> BlocksOf(const Chunk& chunk) {
  std::vector<std::string> blocks;
  for (const Block& block : chunk.blocks) {
    blocks.push_back(std::string(1, "hplct"[static_cast<size_t>(block.kind)]) + ":" +
                     chunk.text.substr(block.begin, block.end - block.begin));
  }
  return blocks;
}

TEST(ChunkerTest, ChunksKnowWhatStandsInThem) {
  const auto chunks = Chunker({}).Split(Parse(MediaType::kMarkdown,
                                              "# A\n\nx y\n\n- one\n- two\n\n```\ncode\n```\n\n| a "
                                              "| b |\n|---|---|\n| c | d |\n\n# B\n\nz\n"),
                                        MediaType::kMarkdown);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_THAT(BlocksOf(chunks[0]), ElementsAre("h:A", "p:x y", "l:one", "l:two", "c:code",
                                               "t:| a | b |", "t:| c | d |"));
  EXPECT_THAT(BlocksOf(chunks[1]), ElementsAre("h:B", "p:z"));
  const auto record = Chunker({}).Split(
      Parse(MediaType::kJsonLines, R"({"title":"T","text":"T.\n\nOne.\n\nTwo."})"),
      MediaType::kJsonLines);
  EXPECT_THAT(BlocksOf(record.at(0)), ElementsAre("h:T.", "p:One.", "p:Two."));
}

TEST(ChunkerTest, NoBlockStartsInsideASentence) {
  const auto chunks = Chunker(kSmall).Split(Parse(MediaType::kText,
                                                  "One long sentence that goes on well past the "
                                                  "limit of a chunk, and ends. Next one here."),
                                            MediaType::kText);
  std::vector<std::string> blocks;
  for (const Chunk& chunk : chunks) {
    for (const std::string& block : BlocksOf(chunk)) blocks.push_back(block);
  }
  ASSERT_GE(chunks.size(), 3u);
  EXPECT_EQ(blocks.front().substr(0, 5), "p:One");
  EXPECT_EQ(blocks.back(), "p:Next one here.");
  EXPECT_EQ(blocks.size(), 2u);
}

TEST(BlockListTest, EncodesAndDecodes) {
  const std::vector<Block> blocks = {
      {.kind = Block::Kind::kHeading, .level = 0, .begin = 0, .end = 7},
      {.kind = Block::Kind::kParagraph, .level = 0, .begin = 9, .end = 83},
      {.kind = Block::Kind::kTable, .level = 0, .begin = 83, .end = 1'000'000}};
  EXPECT_EQ(EncodeBlocks(blocks), "h0,7;p9,83;t83,1000000");
  std::vector<Block> decoded;
  ASSERT_TRUE(DecodeBlocks("h0,7;p9,83;t83,1000000", &decoded));
  EXPECT_EQ(decoded, blocks);
  EXPECT_TRUE(DecodeBlocks("", &decoded));
  EXPECT_TRUE(decoded.empty());
  for (const char* bad : {"x0,7", "h", "h0", "h0,", "h7,7", "h7,3", "h0,7;", ";h0,7", "h0,7p8,9",
                          "p5,9;p8,10", "h-1,7", "h0,99999999999999999999", "h0,7 "}) {
    EXPECT_FALSE(DecodeBlocks(bad, &decoded)) << bad;
  }
}

TEST(ChunkerTest, IdNamesTheParameters) {
  EXPECT_EQ(Chunker({}).id(), "structure/3?target=1200&max=2400&record=16000");
}

// Invariant 1: every byte of every block is in one chunk, in order, but for the white space at cuts.
TEST(ChunkerTest, CoversEveryBlockOnce) {
  constexpr uint64_t kSeed = 20261124;
  std::mt19937_64 random(kSeed);
  const std::vector<std::string> atoms = {"# h\n\n", "word ", "Sentence here. ", "\n\n", "- item\n", "é😀", "long", "```\ncode\n\nx\n```\n"};
  for (int round = 0; round < 400; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 120; i > 0; --i) bytes += atoms[random() % atoms.size()];
    const ParsedDocument document = Parse(MediaType::kMarkdown, bytes);
    std::string want;
    for (const Block& block : document.blocks) want += document.text.substr(block.begin, block.end - block.begin);
    std::string got;
    uint32_t ordinal = 0;
    for (const Chunk& chunk : Chunker(kSmall).Split(document, MediaType::kMarkdown)) {
      EXPECT_EQ(chunk.ordinal, ordinal++);
      EXPECT_FALSE(FindInvalidUtf8(chunk.text));
      EXPECT_LE(chunk.text.size(), 40u);
      got += chunk.text;
    }
    const auto squeeze = [](std::string text) {
      text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }), text.end());
      return text;
    };
    EXPECT_EQ(squeeze(got), squeeze(want)) << "seed " << kSeed << " round " << round;
  }
}

std::vector<std::string> Sentences(const std::string& text) {
  std::vector<std::string> sentences;
  for (const ByteSpan& span : SplitSentences(text)) sentences.push_back(text.substr(span.begin, span.end - span.begin));
  return sentences;
}

TEST(SentencesTest, FollowUnicodeRules) {
  EXPECT_THAT(Sentences("One is here. Two?  Three!\n\nFour is 3.14 long. "),
              ElementsAre("One is here.", "Two?", "Three!", "Four is 3.14 long."));
  EXPECT_THAT(Sentences(""), ElementsAre());
  EXPECT_THAT(Sentences(" \n "), ElementsAre());
  EXPECT_THAT(Sentences("item\nother item"), ElementsAre("item", "other item"));
}

TEST(SentencesTest, GoOnOverWrappedLines) {
  EXPECT_THAT(Sentences("A sentence that is wrapped at some column, it\ngoes on here. Next."),
              ElementsAre("A sentence that is wrapped at some column, it\ngoes on here.", "Next."));
  EXPECT_THAT(
      Sentences("A sentence that is wrapped before a name, that of\r\n  Ada Lovelace. Next."),
      ElementsAre("A sentence that is wrapped before a name, that of\r\n  Ada Lovelace.", "Next."));
  EXPECT_THAT(
      Sentences("A line that says what is to be found in the list:\n- an item\n2. another item"),
      ElementsAre("A line that says what is to be found in the list:", "- an item",
                  "2. another item"));
}

TEST(SentencesTest, GoOnAfterAbbreviations) {
  EXPECT_THAT(
      Sentences("Use a store, e.g. RocksDB. See Fig. 3 and No. 7 by Dr. J. Doe et al. Then stop."),
      ElementsAre("Use a store, e.g. RocksDB.",
                  "See Fig. 3 and No. 7 by Dr. J. Doe et al. Then stop."));
  EXPECT_THAT(Sentences("The answer is No. Nobody came. So did I. The end."),
              ElementsAre("The answer is No.", "Nobody came.", "So did I.", "The end."));
}

TEST(SentencesTest, GoOnAfterAStopInsideAWord) {
  EXPECT_THAT(Sentences("Choose --embedder hash?dim=256 or wow!x for it. Then go."),
              ElementsAre("Choose --embedder hash?dim=256 or wow!x for it.", "Then go."));
  EXPECT_THAT(Sentences("吾輩は猫である。名前はまだ無い。"),
              ElementsAre("吾輩は猫である。", "名前はまだ無い。"));
}

TEST(SentencesTest, StopsThatStandAsWordsEndSentences) {
  EXPECT_THAT(
      Sentences("the flow past a wing . the wing is thin . what follows ? it is 3.5 long ."),
      ElementsAre("the flow past a wing .", "the wing is thin .", "what follows ?",
                  "it is 3.5 long ."));
  // One alone among others is no such text.
  EXPECT_THAT(Sentences("Copy it by cp a . and go on. Then stop."),
              ElementsAre("Copy it by cp a . and go on.", "Then stop."));
}

}  // namespace
}  // namespace vouch
