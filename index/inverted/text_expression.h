#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/hit.h"
#include "index/inverted/bm25.h"
#include "index/inverted/text_index.h"

namespace vouch {

// A text field that a part of an expression looks in, and what a word there counts.
struct TextFieldWeight {
  int field = 0;     // ordinal in the schema
  double boost = 1;  // over 0
  friend bool operator==(const TextFieldWeight&, const TextFieldWeight&) = default;
};

// What is asked of the texts of rows: words that stand for one another, phrases, and conditions over
// these, scored over several fields by BM25F (Robertson, Zaragoza and Taylor, "Simple BM25 extension
// to multiple weighted fields", CIKM 2004).
//
// A part of kTerms or kPhrase is in a row where its frequency is over 0:
//
//   tf = Σ over fields f: boost_f · n_f / (1 − b_f + b_f · length_f / average length_f)
//   n_f = Σ over the part's terms t: weight_t · (how often t is in the field), or how often the
//         phrase is (index/inverted/phrase.h)
//   score = weight · idf · tf · (k1 + 1) / (tf + k1)
//   idf = ln(1 + (N − df + 0.5) / (df + 0.5)), of a phrase the sum over its words
//
// in double, sums in the order of fields and of terms. N and df count the visible rows that have text,
// or one of the terms, in any of the part's fields; k1 is that of the first field. So frequencies are
// put together before they saturate, and a word and its variants count as one word. A kBoolean part is
// in a row that has all of `must`, none of `must_not` and at least `minimum_should` of `should`; its
// score is the sum of those of `must` and then of `should` that are there, in order. A row's score is
// rounded once to float.
struct TextExpression {
  enum class Kind : uint8_t { kTerms, kPhrase, kBoolean };

  Kind kind = Kind::kTerms;
  double weight = 1;       // over 0; of kBoolean without effect
  std::string asked = {};  // what was asked for, for people: "rocket~1"
  std::vector<TextFieldWeight> fields = {};
  // kTerms: ascending by bytes, each once. kPhrase: the words in their order; weights count nothing.
  std::vector<WeightedTerm> terms = {};
  uint32_t slop = 0;  // of kPhrase
  std::vector<TextExpression> must;  // of kBoolean, as all below
  std::vector<TextExpression> should;
  std::vector<TextExpression> must_not;
  uint32_t minimum_should = 0;
};

// One segment as a search sees it; see TextSegment.
struct TextFieldsSegment {
  std::vector<const TextIndex*> fields = {};  // by ordinal in the schema
  RowId first_row = {};
  const Bitmap* visible = nullptr;
  const Bitmap* allowed = nullptr;

  TextSegment Field(int field) const {
    return {.index = fields[static_cast<size_t>(field)],
            .first_row = first_row,
            .visible = visible,
            .allowed = allowed};
  }
  uint32_t rows() const { return fields.empty() ? 0 : fields[0]->rows(); }
};

// An expression with the statistics of the visible rows of all segments; scores depend neither on
// how segments lie nor on the filter. Borrows all it is given. Const methods are thread safe.
class PreparedText {
 public:
  struct Part {
    const TextExpression* expression = nullptr;
    uint64_t document_frequency = 0;  // of a phrase the least of its words'
    double idf = 0;
    double k1 = 0;
    std::vector<double> average_lengths = {};  // by the part's fields
    std::vector<double> b = {};                // likewise
  };

  // `params`: by ordinal of the field in the schema.
  static absl::StatusOr<PreparedText> Prepare(const TextExpression& expression,
                                              std::span<const TextFieldsSegment> segments,
                                              std::span<const Bm25Params> params,
                                              const CancelToken& cancel);

  // The exact `k` best of the allowed rows, by (score descending, row ascending). `postings`, where
  // not null, is raised by the postings looked at.
  absl::StatusOr<std::vector<Hit>> Search(size_t k, const CancelToken& cancel,
                                          uint64_t* postings) const;
  // What each term of each field gave to the score of a row (counted from the segment's first one);
  // none where the row is no match. They add up to the score. `field` of a contribution is the
  // ordinal's name in `names`.
  std::vector<TermContribution> Explain(const TextFieldsSegment& segment, uint32_t row,
                                        std::span<const std::string> names) const;
  // What of a conjunction at the root the row lacks, or has though it must not; empty: nothing, or
  // the root is none.
  std::string Unmet(const TextFieldsSegment& segment, uint32_t row) const;

  std::span<const Part> parts() const { return parts_; }  // in the order of the expression

 private:
  PreparedText(const TextExpression& expression, std::span<const TextFieldsSegment> segments)
      : expression_(&expression), segments_(segments) {}

  const TextExpression* expression_;
  std::span<const TextFieldsSegment> segments_;
  std::vector<Part> parts_;  // must, should, then must_not of a node, depth first
};

}  // namespace vouch
