#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/retention.h"

namespace vouch {

// Distances are negated to scores. kHamming counts the values that differ, and is of bit vectors.
enum class Metric : uint8_t { kCosine = 1, kInnerProduct = 2, kL2 = 3, kHamming = 4 };
// How a dense vector's values are kept (vector_codec.h): what is read and compared is what was kept.
enum class VectorType : uint8_t { kF32 = 1, kF16 = 2, kI8 = 3, kBit = 4 };
// kIvfFlat and kIvfPq look at the rows of the nearest cells only; kAuto picks for each segment when it is built.
enum class DenseIndexKind : uint8_t { kFlat = 1, kHnsw = 2, kIvfFlat = 3, kIvfPq = 4, kAuto = 5 };
enum class PayloadType : uint8_t {
  kKeyword = 1, kInteger = 2, kFloat = 3, kBool = 4, kDatetime = 5,
  kGeo = 6,   // a point on the earth: {"lat": 52.52, "lon": 13.405}, or GeoJSON's {"type": "Point", …}
  kText = 7,  // a text, filtered by its words
};

// Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using HNSW", 2018.
struct HnswOptions {
  int m = 16;                 // links a node and level (2m at level 0), 2 … 128; more: better recall, more memory
  int ef_construction = 200;  // beam while building, 8 … 2000; more: better graph, slower build
  int ef_search = 100;        // default beam while searching, 1 … 10000; more: better recall, slower
};

// Under cosine vectors are normalised, then they are rounded to `type`, both once, at write.
struct DenseField {
  std::string name = {};
  uint32_t dim = 0;  // 1 … Limits::kMaxDim
  Metric metric = Metric::kCosine;  // kHamming where `type` is kBit, and only there; not kCosine for kI8
  VectorType type = VectorType::kF32;
  DenseIndexKind index = DenseIndexKind::kHnsw;
  HnswOptions hnsw = {};
  // Recall of the k nearest that a search is to reach, 0.5 … 0.9999: when a segment is built, it is measured there which
  // beam that takes, and a search that names none takes it. 0: none is measured, and hnsw.ef_search is taken.
  double recall_target = 0;
  // Names the embedder that fills the field from text, as "builtin/lsa?dim=300"; empty where users send vectors.
  std::string embedder = {};
  // Only holds the place of a field that was dropped: rows are kept by the ordinals of fields, which therefore never change. It
  // has no name, is not indexed, and takes no vectors.
  bool dropped = false;
};

// BM25 over the string values at `paths` of the payload, taken as one text in that order
// (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009).
struct TextField {
  std::string name = {};
  std::vector<std::string> paths = {};  // keys; dots step into objects and arrays of them
  std::string language = "english"; // a Snowball stemmer's name, or "none": no stemming and no stop words
  double k1 = 1.2;                  // 0 … 10; more: repeated terms count more
  double b = 0.75;                  // 0 … 1; more: long texts are held back more
};

// Sparse vectors, compared by inner product (sparse_vector.h): learned term weights, searched
// exactly by an inverted index.
struct SparseField {
  std::string name = {};
  bool dropped = false;  // as DenseField's
};

// Several vectors a point, one a token (multi_vector.h), compared by MaxSim: the sum over a query's tokens of the greatest
// similarity to any of the point's. Searched exactly.
struct MultiVectorField {
  std::string name = {};
  uint32_t dim = 0;  // 1 … Limits::kMaxTokenDim
  Metric metric = Metric::kCosine;  // or kInnerProduct; under cosine each token's vector is normalised at write
  VectorType type = VectorType::kF32;  // or kF16; or kI8 under kInnerProduct
  bool dropped = false;  // as DenseField's
};

// A payload value that is typed at write and can be filtered by. An array, also one of objects on the path's way, matches
// where any element does. kDatetime takes RFC 3339 text and is compared in microseconds.
struct PayloadField {
  std::string path = {};
  PayloadType type = PayloadType::kKeyword;
  // kText only, as TextField::language. "none" keeps every word as it is written, folded; others leave stop words out and
  // stem.
  std::string language = "none";
};

struct Limits {
  static constexpr uint32_t kMaxDim = 4096;
  static constexpr size_t kMaxFields = 64;             // of each kind
  static constexpr size_t kMaxSparseEntries = 16'384;  // of one sparse vector
  static constexpr uint32_t kMaxTokenDim = 1024;  // of a multi-vector field
  // Token vectors of one point in one field: a page in patches is about a thousand, a passage a few hundred.
  static constexpr size_t kMaxTokens = 2048;
  static constexpr size_t kMaxNameBytes = 128;
  static constexpr size_t kMaxPayloadBytes = 1 << 20;  // of one row, JSON text
  static constexpr size_t kMaxCommitRows = 100'000;
  static constexpr size_t kMaxCommitBytes = size_t{256} << 20;
  static constexpr size_t kMaxRequestIdBytes = 128;
};

// What a collection holds. Keys of a payload that are not declared are kept and returned, and cannot be filtered by.
struct CollectionSchema {
  std::vector<DenseField> dense = {};
  std::vector<TextField> text = {};
  std::vector<SparseField> sparse = {};
  std::vector<MultiVectorField> multi_vector = {};
  std::vector<PayloadField> payload = {};
  RetentionPolicy retention = {};
  TtlPolicy ttl = {};

  // INVALID_ARGUMENT naming the field, the value and the limit.
  absl::Status Validate() const;
  // The ordinal in `dense`, or -1.
  int FindDense(std::string_view name) const;
  int FindText(std::string_view name) const;
  int FindSparse(std::string_view name) const;
  int FindMultiVector(std::string_view name) const;
  int FindPayload(std::string_view path) const;

  // Canonical JSON with all defaults written out; FromJson refuses unknown keys by name.
  std::string ToJson() const;
  static absl::StatusOr<CollectionSchema> FromJson(std::string_view json);
};

std::string_view MetricName(Metric metric);              // "cosine", "ip", "l2", "hamming"
std::string_view VectorTypeName(VectorType type);        // "f32", "f16", "i8", "bit"
std::string_view DenseIndexKindName(DenseIndexKind kind);  // "flat", "hnsw", "ivf_flat", "ivf_pq", "auto"
std::string_view PayloadTypeName(PayloadType type);      // "keyword", "integer", "float", "bool", "datetime", "geo", "text"

}  // namespace vouch
