#include "index/inverted/text_expression.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/inverted/phrase.h"
#include "index/inverted/text_scan.h"

namespace vouch {
namespace {

constexpr uint32_t kRowsBetweenChecks = 1 << 16;

// Counts of the visible rows, for the parts of one expression.
class Counter {
 public:
  Counter(std::span<const TextFieldsSegment> segments, const CancelToken& cancel)
      : segments_(segments), cancel_(cancel) {}

  VisibleLengths LengthsOf(int field) {
    const auto [known, is_new] = lengths_.try_emplace(field);
    if (is_new) {
      for (const TextFieldsSegment& segment : segments_) {
        const VisibleLengths sum = SumVisibleLengths(segment.Field(field));
        known->second.rows += sum.rows;
        known->second.length += sum.length;
      }
    }
    return known->second;
  }

  // Visible rows with text in any of the fields.
  absl::StatusOr<uint64_t> DocumentsOf(std::span<const TextFieldWeight> fields) {
    if (fields.size() == 1) return LengthsOf(fields[0].field).rows;
    std::set<int> wanted;
    for (const TextFieldWeight& field : fields) wanted.insert(field.field);
    const auto known = documents_.find(wanted);
    if (known != documents_.end()) return known->second;
    uint64_t count = 0;
    for (const TextFieldsSegment& segment : segments_) {
      for (uint32_t row = 0; row < segment.rows(); ++row) {
        if (row % kRowsBetweenChecks == 0) {
          if (absl::Status status = cancel_.Check(); !status.ok()) return status;
        }
        if (segment.visible != nullptr && !segment.visible->Test(row)) continue;
        count += std::any_of(wanted.begin(), wanted.end(), [&](int field) {
          return segment.fields[static_cast<size_t>(field)]->length(row) > 0;
        });
      }
    }
    documents_.emplace(std::move(wanted), count);
    return count;
  }

  // Visible rows with one of the terms in any of the fields.
  absl::StatusOr<uint64_t> FrequencyOf(std::span<const TextFieldWeight> fields,
                                       std::span<const WeightedTerm> terms) {
    uint64_t count = 0;
    for (const TextFieldsSegment& segment : segments_) {
      if (absl::Status status = cancel_.Check(); !status.ok()) return status;
      std::vector<PostingList> lists;
      for (const TextFieldWeight& field : fields) {
        for (const WeightedTerm& term : terms) {
          lists.push_back(segment.Field(field.field).index->postings(term.term));
          if (lists.back().empty()) lists.pop_back();
        }
      }
      if (lists.empty()) continue;
      if (lists.size() == 1) {
        count += CountVisible(lists[0], segment.visible);
        continue;
      }
      Bitmap rows(segment.rows());
      for (const PostingList& list : lists) {
        list.ForEachBlock([&](const PostingBlock& block) {
          for (uint32_t i = 0; i < block.count; ++i) rows.Set(block.rows[i]);
        });
      }
      if (segment.visible != nullptr) rows.And(*segment.visible);
      count += rows.Count();
    }
    return count;
  }

 private:
  std::span<const TextFieldsSegment> segments_;
  const CancelToken& cancel_;
  std::map<int, VisibleLengths> lengths_;
  std::map<std::set<int>, uint64_t> documents_;
};

void CollectLeaves(const TextExpression& expression, std::vector<PreparedText::Part>* parts) {
  if (expression.kind != TextExpression::Kind::kBoolean) {
    parts->emplace_back().expression = &expression;
    return;
  }
  for (const auto* list : {&expression.must, &expression.should, &expression.must_not}) {
    for (const TextExpression& child : *list) CollectLeaves(child, parts);
  }
}

// One row, part by part: the definition itself.
class RowEvaluator {
 public:
  RowEvaluator(const TextFieldsSegment& segment, uint32_t row,
               std::span<const PreparedText::Part> parts)
      : segment_(segment), row_(row), parts_(parts) {}

  // Whether the row meets the expression. With `shares`, appends what each of its terms gave.
  bool Meets(const TextExpression& expression, std::vector<TermContribution>* shares,
             std::span<const std::string> names) {
    if (expression.kind != TextExpression::Kind::kBoolean) {
      return MeetsLeaf(parts_[next_++], shares, names);
    }
    bool met = true;
    uint32_t should = 0;
    const size_t before = shares == nullptr ? 0 : shares->size();
    for (const TextExpression& child : expression.must) met &= Meets(child, shares, names);
    for (const TextExpression& child : expression.should) should += Meets(child, shares, names);
    for (const TextExpression& child : expression.must_not) met &= !Meets(child, nullptr, names);
    met &= should >= expression.minimum_should;
    if (!met && shares != nullptr) shares->resize(before);
    return met;
  }

 private:
  // A term in a field: how often, and its part of the pseudo-frequency.
  struct Found {
    std::string term;
    int field = 0;
    uint32_t frequency = 0;
    double tf = 0;
  };

  void FindInField(const PreparedText::Part& part, size_t i, std::vector<Found>* found) const {
    const TextExpression& expression = *part.expression;
    const TextIndex& index =
        *segment_.fields[static_cast<size_t>(expression.fields[i].field)];
    const double norm = 1 - part.b[i] + part.b[i] * index.length(row_) / part.average_lengths[i];
    const double boost = expression.fields[i].boost;
    if (expression.kind == TextExpression::Kind::kPhrase) {
      const uint32_t count = CountIn(index, expression);
      if (count == 0) return;
      const std::string words = absl::StrJoin(
          expression.terms, " ",
          [](std::string* out, const WeightedTerm& term) { out->append(term.term); });
      found->push_back({words, expression.fields[i].field, count, boost * count / norm});
      return;
    }
    for (const WeightedTerm& term : expression.terms) {
      const std::optional<uint32_t> frequency = index.postings(term.term).Find(row_);
      if (!frequency) continue;
      found->push_back({term.term, expression.fields[i].field, *frequency,
                        boost * (term.weight * *frequency) / norm});
    }
  }

  uint32_t CountIn(const TextIndex& index, const TextExpression& phrase) const {
    std::vector<uint32_t> words;
    for (const WeightedTerm& term : phrase.terms) {
      const size_t ordinal = index.dictionary().Find(term.term);
      if (ordinal == TermDictionary::kNotFound) return 0;
      words.push_back(static_cast<uint32_t>(ordinal));
    }
    std::vector<uint32_t> tokens;
    index.ReadTokens(row_, &tokens);
    return CountPhrase(tokens, words, phrase.slop);
  }

  bool MeetsLeaf(const PreparedText::Part& part, std::vector<TermContribution>* shares,
                 std::span<const std::string> names) const {
    std::vector<Found> found;
    for (size_t i = 0; i < part.expression->fields.size(); ++i) FindInField(part, i, &found);
    double tf = 0;
    for (const Found& one : found) tf += one.tf;
    if (found.empty() || shares == nullptr) return !found.empty();
    const double score = part.expression->weight * part.idf * tf * (part.k1 + 1) / (tf + part.k1);
    for (Found& one : found) {
      shares->push_back({.term = std::move(one.term),
                         .frequency = one.frequency,
                         .document_frequency = part.document_frequency,
                         .query_weight = part.expression->weight,
                         .idf = part.idf,
                         .score = score * (one.tf / tf),
                         .field = names[static_cast<size_t>(one.field)],
                         .asked = part.expression->asked});
    }
    return true;
  }

  const TextFieldsSegment& segment_;
  const uint32_t row_;
  std::span<const PreparedText::Part> parts_;
  size_t next_ = 0;
};

}  // namespace

absl::StatusOr<PreparedText> PreparedText::Prepare(const TextExpression& expression,
                                                   std::span<const TextFieldsSegment> segments,
                                                   std::span<const Bm25Params> params,
                                                   const CancelToken& cancel) {
  PreparedText prepared(expression, segments);
  CollectLeaves(expression, &prepared.parts_);
  Counter counter(segments, cancel);
  for (Part& part : prepared.parts_) {
    const TextExpression& leaf = *part.expression;
    const absl::StatusOr<uint64_t> documents = counter.DocumentsOf(leaf.fields);
    if (!documents.ok()) return documents.status();
    for (const TextFieldWeight& field : leaf.fields) {
      const VisibleLengths sum = counter.LengthsOf(field.field);
      part.average_lengths.push_back(
          sum.rows == 0 ? 1 : static_cast<double>(sum.length) / static_cast<double>(sum.rows));
      part.b.push_back(params[static_cast<size_t>(field.field)].b);
    }
    part.k1 = params[static_cast<size_t>(leaf.fields.at(0).field)].k1;
    if (leaf.kind == TextExpression::Kind::kTerms) {
      const absl::StatusOr<uint64_t> df = counter.FrequencyOf(leaf.fields, leaf.terms);
      if (!df.ok()) return df.status();
      part.document_frequency = *df;
      part.idf = Bm25Idf(*documents, *df);
      continue;
    }
    for (size_t i = 0; i < leaf.terms.size(); ++i) {
      const absl::StatusOr<uint64_t> df =
          counter.FrequencyOf(leaf.fields, std::span(leaf.terms).subspan(i, 1));
      if (!df.ok()) return df.status();
      part.document_frequency = i == 0 ? *df : std::min(part.document_frequency, *df);
      part.idf += Bm25Idf(*documents, *df);
    }
  }
  return prepared;
}

absl::StatusOr<std::vector<Hit>> PreparedText::Search(size_t k, const CancelToken& cancel,
                                                      uint64_t* postings) const {
  if (k == 0) return std::vector<Hit>();
  BestHits best(k);
  for (const TextFieldsSegment& segment : segments_) {
    TextScan scan(*expression_, parts_, segment);
    if (absl::Status status = scan.Run(cancel, &best); !status.ok()) return status;
    if (postings != nullptr) *postings += scan.postings();
  }
  return std::move(best).Take();
}

std::vector<TermContribution> PreparedText::Explain(const TextFieldsSegment& segment, uint32_t row,
                                                    std::span<const std::string> names) const {
  std::vector<TermContribution> shares;
  RowEvaluator(segment, row, parts_).Meets(*expression_, &shares, names);
  return shares;
}

std::string PreparedText::Unmet(const TextFieldsSegment& segment, uint32_t row) const {
  if (expression_->kind != TextExpression::Kind::kBoolean) return "";
  std::string unmet;
  RowEvaluator evaluator(segment, row, parts_);
  uint32_t should = 0;
  for (const TextExpression& child : expression_->must) {
    if (evaluator.Meets(child, nullptr, {}) || child.asked.empty()) continue;
    absl::StrAppend(&unmet, unmet.empty() ? "it lacks " : ", ", child.asked);
  }
  for (const TextExpression& child : expression_->should) {
    should += evaluator.Meets(child, nullptr, {});
  }
  for (const TextExpression& child : expression_->must_not) {
    if (!evaluator.Meets(child, nullptr, {})) continue;
    absl::StrAppend(&unmet, unmet.empty() ? "it has " : "; it has ", child.asked);
  }
  if (should < expression_->minimum_should) {
    absl::StrAppend(&unmet, unmet.empty() ? "" : "; ", "it has ", should, " of at least ",
                    expression_->minimum_should, " wanted");
  }
  return unmet;
}

}  // namespace vouch
