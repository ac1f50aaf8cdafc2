#include "query/query_tree.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/payload/payload_columns.h"
#include "query/planner.h"

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
class Validator {
 public:
  explicit Validator(const CollectionSchema& schema) : schema_(schema) {}

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
    return absl::OkStatus();
  }

 private:
  absl::Status CheckDense(const DenseLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveDenseField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    const DenseField& field = schema_.dense[*ordinal];
    if (leaf.vector.size() != field.dim) {
      return Invalid(path, absl::StrCat("the vector has ", leaf.vector.size(),
                                        " dimensions, field '", field.name, "' has ", field.dim));
    }
    bool zero = true;
    for (size_t i = 0; i < leaf.vector.size(); ++i) {
      if (!std::isfinite(leaf.vector[i])) {
        return Invalid(path, absl::StrCat("the vector's value at position ", i, " is ",
                                          std::isnan(leaf.vector[i]) ? "NaN" : "infinite"));
      }
      zero = zero && leaf.vector[i] == 0;
    }
    if (zero && field.metric == Metric::kCosine) {
      return Invalid(path, absl::StrCat("a zero vector has no direction, and field '", field.name,
                                        "' is compared by cosine"));
    }
    if (leaf.ef_search < 0 || leaf.ef_search > kMaxEfSearch) {
      return Invalid(path,
                     absl::StrCat("ef_search ", leaf.ef_search, " is not in 0 … ", kMaxEfSearch));
    }
    return leaf.feedback ? CheckFeedback(*leaf.feedback, path) : absl::OkStatus();
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

  absl::Status CheckText(const TextLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveTextField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
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

absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema) {
  return Validator(schema).Check(root, "", 1);
}

}  // namespace vouch
