#include "query/executor.h"

#include <algorithm>

#include "query/node_timer.h"

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
  if (!masks_[index]) {
    absl::StatusOr<RowMask> mask = reader_.MakeMask(plan.filters[index], principal_, cancel_);
    if (!mask.ok()) return mask.status();
    masks_[index] = *std::move(mask);
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
    } else {
      absl::StatusOr<const RowMask*> mask = MaskOf(plan, node.mask);
      status = mask.ok() ? RunLeaf(node, **mask, *result) : mask.status();
    }
  }
  if (!status.ok()) return status;
  return result;
}

absl::Status Executor::RunLeaf(const PlannedNode& node, const RowMask& mask, NodeResult& result) {
  if (const auto* dense = std::get_if<DenseLeaf>(&node.node->node)) {
    if (!dense->feedback) return RunDense(node, dense->vector, node.limit, mask, result);
    NodeResult first;
    absl::Status status = RunDense(node, dense->vector, dense->feedback->documents, mask, first);
    return status.ok() ? RunRocchio(node, *dense->feedback, first.hits, mask, result) : status;
  }
  const auto* text = std::get_if<TextLeaf>(&node.node->node);
  if (text == nullptr) return RunAll(node, mask, result);
  const absl::StatusOr<AnalyzedText> query = reader_.AnalyzeText(node.field, text->text);
  if (!query.ok()) return query.status();
  const std::vector<WeightedTerm> terms = WeightedTermsOf(*query);
  if (!text->feedback) return RunTerms(node, terms, node.limit, mask, result);
  NodeResult first;
  absl::Status status = RunTerms(node, terms, text->feedback->documents, mask, first);
  return status.ok() ? RunRm3(node, *text->feedback, first.hits, mask, result) : status;
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
                         .exact = exact};
  absl::StatusOr<std::vector<Hit>> hits =
      reader_.SearchDense(query, mask, cancel_, options_.explain ? &result.stats : nullptr);
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

absl::Status Executor::RunAll(const PlannedNode& node, const RowMask& mask, NodeResult& result) {
  if (absl::Status status = cancel_.Check(); !status.ok()) return status;
  std::vector<RowId> rows = reader_.ScrollRows(mask, options_.scroll_after, node.limit + 1);
  result.cut = rows.size() > node.limit;
  if (result.cut) rows.resize(node.limit);
  result.hits.reserve(rows.size());
  for (RowId row : rows) result.hits.push_back({row, 0});
  if (options_.explain) {
    result.stats.rows_visited = rows.size();
    result.stats.plan = "scroll in row order";
  }
  return absl::OkStatus();
}

}  // namespace vouch
