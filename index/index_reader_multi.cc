// Late interaction: MaxSim over the rows of a snapshot.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/dense_search.h"
#include "index/index_reader.h"
#include "index/multi/token_reader.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

constexpr uint64_t kProductsBetweenChecks = uint64_t{1} << 22;

// The query as the kernels take it.
absl::StatusOr<MultiVector> PrepareTokens(const IndexSchema& schema, int field, const MultiVector& query) {
  const std::vector<MultiVectorField>& fields = schema.schema.multi_vector;
  if (field < 0 || static_cast<size_t>(field) >= fields.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("multi-vector field ", field, " of ", fields.size(), " does not exist"));
  }
  // A query is compared as it is, whatever the field's values are rounded to.
  MultiVectorField compared = fields[static_cast<size_t>(field)];
  compared.type = VectorType::kF32;
  if (absl::Status status = CheckMultiVector(compared, query, Limits::kMaxTokens); !status.ok()) return status;
  MultiVector prepared = query;
  NormalizeTokens(compared.metric, prepared);
  return prepared;
}

// Counts what is computed, and looks at the token now and then.
class Meter {
 public:
  Meter(const MaxSim& max_sim, const CancelToken& cancel) : max_sim_(max_sim), cancel_(cancel) {}

  absl::Status Add(size_t document_tokens) {
    const uint64_t pairs = document_tokens * max_sim_.query_tokens();
    ++rows_;
    distances_ += pairs;
    since_ += pairs * max_sim_.dim();
    if (since_ < kProductsBetweenChecks) return absl::OkStatus();
    since_ = 0;
    return cancel_.Check();
  }
  void Tell(SearchStats* stats) const {
    if (stats == nullptr) return;
    stats->distances += distances_;
    stats->rows_visited += rows_;
  }

 private:
  const MaxSim& max_sim_;
  const CancelToken& cancel_;
  uint64_t rows_ = 0;
  uint64_t distances_ = 0;
  uint64_t since_ = 0;
};

absl::Status ScanSegment(const Segment& segment, const TokenColumn& column, const Bitmap* allowed, MaxSim& max_sim,
                         Meter& meter, TopHits& top) {
  TokenReader reader(column);
  for (uint32_t row = 0; row < column.rows(); ++row) {
    if (column.TokensOf(row) == 0 || (allowed != nullptr && !allowed->Test(row))) continue;
    const std::span<const float> document = allowed == nullptr ? reader.ReadNext(row) : reader.Read(row);
    if (!reader.status().ok()) return reader.status();
    const float score = max_sim.Score(document);
    if (top.Wants(score)) top.Push({RowId(segment.rows.begin.value + row), score});
    if (absl::Status status = meter.Add(column.TokensOf(row)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Hit>> IndexReader::SearchMultiVector(int field, const MultiVector& query, size_t k,
                                                                const RowMask& mask, const CancelToken& cancel,
                                                                SearchStats* stats) const {
  if (mask.segments.size() != segments_->segments.size()) {
    return absl::InvalidArgumentError("the row mask was made by another reader");
  }
  const absl::StatusOr<MultiVector> prepared = PrepareTokens(*segments_->schema, field, query);
  if (!prepared.ok()) return prepared.status();
  MaxSim max_sim(*prepared);
  Meter meter(max_sim, cancel);
  TopHits top(static_cast<size_t>(std::min<uint64_t>(k, mask.allowed_count)));
  uint64_t searched = 0;
  for (size_t i = 0; i < segments_->segments.size() && k > 0; ++i) {
    if (mask.segments[i].allowed_count == 0) continue;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const Segment& segment = *segments_->segments[i];
    absl::Status status = ScanSegment(segment, segment.tokens[static_cast<size_t>(field)],
                                      mask.segments[i].allowed_or_null(), max_sim, meter, top);
    if (!status.ok()) return status;
    ++searched;
  }
  meter.Tell(stats);
  if (stats != nullptr) {
    stats->segments += searched;
    stats->segments_exact += searched;
    stats->plan = absl::StrCat("MaxSim of ", prepared->tokens(), prepared->tokens() == 1 ? " token" : " tokens",
                               ", exact on ", searched, searched == 1 ? " segment" : " segments");
  }
  return top.TakeSorted();
}

absl::StatusOr<std::vector<std::optional<float>>> IndexReader::ScoreMultiVector(int field, const MultiVector& query,
                                                                                std::span<const RowId> rows,
                                                                                const CancelToken& cancel,
                                                                                SearchStats* stats) const {
  const absl::StatusOr<MultiVector> prepared = PrepareTokens(*segments_->schema, field, query);
  if (!prepared.ok()) return prepared.status();
  if (absl::Status status = cancel.Check(); !status.ok()) return status;
  MaxSim max_sim(*prepared);
  Meter meter(max_sim, cancel);
  std::vector<std::optional<float>> scores(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!HasMultiVector(field, rows[i])) continue;
    const Segment& segment = *segments_->segments[segments_->FindSegment(rows[i])];
    const TokenColumn& column = segment.tokens[static_cast<size_t>(field)];
    const uint32_t row = segment.LocalRow(rows[i]);
    TokenReader reader(column);
    const std::span<const float> document = reader.Read(row);
    if (!reader.status().ok()) return reader.status();
    scores[i] = max_sim.Score(document);
    if (absl::Status status = meter.Add(column.TokensOf(row)); !status.ok()) return status;
  }
  meter.Tell(stats);
  return scores;
}

absl::StatusOr<std::vector<TokenMatch>> IndexReader::ExplainMultiVector(int field, const MultiVector& query,
                                                                        RowId row) const {
  const absl::StatusOr<MultiVector> prepared = PrepareTokens(*segments_->schema, field, query);
  if (!prepared.ok()) return prepared.status();
  if (!HasMultiVector(field, row)) return std::vector<TokenMatch>();
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  TokenReader reader(segment.tokens[static_cast<size_t>(field)]);
  const std::span<const float> document = reader.Read(segment.LocalRow(row));
  if (!reader.status().ok()) return reader.status();
  return MaxSim(*prepared).Matches(document);
}

bool IndexReader::HasMultiVector(int field, RowId row) const {
  if (row.value >= rows_at_) return false;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  return segment.tokens[static_cast<size_t>(field)].TokensOf(segment.LocalRow(row)) > 0;
}

}  // namespace vouch
