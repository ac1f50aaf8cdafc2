#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/formula.h"
#include "query/ranked_row.h"

namespace vouch {

// The values of a row for Formula::Evaluate, in the order of formula.fields(). NaN: none.
void ReadFormulaValues(const IndexReader& reader, const Formula& formula,
                       const CollectionSchema& schema, RowId row, std::vector<double>& values);

// The candidates by the formula's value, in total order; `missing` is the score of those for which
// it has none.
absl::StatusOr<std::vector<RankedRow>> RerankByFormula(std::span<const RankedRow> candidates,
                                                       const Formula& formula, double missing,
                                                       const CollectionSchema& schema,
                                                       const IndexReader& reader,
                                                       const CancelToken& cancel);

}  // namespace vouch
