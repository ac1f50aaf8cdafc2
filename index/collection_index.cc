#include "index/collection_index.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/kernels.h"
#include "index/dense_offload.h"
#include "index/index_directory.h"
#include "index/prepared_rows.h"
#include "index/reread_rows.h"
#include "index/row_loader.h"
#include "index/segment_builder.h"
#include "index/segment_maintainer.h"

namespace vouch {
namespace {

// By the checksum where the vector lies in a file, whose bytes are not looked at when it is opened.
bool HasVector(const DenseColumn& column, uint32_t node, std::span<const float> vector) {
  std::string bytes(column.vector_bytes(), '\0');
  EncodeVector(column.type(), vector, bytes.data());
  if (column.mapped() != nullptr) return column.mapped()->checksums()[node] == VectorChecksum(bytes);
  return bytes == std::string_view(column.bytes(node), bytes.size());
}

// The last row of the segment that was not let go; nullopt where all were, or one is dropped that was not.
absl::StatusOr<std::optional<uint32_t>> LastRow(const Segment& segment, const PurgedRows& purged) {
  std::optional<uint32_t> last;
  for (uint32_t row = segment.row_count(); row-- > 0;) {
    if (purged.Contains(RowId(segment.rows.begin.value + row))) continue;
    if (segment.ids->IsDropped(row)) return absl::NotFoundError("the segment lacks a row");
    if (!last) last = row;
    if (segment.ids->dropped_rows() == 0) break;
  }
  return last;
}

// Whether the segment's last row is that of the source: a file may come from another history of the collection, as
// when a store was put back to an older state and went on from there. Likewise one that has dropped a row which is there.
absl::StatusOr<bool> FitsSource(const CollectionSchema& schema, const Segment& segment, const RowSource& source,
                                const PurgedRows& purged) {
  const absl::StatusOr<std::optional<uint32_t>> found = LastRow(segment, purged);
  if (!found.ok()) return false;
  if (!found->has_value()) return true;
  const uint32_t last = **found;
  const RowId row(segment.rows.begin.value + last);
  bool fits = false;
  absl::Status status = source.ScanRows(
      {row, RowId(row.value + 1)}, [&](RowRecord&& record) -> absl::Status {
        fits = record.id == segment.ids->IdOf(last);
        for (size_t field = 0; field < segment.dense.size() && fits; ++field) {
          if (schema.dense[field].dropped) continue;
          const std::optional<uint32_t> node = segment.dense[field].NodeOf(last);
          const bool has = field < record.vectors.size() && !record.vectors[field].empty();
          fits = has == node.has_value();
          if (!fits || !has) continue;
          const std::vector<float>& vector = record.vectors[field];
          fits = vector.size() == segment.dense[field].dim() && HasVector(segment.dense[field], *node, vector);
        }
        for (size_t field = 0;
             field < segment.sparse.size() && field < record.sparse.size() && fits; ++field) {
          fits = schema.sparse[field].dropped || segment.sparse[field]->Holds(last, record.sparse[field]);
        }
        for (size_t field = 0;
             field < segment.tokens.size() && field < record.multi_vectors.size() && fits; ++field) {
          fits = schema.multi_vector[field].dropped || segment.tokens[field].Holds(last, record.multi_vectors[field]);
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return fits;
}

// RowTruth as a source.
class TruthRows final : public RowSource {
 public:
  explicit TruthRows(const RowTruth& truth) : truth_(truth) {}
  absl::Status ScanRows(RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) const override {
    return truth_.Scan(range, visit);
  }

 private:
  const RowTruth& truth_;
};

// What Prepare hands to Apply: the rows' segment, numbered from 0. Null where there are no rows.
class PreparedSegment final : public PreparedRows {
 public:
  SegmentPtr segment;
};

class CollectionIndexImpl final : public CollectionIndex {
 public:
  CollectionIndexImpl(std::shared_ptr<const IndexSchema> schema, std::shared_ptr<RetiredRows> retired,
                      std::shared_ptr<RowTruth> truth, std::shared_ptr<SegmentMaintainer> maintainer)
      : schema_(std::move(schema)),
        retired_(std::move(retired)),
        truth_(std::move(truth)),
        maintainer_(std::move(maintainer)) {}
  ~CollectionIndexImpl() override {
    maintainer_->Shutdown();
    truth_->Close();
  }

  absl::StatusOr<std::shared_ptr<const PreparedRows>> Prepare(std::span<const RowInput> rows) const override {
    auto prepared = std::make_shared<PreparedSegment>();
    if (rows.empty()) return prepared;
    const auto indexed = IndexedRows::Prepare(*schema_, rows);
    if (!indexed.ok()) return indexed.status();
    absl::StatusOr<SegmentPtr> segment = BuildFreshSegment(*schema_, RowId(0), rows, **indexed);
    if (!segment.ok()) return segment.status();
    prepared->segment = *std::move(segment);
    return prepared;
  }

  void Apply(std::span<const DurableCommit> commits) override {
    const std::shared_ptr<const SegmentSet> current = maintainer_->Current();
    std::vector<SegmentPtr> fresh;
    Version latest = current->latest;
    uint64_t rows = current->rows;
    absl::Status status;
    for (const DurableCommit& commit : commits) {
      const CommitHeader& header = *commit.header;
      if (header.version <= latest) continue;
      if (status = AddCommit(commit, rows, fresh); !status.ok()) break;
      for (RowId row : header.retired) retired_->Retire(row, header.version);
      latest = header.version;
    }
    if (latest > current->latest) maintainer_->Append(std::move(fresh), latest);
    if (!status.ok()) maintainer_->ReportError(status);
  }

  absl::Status SetSearchSchema(const CollectionSchema& schema) override {
    absl::StatusOr<std::shared_ptr<const IndexSchema>> created = IndexSchema::Create(schema);
    if (!created.ok()) return created.status();
    if ((*created)->fingerprint != schema_->fingerprint) {
      return absl::InvalidArgumentError("the schema is indexed otherwise");
    }
    maintainer_->SetSchema(*std::move(created));
    return absl::OkStatus();
  }
  void Purge(std::span<const RowRange> rows) override { maintainer_->Purge(rows); }
  IndexReader Read(Version at, uint64_t rows_at, std::shared_ptr<const void> hold) const override {
    return IndexReader(maintainer_->Current(), at, rows_at, std::move(hold));
  }
  Version latest() const override { return maintainer_->Current()->latest; }
  IndexStatus Status() const override { return maintainer_->Status(); }
  void SealEarly(uint64_t min_bytes) override { maintainer_->SealEarly(min_bytes); }
  absl::Status Optimize(const CancelToken& cancel, const std::function<void(double)>& progress) override {
    return maintainer_->Optimize(cancel, progress);
  }
  absl::Status WaitIdle(const CancelToken& cancel) override { return maintainer_->WaitIdle(cancel); }

  absl::Status Reread(std::span<const RowId> rows, const CancelToken& cancel) { return maintainer_->Reread(rows, cancel); }
  void SetOffload(std::shared_ptr<SegmentOffload> offload) { maintainer_->SetOffload(std::move(offload)); }

 private:
  // Adds the commit's segment to `fresh`; `rows` is where its rows start, and moves on.
  absl::Status AddCommit(const DurableCommit& commit, uint64_t& rows, std::vector<SegmentPtr>& fresh) {
    const CommitHeader& header = *commit.header;
    const std::vector<RowInput>& upserts = commit.request->upserts;
    if (header.row_count != upserts.size() || (header.row_count > 0 && header.first_row.value != rows)) {
      return absl::InternalError(absl::StrCat("commit ", header.version.value, " adds ", header.row_count,
                                              " rows from ", header.first_row.value, " on; the index has ", rows,
                                              " rows"));
    }
    if (header.row_count == 0) return absl::OkStatus();
    const auto prepared = std::dynamic_pointer_cast<const PreparedSegment>(commit.request->prepared);
    if (prepared != nullptr && prepared->segment != nullptr && prepared->segment->rows.size() == upserts.size()) {
      auto segment = std::make_shared<Segment>(*prepared->segment);  // shares all its parts
      segment->rows = {header.first_row, header.rows_end()};
      fresh.push_back(std::move(segment));
    } else {
      absl::StatusOr<SegmentPtr> built = BuildUnprepared(header.first_row, upserts);
      if (!built.ok()) return built.status();
      fresh.push_back(*std::move(built));
    }
    rows = header.rows_end().value;
    return absl::OkStatus();
  }

  absl::StatusOr<SegmentPtr> BuildUnprepared(RowId first, std::span<const RowInput> rows) {
    uint64_t refused = 0;
    const auto indexed = IndexedRows::PrepareStored(*schema_, rows, refused);
    if (refused > 0) {
      maintainer_->ReportError(absl::InvalidArgumentError(
          absl::StrCat(refused, " committed rows do not fit the schema; they have no text and no payload here")));
    }
    return BuildFreshSegment(*schema_, first, rows, *indexed);
  }

  const std::shared_ptr<const IndexSchema> schema_;
  const std::shared_ptr<RetiredRows> retired_;
  const std::shared_ptr<RowTruth> truth_;
  const std::shared_ptr<SegmentMaintainer> maintainer_;
};

}  // namespace

absl::Status RereadRows(CollectionIndex& index, std::span<const RowId> rows, const CancelToken& cancel) {
  return static_cast<CollectionIndexImpl&>(index).Reread(rows, cancel);  // the only kind of index there is
}

void UseOffload(CollectionIndex& index, std::shared_ptr<SegmentOffload> offload) {
  static_cast<CollectionIndexImpl&>(index).SetOffload(std::move(offload));
}

absl::StatusOr<std::unique_ptr<CollectionIndex>> CollectionIndex::Open(
    IndexOptions options, const CollectionSchema& schema, const RowSource* source, Version latest, uint64_t rows,
    const std::function<absl::Status(const std::function<void(RowId, Version)>&)>& scan_retired, PurgedRows purged) {
  if (options.filesystem == nullptr || options.job_pool == nullptr || source == nullptr) {
    return absl::InvalidArgumentError("an index needs a filesystem, a job pool and a source of rows");
  }
  options.max_segment_rows = std::clamp<uint64_t>(options.max_segment_rows, 1, Segment::kMaxRows - 1);
  options.seal_rows = std::clamp<uint64_t>(options.seal_rows, 1, options.max_segment_rows);
  absl::StatusOr<std::shared_ptr<const IndexSchema>> index_schema = IndexSchema::Create(schema);
  if (!index_schema.ok()) return index_schema.status();
  auto truth = std::make_shared<RowTruth>(*source);
  auto directory = std::make_unique<IndexDirectory>(options.directory, options.filesystem, truth);
  absl::StatusOr<IndexDirectory::Loaded> loaded = directory->Load(**index_schema, rows);
  if (!loaded.ok()) return loaded.status();

  auto retired = std::make_shared<RetiredRows>();
  absl::Status status = scan_retired([&](RowId row, Version version) { retired->Retire(row, version); });
  if (!status.ok()) return status;
  // No version that can be read shows them.
  purged.ForEachRange([&](RowRange range) {
    for (RowId row = range.begin; row < range.end; ++row.value) retired->Retire(row, Version(1));
  });

  auto set = std::make_shared<SegmentSet>();
  uint64_t next = 0;
  uint64_t refused = 0;
  const auto fill_to = [&](uint64_t end) -> absl::Status {
    if (next == end) return absl::OkStatus();
    const auto scan = [&](RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) {
      return source->ScanRows(range, visit);
    };
    return LoadRows(**index_schema, scan, {RowId(next), RowId(end)}, &purged, set->segments, refused);
  };
  for (const SegmentPtr& segment : loaded->segments) {
    absl::StatusOr<bool> fits = FitsSource((*index_schema)->schema, *segment, *source, purged);
    if (!fits.ok()) return fits.status();
    if (!*fits) {
      directory->Discard(*segment);
      ++loaded->damaged;
      continue;
    }
    if (status = fill_to(segment->rows.begin.value); !status.ok()) return status;
    set->segments.push_back(segment);
    next = segment->rows.end.value;
  }
  if (status = fill_to(rows); !status.ok()) return status;
  if (loaded->damaged > 0 && options.warn) {
    options.warn(absl::StrCat(loaded->damaged, " index files in '", options.directory,
                              "' are missing or damaged: their rows are searched exactly until they are built anew"));
  }
  // So that the same damage is not counted again at the next start; where this fails it is, and nothing worse.
  if (loaded->damaged > 0) directory->Publish(set->segments, {}).IgnoreError();
  for (SegmentPtr& segment : set->segments) {
    if (segment->sealed) continue;
    absl::StatusOr<SegmentPtr> coded = AddCodes(segment, set->segments);
    if (!coded.ok()) return coded.status();
    segment = *std::move(coded);
  }
  set->schema = *index_schema;
  set->retired = retired;
  set->latest = latest;
  set->rows = rows;
  auto maintainer = std::make_shared<SegmentMaintainer>(std::move(options), std::move(directory), std::move(set), truth,
                                                        std::move(purged), loaded->damaged);
  truth->Listen([weak = std::weak_ptr(maintainer)](const std::string& file) {
    if (const auto alive = weak.lock()) alive->ReportDamage(file);
  });
  if (refused > 0) {
    maintainer->ReportError(absl::InvalidArgumentError(
        absl::StrCat(refused, " stored rows do not fit the schema; they have no text and no payload here")));
  }
  maintainer->Start();
  return std::make_unique<CollectionIndexImpl>(*std::move(index_schema), std::move(retired), std::move(truth),
                                               std::move(maintainer));
}

}  // namespace vouch
