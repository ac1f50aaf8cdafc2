#include <atomic>
#include <cstdio>
#include <thread>

#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"

namespace vouch {
namespace {

constexpr size_t kBatch = 64;
constexpr double kRecall = 0.95;

// Runs batches on the caller's thread and one more that waits for them between.
class TwoThreads {
 public:
  explicit TwoThreads(std::function<void(size_t)> work) : work_(std::move(work)) {
    helper_ = std::thread([this] {
      for (uint64_t seen = 0;;) {
        generation_.wait(seen);
        seen = generation_.load();
        if (stop_.load()) return;
        Take();
      }
    });
  }
  ~TwoThreads() {
    stop_.store(true);
    generation_.fetch_add(1);
    generation_.notify_one();
    helper_.join();
  }
  // Calls work(i) for each i of [begin, end).
  void Run(size_t begin, size_t end) {
    end_.store(end);
    left_.store(end - begin);
    next_.store(begin);
    generation_.fetch_add(1);
    generation_.notify_one();
    Take();
    while (left_.load() > 0) {
    }
  }

 private:
  void Take() {
    for (size_t i = next_.fetch_add(1); i < end_.load(); i = next_.fetch_add(1)) {
      work_(i);
      left_.fetch_sub(1);
    }
  }

  std::function<void(size_t)> work_;
  std::atomic<size_t> next_{SIZE_MAX / 2};
  std::atomic<size_t> end_{0};
  std::atomic<size_t> left_{0};
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stop_{false};
  std::thread helper_;
};

}  // namespace

void MeasureBatches(const AnnData& data) {
  VouchIndex index(data.dim, data.row_count());
  index.AddRows(data);
  std::vector<AnnEngine> alone;
  alone.push_back(MakeVouch(index, index.Optimize()));
  Sweep(alone, data, TrueNearest(data, nullptr));
  std::printf("%s, batches of %zu\n\n", data.name.c_str(), kBatch);
  std::printf("| ef | QPS on one thread | on two threads | ratio |\n|---|---|---|---|\n");
  for (const int ef : {FirstAbove(alone[0].points, kRecall).ef, 100}) {
    const size_t batches = data.query_count() / kBatch;
    RowLists results(data.query_count());
    const auto one = [&](size_t q) {
      results[q].clear();
      alone[0].search(data.query(q), ef, results[q]);
    };
    TwoThreads two(one);
    std::vector<double> single, both;
    for (int turn = 0; turn < kAnnTurns; ++turn) {
      int64_t start = NowNs();
      for (size_t q = 0; q < batches * kBatch; ++q) one(q);
      single.push_back(static_cast<double>(batches * kBatch) / SecondsSince(start));
      start = NowNs();
      for (size_t batch = 0; batch < batches; ++batch)
        two.Run(batch * kBatch, (batch + 1) * kBatch);
      both.push_back(static_cast<double>(batches * kBatch) / SecondsSince(start));
    }
    std::printf("| %d | %.0f | %.0f | %.2f |\n", ef, Median(single), Median(both),
                Median(both) / Median(single));
  }
  std::fflush(stdout);
}

}  // namespace vouch
