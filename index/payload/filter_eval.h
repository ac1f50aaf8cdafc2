#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/bitmap.h"
#include "index/payload/column.h"
#include "index/payload/compiled_filter.h"

namespace vouch {

// Rows whose point id is one of these; ids lie in the segment, beside its payload.
using FindIds = std::function<Bitmap(std::span<const FilterValue> ids)>;

// A compiled filter over the columns of one segment: leaves have become ranges of codes, and the children of `and` are
// ordered by the rows that they can have at most, so that evaluation goes from the narrowest on. Borrows all that it is made
// of. For one thread.
class SegmentFilter {
 public:
  SegmentFilter(const CompiledFilter& filter, std::span<const Column> columns, uint32_t rows);

  // How many rows meet the filter; looks at no row.
  RowBounds bounds() const { return root_.bounds; }
  Bitmap Evaluate(const FindIds& find_ids) const;

 private:
  struct Node {
    CompiledFilter::Kind kind = CompiledFilter::Kind::kAll;
    bool negated = false;
    const Column* column = nullptr;            // kField, kPhrase
    std::vector<CodeRange> ranges = {};        // kField
    std::vector<uint32_t> phrase = {};         // kPhrase: codes; empty where a word is no row's
    std::span<const FilterValue> ids = {};     // kIds
    std::vector<Node> children = {};           // kAnd: narrowest first
    RowBounds bounds = {};
  };

  Node Resolve(const CompiledFilter& filter) const;
  // Bounds of a leaf or of a finished chain.
  void SetBounds(Node& node) const;
  // Leaves on one field whose rows have one value become one leaf.
  void IntersectLeaves(std::vector<Node>& children) const;

  Bitmap EvaluateNode(const Node& node, const FindIds& find_ids) const;
  // Those that have all the words, then those that have them in order.
  Bitmap EvaluatePhrase(const Node& node) const;
  RowBounds BoundsOfPhrase(const Node& node) const;
  Bitmap EvaluateAnd(const Node& node, const FindIds& find_ids) const;
  Bitmap EvaluateOr(const Node& node, const FindIds& find_ids) const;
  // Whether the row meets the leaf (kField, kPhrase), by its own values.
  static bool Meets(const Node& leaf, uint32_t row);
  // Clears the candidates that do not meet the leaf.
  static void KeepMeeting(const Node& leaf, Bitmap& candidates);

  std::span<const Column> columns_;
  uint32_t rows_;
  Node root_;
};

}  // namespace vouch
