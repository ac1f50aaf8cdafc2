// Random filters through both written forms and back.
#include <bit>
#include <cmath>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

class FilterGenerator {
 public:
  explicit FilterGenerator(uint64_t seed) : random_(seed) {}

  Filter Tree(int depth) {
    if (depth > 0 && Below(2) == 0) {
      Filter filter{.op = Pick<FilterOp>({FilterOp::kAnd, FilterOp::kOr, FilterOp::kNot})};
      // A chain of one child has no text of its own.
      const uint64_t children = filter.op == FilterOp::kNot ? 1 : Pick<uint64_t>({0, 2, 2, 3});
      for (uint64_t i = 0; i < children; ++i) filter.children.push_back(Tree(depth - 1));
      return filter;
    }
    Filter leaf{.op = Pick<FilterOp>({FilterOp::kEq, FilterOp::kNe, FilterOp::kLt, FilterOp::kLe,
                                      FilterOp::kGt, FilterOp::kGe, FilterOp::kIn,
                                      FilterOp::kExists, FilterOp::kHasId, FilterOp::kWithinRadius,
                                      FilterOp::kWithinBox, FilterOp::kWithinPolygon, FilterOp::kMatch,
                                      FilterOp::kMatchAny, FilterOp::kMatchPhrase})};
    if (leaf.op == FilterOp::kHasId) {
      for (uint64_t i = Below(3); i > 0; --i) leaf.values.emplace_back(Text());
      return leaf;
    }
    leaf.path = Pick<std::string>({"a", "id", "ID", "meta.year", "x y", "ticks `` here", "not",
                                   "True", "_", "9a", "ü", "a-b", ".", "within", "match", "of", "any"});
    if (leaf.op == FilterOp::kExists) return leaf;
    if (IsMatch(leaf.op)) {
      leaf.values.emplace_back(Text());
      return leaf;
    }
    if (IsWithin(leaf.op)) {
      const uint64_t numbers = leaf.op == FilterOp::kWithinRadius ? 3 : leaf.op == FilterOp::kWithinBox ? 4 : 6 + 2 * Below(3);
      for (uint64_t i = 0; i < numbers; ++i) {
        leaf.values.emplace_back(Pick<double>({0.0, -12.5, 1e-7, 179.99999999999997, 52.0, 1e15}));
      }
      return leaf;
    }
    for (uint64_t i = leaf.op == FilterOp::kIn ? Below(4) : 1; i > 0; --i)
      leaf.values.push_back(Value());
    return leaf;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  template <typename T>
  T Pick(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }
  std::string Text() {
    return Pick<std::string>({"", "en", "it's", "''", "\"q\"", "line\nbreak", "漢字", "\\", "7"});
  }
  FilterValue Value() {
    switch (Below(4)) {
      case 0:
        return Below(2) == 0;
      case 1:
        return Pick<int64_t>({0, -1, 2020, std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max(),
                              static_cast<int64_t>(random_())});
      case 2: {
        const double random = std::bit_cast<double>(random_());
        return Pick<double>({0.5, -3.0, 1e22, 5e-324, std::numeric_limits<double>::max(), 0.1,
                             std::isfinite(random) ? random : 2.0});
      }
      default:
        return Text();
    }
  }

  std::mt19937_64 random_;
};

TEST(FilterRoundTripTest, TextAndJsonGiveTheSameFilter) {
  constexpr uint64_t kSeed = 31;
  std::cout << "seed " << kSeed << "\n";
  FilterGenerator generator(kSeed);
  for (int round = 0; round < 5000; ++round) {
    const Filter filter = generator.Tree(4);
    const std::string text = FormatFilter(filter);
    const absl::StatusOr<Filter> from_text = ParseFilter(text);
    ASSERT_TRUE(from_text.ok()) << text << "\n" << from_text.status();
    ASSERT_EQ(*from_text, filter) << "round " << round << ": " << text;
    const std::string json = FilterToJson(filter);
    const absl::StatusOr<Filter> from_json = FilterFromJson(json);
    ASSERT_TRUE(from_json.ok()) << json << "\n" << from_json.status();
    ASSERT_EQ(*from_json, filter) << "round " << round << ": " << json;
  }
}

TEST(FilterRoundTripTest, AChainOfOneChildIsThatChild) {
  const Filter child{.op = FilterOp::kExists, .path = "a"};
  const Filter chain{.op = FilterOp::kOr,
                     .children = {{.op = FilterOp::kAnd, .children = {child}}}};
  EXPECT_EQ(FormatFilter(chain), "a exists");
  EXPECT_EQ(FormatFilter({.op = FilterOp::kNot, .children = {chain}}), "not a exists");
}

TEST(FilterRoundTripTest, BarePaths) {
  EXPECT_TRUE(IsBareFilterPath("meta.year_2"));
  for (const char* path : {"", "id", "And", "2a", "a b", "ü"})
    EXPECT_FALSE(IsBareFilterPath(path)) << path;
}

}  // namespace
}  // namespace vouch
