#include "query/examples.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "query/recommend.h"
#include "query/vector_scorer.h"

namespace vouch {

absl::Status ExampleResolver::Visit(PlannedNode& node, const std::string& prefix) {
  const std::string path = absl::StrCat(prefix, std::string(NodeKind(*node.node)));
  for (size_t i = 0; i < node.children.size(); ++i) {
    absl::Status status = Visit(node.children[i], absl::StrCat(path, "[", i, "]."));
    if (!status.ok()) return status;
  }
  const auto* leaf = std::get_if<RecommendLeaf>(&node.node->node);
  if (leaf == nullptr) return absl::OkStatus();
  auto examples = std::make_shared<Examples>();
  const auto add = [&](const std::vector<Example>& from, std::string_view name,
                       std::vector<std::vector<float>>& to) -> absl::Status {
    for (size_t i = 0; i < from.size(); ++i) {
      absl::StatusOr<std::vector<float>> vector = VectorOf(from[i], node, *examples);
      if (!vector.ok()) {
        return absl::Status(
            vector.status().code(),
            absl::StrCat(path, ": ", std::string(name), "[", i, "]: ", vector.status().message()));
      }
      to.push_back(*std::move(vector));
    }
    return absl::OkStatus();
  };
  absl::Status status = add(leaf->positive, "positive", examples->positive);
  if (status.ok()) status = add(leaf->negative, "negative", examples->negative);
  if (!status.ok()) return status;
  std::sort(examples->rows.begin(), examples->rows.end());
  if (leaf->strategy == RecommendStrategy::kAverageVector) {
    examples->average = AverageExamples(*examples);
    const bool zero = std::all_of(examples->average.begin(), examples->average.end(),
                                  [](float v) { return v == 0; });
    if (zero && info_.schema.dense[static_cast<size_t>(node.field)].metric == Metric::kCosine) {
      return absl::InvalidArgumentError(absl::StrCat(
          path,
          ": the examples cancel each other out: their average is zero, which has no direction"));
    }
  }
  node.examples = std::move(examples);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> ExampleResolver::VectorOf(const Example& example,
                                                             const PlannedNode& node,
                                                             Examples& examples) {
  const DenseField& field = info_.schema.dense[static_cast<size_t>(node.field)];
  if (const auto* vector = std::get_if<std::vector<float>>(&example))
    return PreparedVector(field, *vector);
  const auto& id = std::get<PointId>(example);
  const absl::StatusOr<RowId> row = RowOf(id);
  if (!row.ok()) return row.status();
  std::vector<float> vector(field.dim);
  const absl::StatusOr<bool> there = reader_.ReadVector(node.field, *row, vector);
  if (!there.ok()) return there.status();
  if (!*there) {
    return absl::FailedPreconditionError(
        absl::StrCat("point ", id.ToString(), " has no vector in field '", field.name, "'"));
  }
  examples.rows.push_back(*row);
  return vector;
}

absl::StatusOr<RowId> ExampleResolver::RowOf(const PointId& id) {
  if (!seen_) {
    absl::StatusOr<RowMask> mask = reader_.MakeMask(nullptr, principal_, cancel_);
    if (!mask.ok()) return mask.status();
    seen_ = *std::move(mask);
  }
  const absl::StatusOr<std::optional<RowId>> row = store_.FindPoint(info_.id, id, reader_.at());
  if (!row.ok()) return row.status();
  if (!row->has_value() || !reader_.IsAllowed(**row, *seen_)) {
    return absl::NotFoundError(absl::StrCat("no point ", id.ToString(), " at version ",
                                            reader_.at().value,
                                            "; it is unknown or retired there"));
  }
  return **row;
}

}  // namespace vouch
