#include "query/why_not.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "query/examples.h"
#include "query/executor.h"
#include "query/filter_parser.h"
#include "query/plan_description.h"
#include "query/text_compiler.h"

namespace vouch {
namespace {

constexpr size_t kMaxConditions = 32;  // of a filter, told apart

std::optional<size_t> PlaceOf(const std::vector<RankedRow>& hits, RowId row) {
  const auto at =
      std::find_if(hits.begin(), hits.end(), [&](const RankedRow& hit) { return hit.row == row; });
  if (at == hits.end()) return std::nullopt;
  return static_cast<size_t>(at - hits.begin());
}

bool IsDense(const QueryNode& node) { return std::holds_alternative<DenseLeaf>(node.node); }

bool ScoresByMaxSim(const QueryNode& node) {
  if (std::holds_alternative<MultiVectorLeaf>(node.node)) return true;
  const auto* rerank = std::get_if<RerankNode>(&node.node);
  return rerank != nullptr && std::holds_alternative<MaxSimRerank>(rerank->method);
}

// The same search by exact comparison.
void MakeExact(QueryNode& node) {
  if (auto* dense = std::get_if<DenseLeaf>(&node.node)) dense->exact = true;
  if (auto* recommend = std::get_if<RecommendLeaf>(&node.node)) recommend->exact = true;
}

}  // namespace

absl::Status WhyNotFinder::AddUnmet(const Filter& filter, std::string& unmet) {
  if (filter.op == FilterOp::kAnd && filter.children.size() <= kMaxConditions) {
    for (const Filter& child : filter.children) {
      if (absl::Status status = AddUnmet(child, unmet); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  const absl::StatusOr<RowMask> mask =
      reader_.MakeMask(&filter, request_.principal, request_.cancel);
  if (!mask.ok()) return mask.status();
  if (reader_.IsAllowed(row_, *mask)) return absl::OkStatus();
  absl::StrAppend(&unmet, unmet.empty() ? "" : "; ", FormatFilter(filter));
  return absl::OkStatus();
}

// The conditions of the node's filter, and of those above it, that the row does not meet; empty: it
// meets all.
absl::StatusOr<std::string> WhyNotFinder::UnmetOf(const PlannedNode& node) {
  std::string unmet;
  const Filter* filter = plan_.filters[node.mask];
  if (filter == nullptr) return unmet;
  const absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, node.mask);
  if (!mask.ok()) return mask.status();
  if (reader_.IsAllowed(row_, **mask)) return unmet;
  if (absl::Status status = AddUnmet(*filter, unmet); !status.ok()) return status;
  return unmet;
}

absl::StatusOr<std::string> WhyNotFinder::WhyNotClause(const PlannedNode& node) const {
  absl::StatusOr<const RowMask*> mask = executor_.MaskOf(plan_, node.mask);
  if (!mask.ok()) return mask.status();
  IndexExpander expander(reader_, **mask, executor_.cancel());
  const absl::StatusOr<std::optional<TextExpression>> expression =
      CompileText(node, schema_, reader_, expander);
  if (!expression.ok()) return expression.status();
  if (!expression->has_value()) return std::string("no clause has a word that counts");
  const absl::StatusOr<std::vector<IndexReader::TextAccount>> accounts =
      reader_.ExplainExpression(**expression, {{row_}}, **mask, executor_.cancel());
  if (!accounts.ok()) return accounts.status();
  const std::string& lacks = accounts->front().unmet;
  return absl::StrCat("the point's text does not meet ", FormatTextClause(*node.clause),
                      lacks.empty() ? "" : ": ", lacks);
}

absl::StatusOr<std::string> WhyNotFinder::WhyNoHit(const PlannedNode& node, bool child_gave) const {
  if (!node.children.empty() && !child_gave) {
    return std::string(node.children.size() == 1 ? "its child did not give the point"
                                                 : "no child gave the point");
  }
  if (node.examples != nullptr &&
      std::binary_search(node.examples->rows.begin(), node.examples->rows.end(), row_)) {
    return std::string("the point is one of the examples, which are no hits");
  }
  if (ScoresByMaxSim(*node.node)) {
    if (!reader_.HasMultiVector(node.field, row_)) {
      return absl::StrCat("the point has no token vectors in field '",
                          schema_.multi_vector[static_cast<size_t>(node.field)].name, "'");
    }
    return absl::StrCat("the point is not among the first ", QueryLimits::kMaxLimit);
  }
  const bool by_vector = IsDense(*node.node) ||
                         std::holds_alternative<RecommendLeaf>(node.node->node) ||
                         std::holds_alternative<RerankNode>(node.node->node);
  if (by_vector && node.field >= 0) {
    std::vector<float> vector(schema_.dense[static_cast<size_t>(node.field)].dim);
    const absl::StatusOr<bool> there = reader_.ReadVector(node.field, row_, vector);
    if (!there.ok()) return there.status();
    if (!*there) {
      return absl::StrCat("the point has no vector in field '",
                          schema_.dense[static_cast<size_t>(node.field)].name, "'");
    }
  }
  if (const auto* rerank = std::get_if<RerankNode>(&node.node->node)) {
    const auto* cross = std::get_if<CrossEncoderRerank>(&rerank->method);
    if (cross != nullptr && executor_.cross().HasNoText(*cross, row_)) {
      return std::string("the point has no text for the cross-encoder to read");
    }
  }
  if (node.clause != nullptr) return WhyNotClause(node);
  if (std::holds_alternative<TextLeaf>(node.node->node)) {
    return std::string("the point's text has none of the words asked for");
  }
  if (std::holds_alternative<SparseLeaf>(node.node->node)) {
    return std::string("the point's sparse vector has none of the indices asked for");
  }
  return absl::StrCat("the point is not among the first ", QueryLimits::kMaxLimit);
}

absl::Status WhyNotFinder::Look(const PlannedNode& node, bool child_gave, WhyNotStage& stage) {
  const absl::StatusOr<std::string> unmet = UnmetOf(node);
  if (!unmet.ok()) return unmet.status();
  if (!unmet->empty()) {
    stage.reason = absl::StrCat("the filter keeps the point out: ", *unmet);
    return absl::OkStatus();
  }
  if (node.expands >= 0) {
    const bool text = std::holds_alternative<TextLeaf>(node.node->node);
    stage.reason = absl::StrCat(
        "feedback scores the first ", node.limit, " hits of the children's fusion, and the point is ",
        "not among them or has no ", text ? "term of the widened question" : "vector");
    return absl::OkStatus();
  }
  PlannedNode deeper = node;
  deeper.limit = QueryLimits::kMaxLimit;
  QueryNode exact;
  if (node.children.empty()) {
    exact = *node.node;
    MakeExact(exact);
    deeper.node = &exact;
  }
  const absl::StatusOr<NodeResult> list = executor_.RunAlone(plan_, deeper);
  if (!list.ok()) return list.status();
  const std::optional<size_t> place = PlaceOf(list->hits, row_);
  if (!place) {
    absl::StatusOr<std::string> reason = WhyNoHit(node, child_gave);
    if (!reason.ok()) return reason.status();
    stage.reason = *std::move(reason);
    return absl::OkStatus();
  }
  stage.rank = *place + 1;
  stage.score = list->hits[*place].score;
  if (*stage.rank <= node.limit) {
    stage.reason =
        absl::StrCat("the approximate search missed the point, which is hit ", *stage.rank,
                     " of the exact one; a larger ef_search or exact finds it");
    return absl::OkStatus();
  }
  stage.reason = absl::StrCat("the point is hit ", *stage.rank, " and the limit is ", node.limit);
  if (stage.cutoff && *stage.cutoff != *stage.score) {
    absl::StrAppend(&stage.reason, ": its score is ", *stage.score, ", ",
                    *stage.cutoff - *stage.score, " below the last one");
  }
  return absl::OkStatus();
}

absl::StatusOr<WhyNotFinder::Outcome> WhyNotFinder::Visit(const PlannedNode& node,
                                                          const NodeResult& result,
                                                          const std::string& path) {
  bool child_gave = false;
  std::string causes;
  for (size_t i = 0; i < node.children.size(); ++i) {
    const std::string child_path = ChildPath(path, node, i, schema_);
    absl::StatusOr<Outcome> child = Visit(node.children[i], result.children[i], child_path);
    if (!child.ok()) return child.status();
    child_gave = child_gave || child->gave;
    if (!child->gave) absl::StrAppend(&causes, causes.empty() ? "" : "; ", child->cause);
  }
  WhyNotStage stage{.node = path,
                    .gave = false,
                    .rank = {},
                    .score = {},
                    .cutoff = {},
                    .limit = node.limit,
                    .reason = ""};
  if (!result.hits.empty()) stage.cutoff = result.hits.back().score;
  Outcome outcome;
  if (const std::optional<size_t> place = PlaceOf(result.hits, row_)) {
    stage.gave = outcome.gave = true;
    stage.rank = *place + 1;
    stage.score = result.hits[*place].score;
  } else {
    if (absl::Status status = Look(node, child_gave, stage); !status.ok()) return status;
    const bool below = !node.children.empty() && !child_gave;
    outcome.cause = below ? causes : absl::StrCat(path, ": ", stage.reason);
  }
  response_.stages.push_back(std::move(stage));
  return outcome;
}

absl::StatusOr<WhyNotResponse> WhyNotFinder::Find(RowId row, const NodeResult& result) {
  row_ = row;
  response_ = {.version = reader_.at(), .rank = 0, .verdict = "", .stages = {}};
  const absl::StatusOr<Outcome> outcome = Visit(plan_.root, result, NodeLabel(plan_.root, schema_));
  if (!outcome.ok()) return outcome.status();
  const std::string name = absl::StrCat("point ", reader_.IdOf(row).ToString());
  if (!outcome->gave) {
    response_.verdict = absl::StrCat(name, " fell out at ", outcome->cause);
    return std::move(response_);
  }
  response_.rank = *response_.stages.back().rank;
  const bool before = response_.rank <= request_.offset;
  response_.verdict = absl::StrCat(name, " is hit ", response_.rank);
  if (before)
    absl::StrAppend(&response_.verdict, ", before the page, which begins after hit ",
                    request_.offset);
  return std::move(response_);
}

}  // namespace vouch
