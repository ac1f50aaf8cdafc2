#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/llm/price_table.h"

namespace vouch {

// What embedding a collection's texts anew takes.
struct MigrationEstimate {
  uint64_t points = 0;        // live, that are to be copied
  uint64_t texts = 0;         // of them, that are to be embedded
  uint64_t bytes = 0;         // of these texts
  uint64_t tokens = 0;        // by EstimateTokens
  uint64_t calls = 0;         // of a model server; 0: none is asked
  uint64_t vector_bytes = 0;  // of the new vectors on disk
  // Of a model server by the price table; none where the table does not name the model.
  std::optional<uint64_t> cost_nano = {};
  std::string currency = {};
  std::string prices = {};  // the table's version
};

// Of the rows from `from_row` on. FAILED_PRECONDITION: a point that was not ingested has a vector of its own in the field.
absl::StatusOr<MigrationEstimate> EstimateMigration(const Collection& collection, Store& store,
                                                    std::string_view field, std::string_view embedder,
                                                    uint64_t from_row, const PriceTable* prices,
                                                    const CancelToken& cancel);

}  // namespace vouch
