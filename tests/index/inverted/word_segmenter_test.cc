#include "index/inverted/word_segmenter.h"

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/index/inverted/test_data.h"

namespace vouch {
namespace {

bool HasAlphanumeric(std::string_view word) {
  for (int32_t i = 0; i < static_cast<int32_t>(word.size());) {
    UChar32 c = 0;
    U8_NEXT(word.data(), i, static_cast<int32_t>(word.size()), c);
    if (c < 0) continue;
    if (u_hasBinaryProperty(c, UCHAR_ALPHABETIC)) return true;
    if ((U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0) return true;
  }
  return false;
}

// The whole text through ICU in one go, as "[begin,end) word" lines. Texts must be free of "@"
// (word_segmenter.h).
std::vector<std::string> IcuWords(std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  static UBreakIterator* const iterator = ubrk_open(UBRK_WORD, "root", nullptr, 0, &error);
  UText* source = utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &error);
  ubrk_setUText(iterator, source, &error);
  EXPECT_TRUE(U_SUCCESS(error));
  std::vector<std::string> words;
  int32_t begin = 0;
  for (int32_t end = ubrk_next(iterator); end != UBRK_DONE; end = ubrk_next(iterator)) {
    const std::string word(text.substr(begin, end - begin));
    if (ubrk_getRuleStatus(iterator) >= UBRK_WORD_NUMBER && HasAlphanumeric(word)) {
      words.push_back(absl::StrCat(begin, " ", word));
    }
    begin = end;
  }
  utext_close(source);
  return words;
}

class WordSegmenterTest : public testing::Test {
 protected:
  std::vector<std::string> Words(std::string_view text) {
    std::vector<WordSpan> spans;
    segmenter_->Segment(text, &spans);
    std::vector<std::string> words;
    for (const WordSpan& span : spans) {
      const std::string word(text.substr(span.begin, span.end - span.begin));
      bool ascii = true;
      for (char c : word) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
      EXPECT_EQ(span.ascii, ascii) << word;
      words.push_back(absl::StrCat(span.begin, " ", word));
    }
    return words;
  }

  std::unique_ptr<WordSegmenter> segmenter_ = WordSegmenter::Create().value();
};

TEST_F(WordSegmenterTest, CutsAsUax29Says) {
  EXPECT_EQ(Words("Don't pay 3.14, or 1,000;00 at a.b.c: x_1!"),
            (std::vector<std::string>{"0 Don't", "6 pay", "10 3.14", "16 or", "19 1,000;00",
                                      "28 at", "31 a.b.c", "38 x_1"}));
  EXPECT_EQ(Words("___ ... -- '' \" \""), std::vector<std::string>());
  EXPECT_EQ(Words("high-speed /destalling/"),
            (std::vector<std::string>{"0 high", "5 speed", "12 destalling"}));
}

TEST_F(WordSegmenterTest, AtSignPartsWords) {
  EXPECT_EQ(Words("ann@example.com"), (std::vector<std::string>{"0 ann", "4 example.com"}));
}

TEST_F(WordSegmenterTest, BytesThatAreNotUtf8PartWords) {
  EXPECT_EQ(Words("ab\xff"
                  "cd \xc3"),
            (std::vector<std::string>{"0 ab", "3 cd"}));
}

TEST_F(WordSegmenterTest, AllShortAsciiTextsAsIcu) {
  const std::string alphabet = "aZ09_.,:;'\"-/$ \n";
  for (char a : alphabet) {
    for (char b : alphabet) {
      for (char c : alphabet) {
        for (char d : alphabet) {
          const std::string text{a, b, c, d};
          ASSERT_EQ(Words(text), IcuWords(text)) << text;
        }
      }
    }
  }
  for (int i = 0; i < 128; ++i) {
    if (i == '@') continue;
    for (const char* around : {"a", "1", "_", " ", "."}) {
      const std::string text = around + std::string(1, static_cast<char>(i)) + around;
      ASSERT_EQ(Words(text), IcuWords(text)) << "character " << i;
    }
  }
}

TEST_F(WordSegmenterTest, RandomTextsOfManyScriptsAsIcu) {
  constexpr uint64_t kSeed = 20261124;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  const std::vector<std::string> pieces = {"a",
                                           "Z",
                                           "7",
                                           " ",
                                           " ",
                                           "\n",
                                           "\t",
                                           "_",
                                           ".",
                                           ",",
                                           "'",
                                           "\"",
                                           ":",
                                           "\u2019",
                                           "\u00e9",
                                           "e\u0301",
                                           "\u0301",
                                           "\u00a0",
                                           "\u2014",
                                           "\u200d",
                                           "\u200b",
                                           "\u00ad",
                                           "\u05d0",
                                           "\u05f3",
                                           "\u30a2",
                                           "\u3042",
                                           "\u6f22",
                                           "\u5b57",
                                           "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
                                           "\u0440\u0443\u0441",
                                           "\U0001F1E9",
                                           "\U0001F468",
                                           "\u2460",
                                           "\u00bd",
                                           "\u0660",
                                           "\xff",
                                           "\xe2\x82",
                                           "\u0600",
                                           "\u200e",
                                           "\u180e",
                                           "\ufe0f",
                                           "\u3000",
                                           "\uac00",
                                           "\u24b6"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (uint64_t length = random() % 14; length > 0; --length)
      text += pieces[random() % pieces.size()];
    ASSERT_EQ(Words(text), IcuWords(text)) << "round " << round << ": " << text;
  }
}

TEST_F(WordSegmenterTest, RealTextsAsIcu) {
  size_t texts = 0;
  for (const char* name : {"cranfield", "cisi"}) {
    for (std::string text : ReadJudgedCollection(name).texts) {
      std::replace(text.begin(), text.end(), '@', ' ');
      ASSERT_EQ(Words(text), IcuWords(text)) << text;
      ++texts;
    }
  }
  if (texts == 0)
    GTEST_SKIP() << "no real texts here; set VOUCH_TEST_DATA to the folder of cranfield and cisi";
}

}  // namespace
}  // namespace vouch
