#include "query/query_tree.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/payload/payload_columns.h"
#include "query/formula.h"
#include "query/planner.h"
#include "query/rerank_cross.h"
#include "query/text_query_parser.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr int kMaxEfSearch = 10'000;
constexpr double kMaxRrf = 1e6;
constexpr double kMaxRocchio = 1'000;

absl::Status Invalid(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(what)));
}

// Walks the tree once; stops at the first mistake, before any node below an over-deep one is looked
// at.
class TreeValidator {
 public:
  TreeValidator(const CollectionSchema& schema, const CrossEncoders& encoders)
      : schema_(schema), encoders_(encoders) {}

  absl::Status Check(const QueryNode& node, const std::string& prefix, uint32_t depth) {
    const std::string path = absl::StrCat(prefix, std::string(NodeKind(node)));
    if (depth > QueryLimits::kMaxDepth) {
      return Invalid(path,
                     absl::StrCat("the query is over ", QueryLimits::kMaxDepth, " levels deep"));
    }
    if (++nodes_ > QueryLimits::kMaxNodes) {
      return Invalid(path, absl::StrCat("the query has over ", QueryLimits::kMaxNodes, " nodes"));
    }
    if (node.limit > QueryLimits::kMaxLimit) {
      return Invalid(path, absl::StrCat("limit ", node.limit, " is over ", QueryLimits::kMaxLimit));
    }
    if (node.filter) {
      if (absl::Status status = ValidateFilter(*node.filter, schema_); !status.ok()) {
        return Invalid(path, absl::StrCat("filter: ", status.message()));
      }
    }
    if (const auto* dense = std::get_if<DenseLeaf>(&node.node)) return CheckDense(*dense, path);
    if (const auto* text = std::get_if<TextLeaf>(&node.node)) return CheckText(*text, path);
    if (const auto* fuse = std::get_if<FuseNode>(&node.node)) return CheckFuse(*fuse, path, depth);
    if (const auto* all = std::get_if<AllLeaf>(&node.node)) return CheckAll(*all, path);
    if (const auto* rerank = std::get_if<RerankNode>(&node.node)) {
      return CheckRerank(*rerank, path, depth);
    }
    if (const auto* recommend = std::get_if<RecommendLeaf>(&node.node)) {
      return CheckRecommend(*recommend, path);
    }
    if (const auto* sparse = std::get_if<SparseLeaf>(&node.node)) return CheckSparse(*sparse, path);
    if (const auto* multi = std::get_if<MultiVectorLeaf>(&node.node)) {
      return CheckTokens(multi->field, multi->tokens, path);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckAll(const AllLeaf& leaf, const std::string& path) const {
    if (leaf.order_by.empty() && leaf.descending) {
      return Invalid(path, "descending goes with order_by");
    }
    if (leaf.order_by.empty()) return absl::OkStatus();
    const absl::StatusOr<int> field = ResolveValueField(schema_, leaf.order_by);
    return field.ok() ? absl::OkStatus()
                      : Invalid(path, absl::StrCat("order_by: ", field.status().message()));
  }

  absl::Status CheckDense(const DenseLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveDenseField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    const DenseField& field = schema_.dense[*ordinal];
    if (absl::Status status = CheckVector(leaf.vector, field, path); !status.ok()) return status;
    absl::Status status = CheckEfSearch(leaf.ef_search, path);
    return status.ok() && leaf.feedback ? CheckFeedback(*leaf.feedback, path) : status;
  }

  static absl::Status CheckVector(const std::vector<float>& vector, const DenseField& field,
                                  const std::string& path) {
    if (vector.size() != field.dim) {
      return Invalid(path, absl::StrCat("the vector has ", vector.size(), " dimensions, field '",
                                        field.name, "' has ", field.dim));
    }
    bool zero = true;
    for (size_t i = 0; i < vector.size(); ++i) {
      if (!std::isfinite(vector[i])) {
        return Invalid(path, absl::StrCat("the vector's value at position ", i, " is ",
                                          std::isnan(vector[i]) ? "NaN" : "infinite"));
      }
      if (field.type == VectorType::kBit && vector[i] != 0 && vector[i] != 1) {
        return Invalid(path, absl::StrCat("the vector's value at position ", i, " is ", vector[i],
                                          ", and field '", field.name, "' is of bits, 0 or 1"));
      }
      zero = zero && vector[i] == 0;
    }
    if (zero && field.metric == Metric::kCosine) {
      return Invalid(path, absl::StrCat("a zero vector has no direction, and field '", field.name,
                                        "' is compared by cosine"));
    }
    return absl::OkStatus();
  }
  static absl::Status CheckEfSearch(int ef_search, const std::string& path) {
    if (ef_search >= 0 && ef_search <= kMaxEfSearch) return absl::OkStatus();
    return Invalid(path, absl::StrCat("ef_search ", ef_search, " is not in 0 … ", kMaxEfSearch));
  }

  static absl::Status CheckDocuments(uint32_t documents, const std::string& path) {
    if (documents >= 1 && documents <= QueryLimits::kMaxFeedbackDocuments) return absl::OkStatus();
    return Invalid(path, absl::StrCat("feedback: documents ", documents, " is not in 1 … ",
                                      QueryLimits::kMaxFeedbackDocuments));
  }

  static absl::Status CheckFeedback(const Rm3& rm3, const std::string& path) {
    if (rm3.terms < 1 || rm3.terms > QueryLimits::kMaxFeedbackTerms) {
      return Invalid(path, absl::StrCat("feedback: terms ", rm3.terms, " is not in 1 … ",
                                        QueryLimits::kMaxFeedbackTerms));
    }
    if (!(rm3.original_weight >= 0 && rm3.original_weight <= 1)) {
      return Invalid(path, absl::StrCat("feedback: original_weight ", rm3.original_weight,
                                        " is not in 0 … 1"));
    }
    return CheckDocuments(rm3.documents, path);
  }

  static absl::Status CheckFeedback(const Rocchio& rocchio, const std::string& path) {
    for (const auto& [name, value] : {std::pair("alpha", rocchio.alpha), {"beta", rocchio.beta}}) {
      if (!(value >= 0 && value <= kMaxRocchio)) {
        return Invalid(
            path, absl::StrCat("feedback: ", name, " ", value, " is not in 0 … ", kMaxRocchio));
      }
    }
    if (rocchio.alpha == 0 && rocchio.beta == 0) {
      return Invalid(path, "feedback: alpha and beta are both 0, which leaves no vector");
    }
    return CheckDocuments(rocchio.documents, path);
  }

  absl::Status CheckRecommend(const RecommendLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveDenseField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    const size_t examples = leaf.positive.size() + leaf.negative.size();
    if (examples > QueryLimits::kMaxExamples) {
      return Invalid(path, absl::StrCat(examples, " examples, over ", QueryLimits::kMaxExamples));
    }
    if (examples == 0) return Invalid(path, "it needs examples, positive or negative");
    if (leaf.strategy == RecommendStrategy::kAverageVector && leaf.positive.empty()) {
      return Invalid(path, "average_vector needs a positive example; best_score does without");
    }
    for (const auto& [name, list] :
         {std::pair("positive", &leaf.positive), std::pair("negative", &leaf.negative)}) {
      for (size_t i = 0; i < list->size(); ++i) {
        const auto* vector = std::get_if<std::vector<float>>(&(*list)[i]);
        if (vector == nullptr) continue;
        absl::Status status = CheckVector(*vector, schema_.dense[*ordinal],
                                          absl::StrCat(path, ": ", name, "[", i, "]"));
        if (!status.ok()) return status;
      }
    }
    return CheckEfSearch(leaf.ef_search, path);
  }

  absl::Status CheckRerank(const RerankNode& rerank, const std::string& path, uint32_t depth) {
    if (rerank.children.size() != 1) {
      return Invalid(path, absl::StrCat("a reranking has one child, not ", rerank.children.size(),
                                        "; fuse several first"));
    }
    absl::Status status;
    if (const auto* exact = std::get_if<ExactRerank>(&rerank.method)) {
      status = CheckFieldAndVector(exact->field, exact->vector, path);
    } else if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method)) {
      status = CheckFieldAndVector(mmr->field, mmr->vector, path);
      if (status.ok() && !(mmr->lambda >= 0 && mmr->lambda <= 1)) {
        return Invalid(path, absl::StrCat("lambda ", mmr->lambda, " is not in 0 … 1"));
      }
      if (status.ok() && rerank.children[0].limit > QueryLimits::kMaxMmrCandidates) {
        return Invalid(path,
                       absl::StrCat("its child's limit ", rerank.children[0].limit, " is over ",
                                    QueryLimits::kMaxMmrCandidates, ", the most that mmr takes"));
      }
    } else if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
      status = CheckTokens(max_sim->field, max_sim->tokens, path);
    } else if (const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method)) {
      status = CheckCrossEncoder(*cross, rerank.children[0].limit, path);
    } else {
      const auto& formula = std::get<FormulaRerank>(rerank.method);
      const absl::StatusOr<Formula> parsed = Formula::Parse(formula.formula, schema_);
      if (!parsed.ok()) return Invalid(path, absl::StrCat("formula: ", parsed.status().message()));
      if (!std::isfinite(formula.missing)) return Invalid(path, "missing is not a finite number");
    }
    if (!status.ok()) return status;
    return Check(rerank.children[0], absl::StrCat(path, "[0]."), depth + 1);
  }
  absl::Status CheckCrossEncoder(const CrossEncoderRerank& cross, uint32_t child_limit,
                                 const std::string& path) const {
    if (cross.text.empty()) return Invalid(path, "cross_encoder: the text, its question, is empty");
    if (cross.text.size() > QueryLimits::kMaxCrossEncoderQuestionBytes) {
      return Invalid(path, absl::StrCat("cross_encoder: the text has ", cross.text.size(),
                                        " bytes, over ",
                                        QueryLimits::kMaxCrossEncoderQuestionBytes));
    }
    if (!IsValidUtf8(cross.text)) return Invalid(path, "cross_encoder: the text is not UTF-8");
    if (cross.path.size() > QueryLimits::kMaxDocumentPathBytes) {
      return Invalid(path, absl::StrCat("cross_encoder: path has ", cross.path.size(),
                                        " bytes, over ", QueryLimits::kMaxDocumentPathBytes));
    }
    if (child_limit > QueryLimits::kMaxCrossEncoderCandidates) {
      return Invalid(path, absl::StrCat("its child's limit ", child_limit, " is over ",
                                        QueryLimits::kMaxCrossEncoderCandidates,
                                        ", the most that a cross-encoder takes"));
    }
    const absl::StatusOr<const CrossEncoder*> encoder = FindCrossEncoder(encoders_, cross.model);
    absl::Status status = encoder.status();
    if (encoder.ok()) status = DocumentsOf(cross, **encoder, schema_).status();
    return status.ok() ? status : Invalid(path, absl::StrCat("cross_encoder: ", status.message()));
  }
  absl::Status CheckFieldAndVector(const std::string& name, const std::vector<float>& vector,
                                   const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveDenseField(schema_, name);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    return CheckVector(vector, schema_.dense[*ordinal], path);
  }

  absl::Status CheckTextFields(const TextLeaf& leaf, const std::string& path) const {
    if (leaf.fields.empty()) {
      const absl::StatusOr<int> ordinal = ResolveTextField(schema_, leaf.field);
      return ordinal.ok() ? absl::OkStatus() : Invalid(path, std::string(ordinal.status().message()));
    }
    if (!leaf.field.empty()) return Invalid(path, "field and fields were both given; take one");
    if (leaf.fields.size() > TextClauseLimits::kMaxFields) {
      return Invalid(path, absl::StrCat(leaf.fields.size(), " fields, over ",
                                        TextClauseLimits::kMaxFields));
    }
    int first = -1;
    std::vector<int> seen;
    for (const TextFieldBoost& field : leaf.fields) {
      const absl::StatusOr<int> ordinal = ResolveTextField(schema_, field.field);
      if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
      if (std::find(seen.begin(), seen.end(), *ordinal) != seen.end()) {
        return Invalid(path, absl::StrCat("field '", field.field, "' is named twice"));
      }
      seen.push_back(*ordinal);
      if (!(field.boost > 0 && field.boost <= TextClauseLimits::kMaxBoost)) {
        return Invalid(path, absl::StrCat("field '", field.field, "': boost ", field.boost,
                                          " is not over 0 and at most ",
                                          TextClauseLimits::kMaxBoost));
      }
      if (first < 0) first = *ordinal;
      const TextField& one = schema_.text[static_cast<size_t>(first)];
      const TextField& other = schema_.text[static_cast<size_t>(*ordinal)];
      if (one.language != other.language) {
        return Invalid(path, absl::StrCat("fields '", one.name, "' (", one.language, ") and '",
                                          other.name, "' (", other.language,
                                          ") have other terms for one word; search them in leaves "
                                          "of their own under a fusion"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckText(const TextLeaf& leaf, const std::string& path) const {
    if (absl::Status status = CheckTextFields(leaf, path); !status.ok()) return status;
    const int asked = !leaf.text.empty() + leaf.clause.has_value() + !leaf.query.empty();
    if (asked > 1) return Invalid(path, "text, clause and query: take one of them");
    if (leaf.feedback && (leaf.text.empty() || !leaf.fields.empty()) && asked > 0) {
      return Invalid(path, "feedback goes with a text in one field");
    }
    if (leaf.clause) {
      const absl::Status clause = ValidateTextClause(*leaf.clause, schema_);
      return clause.ok() ? clause : Invalid(path, std::string(clause.message()));
    }
    if (!leaf.query.empty()) {
      const absl::StatusOr<TextClause> clause = ParseTextQuery(leaf.query, schema_);
      const absl::Status status =
          clause.ok() ? ValidateTextClause(*clause, schema_) : clause.status();
      return status.ok() ? status : Invalid(path, std::string(status.message()));
    }
    if (leaf.text.size() > QueryLimits::kMaxQueryTextBytes) {
      return Invalid(path, absl::StrCat("the text has ", leaf.text.size(), " bytes, over ",
                                        QueryLimits::kMaxQueryTextBytes));
    }
    return leaf.feedback ? CheckFeedback(*leaf.feedback, path) : absl::OkStatus();
  }

  static absl::Status CheckFusionFeedback(const FuseNode& fuse, const std::string& path) {
    const FusionFeedback& feedback = *fuse.feedback;
    if (!feedback.text && !feedback.dense) {
      return Invalid(path, "feedback: it names neither text nor dense");
    }
    for (double weight : {feedback.text_weight, feedback.dense_weight}) {
      if (!(weight >= 0 && weight <= kMaxRrf)) {
        return Invalid(path, absl::StrCat("feedback: weight ", weight, " is not in 0 … ", kMaxRrf));
      }
    }
    if (feedback.text) {
      if (absl::Status status = CheckFeedback(*feedback.text, path); !status.ok()) return status;
    }
    return feedback.dense ? CheckFeedback(*feedback.dense, path) : absl::OkStatus();
  }

  absl::Status CheckSparse(const SparseLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveSparseField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    const absl::Status vector = CheckSparseVector(leaf.vector, QueryLimits::kMaxSparseEntries);
    return vector.ok() ? vector : Invalid(path, std::string(vector.message()));
  }

  absl::Status CheckTokens(const std::string& name, const MultiVector& tokens,
                           const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveMultiVectorField(schema_, name);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    // A query is compared as it is, whatever the field's values are rounded to.
    MultiVectorField compared = schema_.multi_vector[*ordinal];
    compared.type = VectorType::kF32;
    const absl::Status status = CheckMultiVector(compared, tokens, QueryLimits::kMaxQueryTokens);
    return status.ok() ? status
                       : Invalid(path, absl::StrCat("field '", compared.name, "': the query: ",
                                                    status.message()));
  }

  absl::Status CheckFuse(const FuseNode& fuse, const std::string& path, uint32_t depth) {
    if (fuse.children.empty()) return Invalid(path, "a fusion needs at least one child");
    if (!(fuse.k >= 0 && fuse.k <= kMaxRrf)) {
      return Invalid(path, absl::StrCat("k ", fuse.k, " is not in 0 … ", kMaxRrf));
    }
    if (!fuse.weights.empty() && fuse.weights.size() != fuse.children.size()) {
      return Invalid(path, absl::StrCat(fuse.weights.size(), " weights for ", fuse.children.size(),
                                        " children"));
    }
    for (size_t i = 0; i < fuse.weights.size(); ++i) {
      if (!(fuse.weights[i] >= 0 && fuse.weights[i] <= kMaxRrf)) {
        return Invalid(
            path, absl::StrCat("weight ", i, " is ", fuse.weights[i], ", not in 0 … ", kMaxRrf));
      }
    }
    if (fuse.feedback) {
      if (absl::Status status = CheckFusionFeedback(fuse, path); !status.ok()) return status;
    }
    for (size_t i = 0; i < fuse.children.size(); ++i) {
      absl::Status status = Check(fuse.children[i], absl::StrCat(path, "[", i, "]."), depth + 1);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const CollectionSchema& schema_;
  const CrossEncoders& encoders_;
  uint32_t nodes_ = 0;
};

}  // namespace

std::string_view FusionMethodName(FusionMethod method) {
  switch (method) {
    case FusionMethod::kRrf:
      return "rrf";
    case FusionMethod::kMinMax:
      return "min_max";
    case FusionMethod::kZScore:
      return "z_score";
    case FusionMethod::kBounds:
      return "bounds";
    case FusionMethod::kDbsf:
      return "dbsf";
  }
  return "";
}

absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema,
                           const CrossEncoders& encoders) {
  return TreeValidator(schema, encoders).Check(root, "", 1);
}

}  // namespace vouch
