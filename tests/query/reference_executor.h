#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "index/inverted/analyzer.h"
#include "query/ranked_row.h"
#include "query/search.h"
#include "storage/schema.h"

namespace vouch {

// A slow, obvious search over a plain list of rows: what the engine must give, by brute force. It
// takes each query's meaning from the headers and shares no code with the engine but the analyzer.
// Dense scores are summed in double: use vectors for which every sum is exact.
class ReferenceExecutor {
 public:
  struct Row {
    PointId id;
    std::map<std::string, std::vector<float>> vectors;  // normalised under cosine
    std::string text;
    std::optional<int64_t> year;
    std::vector<std::string> lang;
    std::vector<std::string> access;
    uint64_t added = 0;
    uint64_t retired = UINT64_MAX;
  };

  ReferenceExecutor(CollectionSchema schema, std::shared_ptr<const Analyzer> analyzer)
      : schema_(std::move(schema)), analyzer_(std::move(analyzer)) {}

  void Upsert(Row row, uint64_t version) {
    Delete(row.id, version);
    row.added = version;
    rows_.push_back(std::move(row));
    texts_.push_back(analyzer_->Analyze(rows_.back().text));
  }
  bool Delete(const PointId& id, uint64_t version) {
    for (Row& row : rows_) {
      if (row.id != id || row.retired != UINT64_MAX) continue;
      row.retired = version;
      return true;
    }
    return false;
  }

  const Row& row(RowId id) const { return rows_[id.value]; }

  uint64_t Count(const std::optional<Filter>& filter, const Principal& principal,
                 uint64_t at) const {
    uint64_t count = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      count += Seen(i, principal, at) && (!filter || Meets(rows_[i], *filter));
    }
    return count;
  }

  // The page of the request at a version.
  std::vector<RankedRow> Search(const SearchRequest& request, uint64_t at) const {
    const Scope scope{request.principal, at, request.offset + request.limit};
    std::vector<const Filter*> filters;
    if (request.filter) filters.push_back(&*request.filter);
    std::vector<RankedRow> hits = Run(request.query, filters, scope);
    if (request.query.limit != 0) Cut(hits, request.query.limit);
    Cut(hits, request.offset + request.limit);
    hits.erase(hits.begin(), hits.begin() + std::min<size_t>(request.offset, hits.size()));
    return hits;
  }

 private:
  struct Scope {
    const Principal& principal;
    uint64_t at;
    size_t first_page;
  };

  static void Cut(std::vector<RankedRow>& hits, size_t limit) {
    if (hits.size() > limit) hits.resize(limit);
  }

  bool Visible(size_t i, uint64_t at) const {
    return rows_[i].added <= at && rows_[i].retired > at;
  }

  bool Seen(size_t i, const Principal& principal, uint64_t at) const {
    if (!Visible(i, at)) return false;
    const std::vector<std::string>& access = rows_[i].access;
    if (access.empty()) return true;
    std::set<std::string> names(principal.groups.begin(), principal.groups.end());
    names.insert(principal.subject);
    return std::any_of(access.begin(), access.end(),
                       [&](const auto& name) { return names.contains(name); });
  }

  static bool Meets(const Row& row, const Filter& filter) {
    const auto child = [&](const Filter& part) { return Meets(row, part); };
    switch (filter.op) {
      case FilterOp::kAnd:
        return std::all_of(filter.children.begin(), filter.children.end(), child);
      case FilterOp::kOr:
        return std::any_of(filter.children.begin(), filter.children.end(), child);
      case FilterOp::kNot:
        return !Meets(row, filter.children[0]);
      case FilterOp::kExists:
        return filter.path == "year" ? row.year.has_value() : !row.lang.empty();
      case FilterOp::kHasId:
        return std::any_of(filter.values.begin(), filter.values.end(),
                           [&](const FilterValue& value) {
                             return std::get<std::string>(value) == row.id.ToString();
                           });
      case FilterOp::kNe: {
        Filter equal = filter;
        equal.op = FilterOp::kEq;
        return (filter.path == "year" ? row.year.has_value() : !row.lang.empty()) &&
               !Meets(row, equal);
      }
      case FilterOp::kEq:
      case FilterOp::kIn:
        return std::any_of(
            filter.values.begin(), filter.values.end(), [&](const FilterValue& value) {
              if (filter.path == "year") return row.year && *row.year == std::get<int64_t>(value);
              return std::count(row.lang.begin(), row.lang.end(), std::get<std::string>(value)) > 0;
            });
      case FilterOp::kLt:
        return row.year && *row.year < std::get<int64_t>(filter.values[0]);
      case FilterOp::kLe:
        return row.year && *row.year <= std::get<int64_t>(filter.values[0]);
      case FilterOp::kGt:
        return row.year && *row.year > std::get<int64_t>(filter.values[0]);
      case FilterOp::kGe:
        return row.year && *row.year >= std::get<int64_t>(filter.values[0]);
    }
    return false;
  }

  // What a leaf searches for: its own vector or weighted terms, or what feedback makes of them.
  struct LeafQuery {
    std::vector<float> vector;
    std::map<std::string, double> terms;
  };

  LeafQuery QueryOf(const QueryNode& node) const {
    LeafQuery search;
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) search.vector = dense->vector;
    if (const auto* text = std::get_if<TextLeaf>(&node.node)) {
      for (const AnalyzedText::Term& term : analyzer_->Analyze(text->text).terms)
        search.terms[term.term] = term.frequency;
    }
    return search;
  }

  bool Allowed(size_t i, const std::vector<const Filter*>& filters, const Scope& scope) const {
    return Seen(i, scope.principal, scope.at) &&
           std::all_of(filters.begin(), filters.end(),
                       [&](const Filter* f) { return Meets(rows_[i], *f); });
  }

  // All hits of a leaf, uncut.
  std::vector<RankedRow> RunLeaf(const QueryNode& node, const LeafQuery& search,
                                 const std::vector<const Filter*>& filters,
                                 const Scope& scope) const {
    std::vector<RankedRow> hits;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (!Allowed(i, filters, scope)) continue;
      const std::optional<double> score = Score(node, search, i, scope.at);
      if (score) hits.push_back({RowId(i), *score});
    }
    std::sort(hits.begin(), hits.end());
    return hits;
  }

  // All hits of a node, uncut.
  std::vector<RankedRow> Run(const QueryNode& node, std::vector<const Filter*> filters,
                             const Scope& scope) const {
    if (node.filter) filters.push_back(&*node.filter);
    if (const auto* fuse = std::get_if<FuseNode>(&node.node)) return RunFuse(*fuse, filters, scope);
    const std::vector<RankedRow> hits = RunLeaf(node, QueryOf(node), filters, scope);
    const auto* text = std::get_if<TextLeaf>(&node.node);
    if (text != nullptr && text->feedback) {
      return RunLeaf(node, AfterRm3(node, *text->feedback, hits, filters, scope), filters, scope);
    }
    const auto* dense = std::get_if<DenseLeaf>(&node.node);
    if (dense != nullptr && dense->feedback) {
      return RunLeaf(node, AfterRocchio(node, *dense->feedback, hits, filters, scope), filters,
                     scope);
    }
    return hits;
  }

  // The first hits that the leaf itself could give.
  std::vector<RankedRow> First(const std::vector<RankedRow>& hits, size_t limit,
                               const std::vector<const Filter*>& filters,
                               const Scope& scope) const {
    std::vector<RankedRow> first;
    for (const RankedRow& hit : hits) {
      if (first.size() < limit && Allowed(hit.row.value, filters, scope)) first.push_back(hit);
    }
    return first;
  }

  // The formula of query/feedback.h.
  LeafQuery AfterRm3(const QueryNode& node, const Rm3& rm3, const std::vector<RankedRow>& hits,
                     const std::vector<const Filter*>& filters, const Scope& scope) const {
    std::vector<RankedRow> first;
    for (const RankedRow& hit : First(hits, rm3.documents, filters, scope)) {
      if (texts_[hit.row.value].length > 0) first.push_back(hit);
    }
    LeafQuery search = QueryOf(node);
    if (first.empty()) return search;
    double sum = 0;
    for (const RankedRow& hit : first) sum += hit.score;
    const bool equal = sum <= 0 || first.back().score < 0;
    std::map<std::string, double> model;
    for (const RankedRow& hit : first) {
      const double share = equal ? 1.0 / static_cast<double>(first.size()) : hit.score / sum;
      const AnalyzedText& text = texts_[hit.row.value];
      for (const AnalyzedText::Term& term : text.terms)
        model[term.term] += share * term.frequency / text.length;
    }
    std::vector<std::pair<double, std::string>> best;
    for (const auto& [term, share] : model) best.emplace_back(-share, term);
    std::sort(best.begin(), best.end());
    if (best.size() > rm3.terms) best.resize(rm3.terms);
    double total = 0;
    for (const auto& [negative, term] : best) total -= negative;
    double length = 0;
    for (const auto& [term, frequency] : search.terms) length += frequency;
    for (auto& [term, frequency] : search.terms) frequency *= rm3.original_weight;
    for (const auto& [negative, term] : best)
      search.terms[term] += (1 - rm3.original_weight) * length * (-negative / total);
    return search;
  }

  // Exact where the vectors are small whole numbers, the parts of the formula fractions of a power
  // of two, and the metric not cosine.
  LeafQuery AfterRocchio(const QueryNode& node, const Rocchio& rocchio,
                         const std::vector<RankedRow>& hits,
                         const std::vector<const Filter*>& filters, const Scope& scope) const {
    const auto& leaf = std::get<DenseLeaf>(node.node);
    std::vector<const std::vector<float>*> vectors;
    for (const RankedRow& hit : First(hits, hits.size(), filters, scope)) {
      const auto found = rows_[hit.row.value].vectors.find(leaf.field);
      if (found != rows_[hit.row.value].vectors.end() && vectors.size() < rocchio.documents)
        vectors.push_back(&found->second);
    }
    LeafQuery search = QueryOf(node);
    if (vectors.empty()) return search;
    for (size_t d = 0; d < search.vector.size(); ++d) {
      double sum = 0;
      for (const std::vector<float>* vector : vectors) sum += (*vector)[d];
      search.vector[d] =
          static_cast<float>(rocchio.alpha * search.vector[d] +
                             rocchio.beta * sum / static_cast<double>(vectors.size()));
    }
    return search;
  }

  // What the hits of a list count for: the formulas of query/score_scale.h.
  static std::vector<double> Values(const FuseNode& fuse, const std::vector<RankedRow>& list,
                                    double lowest, bool complete, size_t rows) {
    std::vector<double> values;
    if (list.empty()) return values;
    const double first = list.front().score;
    const double missing = complete ? lowest : list.back().score;
    std::vector<double> spread;
    for (const RankedRow& hit : list) spread.push_back(hit.score);
    if (fuse.method == FusionMethod::kZScore) {
      const size_t filled = complete ? std::max(rows, spread.size()) : spread.size();
      spread.resize(std::min<size_t>(filled, 100), missing);
    }
    double mean = 0;
    for (double score : spread) mean += score;
    mean /= static_cast<double>(spread.size());
    double squares = 0;
    for (double score : spread) squares += (score - mean) * (score - mean);
    const double deviation = spread.front() == spread.back()
                                 ? 0
                                 : std::sqrt(squares / static_cast<double>(spread.size()));
    double from = missing;
    double width = first - missing;
    if (fuse.method == FusionMethod::kZScore) width = deviation;
    if (fuse.method == FusionMethod::kBounds) {
      from = lowest;
      width = first - from;
    }
    if (fuse.method == FusionMethod::kDbsf) {
      from = mean - 3 * deviation;
      width = 6 * deviation;
    }
    for (const RankedRow& hit : list) {
      const double flat = fuse.method == FusionMethod::kDbsf ? 0.5 : 1;
      values.push_back(width > 0 ? (hit.score - from) / width : flat);
    }
    return values;
  }

  // A list's hits and what they add.
  struct Leg {
    std::vector<RankedRow> hits;
    std::vector<double> shares;
  };

  Leg MakeLeg(const FuseNode& fuse, const QueryNode& child, std::vector<RankedRow> hits,
              double weight, std::vector<const Filter*> filters, const Scope& scope) const {
    Leg leg;
    if (child.filter) filters.push_back(&*child.filter);
    size_t rows = 0;
    for (size_t i = 0; i < rows_.size(); ++i) rows += Allowed(i, filters, scope);
    const size_t limit =
        child.limit != 0 ? child.limit : std::max<size_t>(100, 4 * scope.first_page);
    const bool text = std::holds_alternative<TextLeaf>(child.node);
    const bool complete = text && hits.size() <= limit;
    Cut(hits, limit);
    leg.hits = std::move(hits);
    if (fuse.method == FusionMethod::kRrf) {
      for (size_t rank = 1; rank <= leg.hits.size(); ++rank)
        leg.shares.push_back(weight / (fuse.k + static_cast<double>(rank)));
      return leg;
    }
    if (leg.hits.empty()) return leg;
    const double last = leg.hits.back().score;  // where nothing bounds the scores
    double lowest = 0;
    if (const auto* dense = std::get_if<DenseLeaf>(&child.node)) {
      const bool cosine = schema_.dense[schema_.FindDense(dense->field)].metric == Metric::kCosine;
      lowest = cosine ? -1 : last;
    }
    const auto* below = std::get_if<FuseNode>(&child.node);
    if (below != nullptr && below->method == FusionMethod::kDbsf) lowest = last;
    for (double value : Values(fuse, leg.hits, lowest, complete, rows))
      leg.shares.push_back(weight * value);
    return leg;
  }

  static std::vector<RankedRow> Sum(const std::vector<Leg>& legs) {
    std::map<uint64_t, double> scores;
    for (const Leg& leg : legs) {
      for (size_t i = 0; i < leg.hits.size(); ++i) scores[leg.hits[i].row.value] += leg.shares[i];
    }
    std::vector<RankedRow> hits;
    for (const auto& [row, score] : scores) hits.push_back({RowId(row), score});
    std::sort(hits.begin(), hits.end());
    return hits;
  }

  std::vector<RankedRow> RunFuse(const FuseNode& fuse, const std::vector<const Filter*>& filters,
                                 const Scope& scope) const {
    std::vector<Leg> legs;
    const auto weight_of = [&](size_t i) { return fuse.weights.empty() ? 1 : fuse.weights[i]; };
    for (size_t i = 0; i < fuse.children.size(); ++i) {
      const QueryNode& child = fuse.children[i];
      legs.push_back(
          MakeLeg(fuse, child, Run(child, filters, scope), weight_of(i), filters, scope));
    }
    if (!fuse.feedback) return Sum(legs);
    const std::vector<RankedRow> hits = Sum(legs);
    for (size_t i = 0; i < fuse.children.size(); ++i) {
      const QueryNode& child = fuse.children[i];
      std::vector<const Filter*> own = filters;
      if (child.filter) own.push_back(&*child.filter);
      if (std::holds_alternative<TextLeaf>(child.node) && fuse.feedback->text) {
        const LeafQuery search = AfterRm3(child, *fuse.feedback->text, hits, own, scope);
        legs.push_back(MakeLeg(fuse, child, RunLeaf(child, search, own, scope),
                               weight_of(i) * fuse.feedback->text_weight, filters, scope));
      }
      if (std::holds_alternative<DenseLeaf>(child.node) && fuse.feedback->dense) {
        const LeafQuery search = AfterRocchio(child, *fuse.feedback->dense, hits, own, scope);
        legs.push_back(MakeLeg(fuse, child, RunLeaf(child, search, own, scope),
                               weight_of(i) * fuse.feedback->dense_weight, filters, scope));
      }
    }
    return Sum(legs);
  }

  std::optional<double> Score(const QueryNode& node, const LeafQuery& search, size_t i,
                              uint64_t at) const {
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node))
      return DenseScore(dense->field, search.vector, rows_[i]);
    if (std::holds_alternative<TextLeaf>(node.node)) return TextScore(search.terms, i, at);
    return 0;
  }

  std::optional<double> DenseScore(const std::string& field, const std::vector<float>& vector,
                                   const Row& row) const {
    const auto found = row.vectors.find(field);
    if (found == row.vectors.end()) return std::nullopt;
    const Metric metric = schema_.dense[schema_.FindDense(field)].metric;
    double length = 1;
    if (metric == Metric::kCosine) {
      double squares = 0;
      for (float value : vector) squares += double{value} * value;
      length = std::sqrt(squares);
    }
    double sum = 0;
    for (size_t d = 0; d < vector.size(); ++d) {
      const double q = vector[d] / length;
      const double r = found->second[d];
      sum += metric == Metric::kL2 ? -(q - r) * (q - r) : q * r;
    }
    return sum == 0 ? 0 : sum;
  }

  static uint32_t Frequency(const AnalyzedText& text, const std::string& term) {
    for (const AnalyzedText::Term& entry : text.terms) {
      if (entry.term == term) return entry.frequency;
    }
    return 0;
  }

  // The formula of index/inverted/bm25.h, statistics over the rows visible at the version.
  std::optional<double> TextScore(const std::map<std::string, double>& terms, size_t i,
                                  uint64_t at) const {
    const TextField& field = schema_.text[0];
    double documents = 0;
    double total_length = 0;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (!Visible(r, at) || texts_[r].length == 0) continue;
      documents += 1;
      total_length += texts_[r].length;
    }
    double score = 0;
    for (const auto& [term, weight] : terms) {
      const double tf = Frequency(texts_[i], term);
      if (tf == 0) continue;
      double df = 0;
      for (size_t r = 0; r < rows_.size(); ++r)
        df += Visible(r, at) && Frequency(texts_[r], term) > 0;
      const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
      const double average = total_length / documents;
      score += weight * idf * tf * (field.k1 + 1) /
               (tf + field.k1 * (1 - field.b + field.b * texts_[i].length / average));
    }
    if (static_cast<float>(score) <= 0) return std::nullopt;
    return static_cast<float>(score);
  }

  const CollectionSchema schema_;
  const std::shared_ptr<const Analyzer> analyzer_;
  std::vector<Row> rows_;  // position = row id
  std::vector<AnalyzedText> texts_;
};

}  // namespace vouch
