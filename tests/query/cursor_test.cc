#include "query/cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/escaping.h"

namespace vouch {
namespace {

using testing::HasSubstr;

Cursor SampleCursor() {
  return {.version = Version(7),
          .first_page = 10,
          .consumed = 20,
          .last = {RowId(3), 0.5},
          .question = 0x1122334455667788};
}

std::string ErrorOf(std::string_view text) { return DecodeCursor(text).status().ToString(); }

TEST(Cursor, ComesBackAsItWent) {
  const auto decoded = DecodeCursor(EncodeCursor(SampleCursor()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, SampleCursor());
}

TEST(Cursor, GoldenText) {
  EXPECT_EQ(EncodeCursor(SampleCursor()),
            "AQcAAAAAAAAACgAAABQAAAAAAAAAAAAAAAAA4D8DAAAAAAAAAIh3ZlVEMyIRvS5GGQ");
}

TEST(Cursor, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("not a cursor!"), HasSubstr("not base64url"));
  EXPECT_THAT(ErrorOf(std::string(10'000, 'A')), HasSubstr("not base64url"));
  EXPECT_THAT(ErrorOf("AQc"), HasSubstr("2 bytes, not 49"));
  EXPECT_THAT(ErrorOf("Agc"), HasSubstr("its format is 2, this program reads 1"));
}

TEST(Cursor, EveryFlippedBitIsFound) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(EncodeCursor(SampleCursor()), &bytes));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeCursor(absl::WebSafeBase64Escape(damaged)).ok()) << "bit " << bit;
  }
}

SearchRequest Question() {
  SearchRequest request;
  request.query.node = DenseLeaf{.field = "v", .vector = {1, 2}, .ef_search = 0, .exact = false};
  request.filter = Filter{.op = FilterOp::kEq, .path = "a", .values = {int64_t{1}}, .children = {}};
  return request;
}

TEST(HashQuestion, TakesPagesAndProjectionAsTheSameQuestion) {
  SearchRequest other = Question();
  other.limit = 99;
  other.cursor.assign(1, 'x');
  other.explain = true;
  other.projection.vectors = true;
  EXPECT_EQ(HashQuestion(other), HashQuestion(Question()));
}

TEST(HashQuestion, TellsQueryFilterAndPrincipalApart) {
  std::vector<SearchRequest> others(8, Question());
  std::get<DenseLeaf>(others[0].query.node).vector[1] = 2.5f;
  std::get<DenseLeaf>(others[1].query.node).exact = true;
  others[2].query.limit = 5;
  others[3].filter.reset();
  others[4].filter->values[0] = 1.0;
  others[5].principal.subject = "alice";
  others[6].principal.groups = {"a"};
  others[7].query.node = AllLeaf{};
  for (size_t i = 0; i < others.size(); ++i) {
    EXPECT_NE(HashQuestion(others[i]), HashQuestion(Question())) << i;
  }
}

TEST(HashQuestion, TellsSparseVectorsApart) {
  const std::vector<SparseVector> vectors = {{.indices = {1, 2}, .values = {1, 2}},
                                             {.indices = {1, 3}, .values = {1, 2}},
                                             {.indices = {1, 2}, .values = {1, 2.5f}},
                                             {.indices = {1}, .values = {1}},
                                             {}};
  std::set<uint64_t> hashes;
  for (const SparseVector& vector : vectors) {
    SearchRequest request;
    request.query.node = SparseLeaf{.field = "s", .vector = vector};
    hashes.insert(HashQuestion(request));
  }
  EXPECT_EQ(hashes.size(), vectors.size());
}

TEST(HashQuestion, BoundariesOfTextsCount) {
  SearchRequest a = Question();
  SearchRequest b = Question();
  a.principal.groups = {"ab", "c"};
  b.principal.groups = {"a", "bc"};
  EXPECT_NE(HashQuestion(a), HashQuestion(b));
}

}  // namespace
}  // namespace vouch
