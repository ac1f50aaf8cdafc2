#include "index/inverted/text_scan.h"

#include <algorithm>
#include <bit>

#include "index/inverted/phrase.h"

namespace vouch {
namespace {

using RowBits = std::array<uint64_t, TextWindow::kWords>;

bool IsEmpty(const RowBits& rows) {
  return std::all_of(rows.begin(), rows.end(), [](uint64_t word) { return word == 0; });
}

template <typename Visit>
void ForEachSlot(const RowBits& rows, Visit visit) {
  for (uint32_t word = 0; word < TextWindow::kWords; ++word) {
    for (uint64_t bits = rows[word]; bits != 0; bits &= bits - 1) {
      visit(word * 64 + static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }
}

bool Has(const RowBits& rows, uint32_t slot) { return rows[slot / 64] >> (slot % 64) & 1; }
void Set(RowBits& rows, uint32_t slot) { rows[slot / 64] |= uint64_t{1} << (slot % 64); }

// The postings of a list from one window on to the next.
class PostingWalk {
 public:
  explicit PostingWalk(const PostingList& list) : list_(list) {}

  // Calls visit(slot, value) for the postings of rows [begin, end); windows ascend.
  template <typename Visit>
  void ForEach(uint32_t begin, uint32_t end, Visit visit) {
    while (true) {
      if (!loaded_) {
        next_ = list_.SeekBlock(begin, next_);
        if (next_ >= list_.blocks()) return;
        list_.Decode(next_, &block_);
        loaded_ = true;
        place_ = 0;
      }
      while (place_ < block_.count && block_.rows[place_] < begin) ++place_;
      for (; place_ < block_.count; ++place_) {
        if (block_.rows[place_] >= end) return;
        visit(block_.rows[place_] - begin, block_.values[place_]);
      }
      loaded_ = false;
      ++next_;
    }
  }

 private:
  PostingList list_;
  uint32_t next_ = 0;  // the block that is, or is to be, loaded
  bool loaded_ = false;
  uint32_t place_ = 0;
  PostingBlock block_;
};

}  // namespace

class TextScan::Node {
 public:
  virtual ~Node() = default;
  // Fills window() with what of `wanted`, rows [begin, end), meets the part.
  virtual void Fill(uint32_t begin, uint32_t end, const RowBits& wanted) = 0;
  const TextWindow& window() const { return window_; }

 protected:
  TextWindow window_;
};

class TextScan::Leaf final : public Node {
 public:
  Leaf(const PreparedText::Part& part, const TextFieldsSegment& segment, uint64_t* postings)
      : part_(part), postings_(postings) {
    const TextExpression& expression = *part.expression;
    for (size_t i = 0; i < expression.fields.size(); ++i) {
      Field& field = fields_.emplace_back();
      field.index = segment.fields[static_cast<size_t>(expression.fields[i].field)];
      field.boost = expression.fields[i].boost;
      field.b = part.b[i];
      field.average_length = part.average_lengths[i];
      for (const WeightedTerm& term : expression.terms) AddTerm(term, &field);
    }
  }

  void Fill(uint32_t begin, uint32_t end, const RowBits& wanted) override {
    window_.rows.fill(0);
    frequencies_.fill(0);
    for (Field& field : fields_) {
      counts_.fill(0);
      RowBits found = {};
      if (part_.expression->kind == TextExpression::Kind::kPhrase) {
        FindPhrases(field, begin, end, wanted, &found);
      } else {
        FindTerms(field, begin, end, wanted, &found);
      }
      ForEachSlot(found, [&](uint32_t slot) {
        const double length = field.index->length(begin + slot);
        frequencies_[slot] += field.boost * counts_[slot] /
                              (1 - field.b + field.b * length / field.average_length);
      });
      for (uint32_t word = 0; word < TextWindow::kWords; ++word) window_.rows[word] |= found[word];
    }
    ForEachSlot(window_.rows, [&](uint32_t slot) {
      const double tf = frequencies_[slot];
      window_.scores[slot] =
          part_.expression->weight * part_.idf * tf * (part_.k1 + 1) / (tf + part_.k1);
    });
  }

 private:
  struct Field {
    const TextIndex* index = nullptr;
    double boost = 1;
    double b = 0;
    double average_length = 0;
    std::vector<PostingWalk> walks;  // of terms, or of the distinct words of a phrase
    std::vector<double> weights;
    std::vector<uint32_t> ordinals;  // of walks, in the dictionary
    std::vector<uint32_t> words;     // of a phrase, as ordinals
    bool lacks_a_word = false;       // so that no phrase is in it
  };

  void AddTerm(const WeightedTerm& term, Field* field) {
    const size_t ordinal = field->index->dictionary().Find(term.term);
    if (ordinal == TermDictionary::kNotFound) {
      field->lacks_a_word = true;
      return;
    }
    const auto number = static_cast<uint32_t>(ordinal);
    field->words.push_back(number);
    if (std::find(field->ordinals.begin(), field->ordinals.end(), number) !=
        field->ordinals.end()) {
      return;
    }
    field->walks.emplace_back(field->index->postings_of(ordinal));
    field->weights.push_back(term.weight);
    field->ordinals.push_back(number);
  }

  void FindTerms(Field& field, uint32_t begin, uint32_t end, const RowBits& wanted,
                 RowBits* found) {
    for (size_t i = 0; i < field.walks.size(); ++i) {
      field.walks[i].ForEach(begin, end, [&](uint32_t slot, uint32_t frequency) {
        ++*postings_;
        if (!Has(wanted, slot)) return;
        counts_[slot] += field.weights[i] * frequency;
        Set(*found, slot);
      });
    }
  }

  void FindPhrases(Field& field, uint32_t begin, uint32_t end, const RowBits& wanted,
                   RowBits* found) {
    if (field.lacks_a_word || field.walks.empty()) return;
    RowBits candidates = wanted;
    for (PostingWalk& walk : field.walks) {
      RowBits have = {};
      walk.ForEach(begin, end, [&](uint32_t slot, uint32_t) {
        ++*postings_;
        Set(have, slot);
      });
      for (uint32_t word = 0; word < TextWindow::kWords; ++word) candidates[word] &= have[word];
      if (IsEmpty(candidates)) return;
    }
    ForEachSlot(candidates, [&](uint32_t slot) {
      field.index->ReadTokens(begin + slot, &tokens_);
      const uint32_t count = CountPhrase(tokens_, field.words, part_.expression->slop);
      if (count == 0) return;
      counts_[slot] = count;
      Set(*found, slot);
    });
  }

  const PreparedText::Part& part_;
  uint64_t* const postings_;
  std::vector<Field> fields_;
  std::array<double, TextWindow::kRows> frequencies_ = {};
  std::array<double, TextWindow::kRows> counts_ = {};
  std::vector<uint32_t> tokens_;
};

class TextScan::Conditions final : public Node {
 public:
  explicit Conditions(uint32_t minimum_should) : minimum_should_(minimum_should) {}

  std::vector<std::unique_ptr<Node>> must, should, must_not;

  void Fill(uint32_t begin, uint32_t end, const RowBits& wanted) override {
    window_.rows = wanted;
    window_.scores.fill(0);
    for (const std::unique_ptr<Node>& node : must) {
      if (IsEmpty(window_.rows)) return;
      node->Fill(begin, end, window_.rows);
      window_.rows = node->window().rows;
      AddScores(*node);
    }
    for (const std::unique_ptr<Node>& node : must_not) {
      if (IsEmpty(window_.rows)) return;
      node->Fill(begin, end, window_.rows);
      for (uint32_t word = 0; word < TextWindow::kWords; ++word) {
        window_.rows[word] &= ~node->window().rows[word];
      }
    }
    if (IsEmpty(window_.rows)) return;
    met_.fill(0);
    for (const std::unique_ptr<Node>& node : should) {
      node->Fill(begin, end, window_.rows);
      ForEachSlot(node->window().rows, [&](uint32_t slot) { ++met_[slot]; });
      AddScores(*node);
    }
    if (minimum_should_ == 0) return;
    RowBits enough = {};
    ForEachSlot(window_.rows, [&](uint32_t slot) {
      if (met_[slot] >= minimum_should_) Set(enough, slot);
    });
    window_.rows = enough;
  }

 private:
  void AddScores(const Node& node) {
    ForEachSlot(node.window().rows,
                [&](uint32_t slot) { window_.scores[slot] += node.window().scores[slot]; });
  }

  const uint32_t minimum_should_;
  std::array<uint32_t, TextWindow::kRows> met_ = {};
};

TextScan::TextScan(const TextExpression& expression, std::span<const PreparedText::Part> parts,
                   const TextFieldsSegment& segment)
    : segment_(segment) {
  size_t next = 0;
  root_ = Make(expression, parts, &next);
}

TextScan::~TextScan() = default;

std::unique_ptr<TextScan::Node> TextScan::Make(const TextExpression& expression,
                                               std::span<const PreparedText::Part> parts,
                                               size_t* next) {
  if (expression.kind != TextExpression::Kind::kBoolean) {
    return std::make_unique<Leaf>(parts[(*next)++], segment_, &postings_);
  }
  auto conditions = std::make_unique<Conditions>(expression.minimum_should);
  for (const auto& child : expression.must) conditions->must.push_back(Make(child, parts, next));
  for (const auto& child : expression.should) conditions->should.push_back(Make(child, parts, next));
  for (const auto& child : expression.must_not) {
    conditions->must_not.push_back(Make(child, parts, next));
  }
  return conditions;
}

absl::Status TextScan::Run(const CancelToken& cancel, BestHits* best) {
  const uint32_t rows = segment_.rows();
  const Bitmap* allowed = segment_.allowed != nullptr ? segment_.allowed : segment_.visible;
  for (uint32_t begin = 0; begin < rows; begin += TextWindow::kRows) {
    const uint32_t end = std::min(rows - begin, TextWindow::kRows) + begin;
    RowBits wanted = {};
    for (uint32_t word = 0; word * 64 < end - begin; ++word) {
      const uint32_t left = end - begin - word * 64;
      wanted[word] = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
      if (allowed == nullptr) continue;
      const size_t at = begin / 64 + word;
      wanted[word] &= at < allowed->words().size() ? allowed->word(at) : 0;
    }
    if (IsEmpty(wanted)) continue;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    root_->Fill(begin, end, wanted);
    ForEachSlot(root_->window().rows, [&](uint32_t slot) {
      const auto score = static_cast<float>(root_->window().scores[slot]);
      if (score > 0) best->Offer({RowId(segment_.first_row.value + begin + slot), score});
    });
  }
  return absl::OkStatus();
}

}  // namespace vouch
