// How long after a start the first correct answer comes: a store of 1,000,000 x 128 with built indexes.
//
//   bench_open DIR      builds the store in DIR first where there is none, in a process of its own, which leaves the
//                       vector to be asked for in DIR.probe: the measured process holds no data set
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/mixture.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kRows = 1'000'000, kDim = 128, kBatch = 5'000;
constexpr uint64_t kSeed = 20261123;
constexpr size_t kProbe = 777'777;  // the point that is looked for by its own vector

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_open: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

double MillisSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<Database> OpenDatabase(const std::string& path, uint64_t seal_rows) {
  DatabaseOptions options;
  options.path = path;
  options.background_threads = 2;
  options.seal_rows = seal_rows;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(options);
  Check(database.status());
  return *std::move(database);
}

std::string ProbeFile(const std::string& path) { return path + ".probe"; }

void Build(const std::string& path) {
  const std::vector<float> data = MakeMixture(kRows, kDim, kSeed, 1);
  std::ofstream probe(ProbeFile(path), std::ios::binary);
  probe.write(reinterpret_cast<const char*>(&data[kProbe * kDim]), kDim * sizeof(float));
  const std::string unfinished = path + ".unfinished";
  std::filesystem::remove_all(unfinished);
  {
    const std::unique_ptr<Database> database = OpenDatabase(unfinished, kRows + 1);  // built once, at the end
    CollectionSchema schema;
    DenseField& field = schema.dense.emplace_back();
    field.name.assign(1, 'v');
    field.dim = kDim;
    field.metric = Metric::kL2;
    const auto collection = database->CreateCollection(Principal(), "bench", schema);
    Check(collection.status());
    for (size_t row = 0; row < kRows;) {
      WriteRequest request;
      for (size_t end = row + kBatch; row < end; ++row) {
        PointInput point;
        point.id = PointId(row);
        point.vectors.emplace_back(
            "v", std::vector<float>(data.begin() + row * kDim, data.begin() + (row + 1) * kDim));
        request.upserts.push_back(std::move(point));
      }
      Check((*collection)->Write(std::move(request)).status());
      if (row % 100'000 == 0) std::fprintf(stderr, "%zu rows written\n", row);
    }
    int tenths = 0;
    Check((*collection)->Optimize(CancelToken(), [&](double fraction) {
      if (static_cast<int>(fraction * 10) <= tenths) return;
      tenths = static_cast<int>(fraction * 10);
      std::fprintf(stderr, "indexes %d %% built\n", tenths * 10);
    }));
  }
  std::filesystem::rename(unfinished, path);
}

int Measure(const std::string& path) {
  DenseLeaf leaf;
  leaf.vector.resize(kDim);
  std::ifstream probe(ProbeFile(path), std::ios::binary);
  if (!probe.read(reinterpret_cast<char*>(leaf.vector.data()), kDim * sizeof(float))) {
    Check(absl::NotFoundError(ProbeFile(path) + " is missing: remove " + path + " to build anew"));
  }
  const auto start = std::chrono::steady_clock::now();
  const std::unique_ptr<Database> database = OpenDatabase(path, DatabaseOptions().seal_rows);
  const double opened = MillisSince(start);
  const auto collection = database->GetCollection(Principal(), "bench");
  Check(collection.status());
  const double loaded = MillisSince(start);
  SearchRequest request;
  request.query.node = std::move(leaf);
  const auto response = (*collection)->Search(request);
  Check(response.status());
  const double answered = MillisSince(start);
  const CollectionStats stats = (*collection)->Stats();
  size_t sealed = 0;
  for (const SegmentInfo& segment : stats.index.segments) sealed += segment.sealed;
  const bool correct = stats.rows == kRows && !response->hits.empty() &&
                       response->hits[0].id == PointId(kProbe) && response->hits[0].score == 0;
  std::printf("Open, %zu x %zu, %zu segment(s), %zu sealed\n\n", kRows, kDim,
              stats.index.segments.size(), sealed);
  std::printf("| store open ms | index loaded ms | first answer ms | correct |\n|---|---|---|---|\n");
  std::printf("| %.0f | %.0f | %.0f | %s |\n", opened, loaded, answered, correct ? "yes" : "NO");
  return correct ? 0 : 1;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_open DIR\n");
    return 2;
  }
  const std::string path = argv[1];
  if (!std::filesystem::exists(path)) {
    const pid_t builder = fork();
    if (builder == 0) {
      vouch::Build(path);
      _exit(0);
    }
    int status = 0;
    if (builder < 0 || waitpid(builder, &status, 0) != builder || status != 0) {
      std::fprintf(stderr, "bench_open: the store could not be built\n");
      return 1;
    }
  }
  return vouch::Measure(path);
}
