#include "query/executor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "query/node_timer.h"
#include "query/recommend.h"
#include "query/rerank.h"
#include "query/rerank_exact.h"
#include "query/text_compiler.h"

namespace vouch {
namespace {

void TakeHits(const std::vector<Hit>& from, size_t limit, NodeResult& result) {
  result.cut = from.size() > limit;
  const size_t count = std::min(from.size(), limit);
  result.hits.reserve(count);
  for (size_t i = 0; i < count; ++i) result.hits.push_back({from[i].row, from[i].score});
}

}  // namespace

absl::StatusOr<const RowMask*> Executor::MaskOf(const Plan& plan, size_t index) {
  if (masks_.size() < plan.filters.size()) masks_.resize(plan.filters.size());
  if (!masks_[index] && options_.masks != nullptr) {
    const RowMask* known = options_.masks->Find(plan.filters[index]);
    if (known != nullptr) masks_[index] = *known;
  }
  if (!masks_[index]) {
    absl::StatusOr<RowMask> mask = reader_.MakeMask(plan.filters[index], principal_, cancel_);
    if (!mask.ok()) return mask.status();
    masks_[index] = *std::move(mask);
    if (options_.masks != nullptr) options_.masks->Add(plan.filters[index], *masks_[index]);
  }
  return &*masks_[index];
}

absl::StatusOr<NodeResult> Executor::Run(const Plan& plan) {
  // Pointers to masks stay good: none is added while the plan runs.
  masks_.resize(std::max(masks_.size(), plan.filters.size()));
  return RunNode(plan, plan.root);
}

absl::StatusOr<NodeResult> Executor::RunNode(const Plan& plan, const PlannedNode& node) {
  absl::StatusOr<NodeResult> result{NodeResult()};
  absl::Status status;
  {
    const NodeTimer timer(options_.explain, result->time_us);
    if (const auto* fuse = std::get_if<FuseNode>(&node.node->node)) {
      status = RunFuse(plan, node, *fuse, *result);
    } else if (const auto* rerank = std::get_if<RerankNode>(&node.node->node)) {
      status = RunRerank(plan, node, *rerank, *result);
    } else {
      absl::StatusOr<const RowMask*> mask = MaskOf(plan, node.mask);
      status = mask.ok() ? RunLeaf(node, **mask, *result) : mask.status();
    }
  }
  if (!status.ok()) return status;
  return result;
}

absl::Status Executor::RunLeaf(const PlannedNode& node, const RowMask& mask, NodeResult& result) {
  const auto& kind = node.node->node;
  if (const auto* dense = std::get_if<DenseLeaf>(&kind)) {
    if (!dense->feedback) return RunDense(node, dense->vector, node.limit, mask, result);
    return RunLearnedDense(node, *dense->feedback, mask, result);
  }
  if (const auto* text = std::get_if<TextLeaf>(&kind)) return RunText(*text, node, mask, result);
  if (const auto* recommend = std::get_if<RecommendLeaf>(&kind)) {
    return RunRecommend(*recommend, node, mask, result);
  }
  if (const auto* sparse = std::get_if<SparseLeaf>(&kind)) {
    absl::StatusOr<std::vector<Hit>> hits =
        reader_.SearchSparse(node.field, sparse->vector, node.limit + 1, mask, cancel_,
                             options_.explain ? &result.stats : nullptr);
    if (!hits.ok()) return hits.status();
    TakeHits(*hits, node.limit, result);
    return absl::OkStatus();
  }
  if (const auto* multi = std::get_if<MultiVectorLeaf>(&kind)) {
    absl::StatusOr<std::vector<Hit>> hits =
        reader_.SearchMultiVector(node.field, multi->tokens, node.limit + 1, mask, cancel_,
                                  options_.explain ? &result.stats : nullptr);
    if (!hits.ok()) return hits.status();
    TakeHits(*hits, node.limit, result);
    return absl::OkStatus();
  }
  return RunAll(std::get<AllLeaf>(kind), node, mask, result);
}

absl::Status Executor::RunText(const TextLeaf& leaf, const PlannedNode& node, const RowMask& mask,
                               NodeResult& result) {
  if (node.clause != nullptr) return RunClause(node, mask, result);
  const absl::StatusOr<AnalyzedText> query = reader_.AnalyzeText(node.field, node.text);
  if (!query.ok()) return query.status();
  if (leaf.feedback) return RunLearnedText(node, *leaf.feedback, *query, mask, result);
  return RunTerms(node, WeightedTermsOf(*query), node.limit, mask, result);
}

absl::Status Executor::RunClause(const PlannedNode& node, const RowMask& mask,
                                 NodeResult& result) {
  IndexExpander expander(reader_, mask, cancel_);
  absl::StatusOr<std::optional<TextExpression>> expression =
      CompileText(node, schema_, reader_, expander);
  if (!expression.ok()) return expression.status();
  if (!expression->has_value()) {
    if (options_.explain) result.stats.plan = "no clause has a term";
    return absl::OkStatus();
  }
  const absl::StatusOr<std::vector<Hit>> hits =
      reader_.SearchExpression(**expression, node.limit + 1, mask, cancel_,
                               options_.explain ? &result.stats : nullptr);
  if (!hits.ok()) return hits.status();
  TakeHits(*hits, node.limit, result);
  if (options_.explain) {
    result.expression = std::make_shared<const TextExpression>(**std::move(expression));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Hit>> Executor::SearchDense(const DenseQuery& query,
                                                       const RowMask& mask, SearchStats* stats) {
  absl::StatusOr<std::vector<Hit>> hits = reader_.SearchDense(query, mask, cancel_, stats);
  if (!hits.ok() || query.exact || options_.candidates == nullptr) return hits;
  std::vector<RowId> rows;
  rows.reserve(hits->size());
  for (const Hit& hit : *hits) rows.push_back(hit.row);
  const absl::StatusOr<std::vector<RowId>> candidates = options_.candidates->Pass(std::move(rows));
  if (!candidates.ok()) return candidates.status();
  if (!options_.candidates->gives()) return hits;
  VectorScorer scorer(reader_, schema_, query.field);
  const std::vector<float> prepared =
      PreparedVector(schema_.dense[static_cast<size_t>(query.field)], query.vector);
  std::vector<RankedRow> given;
  for (RowId row : *candidates) {
    if (reader_.IsAllowed(row, mask)) given.push_back({row, 0});
  }
  const absl::StatusOr<std::vector<RankedRow>> scored = RerankExact(given, prepared, scorer, cancel_);
  if (!scored.ok()) return scored.status();
  hits->clear();
  for (const RankedRow& row : *scored) hits->push_back({row.row, static_cast<float>(row.score)});
  return hits;
}

absl::Status Executor::RunDense(const PlannedNode& node, std::span<const float> vector,
                                size_t limit, const RowMask& mask, NodeResult& result) {
  const auto& leaf = std::get<DenseLeaf>(node.node->node);
  // A graph is asked for no hit more than wanted, so that its beam is that of the schema; whether
  // there are more is then not known where it gave all that was asked for.
  const bool exact = leaf.exact || schema_.dense[node.field].index == DenseIndexKind::kFlat;
  const DenseQuery query{.field = node.field,
                         .vector = vector,
                         .k = limit + (exact ? 1 : 0),
                         .ef_search = leaf.ef_search,
                         .exact = exact,
                         .background = leaf.background};
  absl::StatusOr<std::vector<Hit>> hits =
      SearchDense(query, mask, options_.explain ? &result.stats : nullptr);
  if (!hits.ok()) return hits.status();
  TakeHits(*hits, limit, result);
  if (!exact) result.cut = hits->size() == limit && limit < mask.allowed_count;
  return absl::OkStatus();
}

absl::Status Executor::RunTerms(const PlannedNode& node, std::span<const WeightedTerm> terms,
                                size_t limit, const RowMask& mask, NodeResult& result) {
  absl::StatusOr<std::vector<Hit>> hits = reader_.SearchTerms(
      node.field, terms, limit + 1, mask, cancel_, options_.explain ? &result.stats : nullptr);
  if (!hits.ok()) return hits.status();
  TakeHits(*hits, limit, result);
  return absl::OkStatus();
}

absl::Status Executor::RunRecommend(const RecommendLeaf& leaf, const PlannedNode& node,
                                    const RowMask& mask, NodeResult& result) {
  SearchStats* stats = options_.explain ? &result.stats : nullptr;
  const Examples& examples = *node.examples;
  if (leaf.strategy == RecommendStrategy::kBestScore) {
    absl::StatusOr<std::vector<RankedRow>> hits = SearchBestScore(
        reader_, schema_, {.field = node.field, .examples = &examples, .limit = node.limit + 1},
        mask, cancel_, stats);
    if (!hits.ok()) return hits.status();
    result.hits = *std::move(hits);
    result.cut = result.hits.size() > node.limit;
    if (result.cut) result.hits.resize(node.limit);
    return absl::OkStatus();
  }
  const bool exact = leaf.exact || schema_.dense[node.field].index == DenseIndexKind::kFlat;
  const size_t wanted = node.limit + examples.rows.size() + (exact ? 1 : 0);
  absl::StatusOr<std::vector<Hit>> hits = SearchDense({.field = node.field,
                                                       .vector = examples.average,
                                                       .k = wanted,
                                                       .ef_search = leaf.ef_search,
                                                       .exact = exact},
                                                      mask, stats);
  if (!hits.ok()) return hits.status();
  const bool may_have_more = hits->size() == wanted && wanted < mask.allowed_count;
  std::erase_if(*hits, [&](const Hit& hit) {
    return std::binary_search(examples.rows.begin(), examples.rows.end(), hit.row);
  });
  TakeHits(*hits, node.limit, result);
  if (!exact) result.cut = result.cut || may_have_more;
  if (stats != nullptr) {
    stats->plan = absl::StrCat("average of ", examples.positive.size(), " positive and ",
                               examples.negative.size(), " negative examples: ", stats->plan);
  }
  return absl::OkStatus();
}

absl::Status Executor::RunAll(const AllLeaf& all, const PlannedNode& node, const RowMask& mask,
                              NodeResult& result) {
  if (absl::Status status = cancel_.Check(); !status.ok()) return status;
  std::vector<RowId> rows;
  if (node.field < 0) {
    rows = reader_.ScrollRows(mask, options_.scroll_after, node.limit + 1);
  } else {
    absl::StatusOr<std::vector<RowId>> ordered =
        reader_.OrderRows({.field = node.field, .descending = all.descending}, mask,
                          options_.scroll_after, node.limit + 1, cancel_);
    if (!ordered.ok()) return ordered.status();
    rows = *std::move(ordered);
  }
  result.cut = rows.size() > node.limit;
  if (result.cut) rows.resize(node.limit);
  result.hits.reserve(rows.size());
  for (RowId row : rows) result.hits.push_back({row, 0});
  if (options_.explain) {
    result.stats.rows_visited = node.field < 0 ? rows.size() : mask.allowed_count;
    result.stats.plan =
        node.field < 0
            ? "scroll in row order"
            : absl::StrCat("by ", all.order_by, all.descending ? " descending" : " ascending");
  }
  return absl::OkStatus();
}

absl::Status Executor::RunRerank(const Plan& plan, const PlannedNode& node,
                                 const RerankNode& rerank, NodeResult& result) {
  absl::StatusOr<NodeResult> child = RunNode(plan, node.children[0]);
  if (!child.ok()) return child.status();
  absl::StatusOr<std::vector<RankedRow>> hits =
      Rerank(rerank, node,
             {.reader = reader_, .schema = schema_, .cancel = cancel_, .cross = cross()},
             child->hits, options_.explain ? &result.stats : nullptr);
  if (!hits.ok()) return hits.status();
  result.hits = *std::move(hits);
  result.cut = result.hits.size() > node.limit;
  if (result.cut) result.hits.resize(node.limit);
  if (options_.explain) result.children.push_back(*std::move(child));
  return absl::OkStatus();
}

}  // namespace vouch
