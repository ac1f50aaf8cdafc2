#include "bench/ann_engine.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr size_t kBatch = 500;

class NoRows final : public RowSource {
 public:
  absl::Status ScanRows(RowRange, const std::function<absl::Status(RowRecord&&)>&) const override {
    return absl::OkStatus();
  }
};

CollectionSchema BenchSchema(size_t dim) {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name = std::string("v");
  field.dim = static_cast<uint32_t>(dim);
  field.metric = Metric::kL2;
  field.hnsw = {.m = kAnnM, .ef_construction = kAnnEfConstruction, .ef_search = 100};
  return schema;
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_ann: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

}  // namespace

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double ThreadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double ProcessSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double SecondsSince(int64_t start_ns) { return static_cast<double>(NowNs() - start_ns) * 1e-9; }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

VouchIndex::VouchIndex(size_t dim, uint64_t seal_rows)
    : dim_(dim), source_(std::make_unique<NoRows>()) {
  static int made = 0;
  directory_ = absl::StrCat(std::filesystem::temp_directory_path().string(), "/vouch-bench-ann-",
                            getpid(), "-", made++);
  IndexOptions options;
  options.directory = directory_;
  options.filesystem = &Filesystem::System();
  options.job_pool = &pool_;
  options.seal_rows = seal_rows;
  auto index = CollectionIndex::Open(options, BenchSchema(dim), source_.get(), Version(0), 0,
                                     [](const auto&) { return absl::OkStatus(); });
  Check(index.status());
  index_ = *std::move(index);
}

VouchIndex::~VouchIndex() {
  index_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void VouchIndex::AddRows(const AnnData& data) {
  std::vector<Change> changes;
  for (size_t row = 0; row < data.row_count(); ++row) {
    changes.push_back({.point = row, .vector = data.row(row)});
    if (changes.size() < kBatch && row + 1 < data.row_count()) continue;
    Apply(changes);
    changes.clear();
  }
}

void VouchIndex::Apply(std::span<const Change> changes) {
  CommitRequest request;
  CommitHeader header;
  for (const Change& change : changes) {
    if (row_of_.size() <= change.point) row_of_.resize(change.point + 1);
    std::optional<uint64_t>& row = row_of_[change.point];
    if (row) header.retired.push_back(RowId(*row));
    row.reset();
    if (change.vector == nullptr) continue;
    row = rows_ + request.upserts.size();
    point_of_.push_back(change.point);
    RowInput& input = request.upserts.emplace_back();
    input.id = PointId(change.point);
    input.vectors.emplace_back(change.vector, change.vector + dim_);
    input.payload = "{}";
  }
  auto prepared = index_->Prepare(request.upserts);
  Check(prepared.status());
  request.prepared = *std::move(prepared);
  std::sort(header.retired.begin(), header.retired.end());
  header.version = Version(++version_);
  header.first_row = RowId(rows_);
  header.row_count = request.upserts.size();
  index_->Apply(request, header);
  rows_ += header.row_count;
}

BuildCost VouchIndex::Optimize() {
  const double processor = ProcessSeconds();
  const int64_t start = NowNs();
  Check(index_->Optimize(CancelToken(), nullptr));
  return {SecondsSince(start), ProcessSeconds() - processor};
}

void VouchIndex::WaitIdle() { Check(index_->WaitIdle(CancelToken())); }

double VouchIndex::BytesPerRow() const {
  return static_cast<double>(index_->Status().memory.private_bytes()) / static_cast<double>(rows_);
}

double VouchIndex::MappedBytesPerRow() const {
  return static_cast<double>(index_->Status().memory.mapped_vectors) / static_cast<double>(rows_);
}

std::vector<uint64_t> SearchVouch(const IndexReader& reader, const RowMask& mask,
                                  std::span<const float> query, int ef, bool exact,
                                  SearchStats* stats) {
  const DenseQuery dense = {
      .field = 0, .vector = query, .k = kAnnK, .ef_search = ef, .exact = exact};
  const auto hits = reader.SearchDense(dense, mask, CancelToken(), stats);
  Check(hits.status());
  std::vector<uint64_t> rows;
  rows.reserve(hits->size());
  for (const Hit& hit : *hits) rows.push_back(hit.row.value);
  return rows;
}

RowMask MaskOfAll(const IndexReader& reader) {
  absl::StatusOr<RowMask> mask = reader.MakeMask(nullptr, Principal(), CancelToken());
  Check(mask.status());
  return *std::move(mask);
}

AnnEngine MakeVouch(const VouchIndex& index, BuildCost build) {
  AnnEngine engine;
  engine.name = "vouch";
  engine.build = build;
  engine.bytes_per_vector = index.BytesPerRow();
  engine.mapped_per_vector = index.MappedBytesPerRow();
  auto reader = std::make_shared<const IndexReader>(index.Read());
  auto mask = std::make_shared<const RowMask>(MaskOfAll(*reader));
  engine.search = [reader, mask, dim = index.dim()](const float* query, int ef,
                                                    std::vector<uint64_t>& out) {
    out = SearchVouch(*reader, *mask, {query, dim}, ef, false, nullptr);
  };
  return engine;
}

}  // namespace vouch
