#include "query/ledger.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

std::string ChildPrefix(const std::string& path, size_t child) {
  return absl::StrCat(path, "[", child, "].");
}

}  // namespace

std::string Ledger::Label(const PlannedNode& node) const {
  std::string label(NodeKind(*node.node));
  if (std::holds_alternative<DenseLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema_.dense[node.field].name, ")");
  } else if (std::holds_alternative<TextLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema_.text[node.field].name, ")");
  } else if (std::holds_alternative<SparseLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema_.sparse[node.field].name, ")");
  }
  return label;
}

absl::Status Ledger::AddPlan(SearchResponse& response) {
  absl::StatusOr<const RowMask*> root = executor_.MaskOf(plan_, plan_.root.mask);
  if (!root.ok()) return root.status();
  response.visible_rows = (*root)->visible_count;
  response.allowed_rows = (*root)->allowed_count;
  for (size_t i = 0; i < plan_.filters.size(); ++i) {
    absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, i);
    if (!mask.ok()) return mask.status();
    const bool filtered = plan_.filters[i] != nullptr;
    std::string words = absl::StrCat(filtered ? "" : "no filter: ", (*mask)->allowed_count, " of ",
                                     (*mask)->visible_count, " visible rows allowed");
    if (filtered) {
      const AllowedEstimate::Bounds expected = executor_.EstimateOf(plan_, i).total;
      absl::StrAppend(&words, ", expected ", expected.lower);
      if (expected.upper != expected.lower) absl::StrAppend(&words, " to ", expected.upper);
    }
    response.plan.push_back({.node = absl::StrCat("filter[", i, "]"),
                             .plan = std::move(words),
                             .hits = (*mask)->allowed_count,
                             .distances = 0,
                             .rows_visited = 0,
                             .time_us = 0});
  }
  AddStep(plan_.root, result_, Label(plan_.root), response.plan);
  return absl::OkStatus();
}

void Ledger::AddStep(const PlannedNode& node, const NodeResult& result, const std::string& path,
                     std::vector<PlanStep>& steps) const {
  steps.push_back({.node = path,
                   .plan = absl::StrCat(result.stats.plan, result.stats.plan.empty() ? "" : ", ",
                                        "limit ", node.limit, ", filter[", node.mask, "]"),
                   .hits = result.hits.size(),
                   .distances = result.stats.distances,
                   .rows_visited = result.stats.rows_visited,
                   .time_us = result.time_us});
  for (size_t i = 0; i < node.children.size(); ++i) {
    const PlannedNode& child = node.children[i];
    AddStep(child, result.children[i], absl::StrCat(ChildPrefix(path, i), Label(child)), steps);
  }
}

absl::Status Ledger::ExplainHits(std::span<PointHit> hits) {
  return ExplainNode(plan_.root, result_, Label(plan_.root), nullptr, 0, hits);
}

absl::Status Ledger::ExplainNode(const PlannedNode& node, const NodeResult& result,
                                 const std::string& path, const FuseNode* parent, size_t child,
                                 std::span<PointHit> hits) {
  absl::flat_hash_map<uint64_t, size_t> position_of;
  position_of.reserve(result.hits.size());
  for (size_t i = 0; i < result.hits.size(); ++i) position_of.emplace(result.hits[i].row.value, i);
  const auto* text = std::get_if<TextLeaf>(&node.node->node);
  const auto* sparse = std::get_if<SparseLeaf>(&node.node->node);
  for (PointHit& hit : hits) {
    const auto found = position_of.find(hit.row.value);
    if (found == position_of.end()) continue;
    NodeScore score{.node = path,
                    .rank = static_cast<uint32_t>(found->second + 1),
                    .score = result.hits[found->second].score,
                    .contribution = 0,
                    .terms = {}};
    const double weight = parent == nullptr || parent->weights.empty() ? 1 : parent->weights[child];
    score.contribution = parent == nullptr ? score.score : RrfShare(parent->k, weight, score.rank);
    if (text != nullptr) {
      absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, node.mask);
      if (!mask.ok()) return mask.status();
      absl::StatusOr<std::vector<TermContribution>> terms =
          reader_.ExplainText(node.field, text->text, hit.row, **mask);
      if (!terms.ok()) return terms.status();
      score.terms = *std::move(terms);
    } else if (sparse != nullptr) {
      absl::StatusOr<std::vector<SparseContribution>> terms =
          reader_.ExplainSparse(node.field, sparse->vector, hit.row);
      if (!terms.ok()) return terms.status();
      score.sparse_terms = *std::move(terms);
    }
    hit.explanation.push_back(std::move(score));
  }
  const auto* fuse = std::get_if<FuseNode>(&node.node->node);
  for (size_t i = 0; i < node.children.size(); ++i) {
    const std::string child_path = absl::StrCat(ChildPrefix(path, i), Label(node.children[i]));
    absl::Status status =
        ExplainNode(node.children[i], result.children[i], child_path, fuse, i, hits);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace vouch
