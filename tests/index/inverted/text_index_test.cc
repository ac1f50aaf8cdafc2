#include "index/inverted/text_index.h"

#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::HasSubstr;

AnalyzedText TextOfTerms(std::vector<AnalyzedText::Term> terms) {
  AnalyzedText text{.terms = std::move(terms)};
  for (const AnalyzedText::Term& term : text.terms) text.length += term.frequency;
  return text;
}

std::shared_ptr<const TextIndex> BuildIndex(std::span<const AnalyzedText> texts) {
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : texts) pointers.push_back(&text);
  return TextIndex::Build(pointers);
}

std::string ShowPostings(const PostingList& postings) {
  std::string shown;
  postings.ForEachBlock([&](const PostingBlock& block) {
    for (uint32_t i = 0; i < block.count; ++i) {
      absl::StrAppend(&shown, block.rows[i], "x", block.values[i], " ");
    }
  });
  return shown;
}

std::vector<AnalyzedText> RandomTexts(std::mt19937_64& random, size_t rows) {
  std::vector<AnalyzedText> texts;
  for (size_t row = 0; row < rows; ++row) {
    std::map<std::string, uint32_t> counts;
    for (uint64_t i = random() % 12; i > 0; --i) ++counts[absl::StrCat("t", random() % 40)];
    std::vector<AnalyzedText::Term> terms;
    for (const auto& [term, count] : counts) terms.push_back({term, count});
    texts.push_back(TextOfTerms(std::move(terms)));
  }
  return texts;
}

TEST(TextIndexTest, HoldsPostingsAndLengths) {
  const std::vector<AnalyzedText> texts = {TextOfTerms({{"flap", 1}, {"wing", 2}}), TextOfTerms({}),
                                           TextOfTerms({{"wing", 4}})};
  const auto index = BuildIndex(texts);
  EXPECT_EQ(index->rows(), 3);
  EXPECT_EQ(index->rows_with_text(), 2);
  EXPECT_EQ(index->total_length(), 7);
  EXPECT_EQ(index->length(0), 3);
  EXPECT_EQ(index->length(1), 0);
  EXPECT_EQ(ShowPostings(index->postings("wing")), "0x2 2x4 ");
  EXPECT_EQ(ShowPostings(index->postings("flap")), "0x1 ");
  EXPECT_EQ(ShowPostings(index->postings("wings")), "");
  EXPECT_EQ(ShowPostings(index->postings("")), "");
  EXPECT_GT(index->memory_bytes(), 0);
}

TEST(TextIndexTest, EmptyIndexes) {
  const auto none = TextIndex::Build({});
  EXPECT_EQ(none->rows(), 0);
  EXPECT_EQ(TextIndex::Merge({})->Serialize(), none->Serialize());
  ASSERT_TRUE(TextIndex::Parse(none->Serialize(), 0).ok());
  const auto blank = BuildIndex(std::vector<AnalyzedText>(5));
  EXPECT_EQ(blank->rows(), 5);
  EXPECT_EQ(blank->rows_with_text(), 0);
  ASSERT_TRUE(TextIndex::Parse(blank->Serialize(), 5).ok());
}

TEST(TextIndexTest, MergedPartsEqualTheWhole) {
  constexpr uint64_t kSeed = 7;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 100; ++round) {
    const std::vector<AnalyzedText> texts = RandomTexts(random, random() % 60);
    const std::string whole = BuildIndex(texts)->Serialize();
    std::vector<std::shared_ptr<const TextIndex>> parts;
    for (size_t begin = 0; begin < texts.size();) {
      const size_t count = std::min<size_t>(texts.size() - begin, random() % 20);
      parts.push_back(BuildIndex(std::span(texts).subspan(begin, count)));
      begin += count;
    }
    std::vector<const TextIndex*> pointers;
    for (const auto& part : parts) pointers.push_back(part.get());
    ASSERT_EQ(TextIndex::Merge(pointers)->Serialize(), whole) << "round " << round;
    const auto parsed = TextIndex::Parse(whole, static_cast<uint32_t>(texts.size()));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ((*parsed)->Serialize(), whole);
    ASSERT_EQ((*parsed)->total_length(), BuildIndex(texts)->total_length());
  }
}

TEST(TextIndexTest, GoldenBytes) {
  const std::string bytes =
      BuildIndex(std::vector<AnalyzedText>{TextOfTerms({{"ab", 2}}), TextOfTerms({}), TextOfTerms({{"ab", 1}, {"c", 3}})})
          ->Serialize();
  const unsigned char golden[] = {
      'V', 'T', 'X', 'T', 3, 0, 0, 0, 3, 0, 0, 0,              // magic, format, rows
      2,   0,   0,   0,   0, 0, 0, 0, 4, 0, 0, 0,              // lengths
      2,   0,   0,   0,   0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,  // terms, bytes
      2,   0,   0,   0,   0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,  // ends
      'a', 'b', 'c',                                           // bytes of the terms
      2,   0,   0,   0,   1, 0, 0, 0,                          // postings of each term
      8,   0,   0,   0,   0, 0, 0, 0,                          // bytes of the blocks
      1,   1,   2,   1,                                        // steps 0 and 1, frequencies 2 and 1
      2,   2,   2,   2,                                        // step 2, frequency 3
      56,  0,   0,   0,   0, 0, 0, 0};                         // the texts: ab ab, ab c c c
  EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(golden), sizeof(golden)));
}

TEST(TextIndexTest, KeepsTheOrderOfTheText) {
  AnalyzedText text = TextOfTerms({{"a", 2}, {"b", 1}, {"z", 1}});
  text.order = {2, 0, 1, 0};
  const AnalyzedText bag = TextOfTerms({{"b", 2}, {"y", 1}});
  const auto one = BuildIndex(std::vector<AnalyzedText>{text, TextOfTerms({})});
  const auto two = BuildIndex(std::vector<AnalyzedText>{bag});
  const TextIndex* const parts[] = {one.get(), two.get()};
  const auto merged = TextIndex::Merge(parts);
  const auto words = [](const TextIndex& index, uint32_t row) {
    std::vector<uint32_t> tokens;
    index.ReadTokens(row, &tokens);
    std::string shown;
    for (uint32_t token : tokens) absl::StrAppend(&shown, std::string(index.dictionary().term(token)), " ");
    return shown;
  };
  const auto parsed = TextIndex::Parse(merged->Serialize(), 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  for (const TextIndex* index : {merged.get(), parsed->get()}) {
    EXPECT_EQ(words(*index, 0), "z a b a ");
    EXPECT_EQ(words(*index, 1), "");
    EXPECT_EQ(words(*index, 2), "b b y ");
  }
}

TEST(TextIndexTest, TextsThatContradictThePostingsAreRefused) {
  std::string bytes = BuildIndex(std::vector<AnalyzedText>{TextOfTerms({{"a", 1}, {"b", 1}}), TextOfTerms({{"a", 1}})})
                          ->Serialize();
  ASSERT_EQ(bytes[bytes.size() - 8], 2);  // a b | a
  bytes[bytes.size() - 8] = 3;            // b b | a
  EXPECT_THAT(std::string(TextIndex::Parse(bytes, 2).status().message()),
              HasSubstr("row 0: its text has other terms than its postings"));
  bytes[bytes.size() - 8] = 1;  // b a | a: another order, and all the same terms
  EXPECT_TRUE(TextIndex::Parse(bytes, 2).ok());
  bytes[bytes.size() - 8] = 10;  // a bit after the last token
  EXPECT_EQ(TextIndex::Parse(bytes, 2).status().code(), absl::StatusCode::kDataLoss);
}

class TextIndexDamageTest : public testing::Test {
 protected:
  TextIndexDamageTest() {
    const std::vector<AnalyzedText> texts = {TextOfTerms({{"flap", 1}, {"wing", 2}}), TextOfTerms({}),
                                             TextOfTerms({{"wing", 4}})};
    bytes_ = BuildIndex(texts)->Serialize();
  }
  // The message of parsing the bytes with the u32 at `offset` from the end replaced.
  std::string ParseWith(size_t offset, uint32_t value) {
    std::string damaged = bytes_;
    std::memcpy(damaged.data() + damaged.size() - offset, &value, sizeof(value));
    const absl::Status status = TextIndex::Parse(damaged, 3).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return std::string(status.message());
  }
  std::string bytes_;
};

TEST_F(TextIndexDamageTest, EveryPrefixAndEveryFlippedBitIsSafe) {
  for (size_t size = 0; size < bytes_.size(); ++size) {
    ASSERT_EQ(TextIndex::Parse(bytes_.substr(0, size), 3).status().code(),
              absl::StatusCode::kDataLoss);
  }
  ASSERT_EQ(TextIndex::Parse(bytes_ + "x", 3).status().code(), absl::StatusCode::kDataLoss);
  for (size_t bit = 0; bit < bytes_.size() * 8; ++bit) {
    std::string damaged = bytes_;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = TextIndex::Parse(damaged, 3);
    if (parsed.ok()) {
      ASSERT_EQ((*parsed)->Serialize(), damaged);
    }
  }
}

TEST_F(TextIndexDamageTest, ChecksPostings) {
  // Before the 8 bytes of the texts stands the block of "wing": 1 bit a step, 2 bits a frequency, steps 0 and 1,
  // frequencies 2 and 4; before them stands that of "flap": no bits at all.
  EXPECT_THAT(ParseWith(12, 0x0c020201), HasSubstr("row 0 of length 3 has 2 occurrences"));
  EXPECT_THAT(ParseWith(12, 0x0d030202), HasSubstr("row 3 of 3"));
  EXPECT_THAT(ParseWith(12, 0x0d020221), HasSubstr("cut short"));
  EXPECT_THAT(ParseWith(12, 0x1d020201), HasSubstr("in another form"));
  EXPECT_THAT(ParseWith(12, 0x0d060201), HasSubstr("in another form"));
}

TEST_F(TextIndexDamageTest, ChecksRows) {
  const absl::Status status = TextIndex::Parse(bytes_, 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds 3 rows, wanted 4"));
}

}  // namespace
}  // namespace vouch
