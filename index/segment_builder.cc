#include "index/segment_builder.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/dense/index_choice.h"

namespace vouch {
namespace {

// Fewer fresh rows are scanned exactly: codes save little then.
constexpr uint32_t kMinCodedNodes = 256;

absl::Status BuildDense(const CollectionSchema& schema, std::span<const RowInput> rows, Segment& segment) {
  std::vector<std::span<const float>> vectors(rows.size());
  for (size_t field = 0; field < schema.dense.size(); ++field) {
    for (size_t row = 0; row < rows.size(); ++row) {
      vectors[row] = {};
      if (!schema.dense[field].dropped && field < rows[row].vectors.size() &&
          rows[row].vectors[field].size() == schema.dense[field].dim) {
        vectors[row] = rows[row].vectors[field];
      }
    }
    absl::StatusOr<DenseColumn> column = DenseColumn::Build(schema.dense[field], vectors);
    if (!column.ok()) return column.status();
    segment.dense.push_back(*std::move(column));
  }
  segment.graphs.resize(schema.dense.size());
  return absl::OkStatus();
}

// A row without an entry for the field is taken as without a vector there.
void BuildSparse(const CollectionSchema& schema, std::span<const RowInput> rows, Segment& segment) {
  static const SparseVector kNone;
  for (size_t field = 0; field < schema.sparse.size(); ++field) {
    std::vector<const SparseVector*> vectors;
    vectors.reserve(rows.size());
    for (const RowInput& row : rows)
      vectors.push_back(!schema.sparse[field].dropped && field < row.sparse.size() ? &row.sparse[field] : &kNone);
    segment.sparse.push_back(SparseIndex::Build(vectors));
  }
}

// Likewise; one of another dimension than the field's, or with too many tokens, is taken as none.
absl::Status BuildTokens(const CollectionSchema& schema, std::span<const RowInput> rows, Segment& segment) {
  static const MultiVector kNone;
  for (size_t field = 0; field < schema.multi_vector.size(); ++field) {
    std::vector<const MultiVector*> vectors;
    vectors.reserve(rows.size());
    for (const RowInput& row : rows) {
      const bool has = !schema.multi_vector[field].dropped && field < row.multi_vectors.size();
      const MultiVector& vector = has ? row.multi_vectors[field] : kNone;
      const bool fits = vector.dim == schema.multi_vector[field].dim && vector.tokens() <= Limits::kMaxTokens;
      vectors.push_back(fits ? &vector : &kNone);
    }
    absl::StatusOr<TokenColumn> column = TokenColumn::Build(schema.multi_vector[field], vectors);
    if (!column.ok()) return column.status();
    segment.tokens.push_back(*std::move(column));
  }
  return absl::OkStatus();
}

// One part's member of each segment, as Merge functions want them.
template <typename Part, typename Get>
std::vector<const Part*> Collect(std::span<const SegmentPtr> parts, Get get) {
  std::vector<const Part*> collected;
  collected.reserve(parts.size());
  for (const SegmentPtr& part : parts) collected.push_back(get(*part));
  return collected;
}

absl::Status MergeDense(const CollectionSchema& schema, std::span<const SegmentPtr> parts, Segment& merged) {
  for (size_t field = 0; field < schema.dense.size(); ++field) {
    const auto columns = Collect<DenseColumn>(parts, [&](const Segment& part) { return &part.dense[field]; });
    absl::StatusOr<DenseColumn> column = DenseColumn::Merge(schema.dense[field], columns);
    if (!column.ok()) return column.status();
    merged.dense.push_back(*std::move(column));
  }
  merged.graphs.resize(schema.dense.size());
  return absl::OkStatus();
}

absl::Status MergeTokens(const CollectionSchema& schema, std::span<const SegmentPtr> parts, Segment& merged) {
  for (size_t field = 0; field < schema.multi_vector.size(); ++field) {
    const auto columns = Collect<TokenColumn>(parts, [&](const Segment& part) { return &part.tokens[field]; });
    absl::StatusOr<TokenColumn> column = TokenColumn::Merge(schema.multi_vector[field], columns);
    if (!column.ok()) return column.status();
    merged.tokens.push_back(*std::move(column));
  }
  return absl::OkStatus();
}

// Null where no segment has a graph of the field.
const Graph* LargestGraph(std::span<const SegmentPtr> segments, size_t field) {
  const Graph* largest = nullptr;
  for (const SegmentPtr& segment : segments) {
    const Graph* graph = segment->graphs[field].get();
    if (graph != nullptr && (largest == nullptr || graph->nodes() > largest->nodes())) largest = graph;
  }
  return largest;
}

std::shared_ptr<const AccessColumn> MergeAccess(std::span<const SegmentPtr> parts) {
  std::vector<uint32_t> rows;
  for (const SegmentPtr& part : parts) rows.push_back(part->row_count());
  return AccessColumn::Merge(Collect<AccessColumn>(parts, [](const Segment& part) { return part.access.get(); }), rows);
}

// The recalls of the field's search, where it has a target.
absl::Status MeasureRecall(const DenseField& field, int threads, const BuildProgress& progress, size_t ordinal,
                           Segment& segment) {
  if (field.recall_target == 0) return absl::OkStatus();
  segment.recalls.resize(segment.dense.size());
  const auto curves = RecallCurves::Measure({.column = &segment.dense[ordinal],
                                             .graph = segment.graphs[ordinal].get(),
                                             .codes = segment.CodesOf(ordinal),
                                             .ivf = segment.IvfOf(ordinal)},
                                            threads, progress);
  if (!curves.ok()) return curves.status();
  segment.recalls[ordinal] = *curves;
  return absl::OkStatus();
}

}  // namespace

MemoryAccount Segment::Memory() const {
  MemoryAccount account;
  account.ids = ids->bytes().size();
  account.access = access == nullptr ? 0 : access->memory_bytes();
  for (const DenseColumn& column : dense) {
    account.vectors += column.vectors().size();
    account.vector_tables += column.rows().size_bytes();
    if (column.mapped() == nullptr) continue;
    account.vector_tables += column.mapped()->checksums().size_bytes();
    account.mapped_vectors += column.mapped()->mapped_bytes();
  }
  for (const TokenColumn& column : tokens) {
    account.vectors += column.view().size();
    account.vector_tables += column.table_bytes();
    if (column.mapped()) account.mapped_vectors += column.bytes();
  }
  for (const auto& of_field : graphs) {
    if (of_field == nullptr) continue;
    account.graph += of_field->memory_bytes();
    account.codes += of_field->codes().bytes().size();
  }
  for (const auto& of_field : codes) account.codes += of_field == nullptr ? 0 : of_field->bytes().size();
  for (const auto& of_field : ivfs) account.codes += of_field == nullptr ? 0 : of_field->bytes().size();
  for (const auto& of_field : recalls) account.graph += of_field == nullptr ? 0 : of_field->memory_bytes();
  for (const auto& index : text) account.postings += index->memory_bytes();
  for (const auto& index : sparse) account.postings += index->memory_bytes();
  account.payload = payload->memory_bytes();
  account.visibility = visible->memory_bytes();
  return account;
}

absl::StatusOr<Segment> ReadVectors(const IndexSchema& schema, const Segment& segment) {
  Segment copy = segment;
  for (size_t field = 0; field < copy.dense.size(); ++field) {
    if (copy.dense[field].mapped() == nullptr) continue;
    const DenseColumn* const part = &segment.dense[field];
    absl::StatusOr<DenseColumn> column = DenseColumn::Merge(schema.schema.dense[field], std::span(&part, 1));
    if (!column.ok()) return column.status();
    copy.dense[field] = *std::move(column);
  }
  for (size_t field = 0; field < copy.tokens.size(); ++field) {
    if (!copy.tokens[field].mapped()) continue;
    const TokenColumn* const part = &segment.tokens[field];
    absl::StatusOr<TokenColumn> column = TokenColumn::Merge(schema.schema.multi_vector[field], std::span(&part, 1));
    if (!column.ok()) return column.status();
    copy.tokens[field] = *std::move(column);
  }
  copy.truth = nullptr;
  copy.file_name.clear();
  copy.file_bytes = 0;
  return copy;
}

absl::StatusOr<SegmentPtr> BuildFreshSegment(const IndexSchema& schema, RowId first, std::span<const RowInput> rows,
                                             const IndexedRows& prepared, const std::vector<bool>* dropped) {
  if (prepared.payloads.size() != rows.size() || prepared.texts.size() != schema.schema.text.size()) {
    return absl::InternalError(
        absl::StrCat("rows were prepared for ", prepared.payloads.size(), " rows; there are ", rows.size()));
  }
  auto segment = std::make_shared<Segment>();
  segment->rows = {first, RowId(first.value + rows.size())};
  std::vector<const PointId*> ids;
  std::vector<const std::vector<std::string>*> access;
  for (size_t i = 0; i < rows.size(); ++i) {
    ids.push_back(dropped != nullptr && (*dropped)[i] ? nullptr : &rows[i].id);
    access.push_back(&rows[i].access);
  }
  segment->ids = IdColumn::Build(ids);
  segment->access = AccessColumn::Build(access);
  if (absl::Status status = BuildDense(schema.schema, rows, *segment); !status.ok()) return status;
  for (const std::vector<AnalyzedText>& field : prepared.texts) {
    std::vector<const AnalyzedText*> texts;
    for (const AnalyzedText& text : field) texts.push_back(&text);
    segment->text.push_back(TextIndex::Build(texts));
  }
  BuildSparse(schema.schema, rows, *segment);
  if (absl::Status status = BuildTokens(schema.schema, rows, *segment); !status.ok()) return status;
  std::vector<const TypedPayload*> payloads;
  for (const TypedPayload& payload : prepared.payloads) payloads.push_back(&payload);
  segment->payload = PayloadColumns::Build(schema.schema, payloads);
  return segment;
}

absl::StatusOr<SegmentPtr> MergeSegments(const IndexSchema& schema, std::span<const SegmentPtr> parts) {
  auto merged = std::make_shared<Segment>();
  merged->rows = {parts.front()->rows.begin, parts.back()->rows.end};
  if (merged->rows.size() >= Segment::kMaxRows) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a segment of ", merged->rows.size(), " rows; the limit is ", Segment::kMaxRows));
  }
  merged->ids = IdColumn::Merge(Collect<IdColumn>(parts, [](const Segment& part) { return part.ids.get(); }));
  merged->access = MergeAccess(parts);
  if (absl::Status status = MergeDense(schema.schema, parts, *merged); !status.ok()) return status;
  for (size_t field = 0; field < schema.schema.text.size(); ++field) {
    merged->text.push_back(
        TextIndex::Merge(Collect<TextIndex>(parts, [&](const Segment& part) { return part.text[field].get(); })));
  }
  for (size_t field = 0; field < schema.schema.sparse.size(); ++field) {
    merged->sparse.push_back(SparseIndex::Merge(Collect<SparseIndex>(
        parts, [&](const Segment& part) { return part.sparse[field].get(); })));
  }
  if (absl::Status status = MergeTokens(schema.schema, parts, *merged); !status.ok()) return status;
  merged->payload = PayloadColumns::Merge(
      schema.schema, Collect<PayloadColumns>(parts, [](const Segment& part) { return part.payload.get(); }));
  return merged;
}

absl::StatusOr<SegmentPtr> AddCodes(SegmentPtr segment, std::span<const SegmentPtr> segments) {
  std::vector<std::shared_ptr<const VectorCodes>> codes(segment->dense.size());
  bool any = false;
  for (size_t field = 0; field < codes.size(); ++field) {
    if (segment->dense[field].nodes() < kMinCodedNodes || segment->graphs[field] != nullptr) continue;
    const Graph* largest = LargestGraph(segments, field);
    if (largest == nullptr) continue;
    auto built = VectorCodes::BuildLike(segment->dense[field], largest->codes());
    if (!built.ok()) return built.status();
    any = any || *built != nullptr;
    codes[field] = *std::move(built);
  }
  if (!any) return segment;
  auto coded = std::make_shared<Segment>(*segment);
  coded->codes = std::move(codes);
  return coded;
}

bool HasGrownGraphs(const Segment& segment) {
  return std::any_of(segment.graphs.begin(), segment.graphs.end(), [](const std::shared_ptr<const Graph>& graph) {
    return graph != nullptr && graph->codes().fitted_nodes() != graph->nodes();
  });
}

bool GraphsMayGrowTo(const Segment& first, uint64_t rows) {
  // Cells of inverted files are found from all rows at once.
  for (const std::shared_ptr<const Ivf>& ivf : first.ivfs) {
    if (ivf != nullptr) return false;
  }
  return std::all_of(first.graphs.begin(), first.graphs.end(), [&](const std::shared_ptr<const Graph>& graph) {
    return graph == nullptr || graph->MayGrowTo(graph->nodes() + rows - first.row_count());
  });
}

absl::StatusOr<Segment> BuildGraphs(const IndexSchema& schema, const Segment& segment, const Segment* first,
                                    std::span<const SegmentPtr> others, int threads, const BuildProgress& progress,
                                    bool short_of_memory, const DenseBuildHelp& help) {
  Segment built = segment;
  built.codes.clear();
  built.ivfs.clear();
  for (std::shared_ptr<const Graph>& graph : built.graphs) graph = nullptr;
  const size_t fields = schema.schema.dense.size();
  for (size_t field = 0; field < fields; ++field) {
    const DenseField& dense = schema.schema.dense[field];
    const DenseIndexKind kind = ChooseKind(dense, built.dense[field].nodes(), short_of_memory).kind;
    if (kind == DenseIndexKind::kFlat) continue;
    const auto field_progress = [&](double fraction) {
      return progress((static_cast<double>(field) + fraction) / static_cast<double>(fields));
    };
    if (kind == DenseIndexKind::kHnsw) {
      const Graph* largest = LargestGraph(others, field);
      const bool alike = largest != nullptr && largest->nodes() >= built.dense[field].nodes();
      const GraphModels models = {.first = first == nullptr ? nullptr : first->graphs[field].get(),
                                  .alike = alike ? &largest->codes() : nullptr,
                                  .help = help};
      absl::StatusOr<std::shared_ptr<const Graph>> graph =
          BuildGraph(built.dense[field], dense.hnsw, models, threads, field_progress);
      if (!graph.ok()) return graph.status();
      built.graphs[field] = *std::move(graph);
    } else {
      built.ivfs.resize(fields);
      absl::StatusOr<std::shared_ptr<const Ivf>> ivf =
          Ivf::Build(built.dense[field], kind == DenseIndexKind::kIvfPq, threads, field_progress, help);
      if (!ivf.ok()) return ivf.status();
      built.ivfs[field] = *std::move(ivf);
    }
    if (absl::Status status = MeasureRecall(dense, threads, field_progress, field, built); !status.ok()) return status;
  }
  if (absl::Status status = progress(1.0); !status.ok()) return status;
  return built;
}

}  // namespace vouch
