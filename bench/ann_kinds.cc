// Index kinds and vector types of one segment, searched in process.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/ann_engine.h"
#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"
#include "index/dense/dense_search.h"
#include "index/dense/graph_build.h"
#include "index/dense/ivf.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

struct KindIndex {
  DenseColumn column;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Ivf> ivf;
};

DenseColumn ColumnOf(const AnnData& data, VectorType type) {
  DenseField field;
  field.dim = static_cast<uint32_t>(data.dim);
  field.metric = Metric::kL2;
  field.type = type;
  std::vector<float> rounded = data.rows;
  if (!RoundVector(type, rounded).ok()) std::exit(1);
  std::vector<std::span<const float>> rows;
  for (size_t row = 0; row < data.row_count(); ++row) rows.push_back({rounded.data() + row * data.dim, data.dim});
  return *DenseColumn::Build(field, rows);
}

AnnEngine MakeKind(const AnnData& data, DenseIndexKind kind, VectorType type) {
  const BuildProgress no_progress = [](double) { return absl::OkStatus(); };
  auto index = std::make_shared<KindIndex>();
  index->column = ColumnOf(data, type);
  AnnEngine engine;
  engine.name = absl::StrCat(std::string(DenseIndexKindName(kind)), " ", std::string(VectorTypeName(type)));
  const double processor = ProcessSeconds();
  const int64_t start = NowNs();
  size_t bytes = 0;
  if (kind == DenseIndexKind::kHnsw) {
    index->graph = *BuildGraph(index->column, {.m = kAnnM, .ef_construction = kAnnEfConstruction, .ef_search = 100}, 2,
                               no_progress);
    bytes = index->graph->memory_bytes() + index->graph->codes().bytes().size();
  } else if (kind != DenseIndexKind::kFlat) {
    index->ivf = *Ivf::Build(index->column, kind == DenseIndexKind::kIvfPq, 2, no_progress);
    bytes = index->ivf->bytes().size();
  }
  engine.build = {SecondsSince(start), ProcessSeconds() - processor};
  engine.bytes_per_vector = static_cast<double>(bytes) / static_cast<double>(data.row_count());
  engine.mapped_per_vector = static_cast<double>(index->column.vector_bytes());  // as in a segment's file
  engine.search = [index](const float* query, int ef, std::vector<uint64_t>& out) {
    DenseSegmentSearch search;
    search.column = &index->column;
    search.graph = index->graph.get();
    search.codes = index->graph == nullptr ? nullptr : &index->graph->codes();
    search.ivf = index->ivf.get();
    search.allowed_count = index->column.segment_rows();
    search.k = kAnnK;
    search.ef = static_cast<size_t>(ef);
    TopHits top(kAnnK);
    DenseSegmentStats stats;
    if (!SearchDenseSegment(search, query, CancelToken(), top, stats).ok()) std::exit(1);
    for (const Hit& hit : top.TakeSorted()) out.push_back(hit.row.value);
  };
  return engine;
}

}  // namespace

void MeasureKinds(const AnnData& data) {
  std::vector<AnnEngine> engines;
  engines.push_back(MakeKind(data, DenseIndexKind::kHnsw, VectorType::kF32));
  engines.push_back(MakeKind(data, DenseIndexKind::kHnsw, VectorType::kF16));
  engines.push_back(MakeKind(data, DenseIndexKind::kIvfFlat, VectorType::kF16));
  engines.push_back(MakeKind(data, DenseIndexKind::kIvfPq, VectorType::kF32));
  engines.push_back(MakeKind(data, DenseIndexKind::kIvfPq, VectorType::kF16));
  engines.push_back(MakeFaissIvfPq(data));
  Sweep(engines, data, TrueNearest(data, nullptr));
  std::printf("%s; %zu queries; of FAISS IVF-PQ, ef is nprobe and private bytes hold the vectors, too\n\n", data.name.c_str(),
              data.query_count());
  PrintSweep(engines);
}

}  // namespace vouch
