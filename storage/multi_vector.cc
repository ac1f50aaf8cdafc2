#include "storage/multi_vector.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "storage/concat.h"
#include "storage/vector_codec.h"

namespace vouch {

namespace {

absl::Status CheckShape(const MultiVectorField& field, const MultiVector& vector,
                        size_t max_tokens) {
  if (vector.dim != field.dim) {
    return absl::InvalidArgumentError(Concat("the token vectors have ", vector.dim, " dimensions, the field has ",
                                             field.dim));
  }
  if (vector.values.size() % field.dim != 0) {
    return absl::InvalidArgumentError(Concat("the last token's vector has ", vector.values.size() % field.dim,
                                             " values, the field has ", field.dim, " dimensions"));
  }
  if (vector.tokens() <= max_tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("it has ", vector.tokens(), " token vectors; the limit is ", max_tokens));
}

absl::Status CheckToken(const MultiVectorField& field, std::span<const float> token, size_t at) {
  const auto bad = std::find_if_not(token.begin(), token.end(), [](float x) { return std::isfinite(x); });
  if (bad != token.end()) {
    return absl::InvalidArgumentError(Concat("token ", at, ": the value at position ", bad - token.begin(), " is ",
                                             std::isnan(*bad) ? "NaN" : "infinite"));
  }
  if (field.metric == Metric::kCosine) {
    // A normalised vector is within every type's range.
    if (std::any_of(token.begin(), token.end(), [](float x) { return x != 0; })) return absl::OkStatus();
    return absl::InvalidArgumentError(Concat("token ", at,
                                             ": a zero vector has no direction, and the field is compared by cosine"));
  }
  if (field.type == VectorType::kF32) return absl::OkStatus();
  std::vector<float> rounded(token.begin(), token.end());
  const absl::Status status = RoundVector(field.type, rounded);
  return status.ok() ? status : absl::InvalidArgumentError(Concat("token ", at, ": ", status.message()));
}

}  // namespace

absl::Status CheckMultiVector(const MultiVectorField& field, const MultiVector& vector,
                              size_t max_tokens) {
  if (vector.empty()) return absl::InvalidArgumentError("it has no token vectors; it takes at least one");
  if (auto s = CheckShape(field, vector, max_tokens); !s.ok()) return s;
  for (size_t i = 0; i < vector.tokens(); ++i) {
    if (auto s = CheckToken(field, vector.token(i), i); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status CheckKeptMultiVector(const MultiVectorField& field, const MultiVector& vector) {
  if (vector.empty()) return absl::OkStatus();
  if (auto s = CheckShape(field, vector, Limits::kMaxTokens); !s.ok()) return s;
  if (IsRounded(field.type, vector.values)) return absl::OkStatus();
  for (size_t i = 0; i < vector.tokens(); ++i) {
    if (IsRounded(field.type, vector.token(i))) continue;
    return absl::InvalidArgumentError(Concat("token ", i, " has a value that is not finite and one of ",
                                             VectorTypeName(field.type)));
  }
  return absl::OkStatus();
}

}  // namespace vouch
