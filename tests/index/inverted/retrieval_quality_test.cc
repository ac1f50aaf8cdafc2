// BM25 with the English analyzer against the reference figures of two human-judged collections.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/bm25.h"
#include "index/inverted/text_index.h"
#include "tests/index/inverted/test_data.h"

namespace vouch {
namespace {

struct Ranked {
  std::string document;
  float score;
};

// trec_eval's ndcg_cut_10: linear gains, log2 discount, ties by document id descending.
double NdcgAt10(std::vector<Ranked> run, const std::map<std::string, int>& judgements) {
  std::sort(run.begin(), run.end(), [](const Ranked& a, const Ranked& b) {
    return a.score != b.score ? a.score > b.score : a.document > b.document;
  });
  double gain = 0;
  for (size_t i = 0; i < std::min<size_t>(10, run.size()); ++i) {
    const auto judged = judgements.find(run[i].document);
    if (judged != judgements.end() && judged->second > 0) {
      gain += judged->second / std::log2(static_cast<double>(i) + 2);
    }
  }
  std::vector<int> grades;
  for (const auto& [document, grade] : judgements) grades.push_back(std::max(0, grade));
  std::sort(grades.rbegin(), grades.rend());
  double ideal = 0;
  for (size_t i = 0; i < std::min<size_t>(10, grades.size()); ++i) {
    ideal += grades[i] / std::log2(static_cast<double>(i) + 2);
  }
  return ideal > 0 ? gain / ideal : 0;
}

double MeanNdcgAt10(const JudgedCollection& collection) {
  const std::shared_ptr<const Analyzer> analyzer = Analyzer::Create("english").value();
  std::vector<AnalyzedText> texts;
  for (const std::string& text : collection.texts) texts.push_back(analyzer->Analyze(text));
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : texts) pointers.push_back(&text);
  const std::shared_ptr<const TextIndex> index = TextIndex::Build(pointers);
  const TextSegment segment{.index = index.get(), .first_row = RowId(0)};

  double sum = 0;
  size_t judged_queries = 0;
  for (const auto& [id, text] : collection.queries) {
    const auto judgements = collection.judgements.find(id);
    if (judgements == collection.judgements.end()) continue;
    ++judged_queries;
    const TextStatistics statistics = CollectTextStatistics({&segment, 1}, analyzer->Analyze(text));
    const auto hits = SearchBm25({&segment, 1}, statistics, Bm25Params(), 1000, CancelToken());
    EXPECT_TRUE(hits.ok()) << hits.status();
    std::vector<Ranked> run;
    for (const Hit& hit : *hits) run.push_back({collection.ids[hit.row.value], hit.score});
    sum += NdcgAt10(std::move(run), judgements->second);
  }
  return sum / static_cast<double>(judged_queries);
}

class RetrievalQualityTest : public testing::TestWithParam<std::pair<const char*, double>> {};

TEST_P(RetrievalQualityTest, ReachesTheReference) {
  const auto [name, floor] = GetParam();
  const JudgedCollection collection = ReadJudgedCollection(name);
  if (collection.empty()) {
    GTEST_SKIP() << "the collection '" << name
                 << "' is not here; set VOUCH_TEST_DATA to its parent folder";
  }
  const double ndcg = MeanNdcgAt10(collection);
  RecordProperty("ndcg_cut_10", std::to_string(ndcg));
  EXPECT_GE(ndcg, floor);
}

INSTANTIATE_TEST_SUITE_P(Collections, RetrievalQualityTest,
                         testing::Values(std::pair("cranfield", 0.515), std::pair("cisi", 0.365)),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace vouch
