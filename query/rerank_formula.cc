#include "query/rerank_formula.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vouch {

void ReadFormulaValues(const IndexReader& reader, const Formula& formula,
                       const CollectionSchema& schema, RowId row, std::vector<double>& values) {
  values.clear();
  for (int field : formula.fields()) {
    const std::vector<PayloadValue> of_row = reader.PayloadOf(field, row, 1);
    double& number = values.emplace_back(std::numeric_limits<double>::quiet_NaN());
    if (of_row.empty()) continue;
    if (const auto* flag = std::get_if<bool>(&of_row.front())) number = *flag ? 1 : 0;
    if (const auto* real = std::get_if<double>(&of_row.front())) number = *real;
    if (const auto* whole = std::get_if<int64_t>(&of_row.front()))
      number = static_cast<double>(*whole);
    if (schema.payload[static_cast<size_t>(field)].type == PayloadType::kDatetime) number /= 1e6;
  }
}

absl::StatusOr<std::vector<RankedRow>> RerankByFormula(std::span<const RankedRow> candidates,
                                                       const Formula& formula, double missing,
                                                       const CollectionSchema& schema,
                                                       const IndexReader& reader,
                                                       const CancelToken& cancel) {
  constexpr size_t kRowsBetweenChecks = 1024;
  std::vector<RankedRow> hits;
  hits.reserve(candidates.size());
  std::vector<double> values;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i % kRowsBetweenChecks == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    ReadFormulaValues(reader, formula, schema, candidates[i].row, values);
    const double value = formula.Evaluate(candidates[i].score, values);
    hits.push_back({candidates[i].row, std::isnan(value) ? missing : value});
  }
  std::sort(hits.begin(), hits.end());
  return hits;
}

}  // namespace vouch
