#include "index/inverted/text_index.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/flat_codec.h"
#include "index/inverted/term_dictionary.h"

namespace vouch {
namespace {

// The grammar stands in README.md.
constexpr uint32_t kTextIndexMagic = 0x54585456;  // "VTXT"
constexpr uint32_t kTextIndexFormat = 1;

absl::Status Corrupt(std::string_view what) {
  return absl::DataLossError(absl::StrCat("text index: ", std::string(what)));
}

// Term t has the postings [ends_[t - 1], ends_[t]).
//
// Invariants: 1. a term has at least one posting, and its rows ascend; 2. frequencies are at least
// 1; 3. a row's length is the sum of its frequencies. Parse checks all three, since scores are made
// of them.
class FlatTextIndex final : public TextIndex {
 public:
  uint32_t rows() const override { return static_cast<uint32_t>(lengths_.size()); }
  uint64_t total_length() const override { return total_length_; }
  uint32_t rows_with_text() const override { return rows_with_text_; }
  uint32_t length(uint32_t row) const override { return lengths_[row]; }
  std::span<const uint32_t> lengths() const override { return lengths_; }

  std::span<const Posting> postings(std::string_view term) const override {
    const size_t i = terms_.Find(term);
    if (i == TermDictionary::kNotFound) return {};
    return postings_of(i);
  }

  size_t memory_bytes() const override {
    return sizeof(*this) + terms_.memory_bytes() + ends_.capacity() * sizeof(uint64_t) +
           postings_.capacity() * sizeof(Posting) + lengths_.capacity() * sizeof(uint32_t);
  }

  std::string Serialize() const override {
    FlatWriter writer;
    writer.Reserve(64 + terms_.memory_bytes() + ends_.size() * sizeof(uint64_t) +
                   postings_.size() * sizeof(Posting) + lengths_.size() * sizeof(uint32_t));
    writer.Number(kTextIndexMagic);
    writer.Number(kTextIndexFormat);
    writer.Number(rows());
    writer.Array(lengths_);
    terms_.Write(&writer);
    writer.Array(ends_);
    writer.Array(postings_);
    return std::move(writer).Take();
  }

  static std::shared_ptr<const TextIndex> Build(std::span<const AnalyzedText* const> texts);
  static std::shared_ptr<const TextIndex> Merge(std::span<const FlatTextIndex* const> parts);
  absl::Status Read(std::string_view bytes, uint32_t rows);

 private:
  std::span<const Posting> postings_of(size_t term) const {
    const uint64_t begin = term == 0 ? 0 : ends_[term - 1];
    return std::span(postings_).subspan(begin, ends_[term] - begin);
  }
  void CountLengths() {
    for (uint32_t length : lengths_) {
      total_length_ += length;
      rows_with_text_ += length > 0 ? 1 : 0;
    }
  }
  absl::Status CheckPostings() const;

  TermDictionary terms_;
  std::vector<uint64_t> ends_;
  std::vector<Posting> postings_;
  std::vector<uint32_t> lengths_;
  uint64_t total_length_ = 0;
  uint32_t rows_with_text_ = 0;
};

std::shared_ptr<const TextIndex> FlatTextIndex::Build(std::span<const AnalyzedText* const> texts) {
  auto index = std::make_shared<FlatTextIndex>();
  struct TermUse {
    std::string_view term;
    uint64_t next = 0;  // postings so far, then the place of the next one
  };
  absl::flat_hash_map<std::string_view, uint32_t> ordinals;
  std::vector<TermUse> uses;
  std::vector<uint32_t> occurrences;  // the ordinals of all rows' terms, one after the other
  size_t term_bytes = 0;
  for (const AnalyzedText* text : texts) {
    uint32_t length = 0;
    for (const AnalyzedText::Term& term : text->terms) {
      if (term.frequency == 0) continue;
      const auto [known, is_new] =
          ordinals.try_emplace(term.term, static_cast<uint32_t>(uses.size()));
      if (is_new) {
        uses.push_back({.term = term.term});
        term_bytes += term.term.size();
      }
      ++uses[known->second].next;
      occurrences.push_back(known->second);
      length += term.frequency;
    }
    index->lengths_.push_back(length);
  }

  std::vector<uint32_t> order(uses.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return uses[a].term < uses[b].term; });
  index->terms_.Reserve(uses.size(), term_bytes);
  index->ends_.reserve(uses.size());
  uint64_t end = 0;
  for (uint32_t ordinal : order) {
    TermUse& use = uses[ordinal];
    index->terms_.Append(use.term);
    const uint64_t begin = end;
    end += use.next;
    use.next = begin;
    index->ends_.push_back(end);
  }

  index->postings_.resize(end);
  size_t occurrence = 0;
  for (uint32_t row = 0; row < texts.size(); ++row) {
    for (const AnalyzedText::Term& term : texts[row]->terms) {
      if (term.frequency == 0) continue;
      TermUse& use = uses[occurrences[occurrence++]];
      index->postings_[use.next++] = {.row = row, .frequency = term.frequency};
    }
  }
  index->CountLengths();
  return index;
}

std::shared_ptr<const TextIndex> FlatTextIndex::Merge(std::span<const FlatTextIndex* const> parts) {
  auto index = std::make_shared<FlatTextIndex>();
  struct Cursor {
    std::string_view term;
    size_t part;
    size_t ordinal;
    bool operator>(const Cursor& other) const {
      return term != other.term ? term > other.term : part > other.part;
    }
  };
  std::priority_queue<Cursor, std::vector<Cursor>, std::greater<>> cursors;
  std::vector<uint32_t> first_rows;
  size_t postings = 0;
  uint32_t rows = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    first_rows.push_back(rows);
    rows += parts[part]->rows();
    postings += parts[part]->postings_.size();
    if (parts[part]->terms_.size() > 0) cursors.push({parts[part]->terms_.term(0), part, 0});
  }
  index->lengths_.reserve(rows);
  index->postings_.reserve(postings);
  for (const FlatTextIndex* part : parts) {
    index->lengths_.insert(index->lengths_.end(), part->lengths_.begin(), part->lengths_.end());
  }
  while (!cursors.empty()) {
    const std::string_view term = cursors.top().term;
    index->terms_.Append(term);
    while (!cursors.empty() && cursors.top().term == term) {
      const Cursor cursor = cursors.top();
      cursors.pop();
      const FlatTextIndex& part = *parts[cursor.part];
      const uint32_t first_row = first_rows[cursor.part];
      for (const Posting& posting : part.postings_of(cursor.ordinal)) {
        index->postings_.push_back(
            {.row = first_row + posting.row, .frequency = posting.frequency});
      }
      const size_t next = cursor.ordinal + 1;
      if (next < part.terms_.size()) cursors.push({part.terms_.term(next), cursor.part, next});
    }
    index->ends_.push_back(index->postings_.size());
  }
  index->terms_.ShrinkToFit();
  index->ends_.shrink_to_fit();
  index->CountLengths();
  return index;
}

absl::Status FlatTextIndex::Read(std::string_view bytes, uint32_t rows) {
  FlatReader reader(bytes);
  uint32_t magic = 0;
  uint32_t format = 0;
  uint32_t stored_rows = 0;
  if (!reader.Number(&magic) || magic != kTextIndexMagic)
    return Corrupt("the magic number is missing");
  if (!reader.Number(&format) || format != kTextIndexFormat) {
    return Corrupt(absl::StrCat("format ", format, ", this program reads ", kTextIndexFormat));
  }
  if (!reader.Number(&stored_rows) || stored_rows != rows) {
    return Corrupt(absl::StrCat("holds ", stored_rows, " rows, wanted ", rows));
  }
  if (!reader.Array(rows, &lengths_)) return Corrupt("the lengths are cut short");
  if (!terms_.Read(&reader)) return Corrupt("the terms are cut short or out of order");
  if (!reader.Array(terms_.size(), &ends_)) return Corrupt("the postings' ends are cut short");
  uint64_t previous = 0;
  for (uint64_t end : ends_) {
    if (end <= previous) return Corrupt("a term without postings");
    previous = end;
  }
  if (!reader.Array(previous, &postings_)) return Corrupt("the postings are cut short");
  if (!reader.AtEnd()) return Corrupt("bytes after the postings");
  CountLengths();
  return CheckPostings();
}

absl::Status FlatTextIndex::CheckPostings() const {
  std::vector<uint64_t> sums(lengths_.size(), 0);
  for (size_t term = 0; term < terms_.size(); ++term) {
    int64_t previous = -1;
    for (const Posting& posting : postings_of(term)) {
      if (posting.row >= sums.size()) {
        return Corrupt(absl::StrCat("row ", posting.row, " of ", sums.size()));
      }
      if (posting.row <= previous) return Corrupt("postings out of row order");
      if (posting.frequency == 0) return Corrupt("a posting of frequency 0");
      previous = posting.row;
      sums[posting.row] += posting.frequency;
    }
  }
  for (size_t row = 0; row < sums.size(); ++row) {
    if (sums[row] != lengths_[row]) {
      return Corrupt(absl::StrCat("row ", row, " of length ", lengths_[row], " has ", sums[row],
                                  " occurrences of terms"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<const TextIndex> TextIndex::Build(std::span<const AnalyzedText* const> texts) {
  return FlatTextIndex::Build(texts);
}

std::shared_ptr<const TextIndex> TextIndex::Merge(std::span<const TextIndex* const> parts) {
  // All indexes come from this file's factories.
  std::vector<const FlatTextIndex*> flat;
  flat.reserve(parts.size());
  for (const TextIndex* part : parts) flat.push_back(static_cast<const FlatTextIndex*>(part));
  return FlatTextIndex::Merge(flat);
}

absl::StatusOr<std::shared_ptr<const TextIndex>> TextIndex::Parse(std::string_view bytes,
                                                                  uint32_t rows) {
  auto index = std::make_shared<FlatTextIndex>();
  if (absl::Status read = index->Read(bytes, rows); !read.ok()) return read;
  return index;
}

}  // namespace vouch
