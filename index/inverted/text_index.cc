#include "index/inverted/text_index.h"

#include <algorithm>
#include <array>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/flat_codec.h"
#include "index/inverted/token_streams.h"

namespace vouch {
namespace {

// The grammar stands in README.md.
constexpr uint32_t kTextIndexMagic = 0x54585456;  // "VTXT"

// Spreads ordinals over 64 bits, so that sums tell bags of them apart (SplitMix64's last steps).
uint64_t Mix(uint32_t ordinal) {
  uint64_t x = uint64_t{ordinal} + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

absl::Status CorruptText(std::string_view what) {
  return absl::DataLossError(absl::StrCat("text index: ", std::string(what)));
}

// Which pairs of frequency and length no other pair of the block beats in both: up to kLevels of
// them. Frequencies from kLevels on share one level, with the largest of them and the shortest
// length.
class FrequencyFrontier {
 public:
  void Add(uint32_t frequency, uint32_t length) {
    const size_t level = std::min(frequency, kLevels) - 1;
    shortest_[level] = std::min(shortest_[level], length);
    if (level == kLevels - 1) most_ = std::max(most_, frequency);
  }
  void AppendTo(std::vector<PostingBound>* bounds) const {
    uint32_t shortest = kNone;
    for (uint32_t level = kLevels; level-- > 0;) {
      if (shortest_[level] >= shortest) continue;
      shortest = shortest_[level];
      bounds->push_back({.a = level == kLevels - 1 ? most_ : level + 1, .b = shortest});
    }
  }

 private:
  static constexpr uint32_t kLevels = 8;
  static constexpr uint32_t kNone = ~uint32_t{0};
  std::array<uint32_t, kLevels> shortest_ = {kNone, kNone, kNone, kNone,
                                             kNone, kNone, kNone, kNone};
  uint32_t most_ = 0;
};

class TextBounds final : public BoundMaker {
 public:
  explicit TextBounds(std::span<const uint32_t> lengths) : lengths_(lengths) {}

  void AppendBlock(const PostingBlock& block, std::vector<PostingBound>* bounds) const override {
    FrequencyFrontier frontier;
    for (uint32_t i = 0; i < block.count; ++i)
      frontier.Add(block.values[i], lengths_[block.rows[i]]);
    frontier.AppendTo(bounds);
  }
  void AppendList(std::span<const PostingBound> blocks,
                  std::vector<PostingBound>* bounds) const override {
    FrequencyFrontier frontier;
    for (const PostingBound& bound : blocks) frontier.Add(bound.a, bound.b);
    frontier.AppendTo(bounds);
  }

 private:
  std::span<const uint32_t> lengths_;
};

// Invariants beyond those of PostingLists: a row's length is the sum of its frequencies, which
// Parse checks, since scores are made of them.
class FlatTextIndex final : public TextIndex {
 public:
  uint32_t rows() const override { return static_cast<uint32_t>(lengths_.size()); }
  uint64_t total_length() const override { return total_length_; }
  uint32_t rows_with_text() const override { return rows_with_text_; }
  uint32_t length(uint32_t row) const override { return lengths_[row]; }
  std::span<const uint32_t> lengths() const override { return lengths_; }

  PostingList postings(std::string_view term) const override {
    const size_t i = terms_.Find(term);
    return i == TermDictionary::kNotFound ? PostingList() : lists_.list(i);
  }

  const TermDictionary& dictionary() const override { return terms_; }
  PostingList postings_of(size_t ordinal) const override { return lists_.list(ordinal); }
  void ReadTokens(uint32_t row, std::vector<uint32_t>* tokens) const override {
    streams_.Read(row, tokens);
  }

  size_t memory_bytes() const override {
    return sizeof(*this) + terms_.memory_bytes() + lists_.memory_bytes() + streams_.memory_bytes() +
           lengths_.capacity() * sizeof(uint32_t);
  }

  std::string Serialize() const override {
    FlatWriter writer;
    writer.Reserve(64 + terms_.memory_bytes() + lists_.memory_bytes() + streams_.memory_bytes() +
                   lengths_.size() * sizeof(uint32_t));
    writer.Number(kTextIndexMagic);
    writer.Number(TextIndex::kFormat);
    writer.Number(rows());
    writer.Array(lengths_);
    terms_.Write(&writer);
    lists_.Write(&writer);
    streams_.Write(&writer);
    return std::move(writer).Take();
  }

  static std::shared_ptr<const TextIndex> Build(std::span<const AnalyzedText* const> texts);
  static std::shared_ptr<const TextIndex> Merge(std::span<const FlatTextIndex* const> parts);
  absl::Status Read(std::string_view bytes, uint32_t rows);

 private:
  // `occurrences`: of the rows' terms, one after the other; `ordinal_of`: each of them in the
  // dictionary.
  void FillStreams(std::span<const AnalyzedText* const> texts,
                   std::span<const uint32_t> occurrences, std::span<const uint32_t> ordinal_of);
  // The parts' tokens, by what their ordinals became.
  void MergeStreams(std::span<const FlatTextIndex* const> parts,
                    std::span<const std::vector<uint32_t>> ordinals);
  absl::Status ReadStreams(FlatReader* reader, std::span<const uint64_t> wanted);

  void CountLengths() {
    for (uint32_t length : lengths_) {
      total_length_ += length;
      rows_with_text_ += length > 0 ? 1 : 0;
    }
  }

  TermDictionary terms_;
  PostingLists lists_{PostingValues::kCounts};
  TokenStreams streams_;
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
  std::vector<uint32_t> occurrences;  // the uses of all rows' terms, one after the other
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
  std::vector<uint64_t> ends;
  ends.reserve(uses.size());
  uint64_t end = 0;
  for (uint32_t ordinal : order) {
    TermUse& use = uses[ordinal];
    index->terms_.Append(use.term);
    const uint64_t begin = end;
    end += use.next;
    use.next = begin;
    ends.push_back(end);
  }

  std::vector<uint32_t> rows(end);
  std::vector<uint32_t> frequencies(end);
  size_t occurrence = 0;
  for (uint32_t row = 0; row < texts.size(); ++row) {
    for (const AnalyzedText::Term& term : texts[row]->terms) {
      if (term.frequency == 0) continue;
      const uint64_t place = uses[occurrences[occurrence++]].next++;
      rows[place] = row;
      frequencies[place] = term.frequency;
    }
  }
  const TextBounds bounds(index->lengths_);
  uint64_t begin = 0;
  for (uint64_t list_end : ends) {
    index->lists_.Add(std::span(rows).subspan(begin, list_end - begin),
                      std::span(frequencies).subspan(begin, list_end - begin), bounds);
    begin = list_end;
  }
  index->lists_.ShrinkToFit();
  index->CountLengths();
  std::vector<uint32_t> ordinal_of(order.size());  // of each use, in the dictionary
  for (uint32_t i = 0; i < order.size(); ++i) ordinal_of[order[i]] = i;
  index->FillStreams(texts, occurrences, ordinal_of);
  return index;
}

void FlatTextIndex::FillStreams(std::span<const AnalyzedText* const> texts,
                                std::span<const uint32_t> occurrences,
                                std::span<const uint32_t> ordinal_of) {
  streams_.Start(terms_.size(), total_length_);
  std::vector<uint32_t> ordinals;  // of a row's terms
  size_t occurrence = 0;
  for (size_t row = 0; row < texts.size(); ++row) {
    const AnalyzedText& text = *texts[row];
    ordinals.clear();
    for (const AnalyzedText::Term& term : text.terms) {
      ordinals.push_back(term.frequency == 0 ? 0 : ordinal_of[occurrences[occurrence++]]);
    }
    if (!text.order.empty()) {
      for (uint32_t term : text.order) streams_.Append(ordinals[term]);
      continue;
    }
    for (size_t i = 0; i < ordinals.size(); ++i) {
      for (uint32_t n = 0; n < text.terms[i].frequency; ++n) streams_.Append(ordinals[i]);
    }
  }
  streams_.Finish(lengths_);
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
  uint32_t rows = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    first_rows.push_back(rows);
    rows += parts[part]->rows();
    if (parts[part]->terms_.size() > 0) cursors.push({parts[part]->terms_.term(0), part, 0});
  }
  index->lengths_.reserve(rows);
  for (const FlatTextIndex* part : parts) {
    index->lengths_.insert(index->lengths_.end(), part->lengths_.begin(), part->lengths_.end());
  }
  const TextBounds bounds(index->lengths_);
  std::vector<uint32_t> list_rows;
  std::vector<uint32_t> frequencies;
  std::vector<std::vector<uint32_t>> ordinals;  // of each part's terms in the merged dictionary
  for (const FlatTextIndex* part : parts) ordinals.emplace_back(part->terms_.size());
  while (!cursors.empty()) {
    const std::string_view term = cursors.top().term;
    const auto ordinal = static_cast<uint32_t>(index->terms_.size());
    index->terms_.Append(term);
    list_rows.clear();
    frequencies.clear();
    while (!cursors.empty() && cursors.top().term == term) {
      const Cursor cursor = cursors.top();
      cursors.pop();
      const FlatTextIndex& part = *parts[cursor.part];
      ordinals[cursor.part][cursor.ordinal] = ordinal;
      const uint32_t first_row = first_rows[cursor.part];
      part.lists_.list(cursor.ordinal).ForEachBlock([&](const PostingBlock& block) {
        for (uint32_t i = 0; i < block.count; ++i) list_rows.push_back(first_row + block.rows[i]);
        frequencies.insert(frequencies.end(), block.values, block.values + block.count);
      });
      const size_t next = cursor.ordinal + 1;
      if (next < part.terms_.size()) cursors.push({part.terms_.term(next), cursor.part, next});
    }
    index->lists_.Add(list_rows, frequencies, bounds);
  }
  index->terms_.ShrinkToFit();
  index->lists_.ShrinkToFit();
  index->CountLengths();
  index->MergeStreams(parts, ordinals);
  return index;
}

void FlatTextIndex::MergeStreams(std::span<const FlatTextIndex* const> parts,
                                 std::span<const std::vector<uint32_t>> ordinals) {
  streams_.Start(terms_.size(), total_length_);
  std::vector<uint32_t> tokens;
  for (size_t part = 0; part < parts.size(); ++part) {
    for (uint32_t row = 0; row < parts[part]->rows(); ++row) {
      parts[part]->streams_.Read(row, &tokens);
      for (uint32_t token : tokens) streams_.Append(ordinals[part][token]);
    }
  }
  streams_.Finish(lengths_);
}

// `wanted`: of each row, the sum of what Mix makes of its tokens, as the postings have them.
absl::Status FlatTextIndex::ReadStreams(FlatReader* reader, std::span<const uint64_t> wanted) {
  if (!streams_.Parse(reader, terms_.size(), lengths_)) {
    return CorruptText("the texts are cut short or have terms that are not there");
  }
  std::vector<uint32_t> tokens;
  for (uint32_t row = 0; row < wanted.size(); ++row) {
    streams_.Read(row, &tokens);
    uint64_t sum = 0;
    for (uint32_t token : tokens) sum += Mix(token);
    if (sum != wanted[row]) {
      return CorruptText(absl::StrCat("row ", row, ": its text has other terms than its postings"));
    }
  }
  return absl::OkStatus();
}

absl::Status FlatTextIndex::Read(std::string_view bytes, uint32_t rows) {
  FlatReader reader(bytes);
  uint32_t magic = 0;
  uint32_t format = 0;
  uint32_t stored_rows = 0;
  if (!reader.Number(&magic) || magic != kTextIndexMagic)
    return CorruptText("the magic number is missing");
  if (!reader.Number(&format) || format != TextIndex::kFormat) {
    return CorruptText(absl::StrCat("format ", format, ", this program reads ", TextIndex::kFormat));
  }
  if (!reader.Number(&stored_rows) || stored_rows != rows) {
    return CorruptText(absl::StrCat("holds ", stored_rows, " rows, wanted ", rows));
  }
  if (!reader.Array(rows, &lengths_)) return CorruptText("the lengths are cut short");
  if (!terms_.Read(&reader)) return CorruptText("the terms are cut short or out of order");
  std::vector<uint64_t> sums(rows, 0);
  const absl::Status postings = lists_.Read(&reader, terms_.size(), rows, TextBounds(lengths_),
                                            [&](const PostingBlock& block) {
                                              for (uint32_t i = 0; i < block.count; ++i)
                                                sums[block.rows[i]] += block.values[i];
                                            });
  if (!postings.ok()) return CorruptText(std::string(postings.message()));
  for (size_t row = 0; row < sums.size(); ++row) {
    if (sums[row] != lengths_[row]) {
      return CorruptText(absl::StrCat("row ", row, " of length ", lengths_[row], " has ", sums[row],
                                  " occurrences of terms"));
    }
  }
  CountLengths();
  std::vector<uint64_t> mixed(rows, 0);
  for (size_t term = 0; term < terms_.size(); ++term) {
    const uint64_t mix = Mix(static_cast<uint32_t>(term));
    lists_.list(term).ForEachBlock([&](const PostingBlock& block) {
      for (uint32_t i = 0; i < block.count; ++i) mixed[block.rows[i]] += mix * block.values[i];
    });
  }
  if (absl::Status streams = ReadStreams(&reader, mixed); !streams.ok()) return streams;
  if (!reader.AtEnd()) return CorruptText("bytes after the texts");
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
