#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "index/inverted/text_expression.h"
#include "query/planner.h"

namespace vouch {

// Where a prefix or a fuzzy word gets its terms.
class WordExpander {
 public:
  virtual ~WordExpander() = default;
  virtual absl::StatusOr<std::vector<ExpandedTerm>> Prefix(std::span<const TextFieldWeight> fields,
                                                           std::string_view prefix,
                                                           std::string_view own) = 0;
  virtual absl::StatusOr<std::vector<ExpandedTerm>> Fuzzy(std::span<const TextFieldWeight> fields,
                                                          std::string_view word, uint32_t edits,
                                                          uint32_t prefix_length) = 0;
};

// The terms that visible rows have in the index.
class IndexExpander final : public WordExpander {
 public:
  IndexExpander(const IndexReader& reader, const RowMask& mask, const CancelToken& cancel)
      : reader_(reader), mask_(mask), cancel_(cancel) {}

  absl::StatusOr<std::vector<ExpandedTerm>> Prefix(std::span<const TextFieldWeight> fields,
                                                   std::string_view prefix,
                                                   std::string_view own) override {
    return reader_.ExpandPrefix(fields, prefix, own, mask_, cancel_);
  }
  absl::StatusOr<std::vector<ExpandedTerm>> Fuzzy(std::span<const TextFieldWeight> fields,
                                                  std::string_view word, uint32_t edits,
                                                  uint32_t prefix_length) override {
    return reader_.ExpandFuzzy(fields, word, edits, prefix_length, mask_, cancel_);
  }

 private:
  const IndexReader& reader_;
  const RowMask& mask_;
  const CancelToken& cancel_;
};

// Makes of a planned text leaf with a clause what the index evaluates: texts analysed by their
// fields, words expanded, boosts multiplied down. nullopt: no clause has a term, so nothing is
// found. INVALID_ARGUMENT: a prefix or fuzzy word that is not one word or stands for too many, a
// phrase of too many.
absl::StatusOr<std::optional<TextExpression>> CompileText(const PlannedNode& node,
                                                          const CollectionSchema& schema,
                                                          const IndexReader& reader,
                                                          WordExpander& expander);

}  // namespace vouch
