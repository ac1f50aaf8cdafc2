// MaxSim on one thread by its processor time: token pairs a second of each kernel, and of the scan of a
// column as each type keeps it, decoding included.
//   bench_maxsim [rounds]
// 1,000 documents of 100 tokens, 20 queries of 32 tokens, 128 dimensions: those of ColBERT. Values are
// normal, vectors of length 1; i8 has them times 127, rounded.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "index/multi/max_sim.h"
#include "index/multi/max_sim_kernels.h"
#include "index/multi/token_reader.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261126;
constexpr uint32_t kDim = 128;
constexpr size_t kDocuments = 1'000;
constexpr size_t kDocumentTokens = 100;
constexpr size_t kQueries = 20;
constexpr size_t kQueryTokens = 32;
constexpr double kPairs = double{kDocuments} * kDocumentTokens * kQueries * kQueryTokens;

// Processor time of this thread: other work on the machine moves it less than the clock on the wall.
double ThreadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

MultiVector RandomTokens(std::mt19937_64& random, size_t tokens) {
  std::normal_distribution<float> normal;
  MultiVector vector = {.dim = kDim, .values = std::vector<float>(tokens * kDim)};
  for (float& value : vector.values) value = normal(random);
  NormalizeTokens(Metric::kCosine, vector);
  return vector;
}

// Of some rounds, the median and the range: million pairs of tokens a second.
void Print(const std::string& name, int rounds, const std::function<double()>& run) {
  std::vector<double> rates;
  double sum = 0;
  for (int round = 0; round < rounds; ++round) {
    const double start = ThreadSeconds();
    sum += run();
    rates.push_back(kPairs / (ThreadSeconds() - start) / 1e6);
  }
  std::sort(rates.begin(), rates.end());
  const double median = rates[rates.size() / 2];
  std::printf("| %s | %.0f [%.0f–%.0f] | %.0f | %.3g |\n", name.c_str(), median, rates.front(), rates.back(),
              median * 1e6 / (kQueryTokens * kDocumentTokens) / 1e3, sum / rounds);
  std::fflush(stdout);
}

void Run(int rounds) {
  std::mt19937_64 random(kSeed);
  std::vector<MultiVector> documents;
  std::vector<MultiVector> queries;
  for (size_t i = 0; i < kDocuments; ++i) documents.push_back(RandomTokens(random, kDocumentTokens));
  for (size_t i = 0; i < kQueries; ++i) queries.push_back(RandomTokens(random, kQueryTokens));
  std::printf("seed %llu; %zu documents of %zu tokens, %zu queries of %zu, %u dimensions\n\n"
              "| what | million pairs/s | thousand documents/s | sum |\n|---|---|---|---|\n",
              static_cast<unsigned long long>(kSeed), kDocuments, kDocumentTokens, kQueries, kQueryTokens, kDim);
  for (const MaxSimKernels& kernels : AvailableMaxSimKernels()) {
    Print("kernel " + std::string(kernels.name), rounds, [&] {
      double sum = 0;
      std::vector<float> best(kQueryTokens);
      for (const MultiVector& query : queries) {
        for (const MultiVector& document : documents) {
          std::fill(best.begin(), best.end(), -std::numeric_limits<float>::infinity());
          kernels.best(query.values.data(), kQueryTokens, document.values.data(), kDocumentTokens, kDim, best.data());
          for (const float value : best) sum += double{value};
        }
      }
      return sum;
    });
  }
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8}) {
    const MultiVectorField field = {.name = "m", .dim = kDim, .metric = Metric::kInnerProduct, .type = type};
    std::vector<MultiVector> kept = documents;
    std::vector<const MultiVector*> pointers;
    for (MultiVector& document : kept) {
      if (type == VectorType::kI8) {
        for (float& value : document.values) value = std::round(127 * value);
      }
      if (!RoundVector(type, document.values).ok()) std::abort();
      pointers.push_back(&document);
    }
    const absl::StatusOr<TokenColumn> column = TokenColumn::Build(field, pointers);
    if (!column.ok()) std::abort();
    Print("scan of " + std::string(VectorTypeName(type)), rounds, [&] {
      double sum = 0;
      for (const MultiVector& query : queries) {
        MaxSim max_sim(query);
        TokenReader reader(*column);
        for (uint32_t row = 0; row < column->rows(); ++row) sum += double{max_sim.Score(reader.ReadNext(row))};
      }
      return sum;
    });
  }
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  vouch::Run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 5);
  return 0;
}
