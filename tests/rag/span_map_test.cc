#include <gtest/gtest.h>

#include <random>

#include "rag/document.h"

namespace vouch {
namespace {

SpanMap Example() {
  // "Tom & Jerry run": "Tom " exact, "&" for "&amp;", " Jerry" exact, " run" after markup of three bytes.
  return SpanMap({{0, 4, 10, 14, true}, {4, 5, 14, 19, false}, {5, 11, 19, 25, true}, {11, 15, 28, 32, true}});
}

TEST(SpanMapTest, ExactPiecesAreCutToTheByte) {
  EXPECT_EQ(Example().ToSource(1, 3), (ByteSpan{11, 13}));
  EXPECT_EQ(Example().ToSource(6, 13), (ByteSpan{20, 30}));
}

TEST(SpanMapTest, AnInexactPieceCountsWhole) {
  EXPECT_EQ(Example().ToSource(4, 5), (ByteSpan{14, 19}));
  EXPECT_EQ(Example().ToSource(3, 6), (ByteSpan{13, 20}));
}

TEST(SpanMapTest, WhatHasNoSourceIsEmpty) {
  const SpanMap map({{0, 3, 5, 8, true}, {5, 8, 9, 12, true}});
  EXPECT_EQ(map.ToSource(3, 5), ByteSpan());
  EXPECT_EQ(map.ToSource(2, 2), ByteSpan());
  EXPECT_EQ(map.ToSource(2, 6), (ByteSpan{7, 10}));
}

TEST(SpanMapTest, EncodesAndDecodes) {
  EXPECT_EQ(Example().Encode(), "0,4,10,14;4,5,14,19~;5,11,19,25;11,15,28,32");
  SpanMap map;
  ASSERT_TRUE(SpanMap::Decode(Example().Encode(), &map));
  EXPECT_EQ(map.pieces(), Example().pieces());
  ASSERT_TRUE(SpanMap::Decode("", &map));
  EXPECT_TRUE(map.pieces().empty());
}

TEST(SpanMapTest, RefusesWhatNoMapEncodes) {
  for (const char* bad : {"0", "0,4", "0,4,10", ";", "0,4,10,14;", "4,0,10,14", "0,4,14,10~", "0,4,10,15",
                          "0,4,10,14;3,5,20,22", "0,4,10,14 ", "-1,4,10,15", "0,0,1,1~",
                          "0,18446744073709551616,0,1~"}) {
    SpanMap map = SpanMap::Identity(7);
    EXPECT_FALSE(SpanMap::Decode(bad, &map)) << bad;
    EXPECT_EQ(map.pieces(), SpanMap::Identity(7).pieces()) << bad;
  }
}

// Against a table of one source span a byte.
TEST(SpanMapTest, AgreesWithAModelOnRandomMaps) {
  constexpr uint64_t kSeed = 20261124;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<SpanPiece> pieces;
    std::vector<ByteSpan> model;  // empty: no source
    uint64_t source = random() % 9;
    while (pieces.size() < 12) {
      for (uint64_t gap = random() % 3; gap > 0; --gap) model.push_back({});
      const uint64_t size = 1 + random() % 6;
      const bool exact = random() % 3 != 0;
      const uint64_t source_size = exact ? size : 1 + random() % 8;
      pieces.push_back({model.size(), model.size() + size, source, source + source_size, exact});
      for (uint64_t i = 0; i < size; ++i) {
        model.push_back(exact ? ByteSpan{source + i, source + i + 1} : ByteSpan{source, source + source_size});
      }
      source += source_size + random() % 4;
    }
    const SpanMap map(pieces);
    for (int query = 0; query < 50; ++query) {
      const uint64_t begin = random() % model.size();
      const uint64_t end = begin + random() % (model.size() - begin + 1);
      ByteSpan want;
      for (uint64_t i = begin; i < end; ++i) {
        if (model[i] == ByteSpan()) continue;
        want = want == ByteSpan() ? model[i] : ByteSpan{want.begin, model[i].end};
      }
      EXPECT_EQ(map.ToSource(begin, end), want) << "seed " << kSeed << " round " << round;
      EXPECT_EQ(map.Slice(begin, end).ToSource(0, end - begin), want) << "seed " << kSeed << " round " << round;
    }
  }
}

}  // namespace
}  // namespace vouch
