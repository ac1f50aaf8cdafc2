#include "query/executor.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

// Times a node for explain; without it reads no clock.
class NodeTimer {
 public:
  NodeTimer(bool enabled, int64_t& out) : enabled_(enabled), out_(out) {
    if (enabled_) start_ = std::chrono::steady_clock::now();
  }
  ~NodeTimer() {
    if (!enabled_) return;
    out_ = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start_)
               .count();
  }
  NodeTimer(const NodeTimer&) = delete;
  NodeTimer& operator=(const NodeTimer&) = delete;

 private:
  const bool enabled_;
  int64_t& out_;
  std::chrono::steady_clock::time_point start_;
};

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
  SearchStats* stats = options_.explain ? &result.stats : nullptr;
  if (const auto* dense = std::get_if<DenseLeaf>(&node.node->node)) {
    // A graph is asked for no hit more than wanted, so that its beam is that of the schema; whether
    // there are more is then not known where it gave all that was asked for.
    const bool exact = dense->exact || schema_.dense[node.field].index == DenseIndexKind::kFlat;
    const DenseQuery query{.field = node.field,
                           .vector = dense->vector,
                           .k = node.limit + (exact ? 1 : 0),
                           .ef_search = dense->ef_search,
                           .exact = exact};
    absl::StatusOr<std::vector<Hit>> hits = reader_.SearchDense(query, mask, cancel_, stats);
    if (!hits.ok()) return hits.status();
    TakeHits(*hits, node.limit, result);
    if (!exact) result.cut = hits->size() == node.limit && node.limit < mask.allowed_count;
  } else if (const auto* text = std::get_if<TextLeaf>(&node.node->node)) {
    absl::StatusOr<std::vector<Hit>> hits =
        reader_.SearchText(node.field, text->text, node.limit + 1, mask, cancel_, stats);
    if (!hits.ok()) return hits.status();
    TakeHits(*hits, node.limit, result);
  } else if (const auto* sparse = std::get_if<SparseLeaf>(&node.node->node)) {
    absl::StatusOr<std::vector<Hit>> hits =
        reader_.SearchSparse(node.field, sparse->vector, node.limit + 1, mask, cancel_, stats);
    if (!hits.ok()) return hits.status();
    TakeHits(*hits, node.limit, result);
  } else {
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    std::vector<RowId> rows = reader_.ScrollRows(mask, options_.scroll_after, node.limit + 1);
    result.cut = rows.size() > node.limit;
    if (result.cut) rows.resize(node.limit);
    result.hits.reserve(rows.size());
    for (RowId row : rows) result.hits.push_back({row, 0});
    if (stats != nullptr) {
      stats->rows_visited = rows.size();
      stats->plan = "scroll in row order";
    }
  }
  return absl::OkStatus();
}

absl::Status Executor::RunFuse(const Plan& plan, const PlannedNode& node, const FuseNode& fuse,
                               NodeResult& result) {
  std::vector<NodeResult> children;
  children.reserve(node.children.size());
  for (const PlannedNode& child : node.children) {
    absl::StatusOr<NodeResult> ran = RunNode(plan, child);
    if (!ran.ok()) return ran.status();
    children.push_back(*std::move(ran));
  }
  std::vector<const std::vector<RankedRow>*> lists;
  lists.reserve(children.size());
  for (const NodeResult& child : children) lists.push_back(&child.hits);
  result.hits = FuseRrf(lists, fuse.k, fuse.weights);
  if (options_.explain) {
    result.stats.rows_visited = result.hits.size();
    result.stats.plan = absl::StrCat("rrf k=", fuse.k, " over ", children.size(), " lists, ",
                                     result.hits.size(), " distinct rows");
    result.children = std::move(children);
  }
  result.cut = result.hits.size() > node.limit;
  if (result.cut) result.hits.resize(node.limit);
  return absl::OkStatus();
}

}  // namespace vouch
