// Filters that mean the same: random trees, rewritten step by step by rules of logic and of each type.
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "index/payload/value_index.h"
#include "tests/index/payload/payload_generator.h"

namespace vouch {
namespace {

Filter Not(Filter filter) { return Node(FilterOp::kNot, {std::move(filter)}); }

// Rewrites at random. Of the first kind are those that a canonical form undoes.
class ShapeRewriter {
 public:
  explicit ShapeRewriter(uint64_t seed) : random_(seed) {}

  Filter Rewrite(Filter filter, bool canonical, Generator& generator) {
    for (Filter& child : filter.children) child = Rewrite(std::move(child), canonical, generator);
    if (Below(3) == 0) return filter;
    filter = canonical || Below(2) == 0 ? Reshape(std::move(filter)) : Reword(std::move(filter), generator);
    return filter;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  Filter Reshape(Filter filter) {
    const bool chain = filter.op == FilterOp::kAnd || filter.op == FilterOp::kOr;
    switch (Below(6)) {
      case 0:
        return Not(Not(std::move(filter)));
      case 1: {  // De Morgan
        if (!chain) break;
        Filter other = Node(filter.op == FilterOp::kAnd ? FilterOp::kOr : FilterOp::kAnd, {});
        for (Filter& child : filter.children) other.children.push_back(Not(std::move(child)));
        return Not(std::move(other));
      }
      case 2:
        if (!chain) break;
        std::shuffle(filter.children.begin(), filter.children.end(), random_);
        if (!filter.children.empty()) filter.children.push_back(filter.children.front());
        return filter;
      case 3:  // with true, or false
        return Node(FilterOp::kAnd, {Node(FilterOp::kAnd, {}), std::move(filter)});
      case 4:
        return Node(FilterOp::kOr, {std::move(filter), Node(FilterOp::kOr, {})});
      default:
        return Split(std::move(filter));
    }
    return filter;
  }

  // One leaf as several.
  Filter Split(Filter filter) {
    const auto with = [&](FilterOp op, FilterValue value) { return Leaf(op, filter.path, {std::move(value)}); };
    Filter parts = Node(FilterOp::kOr, {});
    switch (filter.op) {
      case FilterOp::kIn:
        for (const FilterValue& value : filter.values) parts.children.push_back(with(FilterOp::kEq, value));
        return parts;
      case FilterOp::kLe:
        return Node(FilterOp::kOr, {with(FilterOp::kLt, filter.values[0]), with(FilterOp::kEq, filter.values[0])});
      case FilterOp::kGe:
        return Node(FilterOp::kOr, {with(FilterOp::kEq, filter.values[0]), with(FilterOp::kGt, filter.values[0])});
      case FilterOp::kNe:
        return Node(FilterOp::kAnd, {Leaf(FilterOp::kExists, filter.path), Not(with(FilterOp::kEq, filter.values[0]))});
      case FilterOp::kMatch:
      case FilterOp::kMatchAny:
        if (filter.op == FilterOp::kMatch) parts.op = FilterOp::kAnd;
        for (const auto word : absl::StrSplit(std::get<std::string>(filter.values[0]), ' ')) {
          parts.children.push_back(with(FilterOp::kMatchPhrase, std::string(word)));
        }
        return parts;
      default:
        return filter;
    }
  }

  // What only the rows tell to be the same.
  Filter Reword(Filter filter, Generator& generator) {
    if (filter.op == FilterOp::kWithinBox) return CutBox(filter);
    if (filter.op == FilterOp::kWithinRadius) {
      Filter smaller = filter;
      smaller.values[2] = std::get<double>(filter.values[2]) / 2;
      return Node(FilterOp::kOr, {std::move(smaller), std::move(filter)});
    }
    if (filter.op == FilterOp::kWithinPolygon) {  // another first point
      std::rotate(filter.values.begin(), filter.values.begin() + 2, filter.values.end());
      return filter;
    }
    const Filter other = generator.Tree(1);
    if (filter.op == FilterOp::kAnd && !filter.children.empty()) {  // distribute
      Filter with = filter;
      with.children.push_back(other);
      filter.children.push_back(Not(other));
      return Node(FilterOp::kOr, {std::move(with), std::move(filter)});
    }
    // Absorb.
    if (Below(2) == 0) return Node(FilterOp::kOr, {filter, Node(FilterOp::kAnd, {other, filter})});
    return Node(FilterOp::kAnd, {filter, Node(FilterOp::kOr, {filter, other})});
  }

  // As two boxes side by side, or as a polygon.
  Filter CutBox(const Filter& box) {
    std::vector<double> n;
    for (const FilterValue& value : box.values) n.push_back(std::get<double>(value));
    const double width = n[3] >= n[1] ? n[3] - n[1] : n[3] - n[1] + 360;
    const bool meridian = n[1] == 180 || n[3] == -180 || n[3] == 180 || n[1] == -180;
    if (meridian) return box;
    if (Below(2) == 0 && width > 0 && width < 180 && n[0] < n[2]) {
      return Leaf(FilterOp::kWithinPolygon, box.path, {n[0], n[1], n[0], n[3], n[2], n[3], n[2], n[1]});
    }
    double middle = n[1] + std::floor(width / 2);
    if (middle > 180) middle -= 360;
    if (middle == 180 || middle == -180) return box;
    return Node(FilterOp::kOr, {Leaf(FilterOp::kWithinBox, box.path, {n[0], n[1], n[2], middle}),
                                Leaf(FilterOp::kWithinBox, box.path, {n[0], middle, n[2], n[3]})});
  }

  std::mt19937_64 random_;
};

TEST(EqualFiltersTest, RewritingChangesNoRow) {
  constexpr uint64_t kSeed = 20261126;
  std::cout << "seed " << kSeed << "\n";
  const CollectionSchema schema = EveryTypeSchema();
  Generator generator(kSeed, schema);
  ShapeRewriter rewriter(kSeed);
  for (int round = 0; round < 12; ++round) {
    generator.SetSingleValued(round % 2 == 0);
    // Without indexes and with them.
    std::vector<TypedPayload> rows(round % 3 == 0 ? 300 : ValueIndex::kMinRows + 500);
    for (TypedPayload& row : rows) row = generator.Row();
    const auto columns = BuildColumns(schema, rows);
    for (int i = 0; i < 120; ++i) {
      const Filter filter = generator.Tree(3);
      const bool canonical = i % 2 == 0;
      Filter equal = filter;
      for (int step = 0; step < 2; ++step) equal = rewriter.Rewrite(std::move(equal), canonical, generator);
      const CompiledFilter compiled = CompiledFilter::Compile(filter, schema);
      const CompiledFilter same = CompiledFilter::Compile(equal, schema);
      ASSERT_EQ(columns->Evaluate(compiled, {}), columns->Evaluate(same, {})) << "round " << round << " filter " << i;
      if (canonical) {
        ASSERT_TRUE(Compare(compiled, same) == 0) << "round " << round << " filter " << i;
      }
    }
  }
}

}  // namespace
}  // namespace vouch
