#include "index/payload/compiled_filter.h"

#include <iostream>

#include "gtest/gtest.h"
#include "tests/index/payload/payload_generator.h"

namespace vouch {
namespace {

// Says the same in other words.
class Rewriter {
 public:
  explicit Rewriter(uint64_t seed) : random_(seed) {}

  Filter Rewrite(const Filter& filter) {
    Filter same = filter;
    for (Filter& child : same.children) child = Rewrite(child);
    for (int i = 0; i < 2; ++i) same = Step(std::move(same));
    return same;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  Filter Step(Filter filter) {
    switch (Below(4)) {
      case 0:
        return Node(FilterOp::kNot, {Node(FilterOp::kNot, {std::move(filter)})});
      case 1:
        return Node(Below(2) == 0 ? FilterOp::kAnd : FilterOp::kOr, {filter, filter});
      case 2:
        if (Below(2) == 0) return Node(FilterOp::kAnd, {Node(FilterOp::kAnd, {}), std::move(filter)});
        return Node(FilterOp::kOr, {std::move(filter), Node(FilterOp::kNot, {Node(FilterOp::kAnd, {})})});
      default:
        return OfOperator(std::move(filter));
    }
  }

  Filter OfOperator(Filter filter) {
    switch (filter.op) {
      case FilterOp::kAnd:
      case FilterOp::kOr: {
        std::shuffle(filter.children.begin(), filter.children.end(), random_);
        if (Below(2) == 0) {  // De Morgan
          for (Filter& child : filter.children) child = Node(FilterOp::kNot, {std::move(child)});
          const FilterOp other = filter.op == FilterOp::kAnd ? FilterOp::kOr : FilterOp::kAnd;
          return Node(FilterOp::kNot, {Node(other, std::move(filter.children))});
        }
        if (filter.children.size() < 3) return filter;
        Filter last = std::move(filter.children.back());
        filter.children.pop_back();
        const FilterOp op = filter.op;
        return Node(op, {std::move(filter), std::move(last)});
      }
      case FilterOp::kEq:
        filter.op = FilterOp::kIn;
        return filter;
      case FilterOp::kNe:
        return Node(FilterOp::kAnd, {Node(FilterOp::kNot, {Leaf(FilterOp::kEq, filter.path, filter.values)}),
                                     Leaf(FilterOp::kExists, filter.path)});
      case FilterOp::kIn: {
        if (!filter.values.empty()) filter.values.push_back(filter.values[Below(filter.values.size())]);
        std::shuffle(filter.values.begin(), filter.values.end(), random_);
        if (Below(2) == 0) return filter;
        Filter any{.op = FilterOp::kOr};
        for (const FilterValue& value : filter.values) any.children.push_back(Leaf(FilterOp::kEq, filter.path, {value}));
        return any;
      }
      default:
        break;
    }
    // A number that is whole, as an integer or as a float.
    for (FilterValue& value : filter.values) {
      if (const auto* integer = std::get_if<int64_t>(&value); integer != nullptr && std::abs(*integer) < 1000) {
        value = static_cast<double>(*integer);
      }
    }
    return filter;
  }

  std::mt19937_64 random_;
};

TEST(CompiledFilterTest, EqualFiltersHaveOneFormAndOneResult) {
  constexpr uint64_t kSeed = 77;
  std::cout << "seed " << kSeed << "\n";
  const CollectionSchema schema = OneOfEachSchema();
  Generator generator(kSeed, schema);
  Rewriter rewriter(kSeed + 1);
  std::vector<TypedPayload> rows(300);
  for (TypedPayload& row : rows) row = generator.Row();
  const auto columns = BuildColumns(schema, rows);
  for (int i = 0; i < 3000; ++i) {
    const Filter filter = generator.Tree(i % 4);
    const Filter same = rewriter.Rewrite(filter);
    const CompiledFilter form = CompiledFilter::Compile(filter, schema);
    const CompiledFilter same_form = CompiledFilter::Compile(same, schema);
    ASSERT_TRUE(Compare(form, same_form) == 0) << "filter " << i;
    ASSERT_EQ(columns->Evaluate(form, {}), columns->Evaluate(same_form, {})) << "filter " << i;
  }
}

CompiledFilter Compile(const Filter& filter) { return CompiledFilter::Compile(filter, OneOfEachSchema()); }

TEST(CompiledFilterTest, ConstantsAndContradictions) {
  using Kind = CompiledFilter::Kind;
  const Filter de = Leaf(FilterOp::kEq, "lang", {"de"});
  const Filter not_de = Node(FilterOp::kNot, {de});
  EXPECT_EQ(Compile(Node(FilterOp::kAnd, {de, not_de})).kind, Kind::kNone);
  EXPECT_EQ(Compile(Node(FilterOp::kOr, {de, not_de})).kind, Kind::kAll);
  EXPECT_EQ(Compile(Node(FilterOp::kAnd, {de, Node(FilterOp::kOr, {})})).kind, Kind::kNone);
  EXPECT_EQ(Compile(Leaf(FilterOp::kIn, "lang", {})).kind, Kind::kNone);
  EXPECT_EQ(Compile(Leaf(FilterOp::kEq, "year", {2020.5})).kind, Kind::kNone);
  // A value that is wanted is there.
  EXPECT_TRUE(Compare(Compile(Node(FilterOp::kAnd, {de, Leaf(FilterOp::kExists, "lang")})), Compile(de)) == 0);
}

TEST(CompiledFilterTest, SetsOfOneFieldBecomeOne) {
  const Filter apart = Node(FilterOp::kOr, {Leaf(FilterOp::kLt, "year", {int64_t{5}}), Leaf(FilterOp::kEq, "year", {5.0}),
                                            Leaf(FilterOp::kLe, "year", {int64_t{3}})});
  EXPECT_TRUE(Compare(Compile(apart), Compile(Leaf(FilterOp::kLe, "year", {int64_t{5}}))) == 0);
  const Filter all = Node(FilterOp::kOr, {Leaf(FilterOp::kLt, "score", {0.5}), Leaf(FilterOp::kGe, "score", {0.5})});
  EXPECT_TRUE(Compare(Compile(all), Compile(Leaf(FilterOp::kExists, "score"))) == 0);
  const Filter texts = Node(FilterOp::kOr, {Leaf(FilterOp::kLe, "lang", {"de"}), Leaf(FilterOp::kGt, "lang", {"de"})});
  EXPECT_TRUE(Compare(Compile(texts), Compile(Leaf(FilterOp::kExists, "lang"))) == 0);
}

TEST(CompiledFilterTest, WideFiltersCompileInTime) {
  Filter wide{.op = FilterOp::kOr};
  for (int64_t i = 0; i < 9'999; ++i) wide.children.push_back(Leaf(FilterOp::kEq, "year", {(i * 7919) % 9'999 * 2}));
  EXPECT_EQ(std::get<IntegerSet>(Compile(wide).values).size(), 9'999u);
  wide.op = FilterOp::kAnd;
  EXPECT_EQ(Compile(wide).children.size(), 9'999u);
}

}  // namespace
}  // namespace vouch
