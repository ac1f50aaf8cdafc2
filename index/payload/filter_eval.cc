#include "index/payload/filter_eval.h"

#include <algorithm>
#include <utility>

namespace vouch {
namespace {

using Kind = CompiledFilter::Kind;

// Looking at one candidate's values costs about this many words of a bitmap: below rows / (64 · this) candidates it is
// cheaper than making a leaf's bitmap.
constexpr uint64_t kWordsPerCandidate = 6;

std::vector<CodeRange> Intersect(std::span<const CodeRange> a, std::span<const CodeRange> b) {
  std::vector<CodeRange> both;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const CodeRange range{std::max(a[i].low, b[j].low), std::min(a[i].high, b[j].high)};
    if (range.low < range.high) both.push_back(range);
    (a[i].high < b[j].high ? i : j) += 1;
  }
  return both;
}

std::vector<CodeRange> Subtract(std::span<const CodeRange> a, std::span<const CodeRange> b) {
  std::vector<CodeRange> rest;
  size_t j = 0;
  for (CodeRange range : a) {
    while (j < b.size() && b[j].high <= range.low) ++j;
    for (size_t k = j; k < b.size() && b[k].low < range.high; ++k) {
      if (range.low < b[k].low) rest.push_back({range.low, b[k].low});
      range.low = std::max(range.low, b[k].high);
    }
    if (range.low < range.high) rest.push_back(range);
  }
  return rest;
}

}  // namespace

SegmentFilter::SegmentFilter(const CompiledFilter& filter, std::span<const Column> columns, uint32_t rows)
    : columns_(columns), rows_(rows), root_(Resolve(filter)) {}

SegmentFilter::Node SegmentFilter::Resolve(const CompiledFilter& filter) const {
  Node node{.kind = filter.kind, .negated = filter.negated};
  switch (filter.kind) {
    case Kind::kAll:
    case Kind::kNone:
      break;
    case Kind::kField:
      node.column = &columns_[static_cast<size_t>(filter.field)];
      node.ranges = node.column->CodesIn(filter.values);
      break;
    case Kind::kPhrase:
      node.column = &columns_[static_cast<size_t>(filter.field)];
      for (const std::string& word : filter.phrase) {
        const uint32_t code = node.column->LowerBound(word);
        if (code == node.column->distinct() || node.column->ValueOf(code) != PayloadValue(word)) {
          node.phrase.clear();
          break;
        }
        node.phrase.push_back(code);
      }
      break;
    case Kind::kIds:
      node.ids = filter.ids;
      break;
    case Kind::kAnd:
    case Kind::kOr:
      node.children.reserve(filter.children.size());
      for (const CompiledFilter& child : filter.children) node.children.push_back(Resolve(child));
      if (filter.kind == Kind::kAnd) {
        IntersectLeaves(node.children);
        std::stable_sort(node.children.begin(), node.children.end(),
                         [](const Node& a, const Node& b) { return a.bounds.upper < b.bounds.upper; });
      }
      break;
  }
  SetBounds(node);
  return node;
}

void SegmentFilter::IntersectLeaves(std::vector<Node>& children) const {
  const auto narrows = [](const Node& node) {
    return node.kind == Kind::kField && !node.negated && node.column->single_valued();
  };
  for (size_t i = 0; i < children.size(); ++i) {
    if (!narrows(children[i])) continue;
    bool changed = false;
    // A canonical `and` has few leaves on one field, and schemas have few fields; what is denied is one leaf already.
    for (size_t j = i + 1; j < children.size() && children[j].kind == Kind::kField;) {
      if (children[j].column != children[i].column) {
        ++j;
        continue;
      }
      children[i].ranges = children[j].negated ? Subtract(children[i].ranges, children[j].ranges)
                                               : Intersect(children[i].ranges, children[j].ranges);
      children.erase(children.begin() + static_cast<ptrdiff_t>(j));
      changed = true;
    }
    if (changed) SetBounds(children[i]);
  }
}

void SegmentFilter::SetBounds(Node& node) const {
  RowBounds bounds{0, rows_};
  switch (node.kind) {
    case Kind::kAll:
      bounds.lower = rows_;
      break;
    case Kind::kNone:
      bounds.upper = 0;
      break;
    case Kind::kIds:
      break;
    case Kind::kField:
      bounds = node.column->Bounds(node.ranges);
      if (node.negated) bounds = {rows_ - bounds.upper, rows_ - bounds.lower};
      break;
    case Kind::kPhrase:
      bounds = BoundsOfPhrase(node);
      if (node.negated) bounds = {rows_ - bounds.upper, rows_ - bounds.lower};
      break;
    case Kind::kAnd: {
      uint64_t missing = 0;
      for (const Node& child : node.children) {
        missing += rows_ - child.bounds.lower;
        bounds.upper = std::min(bounds.upper, child.bounds.upper);
      }
      bounds.lower = missing < rows_ ? rows_ - missing : 0;
      break;
    }
    case Kind::kOr: {
      uint64_t sum = 0;
      for (const Node& child : node.children) {
        sum += child.bounds.upper;
        bounds.lower = std::max(bounds.lower, child.bounds.lower);
      }
      bounds.upper = std::min<uint64_t>(sum, rows_);
      break;
    }
  }
  node.bounds = bounds;
}

RowBounds SegmentFilter::BoundsOfPhrase(const Node& node) const {
  RowBounds bounds{0, node.phrase.empty() ? 0 : rows_};
  for (uint32_t code : node.phrase) {
    const CodeRange range{code, code + 1};
    bounds.upper = std::min(bounds.upper, node.column->Bounds(std::span(&range, 1)).upper);
  }
  return bounds;
}

Bitmap SegmentFilter::Evaluate(const FindIds& find_ids) const { return EvaluateNode(root_, find_ids); }

Bitmap SegmentFilter::EvaluateNode(const Node& node, const FindIds& find_ids) const {
  if (node.bounds.upper == 0) return Bitmap(rows_);
  if (node.bounds.lower == rows_) return Bitmap(rows_, true);
  switch (node.kind) {
    case Kind::kAll:
    case Kind::kNone:
      break;  // by their bounds
    case Kind::kAnd:
      return EvaluateAnd(node, find_ids);
    case Kind::kOr:
      return EvaluateOr(node, find_ids);
    case Kind::kField: {
      Bitmap rows(rows_);
      node.column->AddRows(node.ranges, /*rows_empty=*/true, rows);
      if (node.negated) rows.Invert();
      return rows;
    }
    case Kind::kPhrase: {
      Bitmap rows = EvaluatePhrase(node);
      if (node.negated) rows.Invert();
      return rows;
    }
    case Kind::kIds: {
      Bitmap rows = find_ids(node.ids);
      if (node.negated) rows.Invert();
      return rows;
    }
  }
  return Bitmap(rows_);
}

Bitmap SegmentFilter::EvaluatePhrase(const Node& node) const {
  Bitmap rows(rows_);
  if (node.phrase.empty()) return rows;
  std::vector<uint32_t> words = node.phrase;
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  for (size_t i = 0; i < words.size(); ++i) {
    const CodeRange range{words[i], words[i] + 1};
    Bitmap with(rows_);
    node.column->AddRows(std::span(&range, 1), /*rows_empty=*/true, with);
    if (i == 0) {
      rows = std::move(with);
    } else {
      rows.And(with);
    }
  }
  Node asked = node;
  asked.negated = false;
  KeepMeeting(asked, rows);
  return rows;
}

bool SegmentFilter::Meets(const Node& leaf, uint32_t row) {
  if (leaf.kind == Kind::kField) return leaf.column->RowMeets(row, leaf.ranges);
  return !leaf.phrase.empty() && leaf.column->RowHasPhrase(row, leaf.phrase);
}

void SegmentFilter::KeepMeeting(const Node& leaf, Bitmap& candidates) {
  const std::span<uint64_t> words = candidates.mutable_words();
  for (size_t w = 0; w < words.size(); ++w) {
    if (words[w] == 0) continue;
    uint64_t kept = 0;
    for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1) {
      const auto row = static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(rest)));
      if (Meets(leaf, row) != leaf.negated) kept |= rest & ~(rest - 1);
    }
    words[w] = kept;
  }
}

Bitmap SegmentFilter::EvaluateAnd(const Node& node, const FindIds& find_ids) const {
  Bitmap rows = EvaluateNode(node.children.front(), find_ids);
  const uint64_t few = rows.words().size() / kWordsPerCandidate;
  for (size_t i = 1; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    if (child.bounds.lower == rows_) continue;
    // The bound of the narrowest child spares the first count.
    const uint64_t candidates = i == 1 ? node.children.front().bounds.upper : rows.Count();
    if (candidates == 0) return rows;
    if ((child.kind == Kind::kField || child.kind == Kind::kPhrase) && candidates < few) {
      KeepMeeting(child, rows);
    } else if (child.kind == Kind::kField && child.negated) {
      Bitmap denied(rows_);
      child.column->AddRows(child.ranges, /*rows_empty=*/true, denied);
      rows.AndNot(denied);
    } else {
      rows.And(EvaluateNode(child, find_ids));
    }
  }
  return rows;
}

Bitmap SegmentFilter::EvaluateOr(const Node& node, const FindIds& find_ids) const {
  Bitmap rows(rows_);
  bool empty = true;
  for (const Node& child : node.children) {
    if (child.bounds.upper == 0) continue;
    if (child.kind == Kind::kField && !child.negated) {
      child.column->AddRows(child.ranges, empty, rows);
    } else {
      rows.Or(EvaluateNode(child, find_ids));
    }
    empty = false;
  }
  return rows;
}

}  // namespace vouch
