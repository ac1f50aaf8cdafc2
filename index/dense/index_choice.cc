#include "index/dense/index_choice.h"

#include "absl/strings/str_cat.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

// Comparing all vectors takes less than a millisecond up to so many bytes of them, and the result is exact.
constexpr uint64_t kFewBytes = uint64_t{2} << 20;
// A graph keeps codes of up to 252 bytes and its links in memory; from here on that is over 2 GiB, where product codes take
// a fifth.
constexpr uint64_t kLargeGraphBytes = uint64_t{2} << 30;
// Product codes are too coarse to aim higher by.
constexpr double kMostPqTarget = 0.98;

// For each vector: its code and links.
uint64_t GraphBytesPerVector(const DenseField& field) {
  const uint64_t code = field.dim < 252 ? field.dim : 252;
  return code + 4 + 8 * static_cast<uint64_t>(field.hnsw.m) + 8;
}

// Four bits for each two values, the exact length and the place; the means of cells take as much again where they are many.
uint64_t PqBytesPerVector(const DenseField& field) { return field.dim / 4 + 8 + field.dim / 8; }

}  // namespace

uint64_t BytesOfKind(const DenseField& field, DenseIndexKind kind, uint64_t nodes) {
  switch (kind) {
    case DenseIndexKind::kHnsw: return nodes * GraphBytesPerVector(field);
    case DenseIndexKind::kIvfPq: return nodes * PqBytesPerVector(field);
    case DenseIndexKind::kIvfFlat: return nodes * (4 + field.dim / 8);
    case DenseIndexKind::kFlat:
    case DenseIndexKind::kAuto: break;
  }
  return 0;
}

IndexChoice ChooseKind(const DenseField& field, uint64_t nodes, bool short_of_memory) {
  if (nodes == 0) return {DenseIndexKind::kFlat, "no vectors"};
  if (field.index != DenseIndexKind::kAuto) return {field.index, "as the schema says"};
  const uint64_t bytes = nodes * VectorBytes(field.type, field.dim);
  if (bytes <= kFewBytes) {
    return {DenseIndexKind::kFlat,
            absl::StrCat(nodes, " vectors of ", bytes >> 10, " KiB are compared in less than a millisecond, exactly")};
  }
  const uint64_t graph_bytes = BytesOfKind(field, DenseIndexKind::kHnsw, nodes);
  const bool takes_graph = field.recall_target > kMostPqTarget;
  if (graph_bytes > kLargeGraphBytes) {
    if (takes_graph) {
      return {DenseIndexKind::kHnsw, absl::StrCat("a recall of ", field.recall_target, " takes a graph, of ",
                                                  graph_bytes >> 20, " MiB of memory")};
    }
    return {DenseIndexKind::kIvfPq, absl::StrCat("a graph over ", nodes, " vectors would take ", graph_bytes >> 20,
                                                 " MiB of memory; product codes take less")};
  }
  if (short_of_memory && !takes_graph) {
    return {DenseIndexKind::kIvfPq, absl::StrCat("a graph over ", nodes, " vectors, of ", graph_bytes >> 20,
                                                 " MiB, would not have fitted the memory limit; product codes take less")};
  }
  return {DenseIndexKind::kHnsw, absl::StrCat(nodes, " vectors are too many to compare, and a graph over them takes ",
                                              graph_bytes >> 20, " MiB of memory")};
}

}  // namespace vouch
