#include "rag/migrate/estimate.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "rag/embed/embedder_registry.h"
#include "rag/embed/openai.h"
#include "rag/ingest/chunk_point.h"
#include "rag/parse/token_estimate.h"
#include "rag/provenance.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr uint64_t kRowsASample = 1'024;
constexpr std::string_view kOpenAi = "openai/";

void AddPrice(std::string_view embedder, const PriceTable* prices, MigrationEstimate* estimate) {
  if (!embedder.starts_with(kOpenAi)) return;
  const uint64_t batch = OpenAiEmbedderOptions().batch;
  estimate->calls = (estimate->texts + batch - 1) / batch;
  if (prices == nullptr) return;
  const std::string_view model = embedder.substr(kOpenAi.size());
  const auto price = prices->models.find(std::string(model.substr(0, model.find('?'))));
  if (price == prices->models.end()) return;
  estimate->cost_nano = price->second.input_nano * estimate->tokens;
  estimate->currency = prices->currency;
  estimate->prices = prices->version;
}

}  // namespace

absl::StatusOr<MigrationEstimate> EstimateMigration(const Collection& collection, Store& store,
                                                    std::string_view field, std::string_view embedder,
                                                    uint64_t from_row, const PriceTable* prices,
                                                    const CancelToken& cancel) {
  const absl::StatusOr<EmbedderRegistry::SpecInfo> spec = EmbedderRegistry::ParseSpec(embedder);
  if (!spec.ok()) return spec.status();
  const CollectionId id = collection.id();
  const absl::StatusOr<CollectionState> state = store.GetState(id);
  if (!state.ok()) return state.status();
  absl::flat_hash_set<uint64_t> retired;
  absl::Status status =
      store.ScanRetired(id, {RowId(from_row), RowId(std::max(from_row, state->rows))},
                        [&](RowId row, Version at) {
                          if (at <= state->latest) retired.insert(row.value);
                        });
  if (!status.ok()) return status;
  const auto ordinal = static_cast<size_t>(collection.schema().FindDense(field));
  MigrationEstimate estimate;
  for (uint64_t next = from_row; next < state->rows; next += kRowsASample) {
    if (status = cancel.Check(); !status.ok()) return status;
    const RowRange range{RowId(next), RowId(std::min(next + kRowsASample, state->rows))};
    status = store.ScanRows(id, range, /*with_vectors=*/false, [&](RowRecord&& row) -> absl::Status {
      if (retired.contains(row.row.value)) return absl::OkStatus();
      ++estimate.points;
      if (DecodeProvenance(row.provenance).ok()) {
        const std::string text = EmbeddedTextOf(row.payload);
        ++estimate.texts;
        estimate.bytes += text.size();
        estimate.tokens += EstimateTokens(text);
        return absl::OkStatus();
      }
      const absl::StatusOr<RowRecord> whole = store.ReadRow(id, row.row, /*with_vectors=*/true);
      if (!whole.ok()) return whole.status();
      if (ordinal >= whole->vectors.size() || whole->vectors[ordinal].empty()) return absl::OkStatus();
      return absl::FailedPreconditionError(
          Concat("point ", row.id.ToString(), " of collection ", collection.info().name,
                 " was not ingested and has a vector of its own in field ", field,
                 ", which cannot be embedded anew"));
    });
    if (!status.ok()) return status;
  }
  estimate.vector_bytes = estimate.texts * spec->dim * sizeof(float);
  AddPrice(embedder, prices, &estimate);
  return estimate;
}

}  // namespace vouch
