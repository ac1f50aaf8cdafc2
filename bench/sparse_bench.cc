// Sparse top-10 on one thread against a plain exhaustive scorer, in turns, in one process; every
// ranking is compared with the exhaustive one's, rows and score bits.
//   bench_sparse [rounds]
// Data made like SPLADE's: 100,000 vectors of 100 to 150 of 30,522 indices, drawn by Zipf's law
// with an exponent of 1 from rank 20 on, and 500 queries of 30 indices drawn likewise. Weights are
// log(1 + x) with x exponential of mean 2; in the set "idf" times a factor that grows with the
// index's rarity, as such models' regularisation brings about, in the set "alike" as they are,
// which leaves a search hardly anything to pass over.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/inverted/best_hits.h"
#include "index/inverted/ranked_scan.h"
#include "index/inverted/sparse_search.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261125;
constexpr size_t kRows = 100'000;
constexpr size_t kIndices = 30'522;
constexpr size_t kQueries = 500;
constexpr size_t kK = 10;

class SparseMaker {
 public:
  explicit SparseMaker(bool by_rarity) : by_rarity_(by_rarity), random_(kSeed) {
    double sum = 0;
    for (size_t rank = 0; rank < kIndices; ++rank) {
      cumulative_.push_back(sum += 1 / static_cast<double>(20 + rank));
    }
  }
  SparseVector Make(size_t entries) {
    std::vector<uint32_t> indices;
    while (indices.size() < entries) {
      const double at = uniform_(random_) * cumulative_.back();
      const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
      const auto index =
          static_cast<uint32_t>(std::min<ptrdiff_t>(found - cumulative_.begin(), kIndices - 1));
      if (std::find(indices.begin(), indices.end(), index) == indices.end()) {
        indices.push_back(index);
      }
    }
    SparseVector vector{.indices = std::move(indices), .values = {}};
    for (size_t i = 0; i < entries; ++i) {
      const double rarity = std::log2(2.0 + vector.indices[i]) / std::log2(2.0 + kIndices);
      const double weight = std::log1p(2 * exponential_(random_)) * (by_rarity_ ? rarity : 1);
      vector.values.push_back(static_cast<float>(weight));
    }
    CanonicalizeSparseVector(vector);
    return vector;
  }
  uint64_t Below(uint64_t n) { return random_() % n; }

 private:
  const bool by_rarity_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::exponential_distribution<double> exponential_{1};
  std::vector<double> cumulative_;
};

// All postings as they are, index by index into one array of sums, then the best of all rows.
class ExhaustiveSparse {
 public:
  explicit ExhaustiveSparse(const std::vector<SparseVector>& vectors)
      : postings_(kIndices), sums_(vectors.size()) {
    for (uint32_t row = 0; row < vectors.size(); ++row) {
      for (size_t i = 0; i < vectors[row].indices.size(); ++i) {
        postings_[vectors[row].indices[i]].push_back({row, vectors[row].values[i]});
      }
    }
  }
  std::vector<Hit> Search(const SparseVector& query, const Bitmap* allowed) {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (size_t i = 0; i < query.indices.size(); ++i) {
      const double weight = query.values[i];
      for (const Posting& posting : postings_[query.indices[i]]) {
        sums_[posting.row] += weight * static_cast<double>(posting.weight);
      }
    }
    BestHits best(kK);
    for (size_t row = 0; row < sums_.size(); ++row) {
      if (allowed != nullptr && !allowed->Test(row)) continue;
      const auto score = static_cast<float>(sums_[row]);
      if (score > std::max(best.threshold(), 0.0f)) best.Offer({.row = RowId(row), .score = score});
    }
    return std::move(best).Take();
  }

 private:
  struct Posting {
    uint32_t row;
    float weight;
  };
  std::vector<std::vector<Posting>> postings_;
  std::vector<double> sums_;
};

std::string Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return absl::StrCat(std::llround(values[values.size() / 2]), " [", std::llround(values.front()),
                      "–", std::llround(values.back()), "]");
}

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

double QueriesPerSecond(const std::function<void(size_t)>& search) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < kQueries; ++i) search(i);
  return kQueries / Seconds(start);
}

class SetBench {
 public:
  explicit SetBench(bool by_rarity) : name_(by_rarity ? "idf" : "alike") {
    SparseMaker maker(by_rarity);
    for (size_t row = 0; row < kRows; ++row) {
      vectors_.push_back(maker.Make(100 + maker.Below(51)));
    }
    for (size_t i = 0; i < kQueries; ++i) queries_.push_back(maker.Make(30));
    for (const uint64_t percent : {100, 10, 1}) {
      kept_.push_back({absl::StrCat(percent, " %"), nullptr});
      if (percent == 100) continue;
      kept_.back().allowed = std::make_unique<Bitmap>(kRows);
      for (size_t row = 0; row < kRows; ++row) {
        if (maker.Below(100) < percent) kept_.back().allowed->Set(row);
      }
    }
    std::vector<const SparseVector*> pointers;
    for (const SparseVector& vector : vectors_) pointers.push_back(&vector);
    const auto start = std::chrono::steady_clock::now();
    index_ = SparseIndex::Build(pointers);
    build_s_ = Seconds(start);
    exhaustive_ = std::make_unique<ExhaustiveSparse>(vectors_);
    for (const SparseVector& query : queries_) {
      for (const uint32_t term : query.indices) postings_ += index_->postings(term).size();
    }
  }

  void Print(int rounds) const {
    for (const Kept& kept : kept_) Print(kept, rounds);
  }
  void PrintSize() const {
    const auto entries = static_cast<double>(index_->entries());
    std::printf(
        "%s: %.0f entries, built in %.2f s, %.2f bytes an entry in the file, %.2f in memory\n",
        name_, entries, build_s_, static_cast<double>(index_->Serialize().size()) / entries,
        static_cast<double>(index_->memory_bytes()) / entries);
  }

 private:
  struct Kept {
    std::string name;
    std::unique_ptr<Bitmap> allowed;  // null: all
  };

  void Print(const Kept& kept, int rounds) const {
    const Bitmap* allowed = kept.allowed.get();
    const SparseSegment segment{.index = index_.get(), .first_row = RowId(0), .allowed = allowed};
    const auto search = [&](size_t i, RankedScanStats* stats) {
      auto hits = SearchSparse({&segment, 1}, queries_[i], kK, CancelToken(), stats);
      if (!hits.ok()) std::abort();
      return *std::move(hits);
    };
    RankedScanStats stats;
    size_t equal = 0;
    for (size_t i = 0; i < kQueries; ++i) {
      equal += search(i, &stats) == exhaustive_->Search(queries_[i], allowed);
    }
    std::vector<double> ours, plain, ratios;
    for (int round = 0; round < rounds; ++round) {
      ours.push_back(QueriesPerSecond([&](size_t i) { search(i, nullptr); }));
      plain.push_back(
          QueriesPerSecond([&](size_t i) { exhaustive_->Search(queries_[i], allowed); }));
      ratios.push_back(ours.back() / plain.back());
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf("| %s | %s | %s | %s | %.2f | %.0f %% | %zu of %zu |\n", name_, kept.name.c_str(),
                Spread(ours).c_str(), Spread(plain).c_str(), ratios[ratios.size() / 2],
                100.0 * static_cast<double>(stats.scored) / static_cast<double>(postings_), equal,
                kQueries);
    std::fflush(stdout);
  }

  const char* name_;
  std::vector<SparseVector> vectors_;
  std::vector<SparseVector> queries_;
  std::vector<Kept> kept_;
  std::shared_ptr<const SparseIndex> index_;
  std::unique_ptr<ExhaustiveSparse> exhaustive_;
  double build_s_ = 0;
  uint64_t postings_ = 0;  // of all queries' indices
};

int Main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::printf(
      "%zu vectors, %zu queries of 30 indices, k=%zu, one segment, one thread, seed %llu, median "
      "[range] of %d rounds\n\n"
      "| weights | rows allowed | engine (queries/s) | exhaustive | ratio | postings scored | "
      "rankings equal |\n|---|---|---|---|---|---|---|\n",
      kRows, kQueries, kK, static_cast<unsigned long long>(kSeed), rounds);
  const SetBench idf(true);
  const SetBench alike(false);
  idf.Print(rounds);
  alike.Print(rounds);
  std::printf("\n");
  idf.PrintSize();
  alike.PrintSize();
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) { return vouch::Main(argc, argv); }
