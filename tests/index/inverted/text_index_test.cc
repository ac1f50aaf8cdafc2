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

AnalyzedText Text(std::vector<AnalyzedText::Term> terms) {
  AnalyzedText text{.terms = std::move(terms)};
  for (const AnalyzedText::Term& term : text.terms) text.length += term.frequency;
  return text;
}

std::shared_ptr<const TextIndex> Build(std::span<const AnalyzedText> texts) {
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : texts) pointers.push_back(&text);
  return TextIndex::Build(pointers);
}

std::string Show(std::span<const Posting> postings) {
  std::string shown;
  for (const Posting& posting : postings) {
    absl::StrAppend(&shown, posting.row, "x", posting.frequency, " ");
  }
  return shown;
}

std::vector<AnalyzedText> RandomTexts(std::mt19937_64& random, size_t rows) {
  std::vector<AnalyzedText> texts;
  for (size_t row = 0; row < rows; ++row) {
    std::map<std::string, uint32_t> counts;
    for (uint64_t i = random() % 12; i > 0; --i) ++counts[absl::StrCat("t", random() % 40)];
    std::vector<AnalyzedText::Term> terms;
    for (const auto& [term, count] : counts) terms.push_back({term, count});
    texts.push_back(Text(std::move(terms)));
  }
  return texts;
}

TEST(TextIndexTest, HoldsPostingsAndLengths) {
  const std::vector<AnalyzedText> texts = {Text({{"flap", 1}, {"wing", 2}}), Text({}),
                                           Text({{"wing", 4}})};
  const auto index = Build(texts);
  EXPECT_EQ(index->rows(), 3);
  EXPECT_EQ(index->rows_with_text(), 2);
  EXPECT_EQ(index->total_length(), 7);
  EXPECT_EQ(index->length(0), 3);
  EXPECT_EQ(index->length(1), 0);
  EXPECT_EQ(Show(index->postings("wing")), "0x2 2x4 ");
  EXPECT_EQ(Show(index->postings("flap")), "0x1 ");
  EXPECT_EQ(Show(index->postings("wings")), "");
  EXPECT_EQ(Show(index->postings("")), "");
  EXPECT_GT(index->memory_bytes(), 0);
}

TEST(TextIndexTest, EmptyIndexes) {
  const auto none = TextIndex::Build({});
  EXPECT_EQ(none->rows(), 0);
  EXPECT_EQ(TextIndex::Merge({})->Serialize(), none->Serialize());
  ASSERT_TRUE(TextIndex::Parse(none->Serialize(), 0).ok());
  const auto blank = Build(std::vector<AnalyzedText>(5));
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
    const std::string whole = Build(texts)->Serialize();
    std::vector<std::shared_ptr<const TextIndex>> parts;
    for (size_t begin = 0; begin < texts.size();) {
      const size_t count = std::min<size_t>(texts.size() - begin, random() % 20);
      parts.push_back(Build(std::span(texts).subspan(begin, count)));
      begin += count;
    }
    std::vector<const TextIndex*> pointers;
    for (const auto& part : parts) pointers.push_back(part.get());
    ASSERT_EQ(TextIndex::Merge(pointers)->Serialize(), whole) << "round " << round;
    const auto parsed = TextIndex::Parse(whole, static_cast<uint32_t>(texts.size()));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ((*parsed)->Serialize(), whole);
    ASSERT_EQ((*parsed)->total_length(), Build(texts)->total_length());
  }
}

TEST(TextIndexTest, GoldenBytes) {
  const std::string bytes = Build(std::vector<AnalyzedText>{Text({{"ab", 2}})})->Serialize();
  const unsigned char golden[] = {
      'V', 'T', 'X', 'T', 1, 0, 0, 0, 1,   0,   0, 0,  // magic, format, rows
      2,   0,   0,   0,                                // lengths
      1,   0,   0,   0,   0, 0, 0, 0, 2,   0,   0, 0,
      0,   0,   0,   0,                          // terms, bytes
      2,   0,   0,   0,   0, 0, 0, 0, 'a', 'b',  // ends, bytes of the terms
      1,   0,   0,   0,   0, 0, 0, 0, 0,   0,   0, 0,
      2,   0,   0,   0};  // ends of the postings, postings
  EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(golden), sizeof(golden)));
}

class TextIndexDamageTest : public testing::Test {
 protected:
  TextIndexDamageTest() {
    const std::vector<AnalyzedText> texts = {Text({{"flap", 1}, {"wing", 2}}), Text({}),
                                             Text({{"wing", 4}})};
    bytes_ = Build(texts)->Serialize();
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
  // The last posting is {row 2, frequency 4} of "wing", before it {0, 2}, before that {0, 1} of
  // "flap".
  EXPECT_THAT(ParseWith(4, 0), HasSubstr("frequency 0"));
  EXPECT_THAT(ParseWith(4, 5), HasSubstr("row 2 of length 4 has 5"));
  EXPECT_THAT(ParseWith(8, 3), HasSubstr("row 3 of 3"));
  EXPECT_THAT(ParseWith(8, 0), HasSubstr("out of row order"));
}

TEST_F(TextIndexDamageTest, ChecksRows) {
  const absl::Status status = TextIndex::Parse(bytes_, 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds 3 rows, wanted 4"));
}

}  // namespace
}  // namespace vouch
