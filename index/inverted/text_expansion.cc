#include "index/inverted/text_expansion.h"

#include <algorithm>
#include <functional>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr size_t kTermsBetweenChecks = 4'096;

// Code points as numbers; a byte that begins none is one of its own, above all code points.
void DecodePoints(std::string_view text, std::vector<uint32_t>* points) {
  points->clear();
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t size = first < 0x80    ? 1
                        : first >= 0xF0 ? 4
                        : first >= 0xE0 ? 3
                        : first >= 0xC0 ? 2
                                        : 0;
    uint32_t point = size <= 1 ? first : first & (0x7F >> size);
    bool good = size > 0 && i + size <= text.size();
    for (size_t j = 1; good && j < size; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      good = (next & 0xC0) == 0x80;
      point = point << 6 | (next & 0x3F);
    }
    points->push_back(good ? point : 0x200000u + first);
    i += good ? size : 1;
  }
}

// Rows of the table of edit distances for the terms of a dictionary one after the other: those of
// the code points that a term shares with the one before are kept.
class EditTable {
 public:
  EditTable(std::string_view word, uint32_t edits) : edits_(edits) {
    DecodePoints(word, &word_);
    rows_.emplace_back();
    for (uint32_t i = 0; i <= word_.size(); ++i) rows_[0].push_back(i);
  }

  // The distance, or over `edits` where it is.
  uint32_t DistanceTo(std::string_view term) {
    DecodePoints(term, &next_);
    if (next_.size() > word_.size() + edits_ || word_.size() > next_.size() + edits_) {
      return edits_ + 1;
    }
    size_t shared = 0;
    while (shared < next_.size() && shared < term_.size() && term_[shared] == next_[shared]) {
      ++shared;
    }
    term_ = next_;
    // Rows past one without a cell within bounds were not made.
    shared = std::min(shared, rows_.size() - 1);
    rows_.resize(shared + 1);
    while (rows_.size() <= term_.size()) {
      if (*std::min_element(rows_.back().begin(), rows_.back().end()) > edits_) return edits_ + 1;
      AddRow(term_[rows_.size() - 1]);
    }
    return rows_.back().back();
  }

 private:
  void AddRow(uint32_t point) {
    const std::vector<uint32_t>& above = rows_.back();
    std::vector<uint32_t> row(above.size());
    row[0] = above[0] + 1;
    for (size_t i = 1; i < row.size(); ++i) {
      row[i] = std::min({above[i] + 1, row[i - 1] + 1, above[i - 1] + (word_[i - 1] != point)});
    }
    rows_.push_back(std::move(row));
  }

  const uint32_t edits_;
  std::vector<uint32_t> word_;
  std::vector<uint32_t> term_;  // of the last call that came past the lengths
  std::vector<uint32_t> next_;
  std::vector<std::vector<uint32_t>> rows_;
};

// The first bytes of a word that `points` code points take.
std::string_view FirstPoints(std::string_view word, uint32_t points) {
  size_t end = 0;
  for (uint32_t i = 0; i < points && end < word.size(); ++i) {
    ++end;
    while (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) ++end;
  }
  return word.substr(0, end);
}

bool AnyVisible(const PostingList& list, const Bitmap* visible) {
  if (visible == nullptr) return !list.empty();
  PostingBlock block;
  for (uint32_t b = 0; b < list.blocks(); ++b) {
    list.Decode(b, &block);
    for (uint32_t i = 0; i < block.count; ++i) {
      if (block.rows[i] < visible->size() && visible->Test(block.rows[i])) return true;
    }
  }
  return false;
}

// Collects the terms that begin with a text and pass a test, from all sources.
class Collector {
 public:
  Collector(size_t most, std::string_view what, const CancelToken& cancel)
      : most_(most), what_(what), cancel_(cancel) {}

  // `edits_of(term, edits)`: false where the term is none of them.
  absl::Status Collect(const ExpansionSource& source, std::string_view begin,
                       const std::function<bool(std::string_view, uint32_t*)>& edits_of) {
    const TermDictionary& dictionary = source.index->dictionary();
    for (size_t i = dictionary.LowerBound(begin); i < dictionary.size(); ++i) {
      const std::string_view term = dictionary.term(i);
      if (!term.starts_with(begin)) break;
      if (seen_++ % kTermsBetweenChecks == 0) {
        if (absl::Status status = cancel_.Check(); !status.ok()) return status;
      }
      uint32_t edits = 0;
      if (!edits_of(term, &edits)) continue;
      if (absl::Status status = Add(source, i, term, edits); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status AddOwn(const ExpansionSource& source, std::string_view term) {
    const size_t i = source.index->dictionary().Find(term);
    return i == TermDictionary::kNotFound ? absl::OkStatus() : Add(source, i, term, 0);
  }
  std::vector<ExpandedTerm> Take() const {
    std::vector<ExpandedTerm> terms;
    for (const auto& [term, edits] : found_) terms.push_back({.term = term, .edits = edits});
    return terms;
  }

 private:
  absl::Status Add(const ExpansionSource& source, size_t ordinal, std::string_view term,
                   uint32_t edits) {
    if (found_.contains(term) ||
        !AnyVisible(source.index->postings_of(ordinal), source.visible)) {
      return absl::OkStatus();
    }
    if (found_.size() == most_) {
      return absl::ResourceExhaustedError(
          absl::StrCat(std::string(what_), " stands for over ", most_, " terms"));
    }
    found_.emplace(std::string(term), edits);
    return absl::OkStatus();
  }

  const size_t most_;
  const std::string_view what_;
  const CancelToken& cancel_;
  size_t seen_ = 0;
  std::map<std::string, uint32_t, std::less<>> found_;
};

}  // namespace

bool IsWithinEdits(std::string_view word, std::string_view term, uint32_t edits,
                   uint32_t prefix_length, uint32_t* distance) {
  if (!term.starts_with(FirstPoints(word, prefix_length))) return false;
  *distance = EditTable(word, edits).DistanceTo(term);
  return *distance <= edits;
}

absl::StatusOr<std::vector<ExpandedTerm>> ExpandPrefix(std::span<const ExpansionSource> sources,
                                                       std::string_view prefix,
                                                       std::string_view own,
                                                       const CancelToken& cancel) {
  const std::string what = absl::StrCat("prefix '", std::string(prefix), "'");
  Collector collector(TextExpansion::kMaxPrefixTerms, what, cancel);
  for (const ExpansionSource& source : sources) {
    absl::Status status =
        collector.Collect(source, prefix, [](std::string_view, uint32_t*) { return true; });
    if (status.ok()) status = collector.AddOwn(source, own);
    if (!status.ok()) return status;
  }
  return collector.Take();
}

absl::StatusOr<std::vector<ExpandedTerm>> ExpandFuzzy(std::span<const ExpansionSource> sources,
                                                      std::string_view word, uint32_t edits,
                                                      uint32_t prefix_length,
                                                      const CancelToken& cancel) {
  const std::string what = absl::StrCat("fuzzy '", std::string(word), "~", edits, "'");
  Collector collector(TextExpansion::kMaxFuzzyTerms, what, cancel);
  const std::string_view begin = FirstPoints(word, prefix_length);
  for (const ExpansionSource& source : sources) {
    EditTable table(word, edits);
    absl::Status status = collector.Collect(source, begin, [&](std::string_view term, uint32_t* d) {
      *d = table.DistanceTo(term);
      return *d <= edits;
    });
    if (!status.ok()) return status;
  }
  return collector.Take();
}

}  // namespace vouch
