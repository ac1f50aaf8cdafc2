#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// Judgements: query id → document id → relevance level (negative: in the pool, not judged).
using Qrels = std::map<std::string, std::map<std::string, int>>;
// A run: query id → document id → score.
using Run = std::map<std::string, std::map<std::string, double>>;

// TREC qrels ("qid 0 docno rel") or tab-separated with the header "query-id corpus-id score".
// INVALID_ARGUMENT with the line number; a document twice for a query is an error.
absl::StatusOr<Qrels> ParseQrels(std::string_view text);
// TREC runs: "qid Q0 docno rank score tag"; the rank is ignored.
absl::StatusOr<Run> ParseRun(std::string_view text);
// One query's documents in trec_eval's order: score descending, compared as a float as trec_eval
// reads it, then document id descending by bytes. The names point into `documents`.
std::vector<std::string_view> RankDocuments(const std::map<std::string, double>& documents);
// A TREC run, queries by id, documents in RankDocuments order; scores in the shortest form that
// reads back the same.
std::string FormatRun(const Run& run, std::string_view tag);

// name → value; names and semantics of trec_eval 10.0, equal on its own test data: num_q, num_ret,
// num_rel, num_rel_ret, map, gm_map, Rprec, bpref, recip_rank, P_{5,10,15,20,30,100,200,500,1000},
// recall_{same}, ndcg, ndcg_cut_{same}, map_cut_{same}, success_{1,5,10}, rbp (persistence 0.9).
// num_q and gm_map stand in `all` only. Beside these recip_rank_cut_10, the reciprocal rank of MS MARCO ("MRR@10"): 0
// where the first relevant document is past rank 10.
using MetricValues = std::map<std::string, double>;

struct EvaluationResult {
  std::map<std::string, MetricValues> queries = {};
  // num_* are sums, gm_map the geometric mean (with 0.00001 for less), the others means over the
  // queries.
  MetricValues all = {};
};

// `complete`: -c, every judged query counts, and those missing in the run count 0; otherwise only
// those in the run. Queries of the run without judgements are left out. Relevant is a level of at
// least `relevant` (-l), which is 1 or more; gains are linear in the level. Gains and rbp count every
// level above 0; with a level above 1 rbp alone differs from trec_eval's.
EvaluationResult Evaluate(const Qrels& qrels, const Run& run, bool complete, int relevant = 1);

}  // namespace vouch
