#include "index/inverted/analyzer.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/inverted/elision.h"
#include "index/inverted/stop_words.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Terms(std::string_view language, std::string_view text) {
  std::vector<std::string> terms;
  for (const Token& token : Analyzer::Create(language).value()->Tokenize(text)) {
    terms.push_back(token.term);
  }
  return terms;
}

TEST(AnalyzerTest, FoldsDropsStopWordsAndStems) {
  EXPECT_THAT(Terms("english", "The Wings of Airplanes were TESTED in 1958, and not only once."),
              ElementsAre("wing", "airplan", "were", "test", "1958", "onli", "onc"));
  EXPECT_THAT(Terms("none", "The Wings of Airplanes"),
              ElementsAre("the", "wings", "of", "airplanes"));
  EXPECT_THAT(Terms("german", "Die Straßen und STRASSEN für Häuser"),
              ElementsAre("strass", "strass", "haus"));
}

TEST(AnalyzerTest, EnglishHasLucenesThirtyThreeStopWords) {
  EXPECT_EQ(StopWords("english").size(), 33);
  // Common words that Lucene's list has not.
  EXPECT_EQ(Terms("english", "from has have he i she were which who you").size(), 10);
}

TEST(AnalyzerTest, EveryStopWordIsDroppedByItsLanguage) {
  for (const std::string& language : Analyzer::Languages()) {
    for (std::string_view word : StopWords(language)) {
      EXPECT_THAT(Terms(language, word), IsEmpty()) << language << " " << word;
    }
  }
}

TEST(AnalyzerTest, FoldsByNfkcAndCase) {
  EXPECT_THAT(Terms("none", "\uff26\uff35\uff2c\uff2c \ufb01ne \u2167 e\u0301 \u00c9 \u0130"),
              ElementsAre("full", "fine", "viii", "\u00e9", "\u00e9", "i\u0307"));
  EXPECT_EQ(Terms("english", "the plane\u2019s"), Terms("english", "the plane's"));
}

TEST(AnalyzerTest, ElidedArticlesAreCutBeforeStemming) {
  EXPECT_EQ(Terms("french", "l'eau d'Artagnan L\u2019\u00c9glise aujourd'hui jusqu'ici"),
            Terms("french", "eau artagnan \u00c9glise aujourd'hui ici"));
  EXPECT_EQ(Terms("french", "l'eau"), Terms("french", "eau"));
  EXPECT_THAT(Terms("french", "qu'il"), Terms("french", "il"));
  EXPECT_EQ(Terms("italian", "dell'arte un'amica l\u2019opera"),
            Terms("italian", "arte amica opera"));
  EXPECT_EQ(Terms("catalan", "l'aigua d\u2019oli"), Terms("catalan", "aigua oli"));
  // What others write with an apostrophe is theirs.
  EXPECT_NE(Terms("english", "l'eau"), Terms("english", "eau"));
  EXPECT_NE(Terms("none", "d'artagnan"), Terms("none", "artagnan"));
  EXPECT_NE(Terms("spanish", "d'artagnan"), Terms("spanish", "artagnan"));
}

TEST(AnalyzerTest, TheIdNamesLanguageRulesAndUnicode) {
  const auto french = Analyzer::Create("french").value();
  EXPECT_THAT(french->id(), HasSubstr("french/2?unicode="));
  EXPECT_EQ(Analyzer::Create("french").value()->id(), french->id());
  EXPECT_NE(Analyzer::Create("italian").value()->id(), french->id());
}

TEST(ElisionTest, NeverCutsAWholeWord) {
  EXPECT_EQ(CutElision("french", "l'eau"), "eau");
  EXPECT_EQ(CutElision("french", "l'"), "l'");
  EXPECT_EQ(CutElision("french", "'eau"), "'eau");
  EXPECT_EQ(CutElision("french", "eau"), "eau");
  EXPECT_EQ(CutElision("french", "l'l'eau"), "l'eau");
  EXPECT_EQ(CutElision("italian", "dell'arte"), "arte");
  EXPECT_EQ(CutElision("french", "dell'arte"), "dell'arte");
  EXPECT_EQ(CutElision("english", "l'eau"), "l'eau");
}

TEST(AnalyzerTest, OffsetsAreBytesOfTheOriginalText) {
  const std::string text = "\u00c9t\u00e9 \u2014 d\u2019\u00c9glise\n\u6f22\u5b57 x";
  const std::vector<Token> tokens = Analyzer::Create("none").value()->Tokenize(text);
  std::vector<std::string> words;
  for (const Token& token : tokens)
    words.push_back(text.substr(token.begin, token.end - token.begin));
  EXPECT_THAT(words, ElementsAre("\u00c9t\u00e9", "d\u2019\u00c9glise", "\u6f22\u5b57", "x"));
}

TEST(AnalyzerTest, CountsTerms) {
  const AnalyzedText text =
      Analyzer::Create("english").value()->Analyze("Wing to wing, a wings' zoo: 7");
  EXPECT_THAT(text.terms, ElementsAre(AnalyzedText::Term{"7", 1}, AnalyzedText::Term{"wing", 3},
                                      AnalyzedText::Term{"zoo", 1}));
  EXPECT_EQ(text.length, 5);
  EXPECT_TRUE(Analyzer::Create("english").value()->Analyze(" \t the of").terms.empty());
}

TEST(AnalyzerTest, LongTokensAreCutAtACodePoint) {
  EXPECT_THAT(Terms("none", std::string(1000, 'x')), ElementsAre(std::string(128, 'x')));
  std::string wide = "x";
  for (int i = 0; i < 500; ++i) wide += "\u00e9";
  const std::vector<std::string> terms = Terms("none", wide);
  ASSERT_EQ(terms.size(), 1);
  EXPECT_EQ(terms[0], wide.substr(0, 127));
}

TEST(AnalyzerTest, BytesThatAreNotUtf8AreNoTerms) {
  EXPECT_THAT(Terms("english", "wing\xff\xfe flap\xc3"), ElementsAre("wing", "flap"));
  EXPECT_THAT(Terms("english", "\xff\xff"), IsEmpty());
}

TEST(AnalyzerTest, UnknownLanguageNamesThoseThereAre) {
  const absl::Status status = Analyzer::Create("klingon").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("unknown text language 'klingon'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("english, finnish"));
  EXPECT_FALSE(Analyzer::Create("").ok());
}

TEST(AnalyzerTest, MemoDoesNotChangeTerms) {
  const std::shared_ptr<const Analyzer> analyzer = Analyzer::Create("english").value();
  std::string text;
  for (int i = 0; i < 40'000; ++i) absl::StrAppend(&text, "word", i, "s the ");
  const std::vector<Token> first = analyzer->Tokenize(text);
  const std::vector<Token> second = analyzer->Tokenize(text);
  ASSERT_EQ(first.size(), 40'000);
  for (size_t i = 0; i < first.size(); ++i) ASSERT_EQ(first[i].term, second[i].term);
}

TEST(AnalyzerTest, ThreadsAgree) {
  const std::shared_ptr<const Analyzer> analyzer = Analyzer::Create("english").value();
  const std::string text = "Slipstreams of propellers destalling \u00e9tudes, propellers again";
  const AnalyzedText expected = analyzer->Analyze(text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        EXPECT_EQ(analyzer->Analyze(text).terms, expected.terms);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Opening ICU's rules takes longer than an answer's texts.
TEST(AnalyzerTest, OneOfALanguageIsSharedWhileItIsHeld) {
  const std::shared_ptr<const Analyzer> english = Analyzer::Create("english").value();
  EXPECT_EQ(Analyzer::Create("english").value(), english);
  EXPECT_NE(Analyzer::Create("german").value(), english);
}

}  // namespace
}  // namespace vouch
