#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "storage/schema.h"

namespace vouch {

struct TextClause;

// Words, of which a text has any, or all.
struct TextMatch {
  std::string text = {};
  bool all = false;
};

// Words in this order, with at most `slop` other words between the first and the last
// (index/inverted/phrase.h). Stop words count in neither phrase nor text.
struct TextPhrase {
  std::string text = {};
  uint32_t slop = 0;
};

// The words that begin with a text, as the index holds them: where there is a stemmer, shortened.
// The stem of the text itself is among them.
struct TextPrefix {
  std::string text = {};
};

// The words that are like one, by code points inserted, deleted or replaced in its stem. A word with
// e edits counts 1 / (1 + e).
struct TextFuzzy {
  std::string text = {};
  // At most TextExpansion::kMaxEdits; unset: 0 for stems of at most 2 code points, 1 up to 5, else 2.
  std::optional<uint32_t> edits = std::nullopt;
  uint32_t prefix_length = 0;  // code points at the beginning that are as in the text
};

// All of `must`, none of `must_not`, and at least so many of `should`. At least one of must and
// should.
struct TextBoolean {
  std::vector<TextClause> must;
  std::vector<TextClause> should;
  std::vector<TextClause> must_not;
  // Unset: 1 where there is no `must`, else 0.
  std::optional<uint32_t> minimum_should_match = std::nullopt;
};

// A condition on a text. One whose text has no terms, for example only stop words, is as if it were
// not there.
struct TextClause {
  std::variant<TextMatch, TextPhrase, TextPrefix, TextFuzzy, TextBoolean> kind = {};
  std::string field = {};  // with all below it; empty: the fields of the leaf
  double boost = 1;        // of its score; over 0, at most 1e6
};

// A text field of a leaf over several, and what a word there counts beside the others.
struct TextFieldBoost {
  std::string field = {};
  double boost = 1;  // over 0, at most 1e6
};

struct TextClauseLimits {
  static constexpr uint32_t kMaxDepth = 8;
  static constexpr size_t kMaxClauses = 256;
  static constexpr size_t kMaxTextBytes = 64 << 10;  // of all texts together
  static constexpr size_t kMaxFields = 16;
  static constexpr size_t kMaxPhraseWords = 64;
  static constexpr uint32_t kMaxSlop = 1'000;
  static constexpr uint32_t kMaxPrefixLength = 128;
  static constexpr double kMaxBoost = 1e6;
};

// INVALID_ARGUMENT names the clause by its path ("clause.must[1].phrase: …"), the value and the
// limit.
absl::Status ValidateTextClause(const TextClause& clause, const CollectionSchema& schema);

// The clause in the syntax of text_query_parser.h, as far as that goes, for people:
// "+ship \"deep space\"~2 -shark rock* alein~1".
std::string FormatTextClause(const TextClause& clause);

}  // namespace vouch
