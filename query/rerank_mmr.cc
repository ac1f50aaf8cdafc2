#include "query/rerank_mmr.h"

#include <algorithm>

namespace vouch {
namespace {

struct Candidate {
  MmrChoice choice;
  std::vector<float> vector;
  bool chosen = false;
};

double ScoreOf(const MmrChoice& choice, double lambda) {
  const double relevance = lambda * double{choice.relevance};
  return choice.redundancy ? relevance - (1 - lambda) * double{*choice.redundancy} : relevance;
}

absl::StatusOr<std::vector<Candidate>> ReadCandidates(std::span<const RankedRow> rows,
                                                      std::span<const float> prepared,
                                                      VectorScorer& scorer) {
  std::vector<Candidate> candidates;
  candidates.reserve(rows.size());
  for (const RankedRow& row : rows) {
    const absl::StatusOr<std::span<const float>> vector = scorer.Read(row.row);
    if (!vector.ok()) return vector.status();
    if (vector->empty()) continue;
    Candidate& candidate = candidates.emplace_back();
    candidate.choice.row = row.row;
    candidate.choice.relevance = scorer.Similarity(prepared, *vector);
    candidate.vector.assign(vector->begin(), vector->end());
  }
  return candidates;
}

}  // namespace

absl::StatusOr<std::vector<MmrChoice>> ChooseByMmr(std::span<const RankedRow> rows,
                                                   std::span<const float> prepared, double lambda,
                                                   size_t limit, VectorScorer& scorer,
                                                   const CancelToken& cancel) {
  absl::StatusOr<std::vector<Candidate>> candidates = ReadCandidates(rows, prepared, scorer);
  if (!candidates.ok()) return candidates.status();
  std::vector<MmrChoice> chosen;
  while (chosen.size() < std::min(limit, candidates->size())) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    Candidate* best = nullptr;
    for (Candidate& candidate : *candidates) {
      if (candidate.chosen) continue;
      candidate.choice.score = ScoreOf(candidate.choice, lambda);
      if (best == nullptr || RankedRow{candidate.choice.row, candidate.choice.score} <
                                 RankedRow{best->choice.row, best->choice.score}) {
        best = &candidate;
      }
    }
    best->chosen = true;
    chosen.push_back(best->choice);
    for (Candidate& candidate : *candidates) {
      if (candidate.chosen) continue;
      const float similarity = scorer.Similarity(best->vector, candidate.vector);
      std::optional<float>& redundancy = candidate.choice.redundancy;
      redundancy = redundancy ? std::max(*redundancy, similarity) : similarity;
    }
  }
  return chosen;
}

}  // namespace vouch
