#include "rag/extractive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Extract(const std::string& question,
                                 const std::vector<ExtractiveChunk>& chunks,
                                 uint32_t max_sentences) {
  const auto analyzer = *Analyzer::Create("english");
  std::vector<std::string> sentences;
  for (const ExtractedSentence& s :
       ExtractSentences(question, chunks, {}, *analyzer, {.max_sentences = max_sentences})) {
    sentences.push_back(chunks[s.chunk].text.substr(s.text.begin, s.text.end - s.text.begin));
  }
  return sentences;
}

TEST(ExtractiveTest, NearDuplicatesAreQuotedOnce) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "The index file is rebuilt when it is damaged. Nothing else.", .context = ""},
      {.text = "An index file is rebuilt when damaged. A damaged index file is noticed by its "
               "checksum.",
       .context = ""}};
  EXPECT_THAT(Extract("when is a damaged index file rebuilt", chunks, 3),
              ElementsAre("The index file is rebuilt when it is damaged.",
                          "A damaged index file is noticed by its checksum."));
}

TEST(ExtractiveTest, AHeadingIsNoAnswer) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "Restoring a backup\n\nA backup goes into an empty folder.",
       .context = "Guide > Restoring a backup"}};
  EXPECT_THAT(Extract("restoring a backup", chunks, 3),
              ElementsAre("A backup goes into an empty folder."));
}

TEST(ExtractiveTest, AChunksSentencesComeInReadingOrder) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "First open the lid of the teapot. It is green. Then pour water into the teapot and "
               "close its lid.",
       .context = ""}};
  EXPECT_THAT(Extract("how to open the lid and pour water into the teapot", chunks, 2),
              ElementsAre("First open the lid of the teapot.",
                          "Then pour water into the teapot and close its lid."));
}

TEST(ExtractiveTest, WhatSaysLessOfTheSameIsLeftOut) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "A damaged index file is rebuilt from the rows of the store. Nothing else.",
       .context = ""},
      {.text = "A damaged index file is rebuilt.", .context = ""}};
  EXPECT_THAT(Extract("when is a damaged index file rebuilt", chunks, 3),
              ElementsAre("A damaged index file is rebuilt from the rows of the store."));
}

TEST(ExtractiveTest, OnlyProseIsQuoted) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "Rebuild the index file\n\nThe index file is rebuilt in the "
               "background.\n\nindex.Rebuild(file) then.",
       .context = "Guide",
       .blocks = {{{Block::Kind::kHeading, 0, 0, 22},
                   {Block::Kind::kParagraph, 0, 24, 68},
                   {Block::Kind::kCode, 0, 70, 95}}}}};
  EXPECT_THAT(Extract("rebuild the index file", chunks, 3),
              ElementsAre("The index file is rebuilt in the background."));
}

TEST(ExtractiveTest, AskingWordsAreNoEvidence) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "How you would do it is what you should show. Bread rises by yeast.",
       .context = ""}};
  EXPECT_THAT(Extract("how does bread rise", chunks, 3), ElementsAre("Bread rises by yeast."));
  EXPECT_THAT(Extract("what should I do", chunks, 3), IsEmpty());
}

TEST(ExtractiveTest, TooLittleOfTheQuestionIsNoAnswer) {
  const std::vector<ExtractiveChunk> chunks = {
      {.text = "Letters may be capital or small. Both are letters of the alphabet.",
       .context = "Letters"}};
  EXPECT_THAT(Extract("what is the capital of France", chunks, 3), IsEmpty());
  EXPECT_THAT(Extract("which letters are capital", chunks, 1),
              ElementsAre("Letters may be capital or small."));
  EXPECT_THAT(Extract("configure capital ingress controllers of kubernetes", chunks, 3), IsEmpty());
}

}  // namespace
}  // namespace vouch
