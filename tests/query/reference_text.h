#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "index/inverted/analyzer.h"
#include "query/query_tree.h"

namespace vouch {

// The texts of a plain list of rows, searched by brute force: BM25 as index/inverted/bm25.h has it,
// and clauses as index/inverted/text_expression.h and query/text_clause.h have them. Shares no code
// with the engine but the analyzer.
class ReferenceText {
 public:
  using Visible = std::function<bool(size_t row)>;

  ReferenceText(CollectionSchema schema, std::shared_ptr<const Analyzer> analyzer)
      : schema_(std::move(schema)), analyzer_(std::move(analyzer)) {}

  // The next row's texts, by field of the schema.
  void Add(const std::map<std::string, std::string>& texts) {
    std::map<std::string, AnalyzedText>& analyzed = rows_.emplace_back();
    std::map<std::string, std::vector<std::string>>& words = words_.emplace_back();
    for (const TextField& field : schema_.text) {
      const auto text = texts.find(field.name);
      const std::string own = text == texts.end() ? "" : text->second;
      analyzed[field.name] = analyzer_->Analyze(own);
      words[field.name] = WordsOf(own);
    }
  }

  const AnalyzedText& Of(size_t row, const std::string& field) const {
    return rows_[row].at(field);
  }

  // The one field of a leaf that ranks by words alone; nullopt: it goes by ClauseScore.
  std::optional<std::string> PlainField(const TextLeaf& leaf) const {
    if (leaf.fields.size() > 1 || (leaf.fields.size() == 1 && leaf.fields[0].boost != 1))
      return std::nullopt;
    if (leaf.clause) {
      const auto* match = std::get_if<TextMatch>(&leaf.clause->kind);
      if (match == nullptr || match->all || leaf.clause->boost != 1 || !leaf.clause->field.empty())
        return std::nullopt;
    }
    return leaf.fields.empty() ? leaf.field : leaf.fields[0].field;
  }
  std::map<std::string, double> PlainTerms(const TextLeaf& leaf) const {
    std::map<std::string, double> terms;
    const std::string text = leaf.clause ? std::get<TextMatch>(leaf.clause->kind).text : leaf.text;
    for (const AnalyzedText::Term& term : analyzer_->Analyze(text).terms)
      terms[term.term] = term.frequency;
    return terms;
  }

  // BM25 of weighted terms in one field; nullopt: no hit.
  std::optional<double> Score(const std::string& name, const std::map<std::string, double>& terms,
                              size_t i, const Visible& visible) const {
    const TextField& field = FieldOf(name);
    double documents = 0;
    double total_length = 0;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (!visible(r) || Of(r, name).length == 0) continue;
      documents += 1;
      total_length += Of(r, name).length;
    }
    double score = 0;
    for (const auto& [term, weight] : terms) {
      const double tf = Count(i, name, term);
      if (tf == 0) continue;
      double df = 0;
      for (size_t r = 0; r < rows_.size(); ++r) df += visible(r) && Count(r, name, term) > 0;
      const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
      const double average = total_length / documents;
      score += weight * idf * tf * (field.k1 + 1) /
               (tf + field.k1 * (1 - field.b + field.b * Of(i, name).length / average));
    }
    if (static_cast<float>(score) <= 0) return std::nullopt;
    return static_cast<float>(score);
  }

  std::optional<double> ClauseScore(const TextLeaf& leaf, size_t row,
                                    const Visible& visible) const {
    Fields fields;
    for (const TextFieldBoost& field : leaf.fields) fields.emplace_back(field.field, field.boost);
    if (fields.empty()) fields.emplace_back(leaf.field, 1);
    TextClause clause{.kind = TextMatch{.text = leaf.text}};
    if (leaf.clause) clause = *leaf.clause;
    if (IsVoid(clause)) return std::nullopt;
    const std::optional<double> score = Evaluate(clause, fields, fields, 1, row, visible);
    if (!score || static_cast<float>(*score) <= 0) return std::nullopt;
    return static_cast<float>(*score);
  }

 private:
  using Fields = std::vector<std::pair<std::string, double>>;

  const TextField& FieldOf(const std::string& name) const {
    return schema_.text[static_cast<size_t>(schema_.FindText(name))];
  }
  double Count(size_t row, const std::string& field, const std::string& term) const {
    const auto& words = words_[row].at(field);
    return static_cast<double>(std::count(words.begin(), words.end(), term));
  }
  std::vector<std::string> WordsOf(const std::string& text) const {
    std::vector<std::string> words;
    for (const Token& token : analyzer_->Tokenize(text)) words.push_back(token.term);
    return words;
  }

  // Has no term, and is as if it were not there.
  bool IsVoid(const TextClause& clause) const {
    const auto* boolean = std::get_if<TextBoolean>(&clause.kind);
    if (boolean != nullptr) {
      const auto is_void = [&](const TextClause& child) { return IsVoid(child); };
      return std::all_of(boolean->must.begin(), boolean->must.end(), is_void) &&
             std::all_of(boolean->should.begin(), boolean->should.end(), is_void);
    }
    if (const auto* match = std::get_if<TextMatch>(&clause.kind))
      return WordsOf(match->text).empty();
    if (const auto* phrase = std::get_if<TextPhrase>(&clause.kind))
      return WordsOf(phrase->text).empty();
    if (const auto* fuzzy = std::get_if<TextFuzzy>(&clause.kind))
      return WordsOf(fuzzy->text).empty();
    return false;
  }

  // nullopt: the row does not meet it.
  std::optional<double> Evaluate(const TextClause& clause, Fields fields, const Fields& of_leaf,
                                 double weight, size_t row, const Visible& visible) const {
    if (!clause.field.empty()) {
      fields = {{clause.field, 1.0}};
      for (const auto& own : of_leaf) {
        if (own.first == clause.field) fields = {own};
      }
    }
    weight *= clause.boost;
    if (const auto* boolean = std::get_if<TextBoolean>(&clause.kind)) {
      double score = 0;
      for (const TextClause& child : boolean->must) {
        if (IsVoid(child)) continue;
        const auto own = Evaluate(child, fields, of_leaf, weight, row, visible);
        if (!own) return std::nullopt;
        score += *own;
      }
      for (const TextClause& child : boolean->must_not) {
        if (!IsVoid(child) && Evaluate(child, fields, of_leaf, weight, row, visible))
          return std::nullopt;
      }
      uint32_t met = 0;
      uint32_t there = 0;
      for (const TextClause& child : boolean->should) {
        if (IsVoid(child)) continue;
        ++there;
        const auto own = Evaluate(child, fields, of_leaf, weight, row, visible);
        if (!own) continue;
        ++met;
        score += *own;
      }
      const bool asks_must = std::any_of(boolean->must.begin(), boolean->must.end(),
                                         [&](const TextClause& child) { return !IsVoid(child); });
      uint32_t least = asks_must ? 0 : 1;
      if (boolean->minimum_should_match) least = *boolean->minimum_should_match;
      if (met < std::min(least, there)) return std::nullopt;
      return score;
    }
    if (const auto* match = std::get_if<TextMatch>(&clause.kind)) {
      double score = 0;
      uint32_t met = 0;
      const AnalyzedText text = analyzer_->Analyze(match->text);
      for (const AnalyzedText::Term& term : text.terms) {
        const auto own = Leaf({{term.term, 1}}, fields, weight * term.frequency, row, visible);
        met += own.has_value();
        score += own.value_or(0);
      }
      if (met == 0 || (match->all && met < text.terms.size())) return std::nullopt;
      return score;
    }
    if (const auto* phrase = std::get_if<TextPhrase>(&clause.kind))
      return Phrase(*phrase, fields, weight, row, visible);
    return Leaf(Expand(clause, fields, visible), fields, weight, row, visible);
  }

  // The words of visible rows that a prefix or a fuzzy word stands for, and what they count.
  std::map<std::string, double> Expand(const TextClause& clause, const Fields& fields,
                                       const Visible& visible) const {
    std::set<std::string> all;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (!visible(r)) continue;
      for (const auto& [name, boost] : fields) {
        all.insert(words_[r].at(name).begin(), words_[r].at(name).end());
      }
    }
    std::map<std::string, double> found;
    const auto* prefix = std::get_if<TextPrefix>(&clause.kind);
    for (const std::string& word : all) {
      if (prefix != nullptr) {
        const std::vector<std::string> own = WordsOf(prefix->text);
        if (word.rfind(prefix->text, 0) == 0 || (!own.empty() && word == own[0])) found[word] = 1;
        continue;
      }
      const auto& fuzzy = std::get<TextFuzzy>(clause.kind);
      const std::string wanted = WordsOf(fuzzy.text)[0];
      const size_t edits = fuzzy.edits.value_or(wanted.size() <= 2   ? 0
                                                : wanted.size() <= 5 ? 1
                                                                     : 2);
      const std::string begin = wanted.substr(0, fuzzy.prefix_length);
      const size_t distance = Distance(wanted, word);
      if (distance <= edits && word.rfind(begin, 0) == 0)
        found[word] = 1 / (1 + static_cast<double>(distance));
    }
    return found;
  }

  static size_t Distance(const std::string& a, const std::string& b) {
    if (a.empty() || b.empty()) return a.size() + b.size();
    const std::string x = a.substr(1);
    const std::string y = b.substr(1);
    if (a[0] == b[0]) return Distance(x, y);
    return 1 + std::min({Distance(x, b), Distance(a, y), Distance(x, y)});
  }

  // Whether words[next …] follow in order, the last of them before `end`.
  static bool Follows(const std::vector<std::string>& text, const std::vector<std::string>& words,
                      size_t next, size_t place, size_t end) {
    if (next == words.size()) return true;
    for (; place < std::min(end, text.size()); ++place) {
      if (text[place] == words[next] && Follows(text, words, next + 1, place + 1, end)) return true;
    }
    return false;
  }

  std::optional<double> Phrase(const TextPhrase& phrase, const Fields& fields, double weight,
                               size_t row, const Visible& visible) const {
    const std::vector<std::string> words = WordsOf(phrase.text);
    if (words.size() == 1) return Leaf({{words[0], 1}}, fields, weight, row, visible);
    double idf = 0;
    for (const std::string& word : words) idf += Idf({{word, 1}}, fields, visible);
    std::map<std::string, double> counts;
    for (const auto& [name, boost] : fields) {
      const auto& text = words_[row].at(name);
      counts[name] = 0;
      for (size_t start = 0; start < text.size(); ++start) {
        counts[name] += text[start] == words[0] &&
                        Follows(text, words, 1, start + 1, start + words.size() + phrase.slop);
      }
    }
    return Saturate(counts, fields, weight, idf, row, visible);
  }

  std::optional<double> Leaf(const std::map<std::string, double>& terms, const Fields& fields,
                             double weight, size_t row, const Visible& visible) const {
    std::map<std::string, double> counts;
    for (const auto& [name, boost] : fields) {
      counts[name] = 0;
      for (const auto& [term, counted] : terms) counts[name] += counted * Count(row, name, term);
    }
    return Saturate(counts, fields, weight, Idf(terms, fields, visible), row, visible);
  }

  double Idf(const std::map<std::string, double>& terms, const Fields& fields,
             const Visible& visible) const {
    double documents = 0;
    double df = 0;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (!visible(r)) continue;
      bool text = false;
      bool found = false;
      for (const auto& [name, boost] : fields) {
        text |= !words_[r].at(name).empty();
        for (const auto& [term, counted] : terms) found |= Count(r, name, term) > 0;
      }
      documents += text;
      df += found;
    }
    return std::log(1 + (documents - df + 0.5) / (df + 0.5));
  }

  std::optional<double> Saturate(const std::map<std::string, double>& counts, const Fields& fields,
                                 double weight, double idf, size_t row,
                                 const Visible& visible) const {
    double tf = 0;
    for (const auto& [name, boost] : fields) {
      if (counts.at(name) == 0) continue;
      double texts = 0;
      double length = 0;
      for (size_t r = 0; r < rows_.size(); ++r) {
        if (!visible(r)) continue;
        texts += !words_[r].at(name).empty();
        length += static_cast<double>(words_[r].at(name).size());
      }
      const double b = FieldOf(name).b;
      tf += boost * counts.at(name) /
            (1 - b + b * static_cast<double>(words_[row].at(name).size()) / (length / texts));
    }
    if (tf == 0) return std::nullopt;
    const double k1 = FieldOf(fields[0].first).k1;
    return weight * idf * tf * (k1 + 1) / (tf + k1);
  }

  const CollectionSchema schema_;
  const std::shared_ptr<const Analyzer> analyzer_;
  std::vector<std::map<std::string, AnalyzedText>> rows_;               // position = row id
  std::vector<std::map<std::string, std::vector<std::string>>> words_;  // in the order of the text
};

}  // namespace vouch
