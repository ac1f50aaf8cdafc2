#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "index/hit.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/bm25.h"

namespace vouch {

// BM25 with nothing left out: every posting of every query term is scored into one array of sums,
// then the best k are taken. A rival, and the oracle of the benchmark: it shares no code with the
// engine's search but the analyzer.
class ExhaustiveBm25 {
 public:
  explicit ExhaustiveBm25(const std::vector<AnalyzedText>& texts);
  std::vector<Hit> Search(const AnalyzedText& query, const Bm25Params& params, size_t k);

 private:
  struct Entry {
    uint32_t row = 0;
    uint32_t frequency = 0;
  };
  absl::flat_hash_map<std::string, std::vector<Entry>> postings_;
  std::vector<uint32_t> lengths_;
  double documents_ = 0;
  double average_length_ = 0;
  std::vector<double> sums_;
};

// SQLite's FTS5 over the same texts, in memory, tokenizer "porter unicode61", after its own
// 'optimize'.
class Fts5 {
 public:
  virtual ~Fts5() = default;
  // Null where the benchmark was built without SQLite, or its SQLite has no FTS5.
  static std::unique_ptr<Fts5> Open(const std::vector<std::string>& texts);
  // The rows of the best k for any of the words, by bm25.
  virtual std::vector<uint64_t> Search(const std::vector<std::string>& words, size_t k) = 0;
};

}  // namespace vouch
