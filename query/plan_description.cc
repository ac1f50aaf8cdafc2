#include "query/plan_description.h"

#include "absl/strings/str_cat.h"
#include "query/rerank.h"

namespace vouch {
namespace {

std::string WordsOf(const PlannedNode& planned, const CollectionSchema& schema) {
  const QueryNode& node = *planned.node;
  if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) {
    const DenseField& field = schema.dense[planned.field];
    if (dense->exact || field.index == DenseIndexKind::kFlat)
      return "exact scan of the allowed rows";
    return absl::StrCat(
        "graph ef=", dense->ef_search != 0 ? dense->ef_search : field.hnsw.ef_search,
        ", exact where few rows are allowed or fresh");
  }
  if (std::holds_alternative<TextLeaf>(node.node)) {
    if (planned.clause == nullptr) return "bm25, exact";
    return absl::StrCat("bm25f of ", FormatTextClause(*planned.clause), ", exact");
  }
  if (std::holds_alternative<SparseLeaf>(node.node)) return "inner product, exact";
  if (const auto* multi = std::get_if<MultiVectorLeaf>(&node.node)) {
    const size_t tokens = multi->tokens.tokens();
    return absl::StrCat("MaxSim of ", tokens, tokens == 1 ? " token" : " tokens",
                        ", exact over the allowed rows");
  }
  if (const auto* fuse = std::get_if<FuseNode>(&node.node)) {
    return absl::StrCat("fuses ", fuse->children.size(),
                        fuse->children.size() == 1 ? " list" : " lists");
  }
  if (const auto* recommend = std::get_if<RecommendLeaf>(&node.node)) {
    return absl::StrCat(recommend->strategy == RecommendStrategy::kBestScore
                            ? "best score, all allowed rows, of "
                            : "average of ",
                        recommend->positive.size(), " positive and ", recommend->negative.size(),
                        " negative examples");
  }
  if (const auto* rerank = std::get_if<RerankNode>(&node.node)) return RerankWords(*rerank);
  if (const auto* all = std::get_if<AllLeaf>(&node.node)) {
    if (all->order_by.empty()) return "scroll in row order";
    return absl::StrCat("by ", all->order_by, all->descending ? " descending" : " ascending");
  }
  return "";
}

// Of a leg that a fusion's feedback adds.
std::string LegWords(const PlannedNode& leg) {
  const bool text = std::holds_alternative<TextLeaf>(leg.node->node);
  return absl::StrCat("after feedback: ", text ? "bm25" : "exact similarity",
                      " over the first hits of the children's fusion");
}

void AddSteps(const PlannedNode& node, const CollectionSchema& schema, const std::string& path,
              std::vector<PlanStep>& steps) {
  const std::string words = node.expands >= 0 ? LegWords(node) : WordsOf(node, schema);
  PlanStep& step = steps.emplace_back();
  step.node = path;
  step.plan = absl::StrCat(words, words.empty() ? "" : ", ", "limit ", node.limit, ", filter[",
                           node.mask, "]");
  for (size_t i = 0; i < node.children.size(); ++i) {
    AddSteps(node.children[i], schema, ChildPath(path, node, i, schema), steps);
  }
}

}  // namespace

std::string NodeLabel(const PlannedNode& node, const CollectionSchema& schema) {
  std::string label(NodeKind(*node.node));
  if (std::holds_alternative<DenseLeaf>(node.node->node) ||
      std::holds_alternative<RecommendLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema.dense[node.field].name, ")");
  } else if (std::holds_alternative<TextLeaf>(node.node->node)) {
    label += "(";
    for (size_t i = 0; i < node.text_fields.size(); ++i) {
      const TextFieldWeight& field = node.text_fields[i];
      absl::StrAppend(&label, i == 0 ? "" : ",", schema.text[static_cast<size_t>(field.field)].name);
    }
    label += ")";
  } else if (std::holds_alternative<SparseLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema.sparse[node.field].name, ")");
  } else if (std::holds_alternative<MultiVectorLeaf>(node.node->node)) {
    absl::StrAppend(&label, "(", schema.multi_vector[node.field].name, ")");
  } else if (const auto* rerank = std::get_if<RerankNode>(&node.node->node)) {
    absl::StrAppend(&label, "(", std::string(RerankMethodName(*rerank)), ")");
  }
  return label;
}

std::string ChildPath(const std::string& path, const PlannedNode& node, size_t child,
                      const CollectionSchema& schema) {
  const PlannedNode& at = node.children[child];
  const bool added = at.expands >= 0;
  return absl::StrCat(path, added ? ".feedback[" : "[",
                      added ? at.expands : static_cast<int>(child), "].", NodeLabel(at, schema));
}

std::vector<PlanStep> DescribePlan(const Plan& plan, const CollectionSchema& schema,
                                   const IndexReader& reader, const Principal& principal) {
  std::vector<PlanStep> steps;
  const uint64_t visible = reader.EstimateAllowed(nullptr, principal).total.upper;
  for (size_t i = 0; i < plan.filters.size(); ++i) {
    const AllowedEstimate::Bounds expected =
        reader.EstimateAllowed(plan.filters[i], principal).total;
    PlanStep& step = steps.emplace_back();
    step.node = absl::StrCat("filter[", i, "]");
    step.plan =
        absl::StrCat(plan.filters[i] == nullptr ? "no filter: " : "", "expected ", expected.lower);
    if (expected.upper != expected.lower) absl::StrAppend(&step.plan, " to ", expected.upper);
    absl::StrAppend(&step.plan, " of ", visible, " visible rows");
  }
  AddSteps(plan.root, schema, NodeLabel(plan.root, schema), steps);
  return steps;
}

}  // namespace vouch
