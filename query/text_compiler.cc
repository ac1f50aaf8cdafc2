#include "query/text_compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/inverted/analyzer.h"
#include "index/payload/quoted.h"

namespace vouch {
namespace {

using Compiled = absl::StatusOr<std::optional<TextExpression>>;

uint32_t CountPoints(std::string_view text) {
  return static_cast<uint32_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// As Elasticsearch and others have it by default.
uint32_t DefaultEdits(std::string_view term) {
  const uint32_t points = CountPoints(term);
  return points <= 2 ? 0 : points <= 5 ? 1 : 2;
}

// What is handed down from a clause to those below it.
struct Scope {
  std::vector<TextFieldWeight> fields = {};
  double weight = 1;
};

class Compiler {
 public:
  Compiler(const PlannedNode& node, const CollectionSchema& schema, const IndexReader& reader,
           WordExpander& expander)
      : node_(node), schema_(schema), reader_(reader), expander_(expander) {}

  Compiled Compile(const TextClause& clause, Scope scope) {
    if (!clause.field.empty()) {
      const absl::StatusOr<int> field = ResolveTextField(schema_, clause.field);
      if (!field.ok()) return field.status();
      scope.fields = {BoostOf(*field)};
    }
    scope.weight *= clause.boost;
    Compiled compiled = CompileKind(clause, scope);
    if (compiled.ok() && compiled->has_value()) (*compiled)->asked = FormatTextClause(clause);
    return compiled;
  }

 private:
  TextFieldWeight BoostOf(int field) const {
    for (const TextFieldWeight& own : node_.text_fields) {
      if (own.field == field) return own;
    }
    return {.field = field, .boost = 1};
  }
  const Analyzer& AnalyzerOf(const Scope& scope) const {
    return reader_.AnalyzerOf(scope.fields.front().field);
  }

  static TextExpression Leaf(TextExpression::Kind kind, const Scope& scope) {
    TextExpression leaf;
    leaf.kind = kind;
    leaf.weight = scope.weight;
    leaf.fields = scope.fields;
    return leaf;
  }

  Compiled CompileKind(const TextClause& clause, const Scope& scope) {
    if (const auto* match = std::get_if<TextMatch>(&clause.kind)) return Match(*match, scope);
    if (const auto* phrase = std::get_if<TextPhrase>(&clause.kind)) return Phrase(*phrase, scope);
    if (const auto* prefix = std::get_if<TextPrefix>(&clause.kind)) return Prefix(*prefix, scope);
    if (const auto* fuzzy = std::get_if<TextFuzzy>(&clause.kind)) return Fuzzy(*fuzzy, scope);
    return Boolean(std::get<TextBoolean>(clause.kind), scope);
  }

  Compiled Match(const TextMatch& match, const Scope& scope) const {
    const AnalyzedText text = AnalyzerOf(scope).Analyze(match.text);
    std::vector<TextExpression> words;
    for (const AnalyzedText::Term& term : text.terms) {
      TextExpression& word = words.emplace_back(Leaf(TextExpression::Kind::kTerms, scope));
      word.weight *= term.frequency;
      word.terms = {{term.term, 1}};
      word.asked = term.term;
    }
    if (words.empty()) return std::nullopt;
    if (words.size() == 1) return std::move(words.front());
    TextExpression all;
    all.kind = TextExpression::Kind::kBoolean;
    all.minimum_should = match.all ? 0 : 1;
    (match.all ? all.must : all.should) = std::move(words);
    return all;
  }

  Compiled Phrase(const TextPhrase& phrase, const Scope& scope) const {
    TextExpression leaf = Leaf(TextExpression::Kind::kPhrase, scope);
    for (Token& token : AnalyzerOf(scope).Tokenize(phrase.text)) {
      leaf.terms.push_back({std::move(token.term), 1});
    }
    if (leaf.terms.empty()) return std::nullopt;
    if (leaf.terms.size() > TextClauseLimits::kMaxPhraseWords) {
      return absl::InvalidArgumentError(absl::StrCat("phrase: ", leaf.terms.size(), " words, over ",
                                                     TextClauseLimits::kMaxPhraseWords));
    }
    leaf.slop = phrase.slop;
    if (leaf.terms.size() == 1) leaf.kind = TextExpression::Kind::kTerms;
    return leaf;
  }

  Compiled Prefix(const TextPrefix& prefix, const Scope& scope) {
    const Analyzer& analyzer = AnalyzerOf(scope);
    const AnalyzedText text = analyzer.Analyze(prefix.text);
    const std::string folded = analyzer.Fold(prefix.text);
    if (text.length > 1) return NotOneWord("prefix", prefix.text, text.length);
    if (folded.empty()) return std::nullopt;
    const std::string own = text.terms.empty() ? "" : text.terms[0].term;
    absl::StatusOr<std::vector<ExpandedTerm>> found =
        expander_.Prefix(scope.fields, folded, own);
    if (!found.ok()) return TooMany(found.status(), "give more of the word");
    return Expanded(*found, scope);
  }

  Compiled Fuzzy(const TextFuzzy& fuzzy, const Scope& scope) {
    const AnalyzedText text = AnalyzerOf(scope).Analyze(fuzzy.text);
    if (text.length > 1) return NotOneWord("fuzzy", fuzzy.text, text.length);
    if (text.terms.empty()) return std::nullopt;
    const std::string& word = text.terms[0].term;
    absl::StatusOr<std::vector<ExpandedTerm>> found =
        expander_.Fuzzy(scope.fields, word, fuzzy.edits.value_or(DefaultEdits(word)),
                        fuzzy.prefix_length);
    if (!found.ok()) return TooMany(found.status(), "allow fewer edits, or set prefix_length");
    return Expanded(*found, scope);
  }

  static absl::Status NotOneWord(std::string_view kind, std::string_view text, uint32_t words) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(kind), ": ", Quoted(text), " is ",
                                                   words, " words to the field's analyzer"));
  }
  static absl::Status TooMany(const absl::Status& status, std::string_view advice) {
    if (!absl::IsResourceExhausted(status)) return status;
    return absl::InvalidArgumentError(
        absl::StrCat(status.message(), "; ", std::string(advice)));
  }

  static TextExpression Expanded(std::vector<ExpandedTerm>& found, const Scope& scope) {
    TextExpression leaf = Leaf(TextExpression::Kind::kTerms, scope);
    for (ExpandedTerm& term : found) {
      leaf.terms.push_back({std::move(term.term), 1 / (1 + static_cast<double>(term.edits))});
    }
    return leaf;
  }

  Compiled Boolean(const TextBoolean& boolean, const Scope& scope) {
    TextExpression all;
    all.kind = TextExpression::Kind::kBoolean;
    for (const auto& [clauses, list] :
         {std::pair(&boolean.must, &all.must), std::pair(&boolean.should, &all.should),
          std::pair(&boolean.must_not, &all.must_not)}) {
      for (const TextClause& clause : *clauses) {
        Compiled child = Compile(clause, scope);
        if (!child.ok()) return child;
        if (child->has_value()) list->push_back(**std::move(child));
      }
    }
    if (all.must.empty() && all.should.empty()) return std::nullopt;
    const uint32_t least = boolean.minimum_should_match.value_or(all.must.empty() ? 1 : 0);
    all.minimum_should = std::min(least, static_cast<uint32_t>(all.should.size()));
    return all;
  }

  const PlannedNode& node_;
  const CollectionSchema& schema_;
  const IndexReader& reader_;
  WordExpander& expander_;
};

}  // namespace

absl::StatusOr<std::optional<TextExpression>> CompileText(const PlannedNode& node,
                                                          const CollectionSchema& schema,
                                                          const IndexReader& reader,
                                                          WordExpander& expander) {
  return Compiler(node, schema, reader, expander)
      .Compile(*node.clause, {.fields = node.text_fields, .weight = 1});
}

}  // namespace vouch
