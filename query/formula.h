#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/schema.h"

namespace vouch {

// An arithmetic expression over a hit's score and its payload: `score * (1 + 0.2 * log1p(likes)) *
// exp_decay(published, datetime('2026-11-23'), days(30))`.
//
//   sum     := product (("+" | "-") product)*
//   product := factor (("*" | "/") factor)*
//   factor  := "-" factor | number | "(" sum ")" | "score" | path
//            | function "(" [argument ("," argument)*] ")"
//   path    := [A-Za-z_][A-Za-z0-9_.]* | `any text`   -- a payload field that is no keyword
//
// Functions, with arguments that may be left out in []:
//   abs(x) sqrt(x) exp(x) log(x) log1p(x) log10(x)    -- log is the natural one
//   pow(x, y) min(x, …) max(x, …)
//   default(x, y)                       y where x has no value
//   datetime('2026-11-23T10:00:00Z')    seconds since 1970
//   days(n) hours(n)                    seconds
//   exp_decay gauss_decay linear_decay(x, origin, scale[, offset[, decay]])
//   geo_distance(latitude, longitude, latitude0, longitude0)
//                                       degrees in, metres over a sphere out
//
// With d = max(0, |x − origin| − offset), a decay is 1 at d = 0 and `decay` (0 < decay < 1, default
// 0.5) at d = scale: exp_decay = decay^(d / scale), gauss_decay = decay^((d / scale)²),
// linear_decay = max(0, 1 − (1 − decay) · d / scale).
//
// Numbers are doubles: integers and floats as they are, true 1 and false 0, datetimes seconds since
// 1970; of several values of a field the first counts. A field without a value, and whatever is not
// finite (1 / 0, log(0), sqrt(−1), a decay whose scale is not above 0), is "no value", and an
// operation on no value gives none; default() replaces it. There is no clock: the same row, score
// and formula give the same bits.
//
// Immutable, thread safe.
class Formula {
 public:
  static constexpr size_t kMaxBytes = 4096;
  static constexpr size_t kMaxDepth = 32;   // nested parentheses, calls and signs
  static constexpr size_t kMaxSteps = 256;  // numbers, fields and operations

  // INVALID_ARGUMENT: what was expected, what stands there, its column (from 1), and the formula
  // with a caret under it.
  static absl::StatusOr<Formula> Parse(std::string_view text, const CollectionSchema& schema);

  // The payload fields that it reads, by ordinal, each once.
  std::span<const int> fields() const { return fields_; }
  // `values` are those of fields(), NaN for no value. NaN: the formula has no value.
  double Evaluate(double score, std::span<const double> values) const;

 private:
  friend class FormulaParser;
  enum class Op : uint8_t {
    kNumber,
    kField,
    kScore,
    kNegate,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kAbs,
    kSqrt,
    kExp,
    kLog,
    kLog1p,
    kLog10,
    kPow,
    kMin,
    kMax,
    kDefault,
    kExpDecay,
    kGaussDecay,
    kLinearDecay,
    kGeoDistance,
    kDays,
    kHours,
  };
  // Takes its arguments from a stack and leaves its result there.
  struct Step {
    Op op = Op::kNumber;
    uint16_t arguments = 0;
    uint32_t field = 0;  // kField: position in fields_
    double number = 0;   // kNumber
  };
  static double Apply(const Step& step, const double* arguments);

  std::vector<Step> steps_;
  std::vector<int> fields_;
};

}  // namespace vouch
