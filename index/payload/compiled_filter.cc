#include "index/payload/compiled_filter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "index/payload/payload_columns.h"
#include "index/payload/text_words.h"

namespace vouch {
namespace {

using Kind = CompiledFilter::Kind;

CompiledFilter Constant(bool value) {
  return {.kind = value ? Kind::kAll : Kind::kNone};
}

CompiledFilter FieldLeaf(int field, ValueSet values, bool negated) {
  if (IsEmpty(values)) return Constant(negated);
  return {.kind = Kind::kField, .negated = negated, .field = field, .values = std::move(values)};
}

// --- values of literals

TextSet TextsMeeting(FilterOp op, const std::string& text) {
  // The least text after `text`, in the order of bytes.
  const std::string after = text + '\0';
  switch (op) {
    case FilterOp::kLt:
      return {{.low = "", .high = text}};
    case FilterOp::kLe:
      return {{.low = "", .high = after}};
    case FilterOp::kGt:
      return {{.low = after, .high = std::nullopt}};
    case FilterOp::kGe:
      return {{.low = text, .high = std::nullopt}};
    default:
      return {{.low = text, .high = after}};
  }
}

// Adds the values of the field's type that stand in relation `op` to the literal. A literal of a type that does not fit has
// none.
void AddMeeting(PayloadType type, FilterOp op, const FilterValue& literal, ValueSet& values) {
  switch (type) {
    case PayloadType::kKeyword:
      if (const auto* text = std::get_if<std::string>(&literal)) {
        for (TextRange& range : TextsMeeting(op, *text)) std::get<TextSet>(values).push_back(std::move(range));
      }
      return;
    case PayloadType::kInteger:
      if (const auto range = IntegersMeeting(op, literal)) std::get<IntegerSet>(values).push_back(*range);
      return;
    case PayloadType::kDatetime:
      if (const auto* text = std::get_if<std::string>(&literal)) {
        const absl::StatusOr<int64_t> micros = ParseDatetime(*text);
        if (!micros.ok()) return;
        if (const auto range = IntegersMeeting(op, *micros)) std::get<IntegerSet>(values).push_back(*range);
      }
      return;
    case PayloadType::kFloat:
      if (const auto range = FloatsMeeting(op, literal)) std::get<FloatSet>(values).push_back(*range);
      return;
    case PayloadType::kBool:
      if (const auto* flag = std::get_if<bool>(&literal); flag != nullptr && op == FilterOp::kEq) {
        std::get<IntegerSet>(values).push_back({*flag ? 1 : 0, *flag ? 1 : 0});
      }
      return;
    case PayloadType::kGeo:
    case PayloadType::kText:
      return;  // equal to nothing
  }
}

ValueSet NoValues(PayloadType type) {
  switch (type) {
    case PayloadType::kKeyword:
    case PayloadType::kText:
      return TextSet();
    case PayloadType::kGeo:
      return GeoSet();
    case PayloadType::kFloat:
      return FloatSet();
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
    case PayloadType::kBool:
      break;
  }
  return IntegerSet();
}

ValueSet AllValues(PayloadType type) {
  switch (type) {
    case PayloadType::kKeyword:
    case PayloadType::kText:
      return TextSet{{.low = "", .high = std::nullopt}};
    case PayloadType::kGeo:
      return GeoSet{GeoShape::Earth()};
    case PayloadType::kFloat:
      return FloatSet{{-std::numeric_limits<double>::max(), std::numeric_limits<double>::max()}};
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
    case PayloadType::kBool:
      break;
  }
  return IntegerSet{{std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}};
}

// --- and, or

// Puts a canonical child into a chain that is flat.
void AddChild(CompiledFilter& chain, CompiledFilter child) {
  if (child.kind == chain.kind) {
    for (CompiledFilter& grandchild : child.children) chain.children.push_back(std::move(grandchild));
  } else {
    chain.children.push_back(std::move(child));
  }
}

bool Contradicts(const CompiledFilter& a, const CompiledFilter& b) {
  if (a.kind != b.kind || a.negated == b.negated) return false;
  if (a.kind == Kind::kField) return a.field == b.field && Compare(a.values, b.values) == 0;
  if (a.kind == Kind::kPhrase) return a.field == b.field && a.phrase == b.phrase;
  return a.kind == Kind::kIds && a.ids == b.ids;
}

// Field leaves that say "a value in A" or "a value in B" say "a value in A or B"; so do those that deny both.
void UniteLeaves(CompiledFilter& chain) {
  const bool unites_negated = chain.kind == Kind::kAnd;
  absl::flat_hash_map<int, size_t> leaf_of_field;
  std::vector<CompiledFilter> kept;
  std::vector<size_t> united;
  for (CompiledFilter& child : chain.children) {
    if (child.kind == Kind::kField && child.negated == unites_negated) {
      const auto [known, added] = leaf_of_field.try_emplace(child.field, kept.size());
      if (!added) {
        Append(kept[known->second].values, child.values);
        united.push_back(known->second);
        continue;
      }
    }
    kept.push_back(std::move(child));
  }
  std::sort(united.begin(), united.end());
  united.erase(std::unique(united.begin(), united.end()), united.end());
  for (size_t leaf : united) Normalize(kept[leaf].values);
  chain.children = std::move(kept);
}

// "Has a value" beside a value that is wanted says nothing new; nor does "has none" or-ed to a value that is denied.
void DropImplied(CompiledFilter& chain) {
  const bool negated = chain.kind == Kind::kOr;
  const auto is_leaf = [&](const CompiledFilter& child) { return child.kind == Kind::kField && child.negated == negated; };
  absl::flat_hash_set<int> narrowed;
  for (const CompiledFilter& child : chain.children) {
    if (is_leaf(child) && !IsEverything(child.values)) narrowed.insert(child.field);
  }
  std::erase_if(chain.children, [&](const CompiledFilter& child) {
    return is_leaf(child) && IsEverything(child.values) && narrowed.contains(child.field);
  });
}

// `chain` is kAnd or kOr over canonical children.
CompiledFilter FinishChain(CompiledFilter chain) {
  const Kind neutral = chain.kind == Kind::kAnd ? Kind::kAll : Kind::kNone;
  const Kind absorbing = chain.kind == Kind::kAnd ? Kind::kNone : Kind::kAll;
  std::vector<CompiledFilter>& children = chain.children;
  std::erase_if(children, [&](const CompiledFilter& child) { return child.kind == neutral; });
  if (std::any_of(children.begin(), children.end(),
                  [&](const CompiledFilter& child) { return child.kind == absorbing; })) {
    return {.kind = absorbing};
  }
  if (children.size() > 1) {
    UniteLeaves(chain);
    DropImplied(chain);
    std::sort(children.begin(), children.end(),
              [](const CompiledFilter& a, const CompiledFilter& b) { return Compare(a, b) < 0; });
    children.erase(std::unique(children.begin(), children.end(),
                               [](const CompiledFilter& a, const CompiledFilter& b) { return Compare(a, b) == 0; }),
                   children.end());
    // The order puts a leaf and its negation side by side.
    for (size_t i = 1; i < children.size(); ++i) {
      if (Contradicts(children[i - 1], children[i])) return {.kind = absorbing};
    }
  }
  if (children.empty()) return {.kind = neutral};
  if (children.size() == 1) return std::move(children.front());
  return chain;
}

// A condition on the words of a text, or on where a point lies.
CompiledFilter CompileWithin(const Filter& filter, int field, bool negated) {
  GeoSet shapes;
  if (absl::StatusOr<GeoShape> shape = GeoShape::Of(filter); shape.ok()) shapes.push_back(*std::move(shape));
  return FieldLeaf(field, std::move(shapes), negated);
}

CompiledFilter CompileMatch(const Filter& filter, const PayloadField& declared, int field, bool negated) {
  const auto* text = filter.values.empty() ? nullptr : std::get_if<std::string>(&filter.values[0]);
  std::vector<std::string> words;
  if (text != nullptr) words = WordsOf(declared, *text);
  if (words.empty()) return Constant(negated);
  const auto leaf_of = [&](const std::string& word) {
    return FieldLeaf(field, TextsMeeting(FilterOp::kEq, word), negated);
  };
  if (words.size() == 1) return leaf_of(words[0]);
  if (filter.op == FilterOp::kMatchPhrase) {
    return {.kind = Kind::kPhrase, .negated = negated, .field = field, .phrase = std::move(words)};
  }
  CompiledFilter chain{.kind = (filter.op == FilterOp::kMatch) != negated ? Kind::kAnd : Kind::kOr};
  for (const std::string& word : words) AddChild(chain, leaf_of(word));
  return FinishChain(std::move(chain));
}

CompiledFilter CompileNode(const Filter& filter, const CollectionSchema& schema, bool negated) {
  switch (filter.op) {
    case FilterOp::kAnd:
    case FilterOp::kOr: {
      CompiledFilter chain{.kind = (filter.op == FilterOp::kAnd) != negated ? Kind::kAnd : Kind::kOr};
      for (const Filter& child : filter.children) AddChild(chain, CompileNode(child, schema, negated));
      return FinishChain(std::move(chain));
    }
    case FilterOp::kNot:
      return filter.children.empty() ? Constant(negated) : CompileNode(filter.children.front(), schema, !negated);
    case FilterOp::kHasId: {
      CompiledFilter leaf{.kind = Kind::kIds, .negated = negated, .ids = filter.values};
      std::sort(leaf.ids.begin(), leaf.ids.end());
      leaf.ids.erase(std::unique(leaf.ids.begin(), leaf.ids.end()), leaf.ids.end());
      return leaf.ids.empty() ? Constant(negated) : leaf;
    }
    case FilterOp::kEq:
    case FilterOp::kNe:
    case FilterOp::kLt:
    case FilterOp::kLe:
    case FilterOp::kGt:
    case FilterOp::kGe:
    case FilterOp::kIn:
    case FilterOp::kExists:
    case FilterOp::kWithinRadius:
    case FilterOp::kWithinBox:
    case FilterOp::kWithinPolygon:
    case FilterOp::kMatch:
    case FilterOp::kMatchAny:
    case FilterOp::kMatchPhrase:
      break;
  }
  const int field = schema.FindPayload(filter.path);
  if (field < 0) return Constant(negated);
  const PayloadField& declared = schema.payload[static_cast<size_t>(field)];
  const PayloadType type = declared.type;
  if (filter.op == FilterOp::kExists) return FieldLeaf(field, AllValues(type), negated);
  if (IsWithin(filter.op)) {
    return type == PayloadType::kGeo ? CompileWithin(filter, field, negated) : Constant(negated);
  }
  if (IsMatch(filter.op)) {
    return type == PayloadType::kText ? CompileMatch(filter, declared, field, negated) : Constant(negated);
  }
  ValueSet values = NoValues(type);
  const FilterOp op = filter.op == FilterOp::kNe || filter.op == FilterOp::kIn ? FilterOp::kEq : filter.op;
  for (const FilterValue& literal : filter.values) AddMeeting(type, op, literal, values);
  Normalize(values);
  if (filter.op != FilterOp::kNe) return FieldLeaf(field, std::move(values), negated);
  // != : there is a value, and none is the literal.
  CompiledFilter chain{.kind = negated ? Kind::kOr : Kind::kAnd};
  AddChild(chain, FieldLeaf(field, AllValues(type), negated));
  AddChild(chain, FieldLeaf(field, std::move(values), !negated));
  return FinishChain(std::move(chain));
}

}  // namespace

CompiledFilter CompiledFilter::Compile(const Filter& filter, const CollectionSchema& schema) {
  return CompileNode(filter, schema, /*negated=*/false);
}

std::strong_ordering Compare(const CompiledFilter& a, const CompiledFilter& b) {
  if (const auto order = a.kind <=> b.kind; order != 0) return order;
  if (const auto order = a.field <=> b.field; order != 0) return order;
  if (const auto order = Compare(a.values, b.values); order != 0) return order;
  if (const auto order = a.phrase <=> b.phrase; order != 0) return order;
  // Ids in a canonical form are texts; variants have no three-way order here.
  if (a.ids != b.ids) return a.ids < b.ids ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto children =
      std::lexicographical_compare_three_way(a.children.begin(), a.children.end(), b.children.begin(), b.children.end(),
                                             [](const auto& x, const auto& y) { return Compare(x, y); });
  return children != 0 ? children : a.negated <=> b.negated;
}

}  // namespace vouch
