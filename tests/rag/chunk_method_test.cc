#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/ingest/language.h"
#include "rag/parse/markdown.h"
#include "rag/parse/token_estimate.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

ChunkOptions Options(const std::string& spec) {
  const auto options = ParseChunkOptions(spec);
  EXPECT_TRUE(options.ok()) << options.status();
  return options.value_or(ChunkOptions());
}

// Headings, paragraphs of sentences, lists, a table, code, and a word that is longer than any budget.
std::string RandomMarkdown(std::mt19937& random) {
  const auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  std::string text;
  for (int i = 0; i < 12; ++i) {
    switch (pick(6)) {
      case 0:
        text.append(static_cast<size_t>(1 + pick(3)), '#').append(" Heading ").append(std::to_string(i)).append("\n\n");
        break;
      case 1:
        for (int j = 0; j < 4; ++j) text.append("- item ").append(std::to_string(j)).append(" is here\n");
        text += "\n";
        break;
      case 2:
        text += "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n";
        break;
      case 3:
        text += "```\nint a = 1;\nint b = 2;\n```\n\n";
        break;
      case 4:
        text.append(static_cast<size_t>(pick(400)), 'x').append("\u00FC end.\n\n");
        break;
      default:
        for (int j = 0; j <= pick(12); ++j) text.append("The sentence number ").append(std::to_string(j)).append(" says little. ");
        text += "\n\n";
    }
  }
  return text;
}

TEST(ChunkMethodTest, BudgetsCoverageAndSpans) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::string source = RandomMarkdown(random);
    const auto document = ParseMarkdown(source);
    ASSERT_TRUE(document.ok());
    const struct {
      const char* spec;
      uint64_t budget;
      bool overlaps;
    } methods[] = {{"structure?tokens=40", 40, false}, {"fixed?tokens=24", 24, false},
                   {"fixed?tokens=24&overlap=6", 24, true}, {"sentence?tokens=30", 30, false},
                   {"sentence?tokens=30&overlap=2", 30, true}, {"parent_child?child=20&parent=60", 20, false}};
    for (const auto& method : methods) {
      SCOPED_TRACE(method.spec);
      const std::vector<Chunk> chunks = Chunker(Options(method.spec)).Split(*document, MediaType::kMarkdown);
      std::string covered(document->text.size(), '0');
      for (size_t i = 0; i < chunks.size(); ++i) {
        EXPECT_EQ(chunks[i].ordinal, i);
        EXPECT_TRUE(ChunkIsSound(source, chunks[i]));
        EXPECT_LE(EstimateTokens(chunks[i].text), method.budget) << chunks[i].text;
        // Where the text stands: the chunks come in order.
        const size_t from = i == 0 ? 0 : document->text.find(chunks[i - 1].text);
        ASSERT_NE(document->text.find(chunks[i].text, from), std::string::npos) << chunks[i].text;
      }
      // Every word of the document is in the chunks, once where nothing overlaps.
      std::string words;
      for (const Chunk& chunk : chunks) {
        for (const char c : chunk.text) words += c == ' ' || c == '\n' ? "" : std::string(1, c);
      }
      std::string all;
      for (const char c : document->text) all += c == ' ' || c == '\n' ? "" : std::string(1, c);
      if (method.overlaps) {
        EXPECT_GE(words.size(), all.size());
      } else {
        EXPECT_EQ(words, all);
      }
    }
  }
}

TEST(ChunkMethodTest, ChildrenNameTheirParents) {
  const std::string source =
      "# One\n\nFirst sentence of it here. Second sentence of it here. Third sentence of it here.\n\n# Two\n\nShort.\n";
  const auto document = ParseMarkdown(source);
  const std::vector<Chunk> chunks =
      Chunker(Options("parent_child?child=10&parent=100")).Split(*document, MediaType::kMarkdown);
  ASSERT_GE(chunks.size(), 4u);
  const auto last_of_one = static_cast<uint32_t>(chunks.size() - 2);
  for (uint32_t i = 0; i < chunks.size(); ++i) {
    ASSERT_TRUE(chunks[i].parent.has_value());
    const std::pair<uint32_t, uint32_t> expected =
        i <= last_of_one ? std::pair{0u, last_of_one} : std::pair{last_of_one + 1, last_of_one + 1};
    EXPECT_EQ(*chunks[i].parent, expected) << i;
  }
  EXPECT_EQ(chunks[1].heading, "One");
}

TEST(ChunkMethodTest, OverlapRepeatsSentences) {
  std::string source;
  for (int i = 0; i < 9; ++i) source.append("Sentence ").append(std::to_string(i)).append(" is here. ");
  const auto document = ParseMarkdown(source);
  const std::vector<Chunk> chunks = Chunker(Options("sentence?tokens=24&overlap=1")).Split(*document, MediaType::kMarkdown);
  ASSERT_GE(chunks.size(), 2u);
  for (size_t i = 1; i < chunks.size(); ++i) {
    const size_t last = chunks[i - 1].text.rfind("Sentence");
    EXPECT_EQ(chunks[i].text.substr(0, 10), chunks[i - 1].text.substr(last, 10));
  }
}

TEST(ChunkMethodTest, SpecsAreCheckedAndNamed) {
  EXPECT_EQ(Chunker(Options("structure")).id(), "structure/3?target=1200&max=2400&record=16000");
  EXPECT_EQ(Chunker(Options("structure?target=500")).id(), "structure/3?target=500&max=1000&record=16000");
  EXPECT_EQ(Chunker(Options("fixed?overlap=8")).id(), "fixed/1?tokens=256&overlap=8");
  EXPECT_EQ(Chunker(Options("parent_child")).id(), "parent_child/1?child=128&parent=512");
  const auto error = [](const char* spec) { return std::string(ParseChunkOptions(spec).status().message()); };
  EXPECT_THAT(error("semantic"), HasSubstr("structure, fixed, sentence and parent_child"));
  EXPECT_THAT(error("fixed?size=3"), HasSubstr("it has tokens, overlap"));
  EXPECT_THAT(error("fixed?tokens=3"), HasSubstr("tokens is 3; it takes 8 to 100000"));
  EXPECT_THAT(error("fixed?tokens=20&overlap=15"), HasSubstr("overlap is 15; it takes 0 to 10"));
  EXPECT_THAT(error("parent_child?child=100&parent=50"), HasSubstr("parent is 50; it takes 100"));
  EXPECT_THAT(error("sentence?tokens=many"), HasSubstr("no whole number"));
}

TEST(LanguageTest, KnowsTheStemmersLanguages) {
  EXPECT_EQ(DetectLanguage("The pump is checked before each shift, and it is lubricated once a week by the crew."), "en");
  EXPECT_EQ(DetectLanguage("Die Pumpe wird vor jeder Schicht geprüft und einmal in der Woche von der Mannschaft geschmiert."), "de");
  EXPECT_EQ(DetectLanguage("La pompe est contrôlée avant chaque poste et elle est graissée une fois par semaine dans l'atelier."), "fr");
  EXPECT_EQ(DetectLanguage("La bomba se revisa antes de cada turno y el personal la engrasa una vez por semana en el taller."), "es");
  EXPECT_EQ(DetectLanguage("De pomp wordt voor elke dienst gecontroleerd en het personeel smeert hem een keer in de week."), "nl");
  EXPECT_EQ(DetectLanguage("Насос проверяют перед каждой сменой, и его смазывают раз в неделю, чтобы он не остановился."), "ru");
  EXPECT_EQ(DetectLanguage("A szivattyút minden műszak előtt ellenőrzik, és hetente egyszer meg is kenik, hogy ne álljon le."), "hu");
  EXPECT_EQ(DetectLanguage("Η αντλία ελέγχεται πριν από κάθε βάρδια και λιπαίνεται μία φορά την εβδομάδα."), "el");
  EXPECT_EQ(DetectLanguage(""), "");
  EXPECT_EQ(DetectLanguage("12 34 Seal-7 X9 B12 Q7"), "");
  EXPECT_EQ(DetectLanguage("Lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor."), "");
}

}  // namespace
}  // namespace vouch
