#include "bench/ann_data.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/manual_chunks.h"
#include "bench/mixture.h"
#include "index/dense/kernels.h"
#include "index/dense/parallel.h"
#include "rag/embed/lsa.h"
#include "tests/index/inverted/test_data.h"

namespace vouch {
namespace {

constexpr size_t kTruthBlock = 1024;  // rows that all queries are compared with while they are near
constexpr size_t kManualQueries = 600;

struct Texts {
  std::vector<std::string> rows;
  std::vector<std::string> queries;
};

Texts ManualTexts() {
  Texts texts;
  const std::vector<Chunk> chunks = ReadManualChunks();
  for (const Chunk& chunk : chunks) texts.rows.push_back(chunk.heading + "\n" + chunk.text);
  const size_t step = std::max<size_t>(1, chunks.size() / kManualQueries);
  for (size_t i = 0; i < chunks.size(); i += step) {
    texts.queries.push_back(chunks[i].heading.substr(chunks[i].heading.rfind('>') + 1));
  }
  return texts;
}

Texts AbstractTexts() {
  Texts texts;
  for (const char* name : {"cranfield", "cisi"}) {
    JudgedCollection collection = ReadJudgedCollection(name);
    for (std::string& text : collection.texts) texts.rows.push_back(std::move(text));
    for (auto& [id, text] : collection.queries) texts.queries.push_back(std::move(text));
  }
  return texts;
}

// The vectors of the texts that have one, scaled to length 1.
absl::StatusOr<std::vector<float>> EmbedAll(const Embedder& embedder,
                                            const std::vector<std::string>& texts) {
  const absl::StatusOr<std::vector<std::vector<float>>> vectors =
      embedder.Embed(texts, CancelToken());
  if (!vectors.ok()) return vectors.status();
  std::vector<float> all;
  for (std::vector<float> vector : *vectors) {
    if (!vector.empty() && NormalizeVector(vector))
      all.insert(all.end(), vector.begin(), vector.end());
  }
  return all;
}

void WriteFloats(std::ofstream& file, const std::vector<float>& values) {
  const uint64_t count = values.size();
  file.write(reinterpret_cast<const char*>(&count), sizeof(count));
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(count * sizeof(float)));
}

bool ReadFloats(std::ifstream& file, std::vector<float>& values) {
  uint64_t count = 0;
  if (!file.read(reinterpret_cast<char*>(&count), sizeof(count))) return false;
  values.resize(count);
  return static_cast<bool>(file.read(reinterpret_cast<char*>(values.data()),
                                     static_cast<std::streamsize>(count * sizeof(float))));
}

void Name(const char* what, AnnData& data) {
  data.name = absl::StrCat(data.row_count(), " x ", data.dim, ", ", what);
}

}  // namespace

AnnData MixtureData(size_t rows, size_t dim, size_t queries) {
  AnnData data;
  data.key = absl::StrCat("mixture-", rows, "x", dim);
  data.dim = dim;
  data.rows = MakeMixture(rows, dim, kAnnSeed, 1);
  data.queries = MakeMixture(queries, dim, kAnnSeed, 2);
  Name("mixture", data);
  return data;
}

absl::StatusOr<AnnData> LsaData(const std::string& corpus, const std::string& cache) {
  AnnData data;
  data.key = absl::StrCat("lsa-", corpus);
  data.dim = LsaOptions().dim;
  const std::string path = absl::StrCat(cache, "/", data.key, ".vectors");
  std::ifstream kept(path, std::ios::binary);
  if (!kept || !ReadFloats(kept, data.rows) || !ReadFloats(kept, data.queries)) {
    const Texts texts = corpus == "manual" ? ManualTexts() : AbstractTexts();
    if (texts.rows.empty())
      return absl::NotFoundError(absl::StrCat("the texts of '", corpus, "' are not there"));
    const absl::StatusOr<std::shared_ptr<const Embedder>> lsa =
        TrainLsa(LsaOptions(), texts.rows, CancelToken(), [](double) {});
    if (!lsa.ok()) return lsa.status();
    absl::StatusOr<std::vector<float>> rows = EmbedAll(**lsa, texts.rows);
    if (!rows.ok()) return rows.status();
    absl::StatusOr<std::vector<float>> queries = EmbedAll(**lsa, texts.queries);
    if (!queries.ok()) return queries.status();
    data.rows = *std::move(rows);
    data.queries = *std::move(queries);
    std::ofstream file(path, std::ios::binary);
    WriteFloats(file, data.rows);
    WriteFloats(file, data.queries);
  }
  Name(corpus == "manual" ? "LSA of postgresql-doc-15" : "LSA of cranfield and cisi", data);
  return data;
}

RowLists TrueNearest(const AnnData& data, const Bitmap* allowed) {
  const DistanceKernels& kernels = BestKernels();
  RowLists truth(data.query_count());
  std::vector<std::vector<std::pair<float, uint64_t>>> best(data.query_count());  // heaps
  constexpr int kThreads = 2;
  const size_t share = (data.query_count() + kThreads - 1) / kThreads;
  ParallelFor(0, kThreads, kThreads, 1, [&](size_t part, size_t) {
    const size_t end = std::min(data.query_count(), (part + 1) * share);
    for (size_t block = 0; block < data.row_count(); block += kTruthBlock) {
      const size_t block_end = std::min(data.row_count(), block + kTruthBlock);
      for (size_t q = part * share; q < end; ++q) {
        for (size_t row = block; row < block_end; ++row) {
          if (allowed != nullptr && !allowed->Test(row)) continue;
          const std::pair<float, uint64_t> found(kernels.l2(data.query(q), data.row(row), data.dim),
                                                 row);
          if (best[q].size() == kAnnK) {
            if (best[q].front() < found) continue;
            std::pop_heap(best[q].begin(), best[q].end());
            best[q].pop_back();
          }
          best[q].push_back(found);
          std::push_heap(best[q].begin(), best[q].end());
        }
      }
    }
  });
  for (size_t q = 0; q < truth.size(); ++q) {
    for (const auto& [distance, row] : best[q]) truth[q].push_back(row);
  }
  return truth;
}

double RecallOf(const RowLists& results, const RowLists& truth) {
  double found = 0;
  double wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    wanted += static_cast<double>(truth[q].size());
    for (const uint64_t row : results[q]) {
      found += static_cast<double>(std::count(truth[q].begin(), truth[q].end(), row));
    }
  }
  return wanted == 0 ? 1.0 : found / wanted;
}

}  // namespace vouch
