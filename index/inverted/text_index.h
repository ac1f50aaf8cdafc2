#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/posting_lists.h"
#include "index/inverted/term_dictionary.h"

namespace vouch {

// The inverted index of one text field in one segment: term → postings in row order, compressed, and every row's length
// and terms in the order of its text. Immutable; all methods are thread safe.
class TextIndex {
 public:
  static constexpr uint32_t kFormat = 3;  // of what Serialize writes

  virtual ~TextIndex() = default;

  virtual uint32_t rows() const = 0;
  virtual uint64_t total_length() const = 0;  // tokens of all rows
  virtual uint32_t rows_with_text() const = 0;  // rows of length > 0
  virtual uint32_t length(uint32_t row) const = 0;
  virtual std::span<const uint32_t> lengths() const = 0;  // of all rows
  // Rows counted from the segment's first one, and frequencies; empty for an unknown term. A bound is {frequency, length}:
  // each posting of the block has, for one of the block's bounds, at most that frequency and at least that length.
  virtual PostingList postings(std::string_view term) const = 0;
  // All terms, and the postings of one by its ordinal there.
  virtual const TermDictionary& dictionary() const = 0;
  virtual PostingList postings_of(size_t ordinal) const = 0;
  // Replaces `tokens` by the row's terms in the order of its text, as ordinals of the dictionary: length(row) of them.
  virtual void ReadTokens(uint32_t row, std::vector<uint32_t>* tokens) const = 0;
  virtual size_t memory_bytes() const = 0;
  // Terms in byte order, numbers little-endian; equal indexes give equal bytes.
  virtual std::string Serialize() const = 0;

  // Texts in row order, one for each row of the segment (empty ones included). A row's length is the sum of its
  // frequencies.
  static std::shared_ptr<const TextIndex> Build(std::span<const AnalyzedText* const> texts);
  // The parts' rows one after the other.
  static std::shared_ptr<const TextIndex> Merge(std::span<const TextIndex* const> parts);
  // Bounds everything; DATA_LOSS where the bytes are not what Serialize writes for `rows` rows.
  static absl::StatusOr<std::shared_ptr<const TextIndex>> Parse(std::string_view bytes, uint32_t rows);
};

}  // namespace vouch
