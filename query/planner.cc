#include "query/planner.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "query/formula.h"
#include "query/text_query_parser.h"

namespace vouch {
namespace {

constexpr size_t kMinFusedLimit = 100;
constexpr size_t kFusedLimitFactor = 4;

struct Name {
  template <typename Field>
  void operator()(std::string* out, const Field& field) const {
    absl::StrAppend(out, "'", field.name, "'");
  }
};

// Whether only the place of the field is left.
template <typename Field>
bool IsDropped(const Field& field) {
  if constexpr (requires { field.dropped; }) {
    return field.dropped;
  } else {
    return false;
  }
}

template <typename Field>
absl::StatusOr<int> ResolveField(const std::vector<Field>& fields, std::string_view kind,
                                 std::string_view name) {
  std::vector<Field> there;
  int last = 0;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (IsDropped(fields[i])) continue;
    if (!name.empty() && fields[i].name == name) return static_cast<int>(i);
    last = static_cast<int>(i);
    there.push_back(fields[i]);
  }
  if (there.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the collection has no ", std::string(kind), " field"));
  }
  if (name.empty()) {
    if (there.size() == 1) return last;
    return absl::InvalidArgumentError(absl::StrCat(
        "name a ", std::string(kind), " field; there are ", absl::StrJoin(there, ", ", Name())));
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown ", std::string(kind), " field '",
                                                 std::string(name), "'; there are ",
                                                 absl::StrJoin(there, ", ", Name())));
}

class Planner {
 public:
  Planner(const CollectionSchema& schema, size_t fused_limit, Plan& plan)
      : schema_(schema), fused_limit_(fused_limit), plan_(plan) {}

  void Visit(const QueryNode& node, size_t limit, size_t mask, PlannedNode& planned) {
    planned.node = &node;
    planned.limit = limit;
    planned.mask = node.filter ? MaskFor(plan_.filters[mask], *node.filter) : mask;
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) {
      planned.field = ResolveDenseField(schema_, dense->field).value_or(-1);
    } else if (const auto* text = std::get_if<TextLeaf>(&node.node)) {
      VisitText(*text, planned);
    } else if (const auto* rerank = std::get_if<RerankNode>(&node.node)) {
      VisitRerank(*rerank, planned);
    } else if (const auto* recommend = std::get_if<RecommendLeaf>(&node.node)) {
      planned.field = ResolveDenseField(schema_, recommend->field).value_or(-1);
    } else if (const auto* all = std::get_if<AllLeaf>(&node.node)) {
      planned.field = schema_.FindPayload(all->order_by);
    } else if (const auto* sparse = std::get_if<SparseLeaf>(&node.node)) {
      planned.field = ResolveSparseField(schema_, sparse->field).value_or(-1);
    } else if (const auto* multi = std::get_if<MultiVectorLeaf>(&node.node)) {
      planned.field = ResolveMultiVectorField(schema_, multi->field).value_or(-1);
    } else if (const auto* fuse = std::get_if<FuseNode>(&node.node)) {
      planned.children.resize(fuse->children.size());
      for (size_t i = 0; i < fuse->children.size(); ++i) {
        const QueryNode& child = fuse->children[i];
        Visit(child, child.limit != 0 ? child.limit : fused_limit_, planned.mask,
              planned.children[i]);
      }
      if (fuse->feedback) AddFeedback(*fuse->feedback, planned);
    }
  }

 private:
  static void AddFeedback(const FusionFeedback& feedback, PlannedNode& planned) {
    const size_t children = planned.children.size();
    for (size_t i = 0; i < children; ++i) {
      const auto& leaf = planned.children[i].node->node;
      const bool plain = planned.children[i].clause == nullptr;
      if (!(std::holds_alternative<TextLeaf>(leaf) && plain && feedback.text) &&
          !(std::holds_alternative<DenseLeaf>(leaf) && feedback.dense)) {
        continue;
      }
      PlannedNode leg = planned.children[i];
      leg.expands = static_cast<int>(i);
      planned.children.push_back(std::move(leg));
    }
  }

  void VisitText(const TextLeaf& leaf, PlannedNode& planned) const {
    for (const TextFieldBoost& field : leaf.fields) {
      planned.text_fields.push_back(
          {.field = ResolveTextField(schema_, field.field).value_or(-1), .boost = field.boost});
    }
    if (leaf.fields.empty()) {
      planned.text_fields = {
          {.field = ResolveTextField(schema_, leaf.field).value_or(-1), .boost = 1}};
    }
    planned.field = planned.text_fields.front().field;
    TextClause clause{.kind = TextMatch{.text = leaf.text}};
    if (leaf.clause) clause = *leaf.clause;
    if (!leaf.query.empty()) {
      absl::StatusOr<TextClause> parsed = ParseTextQuery(leaf.query, schema_);
      if (parsed.ok()) clause = *std::move(parsed);
    }
    // Any of some words in one field: what block-max search is for.
    const auto* match = std::get_if<TextMatch>(&clause.kind);
    const bool plain = match != nullptr && !match->all && clause.boost == 1 &&
                       clause.field.empty() && planned.text_fields.size() == 1 &&
                       planned.text_fields[0].boost == 1;
    if (plain) {
      planned.text = match->text;
    } else {
      planned.clause = std::make_shared<const TextClause>(std::move(clause));
    }
  }

  void VisitRerank(const RerankNode& rerank, PlannedNode& planned) {
    size_t candidates = fused_limit_;
    if (const auto* exact = std::get_if<ExactRerank>(&rerank.method)) {
      planned.field = ResolveDenseField(schema_, exact->field).value_or(-1);
    } else if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method)) {
      planned.field = ResolveDenseField(schema_, mmr->field).value_or(-1);
      candidates = std::min<size_t>(candidates, QueryLimits::kMaxMmrCandidates);
    } else if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
      planned.field = ResolveMultiVectorField(schema_, max_sim->field).value_or(-1);
    } else if (std::holds_alternative<CrossEncoderRerank>(rerank.method)) {
      candidates = std::min<size_t>(candidates, QueryLimits::kMaxCrossEncoderCandidates);
    } else if (absl::StatusOr<Formula> formula =
                   Formula::Parse(std::get<FormulaRerank>(rerank.method).formula, schema_);
               formula.ok()) {
      planned.formula = std::make_shared<const Formula>(*std::move(formula));
    }
    const QueryNode& child = rerank.children[0];
    planned.children.resize(1);
    Visit(child, child.limit != 0 ? child.limit : candidates, planned.mask, planned.children[0]);
  }

  size_t MaskFor(const Filter* above, const Filter& own) {
    const Filter* wanted = &own;
    std::optional<Filter> both;
    if (above != nullptr) {
      both = Filter{.op = FilterOp::kAnd, .path = "", .values = {}, .children = {*above, own}};
      wanted = &*both;
    }
    for (size_t i = 0; i < plan_.filters.size(); ++i) {
      if (plan_.filters[i] != nullptr && *plan_.filters[i] == *wanted) return i;
    }
    if (both)
      wanted = plan_.combined.emplace_back(std::make_unique<Filter>(*std::move(both))).get();
    plan_.filters.push_back(wanted);
    return plan_.filters.size() - 1;
  }

  const CollectionSchema& schema_;
  const size_t fused_limit_;
  Plan& plan_;
};

}  // namespace

double WeightOfChild(const FuseNode& fuse, const PlannedNode& node, size_t child) {
  const int expands = node.children[child].expands;
  const size_t own = expands < 0 ? child : static_cast<size_t>(expands);
  const double weight = fuse.weights.empty() ? 1 : fuse.weights[own];
  if (expands < 0) return weight;
  const bool text = std::holds_alternative<TextLeaf>(node.children[child].node->node);
  return weight * (text ? fuse.feedback->text_weight : fuse.feedback->dense_weight);
}

std::string_view NodeKind(const QueryNode& node) {
  struct Kind {
    std::string_view operator()(const AllLeaf&) const { return "all"; }
    std::string_view operator()(const DenseLeaf&) const { return "dense"; }
    std::string_view operator()(const TextLeaf&) const { return "text"; }
    std::string_view operator()(const FuseNode&) const { return "fuse"; }
    std::string_view operator()(const RecommendLeaf&) const { return "recommend"; }
    std::string_view operator()(const RerankNode&) const { return "rerank"; }
    std::string_view operator()(const SparseLeaf&) const { return "sparse"; }
    std::string_view operator()(const MultiVectorLeaf&) const { return "multi_vector"; }
  };
  return std::visit(Kind(), node.node);
}

absl::StatusOr<int> ResolveDenseField(const CollectionSchema& schema, std::string_view name) {
  return ResolveField(schema.dense, "dense", name);
}

absl::StatusOr<int> ResolveTextField(const CollectionSchema& schema, std::string_view name) {
  return ResolveField(schema.text, "text", name);
}

absl::StatusOr<int> ResolvePayloadField(const CollectionSchema& schema, std::string_view path) {
  const int field = schema.FindPayload(path);
  if (field >= 0) return field;
  std::string known;
  for (const PayloadField& declared : schema.payload) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", "'", declared.path, "'");
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown payload field '", std::string(path),
                                                 "'; there ",
                                                 known.empty() ? "are none" : "are " + known));
}

absl::StatusOr<int> ResolveValueField(const CollectionSchema& schema, std::string_view path) {
  absl::StatusOr<int> field = ResolvePayloadField(schema, path);
  if (!field.ok()) return field;
  const PayloadType type = schema.payload[static_cast<size_t>(*field)].type;
  if (type != PayloadType::kGeo && type != PayloadType::kText) return field;
  return absl::InvalidArgumentError(absl::StrCat(
      "payload field '", std::string(path), "' is of type ", std::string(PayloadTypeName(type)),
      ", which can be filtered by, but not ordered, counted or grouped by"));
}

absl::StatusOr<int> ResolveSparseField(const CollectionSchema& schema, std::string_view name) {
  return ResolveField(schema.sparse, "sparse", name);
}

absl::StatusOr<int> ResolveMultiVectorField(const CollectionSchema& schema,
                                            std::string_view name) {
  return ResolveField(schema.multi_vector, "multi-vector", name);
}

Plan PlanQuery(const SearchRequest& request, const CollectionSchema& schema, PlanDepth depth) {
  Plan plan;
  plan.filters.push_back(request.filter ? &*request.filter : nullptr);
  const size_t fused_limit = std::min<size_t>(
      QueryLimits::kMaxLimit, std::max(kMinFusedLimit, kFusedLimitFactor * depth.first_page));
  Planner(schema, fused_limit, plan).Visit(request.query, depth.root_limit, 0, plan.root);
  return plan;
}

}  // namespace vouch
