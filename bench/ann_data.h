#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"

namespace vouch {

// One data set of the dense benchmarks, compared by squared Euclidean distance.
struct AnnData {
  std::string name;  // for people: "100000 x 128, mixture"
  std::string key;   // of its files in a cache
  size_t dim = 0;
  std::vector<float> rows;     // row-major
  std::vector<float> queries;  // likewise

  size_t row_count() const { return rows.size() / dim; }
  size_t query_count() const { return queries.size() / dim; }
  const float* row(size_t i) const { return rows.data() + i * dim; }
  const float* query(size_t i) const { return queries.data() + i * dim; }
};

inline constexpr uint64_t kAnnSeed = 20261123;
inline constexpr size_t kAnnK = 10;

using RowLists = std::vector<std::vector<uint64_t>>;  // one a query

// bench/mixture.h: rows from stream 1, queries from stream 2.
AnnData MixtureData(size_t rows, size_t dim, size_t queries);

// Embeddings of the project's own builtin/lsa (300 dimensions, length 1, so that L2 orders them as
// cosine does), trained on the very texts. "manual": the chunks of Debian's postgresql-doc-15,
// asked for by their headings. "abstracts": cranfield and cisi (../shared/data or
// $VOUCH_TEST_DATA), asked by their own queries. Kept in `cache` from run to run. NOT_FOUND where
// the texts are not there.
absl::StatusOr<AnnData> LsaData(const std::string& corpus, const std::string& cache);

// The kAnnK nearest rows of each query, by scanning on two threads; of those in `allowed` where it
// is not null.
RowLists TrueNearest(const AnnData& data, const Bitmap* allowed);

double RecallOf(const RowLists& results, const RowLists& truth);

}  // namespace vouch
