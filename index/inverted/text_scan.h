#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "index/inverted/best_hits.h"
#include "index/inverted/text_expression.h"

namespace vouch {

// Rows of a window that meet a part of an expression, and their scores.
struct TextWindow {
  static constexpr uint32_t kRows = 1'024;
  static constexpr uint32_t kWords = kRows / 64;

  std::array<uint64_t, kWords> rows = {};  // a bit each
  std::array<double, kRows> scores = {};   // of these; of others anything
};

// Walks an expression over the rows of one segment, window by window, ascending: each part marks its
// rows of the window and scores them. Memory does not grow with the segment. For one search on one
// thread.
class TextScan {
 public:
  // `parts` as PreparedText has them.
  TextScan(const TextExpression& expression, std::span<const PreparedText::Part> parts,
           const TextFieldsSegment& segment);
  ~TextScan();

  absl::Status Run(const CancelToken& cancel, BestHits* best);
  uint64_t postings() const { return postings_; }

 private:
  class Node;
  class Leaf;
  class Conditions;

  std::unique_ptr<Node> Make(const TextExpression& expression,
                             std::span<const PreparedText::Part> parts, size_t* next);

  const TextFieldsSegment& segment_;
  std::unique_ptr<Node> root_;
  uint64_t postings_ = 0;
};

}  // namespace vouch
