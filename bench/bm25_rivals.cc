#include "bench/bm25_rivals.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

#ifdef VOUCH_BENCH_SQLITE
#include <sqlite3.h>
#endif

namespace vouch {

ExhaustiveBm25::ExhaustiveBm25(const std::vector<AnalyzedText>& texts) : sums_(texts.size(), 0) {
  double total = 0;
  for (uint32_t row = 0; row < texts.size(); ++row) {
    lengths_.push_back(texts[row].length);
    total += texts[row].length;
    documents_ += texts[row].length > 0 ? 1 : 0;
    for (const AnalyzedText::Term& term : texts[row].terms) {
      postings_[term.term].push_back({row, term.frequency});
    }
  }
  average_length_ = documents_ > 0 ? total / documents_ : 0;
}

std::vector<Hit> ExhaustiveBm25::Search(const AnalyzedText& query, const Bm25Params& params,
                                        size_t k) {
  std::fill(sums_.begin(), sums_.end(), 0.0);
  for (const AnalyzedText::Term& term : query.terms) {
    const auto found = postings_.find(term.term);
    if (found == postings_.end()) continue;
    const double df = static_cast<double>(found->second.size());
    const double idf = std::log(1 + (documents_ - df + 0.5) / (df + 0.5));
    for (const Entry& entry : found->second) {
      const double tf = entry.frequency;
      const double norm =
          params.k1 * (1 - params.b + params.b * lengths_[entry.row] / average_length_);
      sums_[entry.row] += term.frequency * idf * tf * (params.k1 + 1) / (tf + norm);
    }
  }
  std::vector<Hit> hits;
  for (uint64_t row = 0; row < sums_.size(); ++row) {
    const auto score = static_cast<float>(sums_[row]);
    if (score > 0) hits.push_back({.row = RowId(row), .score = score});
  }
  const size_t kept = std::min(k, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<ptrdiff_t>(kept), hits.end());
  hits.resize(kept);
  return hits;
}

#ifdef VOUCH_BENCH_SQLITE
namespace {

class SqliteFts5 final : public Fts5 {
 public:
  ~SqliteFts5() override {
    sqlite3_finalize(search_);
    sqlite3_close(database_);
  }

  bool Load(const std::vector<std::string>& texts) {
    if (sqlite3_open(":memory:", &database_) != SQLITE_OK) return false;
    if (!Run("CREATE VIRTUAL TABLE t USING fts5(body, tokenize = 'porter unicode61')"))
      return false;
    sqlite3_stmt* insert = nullptr;
    Check(sqlite3_prepare_v2(database_, "INSERT INTO t(rowid, body) VALUES (?, ?)", -1, &insert,
                             nullptr));
    Run("BEGIN");
    for (size_t row = 0; row < texts.size(); ++row) {
      sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(row));
      sqlite3_bind_text(insert, 2, texts[row].data(), static_cast<int>(texts[row].size()),
                        SQLITE_STATIC);
      if (sqlite3_step(insert) != SQLITE_DONE) Check(SQLITE_ERROR);
      sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    Run("COMMIT");
    Run("INSERT INTO t(t) VALUES ('optimize')");
    Check(sqlite3_prepare_v2(database_, "SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT ?",
                             -1, &search_, nullptr));
    return true;
  }

  std::vector<uint64_t> Search(const std::vector<std::string>& words, size_t k) override {
    std::string match;
    for (const std::string& word : words)
      absl::StrAppend(&match, match.empty() ? "\"" : " OR \"", word, "\"");
    std::vector<uint64_t> rows;
    if (match.empty()) return rows;
    sqlite3_bind_text(search_, 1, match.data(), static_cast<int>(match.size()), SQLITE_TRANSIENT);
    sqlite3_bind_int64(search_, 2, static_cast<sqlite3_int64>(k));
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(search_)) == SQLITE_ROW) {
      rows.push_back(static_cast<uint64_t>(sqlite3_column_int64(search_, 0)));
    }
    if (step != SQLITE_DONE) Check(step);
    sqlite3_reset(search_);
    return rows;
  }

 private:
  bool Run(const char* sql) {
    return sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  void Check(int code) const {
    if (code == SQLITE_OK) return;
    std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database_));
    std::exit(1);
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* search_ = nullptr;
};

}  // namespace

std::unique_ptr<Fts5> Fts5::Open(const std::vector<std::string>& texts) {
  auto fts5 = std::make_unique<SqliteFts5>();
  if (!fts5->Load(texts)) return nullptr;
  return fts5;
}
#else
std::unique_ptr<Fts5> Fts5::Open(const std::vector<std::string>&) { return nullptr; }
#endif

}  // namespace vouch
