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
#include "query/fuse.h"
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
    std::map<std::string, std::map<uint32_t, float>> sparse;
    std::string text;
    std::optional<int64_t> year;
    std::vector<std::string> lang;
    std::vector<std::string> authors;  // at "authors.name", of all elements
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

  static const std::vector<std::string>& Texts(const Row& row, const std::string& path) {
    return path == "lang" ? row.lang : row.authors;
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
        return filter.path == "year" ? row.year.has_value() : !Texts(row, filter.path).empty();
      case FilterOp::kHasId:
        return std::any_of(filter.values.begin(), filter.values.end(),
                           [&](const FilterValue& value) {
                             return std::get<std::string>(value) == row.id.ToString();
                           });
      case FilterOp::kNe: {
        Filter equal = filter;
        equal.op = FilterOp::kEq;
        return (filter.path == "year" ? row.year.has_value() : !Texts(row, filter.path).empty()) &&
               !Meets(row, equal);
      }
      case FilterOp::kEq:
      case FilterOp::kIn:
        return std::any_of(
            filter.values.begin(), filter.values.end(), [&](const FilterValue& value) {
              if (filter.path == "year") return row.year && *row.year == std::get<int64_t>(value);
              const std::vector<std::string>& texts = Texts(row, filter.path);
              return std::count(texts.begin(), texts.end(), std::get<std::string>(value)) > 0;
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

  // All hits of a node, uncut.
  std::vector<RankedRow> Run(const QueryNode& node, std::vector<const Filter*> filters,
                             const Scope& scope) const {
    if (node.filter) filters.push_back(&*node.filter);
    std::vector<RankedRow> hits;
    if (const auto* fuse = std::get_if<FuseNode>(&node.node)) {
      hits = RunFuse(*fuse, filters, scope);
    } else {
      for (size_t i = 0; i < rows_.size(); ++i) {
        if (!Seen(i, scope.principal, scope.at)) continue;
        if (!std::all_of(filters.begin(), filters.end(),
                         [&](const Filter* f) { return Meets(rows_[i], *f); })) {
          continue;
        }
        const std::optional<double> score = Score(node, i, scope.at);
        if (score) hits.push_back({RowId(i), *score});
      }
    }
    std::sort(hits.begin(), hits.end());
    return hits;
  }

  std::vector<RankedRow> RunFuse(const FuseNode& fuse, const std::vector<const Filter*>& filters,
                                 const Scope& scope) const {
    std::map<uint64_t, double> scores;
    for (size_t i = 0; i < fuse.children.size(); ++i) {
      std::vector<RankedRow> list = Run(fuse.children[i], filters, scope);
      const size_t by_default = std::max<size_t>(100, 4 * scope.first_page);
      Cut(list, fuse.children[i].limit != 0 ? fuse.children[i].limit : by_default);
      const double weight = fuse.weights.empty() ? 1 : fuse.weights[i];
      for (size_t rank = 1; rank <= list.size(); ++rank) {
        scores[list[rank - 1].row.value] += weight / (fuse.k + static_cast<double>(rank));
      }
    }
    std::vector<RankedRow> hits;
    for (const auto& [row, score] : scores) hits.push_back({RowId(row), score});
    return hits;
  }

  std::optional<double> Score(const QueryNode& node, size_t i, uint64_t at) const {
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) return DenseScore(*dense, rows_[i]);
    if (const auto* text = std::get_if<TextLeaf>(&node.node)) return TextScore(*text, i, at);
    if (const auto* sparse = std::get_if<SparseLeaf>(&node.node))
      return SparseScore(*sparse, rows_[i]);
    return 0;
  }

  std::optional<double> DenseScore(const DenseLeaf& leaf, const Row& row) const {
    const auto found = row.vectors.find(leaf.field);
    if (found == row.vectors.end()) return std::nullopt;
    const Metric metric = schema_.dense[schema_.FindDense(leaf.field)].metric;
    double length = 1;
    if (metric == Metric::kCosine) {
      double squares = 0;
      for (float value : leaf.vector) squares += double{value} * value;
      length = std::sqrt(squares);
    }
    double sum = 0;
    for (size_t d = 0; d < leaf.vector.size(); ++d) {
      const double q = leaf.vector[d] / length;
      const double r = found->second[d];
      sum += metric == Metric::kL2 ? -(q - r) * (q - r) : q * r;
    }
    return sum == 0 ? 0 : sum;
  }

  // The sum of index/inverted/sparse_search.h, ascending by index.
  static std::optional<double> SparseScore(const SparseLeaf& leaf, const Row& row) {
    const auto found = row.sparse.find(leaf.field);
    if (found == row.sparse.end()) return std::nullopt;
    double sum = 0;
    for (const auto& [index, weight] : found->second) {
      for (size_t i = 0; i < leaf.vector.indices.size(); ++i) {
        if (leaf.vector.indices[i] == index) sum += double{leaf.vector.values[i]} * weight;
      }
    }
    if (static_cast<float>(sum) <= 0) return std::nullopt;
    return static_cast<float>(sum);
  }

  static uint32_t Frequency(const AnalyzedText& text, const std::string& term) {
    for (const AnalyzedText::Term& entry : text.terms) {
      if (entry.term == term) return entry.frequency;
    }
    return 0;
  }

  // The formula of index/inverted/bm25.h, statistics over the rows visible at the version.
  std::optional<double> TextScore(const TextLeaf& leaf, size_t i, uint64_t at) const {
    const TextField& field = schema_.text[0];
    const AnalyzedText query = analyzer_->Analyze(leaf.text);
    double documents = 0;
    double total_length = 0;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (!Visible(r, at) || texts_[r].length == 0) continue;
      documents += 1;
      total_length += texts_[r].length;
    }
    double score = 0;
    for (const AnalyzedText::Term& term : query.terms) {
      const double tf = Frequency(texts_[i], term.term);
      if (tf == 0) continue;
      double df = 0;
      for (size_t r = 0; r < rows_.size(); ++r)
        df += Visible(r, at) && Frequency(texts_[r], term.term) > 0;
      const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
      const double average = total_length / documents;
      score += term.frequency * idf * tf * (field.k1 + 1) /
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
