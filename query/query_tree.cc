#include "query/query_tree.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/payload/payload_columns.h"
#include "query/planner.h"

namespace vouch {
namespace {

constexpr int kMaxEfSearch = 10'000;
constexpr double kMaxRrf = 1e6;

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
    if (const auto* sparse = std::get_if<SparseLeaf>(&node.node)) return CheckSparse(*sparse, path);
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
    return absl::OkStatus();
  }

  absl::Status CheckText(const TextLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveTextField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    if (leaf.text.size() > QueryLimits::kMaxQueryTextBytes) {
      return Invalid(path, absl::StrCat("the text has ", leaf.text.size(), " bytes, over ",
                                        QueryLimits::kMaxQueryTextBytes));
    }
    return absl::OkStatus();
  }

  absl::Status CheckSparse(const SparseLeaf& leaf, const std::string& path) const {
    const absl::StatusOr<int> ordinal = ResolveSparseField(schema_, leaf.field);
    if (!ordinal.ok()) return Invalid(path, std::string(ordinal.status().message()));
    const absl::Status vector = CheckSparseVector(leaf.vector, QueryLimits::kMaxSparseEntries);
    return vector.ok() ? vector : Invalid(path, std::string(vector.message()));
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

absl::Status ValidateQuery(const QueryNode& root, const CollectionSchema& schema) {
  return Validator(schema).Check(root, "", 1);
}

}  // namespace vouch
