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
#include "tests/query/reference_row.h"
#include "tests/query/reference_scale.h"
#include "tests/query/reference_text.h"

namespace vouch {

// What the model of cross-encoders in these tests gives a text: few values, so many ties.
inline double CrossScoreOf(const std::string& question, const std::string& text) {
  return static_cast<double>(std::count(text.begin(), text.end(), question[0])) -
         static_cast<double>(text.size() % 4);
}

// A slow, obvious search over a plain list of rows: what the engine must give, by brute force. It
// takes each query's meaning from the headers and shares no code with the engine but the analyzer.
// Dense scores are summed in double: use vectors for which every sum is exact.
class ReferenceExecutor {
 public:
  using Row = ReferenceRow;

  ReferenceExecutor(CollectionSchema schema, std::shared_ptr<const Analyzer> analyzer)
      : schema_(schema), text_(std::move(schema), std::move(analyzer)) {}

  void Upsert(Row row, uint64_t version) {
    Delete(row.id, version);
    row.added = version;
    rows_.push_back(std::move(row));
    text_.Add(rows_.back().texts);
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

  // Whether all examples of the tree are points that the principal sees and that have a vector in
  // the field.
  bool HasExamples(const QueryNode& node, const Principal& principal, uint64_t at) const {
    const Scope scope{principal, at, 0};
    if (const auto* fuse = std::get_if<FuseNode>(&node.node)) {
      return std::all_of(fuse->children.begin(), fuse->children.end(),
                         [&](const QueryNode& child) { return HasExamples(child, principal, at); });
    }
    if (const auto* rerank = std::get_if<RerankNode>(&node.node)) {
      return HasExamples(rerank->children[0], principal, at);
    }
    const auto* leaf = std::get_if<RecommendLeaf>(&node.node);
    if (leaf == nullptr) return true;
    const auto there = [&](const Example& example) {
      const auto* id = std::get_if<PointId>(&example);
      const std::optional<size_t> row = id == nullptr ? std::nullopt : Find(*id, scope);
      return id == nullptr || (row && rows_[*row].vectors.contains(leaf->field));
    };
    return std::all_of(leaf->positive.begin(), leaf->positive.end(), there) &&
           std::all_of(leaf->negative.begin(), leaf->negative.end(), there);
  }

  uint64_t Count(const std::optional<Filter>& filter, const Principal& principal,
                 uint64_t at) const {
    uint64_t count = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      count += Seen(i, principal, at) && (!filter || ReferenceFilter::Meets(rows_[i], *filter));
    }
    return count;
  }

  // Values of "year" or "lang" with the rows that have them, for each of a row's distinct values.
  static std::vector<PayloadValue> ValuesOf(const Row& row, const std::string& path) {
    std::vector<PayloadValue> values;
    if (path == "year" && row.year) values.emplace_back(*row.year);
    for (const std::string& lang : path == "lang" ? row.lang : std::vector<std::string>()) {
      if (std::find(values.begin(), values.end(), PayloadValue(lang)) == values.end())
        values.emplace_back(lang);
    }
    return values;
  }
  std::map<PayloadValue, uint64_t> CountValues(const std::string& path,
                                               const SearchRequest& request, uint64_t at) const {
    std::map<PayloadValue, uint64_t> counts;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (!Seen(i, request.principal, at) ||
          (request.filter && !ReferenceFilter::Meets(rows_[i], *request.filter)))
        continue;
      for (const PayloadValue& value : ValuesOf(rows_[i], path)) ++counts[value];
    }
    return counts;
  }

  // The groups of the request, by their best hits.
  std::vector<std::pair<PayloadValue, std::vector<RankedRow>>> Group(const SearchRequest& request,
                                                                     uint64_t at) const {
    const size_t wanted = request.limit * request.group_by->hits;
    std::vector<const Filter*> filters;
    if (request.filter) filters.push_back(&*request.filter);
    std::vector<RankedRow> hits = Run(request.query, filters, {request.principal, at, wanted});
    if (request.query.limit != 0) Cut(hits, request.query.limit);
    Cut(hits, std::max<size_t>(1000, 4 * wanted));
    std::vector<std::pair<PayloadValue, std::vector<RankedRow>>> groups;
    for (const RankedRow& hit : hits) {
      for (const PayloadValue& value : ValuesOf(rows_[hit.row.value], request.group_by->path)) {
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& known) { return known.first == value; });
        if (group == groups.end()) {
          if (groups.size() == request.limit) continue;
          groups.push_back({value, {}});
          group = groups.end() - 1;
        }
        if (group->second.size() < request.group_by->hits) group->second.push_back(hit);
      }
    }
    return groups;
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

  // The row of a point that the principal sees.
  std::optional<size_t> Find(const PointId& id, const Scope& scope) const {
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].id == id && Seen(i, scope.principal, scope.at)) return i;
    }
    return std::nullopt;
  }

  // What a leaf searches for: its own vector or weighted terms, or what feedback makes of them.
  struct LeafQuery {
    std::vector<float> vector;
    std::map<std::string, double> terms;
  };

  LeafQuery QueryOf(const QueryNode& node) const {
    LeafQuery search;
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) search.vector = dense->vector;
    const auto* text = std::get_if<TextLeaf>(&node.node);
    if (text != nullptr && text_.PlainField(*text)) search.terms = text_.PlainTerms(*text);
    return search;
  }

  bool Allowed(size_t i, const std::vector<const Filter*>& filters, const Scope& scope) const {
    return Seen(i, scope.principal, scope.at) &&
           std::all_of(filters.begin(), filters.end(),
                       [&](const Filter* f) { return ReferenceFilter::Meets(rows_[i], *f); });
  }

  // All hits of a leaf, uncut.
  std::vector<RankedRow> RunLeaf(const QueryNode& node, const LeafQuery& search,
                                 const std::vector<const Filter*>& filters,
                                 const Scope& scope) const {
    std::vector<RankedRow> hits;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (!Allowed(i, filters, scope)) continue;
      const std::optional<double> score = Score(node, search, i, scope);
      if (score) hits.push_back({RowId(i), *score});
    }
    std::sort(hits.begin(), hits.end());
    return hits;
  }

  // All hits of a node, uncut; those of mmr in the order of choice.
  std::vector<RankedRow> Run(const QueryNode& node, std::vector<const Filter*> filters,
                             const Scope& scope) const {
    if (node.filter) filters.push_back(&*node.filter);
    if (const auto* fuse = std::get_if<FuseNode>(&node.node)) return RunFuse(*fuse, filters, scope);
    if (const auto* rerank = std::get_if<RerankNode>(&node.node))
      return RunRerank(*rerank, filters, scope);
    std::vector<RankedRow> hits = RunLeaf(node, QueryOf(node), filters, scope);
    const auto* text = std::get_if<TextLeaf>(&node.node);
    if (text != nullptr && text->feedback) {
      return RunLeaf(node, AfterRm3(node, *text->feedback, hits, filters, scope), filters, scope);
    }
    const auto* dense = std::get_if<DenseLeaf>(&node.node);
    if (dense != nullptr && dense->feedback) {
      return RunLeaf(node, AfterRocchio(node, *dense->feedback, hits, filters, scope), filters,
                     scope);
    }
    const auto* all = std::get_if<AllLeaf>(&node.node);
    if (all != nullptr && !all->order_by.empty()) Order(*all, hits);
    return hits;
  }

  void Order(const AllLeaf& all, std::vector<RankedRow>& hits) const {
    std::stable_sort(hits.begin(), hits.end(), [&](const RankedRow& a, const RankedRow& b) {
      const std::optional<FilterValue> x = KeyOf(rows_[a.row.value], all);
      const std::optional<FilterValue> y = KeyOf(rows_[b.row.value], all);
      if (!x || !y) return x.has_value() && !y.has_value();
      return all.descending ? *y < *x : *x < *y;
    });
  }
  static std::optional<FilterValue> KeyOf(const Row& row, const AllLeaf& all) {
    if (all.order_by == "year")
      return row.year ? std::optional<FilterValue>(*row.year) : std::nullopt;
    if (row.lang.empty()) return std::nullopt;
    return all.descending ? *std::max_element(row.lang.begin(), row.lang.end())
                          : *std::min_element(row.lang.begin(), row.lang.end());
  }

  std::vector<RankedRow> RunRerank(const RerankNode& rerank,
                                   const std::vector<const Filter*>& filters,
                                   const Scope& scope) const {
    const QueryNode& child = rerank.children[0];
    const auto* mmr = std::get_if<MmrRerank>(&rerank.method);
    size_t by_default = std::max<size_t>(100, 4 * scope.first_page);
    const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method);
    if (mmr != nullptr || cross != nullptr) by_default = std::min<size_t>(by_default, 1000);
    std::vector<RankedRow> candidates = Run(child, filters, scope);
    Cut(candidates, child.limit != 0 ? child.limit : by_default);
    if (mmr != nullptr) return RunMmr(*mmr, std::move(candidates));
    std::vector<RankedRow> hits;
    for (const RankedRow& candidate : candidates) {
      const Row& row = rows_[candidate.row.value];
      if (const auto* exact = std::get_if<ExactRerank>(&rerank.method)) {
        const std::optional<double> score = Similarity(exact->field, exact->vector, row);
        if (score) hits.push_back({candidate.row, *score});
      } else if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
        const std::optional<double> score = MaxSimScore(max_sim->field, max_sim->tokens, row);
        if (score) hits.push_back({candidate.row, *score});
      } else if (cross != nullptr) {
        const auto text = row.texts.find(cross->path == "lead" ? "lead" : "body");
        if (text == row.texts.end() || text->second.empty()) continue;
        hits.push_back({candidate.row, CrossScoreOf(cross->text, text->second)});
      } else {
        const auto& formula = std::get<FormulaRerank>(rerank.method);
        hits.push_back(
            {candidate.row,
             FormulaValue(formula.formula, candidate.score, row).value_or(formula.missing)});
      }
    }
    std::sort(hits.begin(), hits.end());
    return hits;
  }

  // The formula of Carbonell and Goldstein, all of it computed anew for each choice.
  std::vector<RankedRow> RunMmr(const MmrRerank& mmr, std::vector<RankedRow> candidates) const {
    std::erase_if(candidates, [&](const RankedRow& c) {
      return !rows_[c.row.value].vectors.contains(mmr.field);
    });
    std::vector<RankedRow> chosen;
    while (!candidates.empty()) {
      for (RankedRow& candidate : candidates) {
        const Row& row = rows_[candidate.row.value];
        candidate.score = mmr.lambda * *Similarity(mmr.field, mmr.vector, row);
        double nearest = -INFINITY;
        for (const RankedRow& other : chosen) {
          nearest = std::max(
              nearest, *Similarity(mmr.field, rows_[other.row.value].vectors.at(mmr.field), row));
        }
        if (!chosen.empty()) candidate.score -= (1 - mmr.lambda) * nearest;
      }
      const auto best = std::min_element(candidates.begin(), candidates.end());
      chosen.push_back(*best);
      candidates.erase(best);
    }
    return chosen;
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
      if (text_.Of(hit.row.value, std::get<TextLeaf>(node.node).field).length > 0)
        first.push_back(hit);
    }
    LeafQuery search = QueryOf(node);
    if (first.empty()) return search;
    double sum = 0;
    for (const RankedRow& hit : first) sum += hit.score;
    const bool equal = sum <= 0 || first.back().score < 0;
    std::map<std::string, double> model;
    for (const RankedRow& hit : first) {
      const double share = equal ? 1.0 / static_cast<double>(first.size()) : hit.score / sum;
      const AnalyzedText& text = text_.Of(hit.row.value, std::get<TextLeaf>(node.node).field);
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

  // A list's hits and what they add.
  struct Leg {
    std::vector<RankedRow> hits;
    std::vector<double> shares;
  };

  static size_t LimitOf(const QueryNode& child, const Scope& scope) {
    return child.limit != 0 ? child.limit : std::max<size_t>(100, 4 * scope.first_page);
  }

  // Of the leaf after feedback, the hits among the first rows of the children's fusion that it could
  // give.
  Leg MakeAddedLeg(const FuseNode& fuse, const QueryNode& child, const LeafQuery& search,
                   const std::vector<RankedRow>& fused, double weight,
                   std::vector<const Filter*> filters, const Scope& scope) const {
    if (child.filter) filters.push_back(&*child.filter);
    const std::vector<RankedRow> first = First(fused, LimitOf(child, scope), filters, scope);
    std::vector<RankedRow> hits = RunLeaf(child, search, filters, scope);
    std::erase_if(hits, [&](const RankedRow& hit) {
      return std::none_of(first.begin(), first.end(),
                          [&](const RankedRow& known) { return known.row == hit.row; });
    });
    return MakeLeg(fuse, child, std::move(hits), weight, filters, scope, /*may_be_complete=*/false);
  }

  Leg MakeLeg(const FuseNode& fuse, const QueryNode& child, std::vector<RankedRow> hits,
              double weight, std::vector<const Filter*> filters, const Scope& scope,
              bool may_be_complete = true) const {
    Leg leg;
    if (child.filter) filters.push_back(&*child.filter);
    size_t rows = 0;
    for (size_t i = 0; i < rows_.size(); ++i) rows += Allowed(i, filters, scope);
    const size_t limit = LimitOf(child, scope);
    const bool text = std::holds_alternative<TextLeaf>(child.node);
    const bool complete = may_be_complete && text && hits.size() <= limit;
    Cut(hits, limit);
    leg.hits = std::move(hits);
    if (fuse.method == FusionMethod::kRrf) {
      for (size_t rank = 1; rank <= leg.hits.size(); ++rank)
        leg.shares.push_back(weight / (fuse.k + static_cast<double>(rank)));
      return leg;
    }
    if (leg.hits.empty()) return leg;
    double last = INFINITY;  // the least, where nothing bounds the scores
    for (const RankedRow& hit : leg.hits) last = std::min(last, hit.score);
    double lowest = last;
    if (text || std::holds_alternative<AllLeaf>(child.node)) lowest = 0;
    if (const auto* dense = std::get_if<DenseLeaf>(&child.node)) {
      const bool cosine = schema_.dense[schema_.FindDense(dense->field)].metric == Metric::kCosine;
      lowest = cosine ? -1 : last;
    }
    if (const auto* multi = std::get_if<MultiVectorLeaf>(&child.node)) {
      const bool cosine =
          schema_.multi_vector[schema_.FindMultiVector(multi->field)].metric == Metric::kCosine;
      lowest = cosine ? -static_cast<double>(multi->tokens.tokens()) : last;
    }
    const auto* below = std::get_if<FuseNode>(&child.node);
    if (below != nullptr && below->method != FusionMethod::kDbsf) lowest = 0;
    for (double value : ReferenceValues(fuse, leg.hits, lowest, complete, rows))
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
      const auto* text_leaf = std::get_if<TextLeaf>(&child.node);
      if (text_leaf != nullptr && text_.PlainField(*text_leaf) && fuse.feedback->text) {
        const LeafQuery search = AfterRm3(child, *fuse.feedback->text, hits, own, scope);
        legs.push_back(MakeAddedLeg(fuse, child, search, hits,
                                    weight_of(i) * fuse.feedback->text_weight, filters, scope));
      }
      if (std::holds_alternative<DenseLeaf>(child.node) && fuse.feedback->dense) {
        const LeafQuery search = AfterRocchio(child, *fuse.feedback->dense, hits, own, scope);
        legs.push_back(MakeAddedLeg(fuse, child, search, hits,
                                    weight_of(i) * fuse.feedback->dense_weight, filters, scope));
      }
    }
    return Sum(legs);
  }

  std::optional<double> Score(const QueryNode& node, const LeafQuery& search, size_t i,
                              const Scope& scope) const {
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node))
      return Similarity(dense->field, search.vector, rows_[i]);
    if (const auto* text = std::get_if<TextLeaf>(&node.node)) {
      const auto visible = [&](size_t row) { return Visible(row, scope.at); };
      const std::optional<std::string> plain = text_.PlainField(*text);
      return plain ? text_.Score(*plain, search.terms, i, visible)
                   : text_.ClauseScore(*text, i, visible);
    }
    if (const auto* recommend = std::get_if<RecommendLeaf>(&node.node))
      return RecommendScore(*recommend, i, scope);
    if (const auto* sparse = std::get_if<SparseLeaf>(&node.node))
      return SparseScore(*sparse, rows_[i]);
    if (const auto* multi = std::get_if<MultiVectorLeaf>(&node.node))
      return MaxSimScore(multi->field, multi->tokens, rows_[i]);
    return 0;
  }

  // Examples as vectors; nullopt where row `i` is one of them.
  std::optional<std::vector<std::vector<float>>> Vectors(const std::vector<Example>& examples,
                                                         const RecommendLeaf& leaf, size_t i,
                                                         const Scope& scope) const {
    std::vector<std::vector<float>> vectors;
    for (const Example& example : examples) {
      if (const auto* vector = std::get_if<std::vector<float>>(&example)) {
        vectors.push_back(*vector);
        continue;
      }
      const std::optional<size_t> row = Find(std::get<PointId>(example), scope);
      if (row == i) return std::nullopt;
      vectors.push_back(rows_[*row].vectors.at(leaf.field));
    }
    return vectors;
  }

  std::optional<double> RecommendScore(const RecommendLeaf& leaf, size_t i,
                                       const Scope& scope) const {
    const auto positive = Vectors(leaf.positive, leaf, i, scope);
    const auto negative = Vectors(leaf.negative, leaf, i, scope);
    if (!positive || !negative || !rows_[i].vectors.contains(leaf.field)) return std::nullopt;
    if (leaf.strategy == RecommendStrategy::kAverageVector) {
      std::vector<float> query(rows_[i].vectors.at(leaf.field).size());
      for (size_t d = 0; d < query.size(); ++d) {
        double mean = 0;
        double against = 0;
        for (const auto& vector : *positive)
          mean += vector[d] / static_cast<double>(positive->size());
        for (const auto& vector : *negative)
          against += vector[d] / static_cast<double>(negative->size());
        query[d] = static_cast<float>(negative->empty() ? mean : 2 * mean - against);
      }
      return Similarity(leaf.field, query, rows_[i]);
    }
    const auto best = [&](const std::vector<std::vector<float>>& vectors) {
      double greatest = -INFINITY;
      for (const auto& vector : vectors)
        greatest = std::max(greatest, *Similarity(leaf.field, vector, rows_[i]));
      return greatest;
    };
    const double p = best(*positive);
    const double n = best(*negative);
    const double x = p > n ? p : n;
    const double squashed = 0.5 * (x / (1 + std::abs(x)) + 1);
    return p > n ? squashed : -squashed;
  }

  // The formulas that the model test draws from; nullopt: no value.
  static std::optional<double> FormulaValue(const std::string& formula, double score,
                                            const Row& row) {
    const auto year = [&] { return static_cast<double>(*row.year); };
    if (formula == "score * 2 + 1") return score * 2 + 1;
    if (formula == "default(year, 3) - score / 4") return (row.year ? year() : 3) - score / 4;
    if (!row.year) return std::nullopt;
    if (formula == "-year") return -year();
    if (formula == "max(score, year)") return std::max(score, year());
    if (formula == "score / year")
      return year() == 0 ? std::nullopt : std::optional<double>(score / year());
    return std::nullopt;
  }

  std::optional<double> Similarity(const std::string& field, const std::vector<float>& vector,
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

  // The sum over the query's tokens of the greatest product with any of the row's, as in
  // index/multi/max_sim.h.
  std::optional<double> MaxSimScore(const std::string& field, const MultiVector& query,
                                    const Row& row) const {
    const auto found = row.tokens.find(field);
    if (found == row.tokens.end()) return std::nullopt;
    const Metric metric = schema_.multi_vector[schema_.FindMultiVector(field)].metric;
    double sum = 0;
    for (size_t i = 0; i < query.tokens(); ++i) {
      double squares = 0;
      for (const float value : query.token(i)) squares += double{value} * value;
      const double length = metric == Metric::kCosine ? std::sqrt(squares) : 1;
      double best = -INFINITY;
      for (const std::vector<float>& token : found->second) {
        double product = 0;
        for (size_t d = 0; d < token.size(); ++d) product += query.token(i)[d] / length * token[d];
        best = std::max(best, product);
      }
      sum += best;
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

  const CollectionSchema schema_;
  ReferenceText text_;
  std::vector<Row> rows_;  // position = row id
};

}  // namespace vouch
