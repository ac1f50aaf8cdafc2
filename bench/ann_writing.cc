#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/ann_engine.h"
#include "bench/ann_parts.h"
#include "bench/mixture.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kRowsASecond = 1'000, kCommit = 50;
constexpr double kIdleSeconds = 5, kWritingSeconds = 60, kSliceSeconds = 10;
constexpr size_t kProbeEvery = 20;  // searches: the one asks for a row of the last second

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_ann: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

void WriteRows(Collection& collection, const std::vector<float>& rows, size_t dim, size_t begin,
               size_t end, uint64_t first_id) {
  WriteRequest request;
  for (size_t row = begin; row < end; ++row) {
    PointInput point;
    point.id = PointId(first_id + row);
    point.vectors.emplace_back(
        "v", std::vector<float>(rows.data() + row * dim, rows.data() + (row + 1) * dim));
    request.upserts.push_back(std::move(point));
  }
  Check(collection.Write(std::move(request)).status());
}

struct Slice {
  std::vector<double> micros;
  double processor_seconds = 0;  // of the searching thread
  size_t probes = 0;
  size_t probes_found = 0;

  void Add(const Slice& other) {
    micros.insert(micros.end(), other.micros.begin(), other.micros.end());
    processor_seconds += other.processor_seconds;
    probes += other.probes;
    probes_found += other.probes_found;
  }
};

// The clock of a run: the system's or, where other work takes the cores, the searching thread's processor time. By that clock
// the search waits for writes that are due and until the background has had as much processor time as it, so that both run
// as on two free cores.
class Pace {
 public:
  Pace(bool by_processor, const Collection& collection)
      : by_processor_(by_processor), collection_(collection) {}

  double Now() const { return by_processor_ ? ThreadSeconds() : static_cast<double>(NowNs()) * 1e-9; }
  void BeginWriting() { due_.store(0); writing_since_ = Now(); }
  void EndWriting() { writing_since_ = -1; }
  // Called by the searching thread between searches.
  void Wait(const std::atomic<size_t>& written) {
    if (writing_since_ >= 0) due_.store((Now() - writing_since_) * kRowsASecond);
    if (!by_processor_ || ++calls_ % kCallsBetween != 0) return;
    while (writing_since_ >= 0 && static_cast<double>(written.load() + kCommit) < due_.load()) Sleep();
    while (!collection_.Stats().index.building.empty()) {
      const double own = ThreadSeconds(), others = ProcessSeconds() - own;
      if (!building_) own_since_ = own, others_since_ = others;
      building_ = true;
      if (others - others_since_ >= own - own_since_) return;
      Sleep();
    }
    building_ = false;
  }
  // Called by the writing thread: waits until so many rows are due.
  void WaitFor(size_t rows) const {
    while (due_.load() < static_cast<double>(rows)) Sleep();
  }

 private:
  static constexpr size_t kCallsBetween = 16;
  static void Sleep() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

  const bool by_processor_;
  const Collection& collection_;
  std::atomic<double> due_{0};  // rows to be written by now
  // --- of the searching thread
  double writing_since_ = -1;
  size_t calls_ = 0;
  bool building_ = false;
  double own_since_ = 0, others_since_ = 0;  // processor time when the build was noticed
};

// One client in sequence, with the schema's beam.
class Searcher {
 public:
  Searcher(const Collection& collection, const AnnData& data, const std::vector<float>& fresh, Pace& pace)
      : collection_(collection), data_(data), fresh_(fresh), pace_(pace) {}

  // `written`: rows of `fresh` acknowledged so far.
  Slice Run(double seconds, const std::atomic<size_t>& written) {
    Slice slice;
    const double start = pace_.Now();
    const double processor_start = ThreadSeconds();
    while (pace_.Now() - start < seconds) {
      pace_.Wait(written);
      const size_t acknowledged = written.load();
      const bool probe = acknowledged > 0 && ++asked_ % kProbeEvery == 0;
      const size_t recent = std::min(acknowledged, kRowsASecond);
      const size_t row = acknowledged - 1 - (probe ? asked_ * 7919 % recent : 0);
      const float* vector =
          probe ? fresh_.data() + row * data_.dim : data_.query(asked_ % data_.query_count());
      if (!probe && acknowledged == 0) ++asked_;
      SearchRequest request;
      DenseLeaf leaf;
      leaf.vector.assign(vector, vector + data_.dim);
      request.query.node = std::move(leaf);
      const double before = pace_.Now();
      const auto response = collection_.Search(request);
      slice.micros.push_back((pace_.Now() - before) * 1e6);
      Check(response.status());
      if (!probe) continue;
      ++slice.probes;
      slice.probes_found +=
          !response->hits.empty() && response->hits[0].id == PointId(data_.row_count() + row);
    }
    slice.processor_seconds = ThreadSeconds() - processor_start;
    return slice;
  }

 private:
  const Collection& collection_;
  const AnnData& data_;
  const std::vector<float>& fresh_;
  Pace& pace_;
  size_t asked_ = 0;
};

struct Figures {
  double qps = 0;
  double processor_qps = 0;  // by the searching thread's processor time
  double p50 = 0;
  double p99 = 0;
};

Figures FiguresOf(Slice& slice, double seconds) {
  std::sort(slice.micros.begin(), slice.micros.end());
  const size_t count = slice.micros.size();
  return {static_cast<double>(count) / seconds,
          static_cast<double>(count) / slice.processor_seconds, slice.micros[count / 2],
          slice.micros[count * 99 / 100]};
}

void PrintFigures(const std::string& when, const Figures& figures, const Figures& idle,
                  const Slice& slice, const Collection& collection) {
  uint64_t fresh_rows = 0;
  const CollectionStats stats = collection.Stats();
  for (const SegmentInfo& segment : stats.index.segments) {
    fresh_rows += segment.sealed ? 0 : segment.rows.size();
  }
  std::printf("| %s | %.0f | %.2f | %.0f | %.2f | %.0f | %.0f | %.2f | %zu of %zu | %zu | %llu |\n",
              when.c_str(), figures.qps, figures.qps / idle.qps, figures.processor_qps,
              figures.processor_qps / idle.processor_qps, figures.p50, figures.p99, figures.p99 / idle.p99,
              slice.probes_found, slice.probes, stats.index.segments.size(),
              static_cast<unsigned long long>(fresh_rows));
  std::fflush(stdout);
}

// Commits of 50 rows, each at its time.
void WriteSteadily(Collection& collection, const std::vector<float>& rows, const AnnData& data,
                   const Pace& pace, std::atomic<size_t>& written) {
  for (size_t row = 0; row < rows.size() / data.dim; row += kCommit) {
    pace.WaitFor(row);
    WriteRows(collection, rows, data.dim, row, row + kCommit, data.row_count());
    written.store(row + kCommit);
  }
}

}  // namespace

void MeasureWriting(const AnnData& data, const std::string& folder, bool by_processor) {
  DatabaseOptions options;
  options.path = absl::StrCat(folder, "/ann-writing-", getpid());
  const auto rows = static_cast<size_t>(kWritingSeconds) * kRowsASecond;
  const std::vector<float> fresh = MakeMixture(rows, data.dim, kAnnSeed, 4);
  {
    absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(options);
    Check(database.status());
    CollectionSchema schema;
    DenseField& field = schema.dense.emplace_back();
    field.name.assign(1, 'v');
    field.dim = static_cast<uint32_t>(data.dim);
    field.metric = Metric::kL2;
    const auto collection = (*database)->CreateCollection(Principal(), "bench", schema);
    Check(collection.status());
    for (size_t row = 0; row < data.row_count(); row += 500) {
      WriteRows(**collection, data.rows, data.dim, row, std::min(row + 500, data.row_count()), 0);
    }
    Check((*collection)->Optimize(CancelToken(), [](double) {}));
    std::printf("%s, through store and index, ef %d, one client; %zu rows/s in commits of %zu, by the %s\n\n",
                data.name.c_str(), field.hnsw.ef_search, kRowsASecond, kCommit,
                by_processor ? "searching thread's processor time" : "clock");
    std::printf(
        "| when | QPS | of idle | by processor time | of idle | p50 us | p99 us | of idle | fresh rows found first | segments | "
        "fresh rows |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    std::atomic<size_t> written{0};
    Pace pace(by_processor, **collection);
    Searcher searcher(**collection, data, fresh, pace);
    searcher.Run(1, written);
    Slice slice = searcher.Run(kIdleSeconds, written);
    const Figures idle = FiguresOf(slice, kIdleSeconds);
    PrintFigures("idle", idle, idle, slice, **collection);
    pace.BeginWriting();
    std::thread writer([&] { WriteSteadily(**collection, fresh, data, pace, written); });
    Slice all;
    for (double at = 0; at < kWritingSeconds; at += kSliceSeconds) {
      slice = searcher.Run(kSliceSeconds, written);
      all.Add(slice);
      PrintFigures(absl::StrCat("writing, ", at, " to ", at + kSliceSeconds, " s"),
                   FiguresOf(slice, kSliceSeconds), idle, slice, **collection);
    }
    writer.join();
    pace.EndWriting();
    PrintFigures("writing, all", FiguresOf(all, kWritingSeconds), idle, all, **collection);
    Check((*collection)->WaitIdle(CancelToken()));
    slice = searcher.Run(kIdleSeconds, written);
    PrintFigures("after it", FiguresOf(slice, kIdleSeconds), idle, slice, **collection);
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.path, ignored);
}

}  // namespace vouch
