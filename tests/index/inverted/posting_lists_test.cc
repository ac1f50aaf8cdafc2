#include "index/inverted/posting_lists.h"

#include <bit>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "index/inverted/bm25_kernel.h"

namespace vouch {
namespace {

// A block's largest value and first row, so that tests can see which block a bound is of.
class LargestValue final : public BoundMaker {
 public:
  void AppendBlock(const PostingBlock& block, std::vector<PostingBound>* bounds) const override {
    uint32_t largest = 0;
    for (uint32_t i = 0; i < block.count; ++i) largest = std::max(largest, block.values[i]);
    bounds->push_back({largest, block.rows[0]});
  }
  void AppendList(std::span<const PostingBound> blocks,
                  std::vector<PostingBound>* bounds) const override {
    uint32_t largest = 0;
    for (const PostingBound& block : blocks) largest = std::max(largest, block.a);
    bounds->push_back({largest, 0});
  }
};

struct List {
  std::vector<uint32_t> rows;
  std::vector<uint32_t> values;
  friend bool operator==(const List&, const List&) = default;
};

List Decoded(const PostingList& postings) {
  List list;
  postings.ForEachBlock([&](const PostingBlock& block) {
    list.rows.insert(list.rows.end(), block.rows, block.rows + block.count);
    list.values.insert(list.values.end(), block.values, block.values + block.count);
  });
  return list;
}

List RandomList(std::mt19937_64& random, size_t size, PostingValues kind) {
  List list;
  const uint64_t gap = uint64_t{1} << (random() % 18);
  const uint64_t most = uint64_t{1} << (random() % 20);
  uint32_t row = static_cast<uint32_t>(random() % gap);
  for (size_t i = 0; i < size; ++i, row += static_cast<uint32_t>(1 + random() % gap)) {
    list.rows.push_back(row);
    const float real = static_cast<float>(random() % 1000) / 7 - 50;
    list.values.push_back(kind == PostingValues::kCounts
                              ? static_cast<uint32_t>(1 + random() % most)
                              : std::bit_cast<uint32_t>(real));
  }
  return list;
}

std::string Written(const PostingLists& lists) {
  FlatWriter writer;
  lists.Write(&writer);
  return std::move(writer).Take();
}

absl::Status ReadAll(std::string_view bytes, size_t terms, uint32_t rows, PostingLists* lists) {
  FlatReader reader(bytes);
  absl::Status status =
      lists->Read(&reader, terms, rows, LargestValue(), [](const PostingBlock&) {});
  if (status.ok() && !reader.AtEnd()) return absl::DataLossError("bytes left over");
  return status;
}

TEST(BlockCodecTest, EveryWidthAndLengthComesBack) {
  std::mt19937_64 random(5);
  for (uint32_t bits = 0; bits <= 32; ++bits) {
    for (size_t count :
         {size_t{1}, size_t{2}, size_t{7}, size_t{64}, size_t{127}, kBlockPostings}) {
      std::vector<uint32_t> numbers(count);
      for (uint32_t& number : numbers)
        number = static_cast<uint32_t>(random() & ((uint64_t{1} << bits) - 1));
      if (bits > 0) numbers[random() % count] |= uint32_t{1} << (bits - 1);
      ASSERT_EQ(BitsFor(numbers.data(), count), bits);
      std::string packed = "x";  // so that words lie at odd addresses
      PackNumbers(numbers.data(), count, bits, &packed);
      ASSERT_EQ(packed.size(), 1 + PackedBytes(count, bits));
      packed.append(kUnpackSlackBytes, '\xff');
      std::vector<uint32_t> unpacked(count);
      UnpackNumbers(packed.data() + 1, count, bits, unpacked.data());
      ASSERT_EQ(unpacked, numbers) << bits << " bits, " << count << " numbers";
    }
  }
}

TEST(BlockCodecTest, LanesAreAsTheGrammarSays) {
  std::vector<uint32_t> numbers(kBlockPostings, 0);
  numbers[0] = 5;    // lane 0, bits 0 to 2 of word 0
  numbers[5] = 7;    // lane 1, bits 3 to 5 of word 1
  numbers[127] = 4;  // lane 3, bits 93 to 95, the last of word 3 + 8
  std::string packed;
  PackNumbers(numbers.data(), kBlockPostings, 3, &packed);
  std::string expected(48, '\0');
  expected[0] = 5;
  expected[4] = 7 << 3;
  expected[47] = static_cast<char>(0x80);
  EXPECT_EQ(packed, expected);
}

TEST(PostingListsTest, RandomListsComeBackFromMemoryAndBytes) {
  constexpr uint64_t kSeed = 21;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (PostingValues kind : {PostingValues::kCounts, PostingValues::kFloats}) {
    for (int round = 0; round < 40; ++round) {
      PostingLists lists(kind);
      std::vector<List> expected;
      uint32_t rows = 1;
      for (uint64_t term = 0; term < 1 + random() % 12; ++term) {
        const size_t sizes[] = {1, 2, 127, 128, 129, 256, 257, 1000};
        expected.push_back(RandomList(random, sizes[random() % 8], kind));
        rows = std::max(rows, expected.back().rows.back() + 1);
        lists.Add(expected.back().rows, expected.back().values, LargestValue());
      }
      const std::string bytes = Written(lists);
      PostingLists read(kind);
      ASSERT_TRUE(ReadAll(bytes, expected.size(), rows, &read).ok());
      ASSERT_EQ(Written(read), bytes);
      for (size_t term = 0; term < expected.size(); ++term) {
        ASSERT_EQ(Decoded(lists.list(term)), expected[term]);
        ASSERT_EQ(Decoded(read.list(term)), expected[term]);
        for (uint32_t b = 0; lists.list(term).has_bounds() && b < lists.list(term).blocks(); ++b) {
          ASSERT_EQ(read.list(term).last_row(b), lists.list(term).last_row(b));
          ASSERT_EQ(read.list(term).bounds(b)[0], lists.list(term).bounds(b)[0]);
          ASSERT_EQ(read.list(term).bounds(b)[0].b, expected[term].rows[b * kBlockPostings]);
        }
      }
      ASSERT_FALSE(ReadAll(bytes, expected.size(), rows - 1, &read).ok());
    }
  }
}

TEST(PostingListsTest, SeeksAndFindsEachRow) {
  std::mt19937_64 random(3);
  PostingLists lists(PostingValues::kCounts);
  for (size_t size : {1, 100, 128, 129, 1500}) {
    const List list = RandomList(random, size, PostingValues::kCounts);
    lists.Add(list.rows, list.values, LargestValue());
    const PostingList postings = lists.list(lists.size() - 1);
    size_t next = 0;
    for (uint32_t row = 0; row <= std::min(list.rows.back() + 1, 20'000u); ++row) {
      while (next < list.rows.size() && list.rows[next] < row) ++next;
      const bool has = next < list.rows.size() && list.rows[next] == row;
      ASSERT_EQ(postings.Find(row), has ? std::optional(list.values[next]) : std::nullopt);
      if (!postings.has_bounds()) continue;
      const auto block = static_cast<uint32_t>(next / kBlockPostings);
      const uint32_t wanted = next == list.rows.size() ? postings.blocks() : block;
      for (uint32_t from : {0u, wanted / 2, wanted})
        ASSERT_EQ(postings.SeekBlock(row, from), wanted);
    }
  }
}

TEST(PostingListsTest, EveryPrefixAndEveryFlippedBitIsSafe) {
  std::mt19937_64 random(9);
  for (PostingValues kind : {PostingValues::kCounts, PostingValues::kFloats}) {
    PostingLists lists(kind);
    const List first = RandomList(random, 3, kind);
    const List second = RandomList(random, 130, kind);
    lists.Add(first.rows, first.values, LargestValue());
    lists.Add(second.rows, second.values, LargestValue());
    const uint32_t rows = std::max(first.rows.back(), second.rows.back()) + 1;
    const std::string bytes = Written(lists);
    PostingLists read(kind);
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(ReadAll(bytes.substr(0, size), 2, rows, &read).code(), absl::StatusCode::kDataLoss);
    }
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      if (ReadAll(damaged, 2, rows, &read).ok()) {
        ASSERT_EQ(Written(read), damaged);
      }
    }
  }
}

TEST(PostingListsTest, StepsOverTheLastRowAreDamage) {
  // One list of two rows in 32 bits each: a first step of 0xfffffffe, then one of 5, which runs
  // over.
  std::string bytes;
  const unsigned char raw[] = {2, 0,  0, 0,    10,   0,    0,    0, 0, 0, 0,
                               0, 32, 0, 0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0};
  bytes.assign(reinterpret_cast<const char*>(raw), sizeof(raw));
  PostingLists read(PostingValues::kCounts);
  EXPECT_EQ(ReadAll(bytes, 1, 0xffffffff, &read).code(), absl::StatusCode::kDataLoss);
}

TEST(Bm25KernelTest, VectorsGiveTheBitsOfTheDefinition) {
  if (Avx2Bm25Kernel() == nullptr) GTEST_SKIP() << "this processor has no AVX2";
  std::mt19937_64 random(17);
  std::vector<uint32_t> lengths;
  for (int i = 0; i < 500; ++i)
    lengths.push_back(static_cast<uint32_t>(random() % (i % 9 == 0 ? 5000 : 512)));
  lengths[7] = 511;
  lengths[8] = 512;
  lengths[9] = 0xffffffff;
  for (const double b : {0.0, 0.75, 1.0}) {
    Bm25TermKernel term{
        .lengths = lengths.data(), .k1 = 1.2, .b = b, .average_length = 91.37, .weight = 2.7182818};
    std::vector<double> norms;
    for (uint32_t length = 0; length < Bm25TermKernel::kTableLengths; ++length)
      norms.push_back(term.Norm(length));
    term.norms = norms.data();
    for (uint32_t count = 0; count < 140; ++count) {
      std::vector<uint32_t> rows(count), frequencies(count);
      for (uint32_t& row : rows) row = static_cast<uint32_t>(random() % lengths.size());
      for (uint32_t& f : frequencies)
        f = static_cast<uint32_t>(random() % 50 == 0 ? 0xf0000000 : 1 + random() % 30);
      std::vector<double> scalar(count), vectors(count);
      ScalarBm25Kernel(term, rows.data(), frequencies.data(), count, scalar.data());
      Avx2Bm25Kernel()(term, rows.data(), frequencies.data(), count, vectors.data());
      ASSERT_EQ(scalar, vectors);
    }
  }
}

}  // namespace
}  // namespace vouch
