// How fast rows become durable: through the commit log alone, and through a collection with an HNSW index that is built
// in the background meanwhile.
//
//   bench_write DIR      makes and removes stores in DIR, whose disk is the one that is measured
//
// Rows/s: one client, 100,000 rows of 128 dimensions in batches of 500. Commits/s: rows one by one, 1 client and 16, each
// for a fixed number of commits, with the latency that a client sees and the commits that shared a sync. Every commit is
// synced before it is acknowledged. The median of three rounds counts.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "bench/mixture.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kRows = 100'000, kDim = 128, kBatch = 500, kRounds = 3, kManyClients = 16;
constexpr size_t kCommitsOfOne = 1'000, kCommitsOfMany = 8'000;
constexpr uint64_t kSeed = 20261123;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_write: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Milliseconds of one fdatasync after a 4 KiB append, the median of 200.
double SyncMillis(const std::string& dir) {
  const std::string path = dir + "/sync";
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  const std::string block(4096, 'x');
  std::vector<double> millis;
  for (int i = 0; file >= 0 && i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (::write(file, block.data(), block.size()) < 0 || ::fdatasync(file) != 0) break;
    millis.push_back(1e3 * SecondsSince(start));
  }
  if (file < 0 || millis.empty()) Check(absl::UnavailableError("cannot write to " + path));
  ::close(file);
  std::filesystem::remove(path);
  return Median(millis);
}

CollectionSchema Schema() {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name.assign(1, 'v');
  field.dim = kDim;
  field.metric = Metric::kL2;
  return schema;
}

// Writes rows [begin, end) of the data as one commit.
using WriteRows = std::function<void(size_t begin, size_t end)>;

// One measurement, given the way to write.
using Measurement = std::function<void(const WriteRows&)>;
// A fresh store in `path` for one measurement; returns the mean number of commits that shared a sync.
using WithStore = std::function<double(const std::string& path, const Measurement& measure)>;

double GroupSize(Store& store) {
  const CommitLogStats stats = store.commit_log().Stats();
  return static_cast<double>(stats.commits) / static_cast<double>(std::max<uint64_t>(1, stats.syncs));
}

double OnCommitLog(const std::vector<float>& data, const std::string& path, const Measurement& measure) {
  StoreOptions options;
  options.path = path;
  const auto store = Store::Open(options);
  Check(store.status());
  const auto info = (*store)->catalog().CreateCollection("bench", "bench", Schema(), 0);
  Check(info.status());
  measure([&](size_t begin, size_t end) {
    CommitRequest request;
    request.collection = info->id;
    for (size_t row = begin; row < end; ++row) {
      RowInput& input = request.upserts.emplace_back();
      input.id = PointId(row);
      input.vectors.emplace_back(&data[row * kDim], &data[row * kDim] + kDim);
      input.payload = "{}";
    }
    Check((*store)->commit_log().Commit(std::move(request)).status());
  });
  return GroupSize(**store);
}

double OnCollection(const std::vector<float>& data, const std::string& path, const Measurement& measure) {
  DatabaseOptions options;
  options.path = path;
  const auto database = Database::Open(options);
  Check(database.status());
  const auto collection = (*database)->CreateCollection(Principal(), "bench", Schema());
  Check(collection.status());
  measure([&](size_t begin, size_t end) {
    WriteRequest request;
    for (size_t row = begin; row < end; ++row) {
      PointInput& point = request.upserts.emplace_back();
      point.id = PointId(row);
      point.vectors.emplace_back("v", std::vector<float>(&data[row * kDim], &data[row * kDim] + kDim));
    }
    Check((*collection)->Write(std::move(request)).status());
  });
  return GroupSize((*collection)->store());
}

double RowsPerSecond(const WriteRows& write) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t row = 0; row < kRows; row += kBatch) write(row, row + kBatch);
  return kRows / SecondsSince(start);
}

// Rows one by one, by so many clients.
struct SingleRows {
  std::vector<double> per_second, p50_us, p99_us, group;  // one a round

  void Run(const WriteRows& write, size_t clients, size_t commits) {
    std::atomic<size_t> next = 0;
    std::vector<double> micros(commits);
    std::vector<std::thread> threads;
    const auto start = std::chrono::steady_clock::now();
    for (size_t t = 0; t < clients; ++t) {
      threads.emplace_back([&] {
        for (size_t row = next++; row < commits; row = next++) {
          const auto begin = std::chrono::steady_clock::now();
          write(row, row + 1);
          micros[row] = 1e6 * SecondsSince(begin);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    per_second.push_back(static_cast<double>(commits) / SecondsSince(start));
    std::sort(micros.begin(), micros.end());
    p50_us.push_back(micros[commits / 2]);
    p99_us.push_back(micros[commits * 99 / 100]);
  }
};

void Measure(const char* name, const std::string& dir, const WithStore& with_store) {
  std::vector<double> rows, ratio;
  SingleRows one, many;
  const std::string path = dir + "/bench-write";
  const auto fresh = [&](const Measurement& measure) {
    std::filesystem::remove_all(path);
    const double group = with_store(path, measure);
    std::filesystem::remove_all(path);
    return group;
  };
  for (size_t round = 0; round < kRounds; ++round) {  // in turns, so that a slow minute is shared
    fresh([&](const WriteRows& write) { rows.push_back(RowsPerSecond(write)); });
    one.group.push_back(fresh([&](const WriteRows& write) { one.Run(write, 1, kCommitsOfOne); }));
    many.group.push_back(fresh([&](const WriteRows& write) { many.Run(write, kManyClients, kCommitsOfMany); }));
    ratio.push_back(many.per_second.back() / one.per_second.back());
  }
  std::sort(ratio.begin(), ratio.end());
  std::printf("| %s | %.0f | %.0f | %.0f / %.0f | %.0f | %.0f / %.0f | %.1f | %.1f [%.1f–%.1f] |\n", name, Median(rows),
              Median(one.per_second), Median(one.p50_us), Median(one.p99_us), Median(many.per_second),
              Median(many.p50_us), Median(many.p99_us), Median(many.group), Median(ratio), ratio.front(),
              ratio.back());
  std::fflush(stdout);
}

std::string Commit() {
  std::string text = "unknown";
  if (FILE* pipe = ::popen("git rev-parse --short HEAD 2>/dev/null", "r")) {
    char line[64];
    if (std::fgets(line, sizeof(line), pipe) != nullptr) {
      text = line;
      text.erase(text.find_last_not_of('\n') + 1);
    }
    ::pclose(pipe);
  }
  return text;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  using namespace vouch;
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_write DIR\n");
    return 2;
  }
  const std::string dir = argv[1];
  std::filesystem::create_directories(dir);
  const std::vector<float> data = MakeMixture(kRows, kDim, kSeed, 1);
  std::printf("Durable writes, %zu dimensions, median of %zu rounds; commit %s, seed %llu, %u cores, "
              "one fdatasync takes %.3f ms\n\n",
              kDim, kRounds, Commit().c_str(), static_cast<unsigned long long>(kSeed),
              std::thread::hardware_concurrency(), SyncMillis(dir));
  std::printf("| through | rows/s in batches of %zu | commits/s, 1 client | p50 / p99 µs | commits/s, %zu clients | "
              "p50 / p99 µs | commits a sync | ratio |\n"
              "|---|---|---|---|---|---|---|---|\n",
              kBatch, kManyClients);
  Measure("CommitLog", dir, [&](const std::string& path, const auto& measure) {
    return OnCommitLog(data, path, measure);
  });
  Measure("Collection::Write, HNSW built meanwhile", dir, [&](const std::string& path, const auto& measure) {
    return OnCollection(data, path, measure);
  });
  return 0;
}
