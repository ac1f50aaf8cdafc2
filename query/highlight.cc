#include "query/highlight.h"

#include <algorithm>
#include <utility>

#include "index/inverted/analyzer.h"
#include "index/inverted/phrase.h"
#include "index/inverted/text_expansion.h"
#include "index/prepared_rows.h"
#include "query/text_compiler.h"

namespace vouch {
namespace {

// Prefixes and fuzzy words are tests of a word here, not lists of terms.
class MarkExpander final : public WordExpander {
 public:
  explicit MarkExpander(std::map<int, WordMarks>& fields) : fields_(fields) {}

  absl::StatusOr<std::vector<ExpandedTerm>> Prefix(std::span<const TextFieldWeight> fields,
                                                   std::string_view prefix,
                                                   std::string_view own) override {
    for (const TextFieldWeight& field : fields) {
      fields_[field.field].prefixes.push_back({std::string(prefix), std::string(own)});
    }
    return std::vector<ExpandedTerm>();
  }
  absl::StatusOr<std::vector<ExpandedTerm>> Fuzzy(std::span<const TextFieldWeight> fields,
                                                  std::string_view word, uint32_t edits,
                                                  uint32_t prefix_length) override {
    for (const TextFieldWeight& field : fields) {
      fields_[field.field].fuzzy.push_back({std::string(word), edits, prefix_length});
    }
    return std::vector<ExpandedTerm>();
  }

 private:
  std::map<int, WordMarks>& fields_;
};

TextClause WithoutForbidden(TextClause clause) {
  auto* boolean = std::get_if<TextBoolean>(&clause.kind);
  if (boolean == nullptr) return clause;
  boolean->must_not.clear();
  for (auto* list : {&boolean->must, &boolean->should}) {
    for (TextClause& child : *list) child = WithoutForbidden(std::move(child));
  }
  return clause;
}

void Collect(const TextExpression& expression, std::map<int, WordMarks>& fields) {
  for (const auto* list : {&expression.must, &expression.should}) {
    for (const TextExpression& child : *list) Collect(child, fields);
  }
  for (const TextFieldWeight& field : expression.fields) {
    WordMarks& marks = fields[field.field];
    if (expression.kind == TextExpression::Kind::kTerms) {
      for (const WeightedTerm& term : expression.terms) marks.terms.insert(term.term);
      continue;
    }
    WordMarks::Phrase& phrase = marks.phrases.emplace_back();
    phrase.slop = expression.slop;
    for (const WeightedTerm& term : expression.terms) phrase.words.push_back(term.term);
  }
}

// The words of a phrase as numbers, equal where the words are.
std::vector<uint32_t> NumbersOf(const std::vector<std::string>& words) {
  std::vector<uint32_t> numbers;
  for (const std::string& word : words) {
    numbers.push_back(
        static_cast<uint32_t>(std::find(words.begin(), words.end(), word) - words.begin()));
  }
  return numbers;
}

}  // namespace

bool WordMarks::Has(const std::string& term) const {
  if (terms.contains(term)) return true;
  for (const Prefix& prefix : prefixes) {
    if (term.starts_with(prefix.text) || term == prefix.own) return true;
  }
  uint32_t distance = 0;
  return std::any_of(fuzzy.begin(), fuzzy.end(), [&](const Fuzzy& like) {
    return IsWithinEdits(like.word, term, like.edits, like.prefix_length, &distance);
  });
}

std::vector<bool> WordMarks::Of(std::span<const Token> tokens) const {
  std::vector<bool> marks(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) marks[i] = Has(tokens[i].term);
  std::vector<uint32_t> numbers(tokens.size());
  for (const Phrase& phrase : phrases) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      numbers[i] = static_cast<uint32_t>(
          std::find(phrase.words.begin(), phrase.words.end(), tokens[i].term) -
          phrase.words.begin());
    }
    CountPhrase(numbers, NumbersOf(phrase.words), phrase.slop, &marks);
  }
  return marks;
}

absl::StatusOr<Highlighter> Highlighter::Make(const IndexReader& reader,
                                              const CollectionSchema& schema,
                                              const PlannedNode& root) {
  Highlighter highlighter(reader, schema);
  if (absl::Status status = highlighter.Collect(root); !status.ok()) return status;
  return highlighter;
}

absl::Status Highlighter::Collect(const PlannedNode& node) {
  for (const PlannedNode& child : node.children) {
    if (absl::Status status = Collect(child); !status.ok()) return status;
  }
  if (!std::holds_alternative<TextLeaf>(node.node->node)) return absl::OkStatus();
  if (node.clause == nullptr) {
    for (AnalyzedText::Term& term : reader_.AnalyzerOf(node.field).Analyze(node.text).terms) {
      fields_[node.field].terms.insert(std::move(term.term));
    }
    return absl::OkStatus();
  }
  PlannedNode wanted = node;
  wanted.clause = std::make_shared<const TextClause>(WithoutForbidden(*node.clause));
  MarkExpander expander(fields_);
  const absl::StatusOr<std::optional<TextExpression>> expression =
      CompileText(wanted, schema_, reader_, expander);
  if (!expression.ok()) return expression.status();
  if (expression->has_value()) vouch::Collect(**expression, fields_);
  return absl::OkStatus();
}

void Highlighter::MarkHit(std::string_view payload, PointHit& hit) const {
  for (const auto& [ordinal, wanted] : fields_) {
    const TextField& field = schema_.text[static_cast<size_t>(ordinal)];
    const Analyzer& analyzer = reader_.AnalyzerOf(ordinal);
    for (const FieldText& text : TextsOfField(field, payload)) {
      std::vector<Token> tokens = analyzer.Tokenize(text.text);
      const std::vector<bool> marks = wanted.Of(tokens);
      for (size_t i = 0; i < tokens.size(); ++i) {
        if (!marks[i]) continue;
        if (hit.highlights.size() == Highlight::kMaxPerHit) return;
        hit.highlights.push_back({.field = field.name,
                                  .path = text.path,
                                  .element = text.element,
                                  .begin = tokens[i].begin,
                                  .end = tokens[i].end,
                                  .term = std::move(tokens[i].term)});
      }
    }
  }
}

absl::Status Highlighter::Mark(const Store& store, const CollectionInfo& info,
                               std::span<PointHit> hits, const CancelToken& cancel) const {
  if (fields_.empty()) return absl::OkStatus();
  std::vector<RowId> rows;
  for (const PointHit& hit : hits) rows.push_back(hit.row);
  const absl::StatusOr<std::vector<RowRecord>> records =
      store.ReadRows(info.id, rows, /*with_vectors=*/false);
  if (!records.ok()) return records.status();
  for (size_t i = 0; i < hits.size(); ++i) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    MarkHit((*records)[i].payload, hits[i]);
  }
  return absl::OkStatus();
}

}  // namespace vouch
