// What nodes and result options of a query cost beside the search alone: p50 by the clock, one query
// at a time, in turns in one run, 50,000 x 64 in one segment and a text field, ten chunks a
// document. "two leaves" is their fusion by z-scores, "hybrid" what hybrid retrieval runs unless it
// was tuned: with reliability and feedback. A fusion of ten hits takes a hundred of each leaf, the row
// "child of 100, alone" of the leaves. The leaves of a fusion run on two threads at a time.
//   bench_query [rows] [queries] [leaf]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/mixture.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kDim = 64, kBatch = 500;
constexpr uint64_t kSeed = 20261125;
constexpr uint32_t kK = 10;
constexpr int kTurns = 5;
constexpr size_t kWords = 2000;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_query: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Word w comes about 1 / w as often as word 1.
std::string Words(std::mt19937_64& random, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    const double u = static_cast<double>(random() % 1'000'000) / 1e6;
    absl::StrAppend(&text, "w",
                    static_cast<size_t>(std::pow(static_cast<double>(kWords), u)), " ");
  }
  return text;
}

std::shared_ptr<Collection> MakeCollection(Database& database, const std::vector<float>& data) {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name = std::string("v");
  field.dim = kDim;
  field.metric = Metric::kL2;
  schema.text.push_back({.name = "body", .paths = {"text"}});
  schema.payload.push_back({.path = "document", .type = PayloadType::kKeyword});
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  auto collection = database.CreateCollection(Principal(), "bench", schema);
  Check(collection.status());
  std::mt19937_64 random(kSeed);
  const size_t rows = data.size() / kDim;
  for (size_t row = 0; row < rows;) {
    WriteRequest request;
    for (const size_t end = std::min(rows, row + kBatch); row < end; ++row) {
      PointInput& point = request.upserts.emplace_back();
      point.id = PointId(row);
      point.vectors.emplace_back(
          "v", std::vector<float>(data.begin() + row * kDim, data.begin() + (row + 1) * kDim));
      point.payload = absl::StrCat("{\"document\":\"d", row / 10, "\",\"year\":", 1950 + row % 75,
                                   ",\"text\":\"", Words(random, 60), "\"}");
    }
    Check((*collection)->Write(std::move(request)).status());
  }
  Check((*collection)->Optimize(CancelToken(), [](double) {}));
  return *collection;
}

struct Variant {
  std::string name;
  std::function<void(SearchRequest&)> change;
  std::vector<double> p50_us = {};
};

QueryNode NodeOf(decltype(QueryNode::node) node) {
  return {.node = std::move(node), .filter = std::nullopt};
}

void Over(SearchRequest& request, decltype(RerankNode::method) method) {
  RerankNode rerank;
  rerank.method = std::move(method);
  rerank.children.push_back(std::move(request.query));
  request.query = NodeOf(std::move(rerank));
}

std::vector<Variant> Variants() {
  return {
      {"alone", [](SearchRequest&) {}},
      {"explain", [](SearchRequest& r) { r.explain = true; }},
      {"group by document, 10 groups of 1",
       [](SearchRequest& r) { r.group_by = GroupBy{.path = "document"}; }},
      {"group by document, 10 groups of 3",
       [](SearchRequest& r) { r.group_by = GroupBy{.path = "document", .hits = 3}; }},
      {"facet of year over all points", [](SearchRequest& r) { r.facets = {{.path = "year"}}; }},
      {"child of 100, alone", [](SearchRequest& r) { r.limit = 100; }},
      {"formula over 100",
       [](SearchRequest& r) {
         Over(r, FormulaRerank{.formula = "score + exp_decay(year, 2024, 10)"});
       }},
      {"mmr over 100", [](SearchRequest& r) {
         const auto* dense = std::get_if<DenseLeaf>(&r.query.node);
         Over(r, MmrRerank{
                     .field = "v",
                     .vector = dense != nullptr ? dense->vector : std::vector<float>(kDim, 0.1f)});
       }}};
}

void Compare(const Collection& collection, const std::string& leaf,
             const std::vector<SearchRequest>& requests) {
  std::vector<Variant> variants = Variants();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (Variant& variant : variants) {
      std::vector<double> times;
      for (SearchRequest request : requests) {
        variant.change(request);
        const auto start = std::chrono::steady_clock::now();
        Check(collection.Search(request).status());
        times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
      }
      variant.p50_us.push_back(Median(times));
    }
  }
  for (const Variant& variant : variants) {
    std::vector<double> ratios;
    for (int turn = 0; turn < kTurns; ++turn)
      ratios.push_back(variant.p50_us[turn] / variants[0].p50_us[turn]);
    std::printf("| %s | %s | %.0f | %.2f [%.2f-%.2f] |\n", leaf.c_str(), variant.name.c_str(),
                Median(variant.p50_us), Median(ratios),
                *std::min_element(ratios.begin(), ratios.end()),
                *std::max_element(ratios.begin(), ratios.end()));
  }
}

void Run(size_t rows, size_t count, const std::string& only) {
  const std::vector<float> data = MakeMixture(rows, kDim, kSeed, 1);
  const std::vector<float> queries = MakeMixture(count, kDim, kSeed, 2);
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / absl::StrCat("vouch-bench-query-", getpid());
  DatabaseOptions options;
  options.path = directory.string();
  options.seal_rows = rows + 1;
  {
    auto database = Database::Open(options);
    Check(database.status());
    const std::shared_ptr<Collection> collection = MakeCollection(**database, data);
    std::vector<SearchRequest> dense(count), text(count), two(count), hybrid(count);
    std::mt19937_64 random(kSeed + 1);
    for (size_t q = 0; q < count; ++q) {
      dense[q].query =
          NodeOf(DenseLeaf{.field = "v",
                           .vector = std::vector<float>(queries.begin() + q * kDim,
                                                        queries.begin() + (q + 1) * kDim)});
      text[q].query = NodeOf(TextLeaf{.field = "body", .text = Words(random, 4)});
      FuseNode fuse;
      fuse.method = FusionMethod::kZScore;
      fuse.children = {dense[q].query, text[q].query};
      two[q].query = NodeOf(fuse);
      fuse.by_reliability = true;
      fuse.feedback = FusionFeedback{.text = Rm3(), .dense = Rocchio()};
      hybrid[q].query = NodeOf(std::move(fuse));
      for (SearchRequest* request : {&dense[q], &text[q], &two[q], &hybrid[q]}) {
        request->limit = kK;
        request->projection.payload = false;
      }
    }
    std::printf(
        "%zu x %zu, mixture data, L2, k=%u, %zu queries, seed %llu, %d turns\n\n"
        "| leaf | with | p50 us | of the leaf alone [range] |\n|---|---|---|---|\n",
        rows, kDim, kK, count, static_cast<unsigned long long>(kSeed), kTurns);
    const std::pair<const char*, const std::vector<SearchRequest>*> leaves[] = {
        {"dense", &dense}, {"text", &text}, {"two leaves", &two}, {"hybrid", &hybrid}};
    for (const auto& [name, requests] : leaves) {
      if (only.empty() || only == name) Compare(*collection, name, *requests);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  const size_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 50'000;
  const size_t queries = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 500;
  if (rows < 1000 || queries == 0) {
    std::fprintf(stderr, "usage: bench_query [rows >= 1000] [queries >= 1] [leaf]\n");
    return 2;
  }
  vouch::Run(rows, queries, argc > 3 ? argv[3] : "");
  return 0;
}
