#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vouch {

// Measures of answers that need no model. Each is in [0, 1]; NaN where there is nothing to measure,
// which is counted and never averaged.

// SQuAD's normalisation: lower case, without punctuation and the articles a, an, the, white space
// collapsed.
std::string NormalizeAnswer(std::string_view text);

// 1 where the normalised texts are the same, else 0.
double ExactMatch(std::string_view answer, std::string_view reference);
// F1 of the normalised texts' words, with their counts; where one has none, 1 if both have none, else
// 0 (as SQuAD 2.0).
double TokenF1(std::string_view answer, std::string_view reference);
// F1 of the longest common subsequence of words (Lin, 2004), lower case, letters and digits; no
// stemming. Of texts past kMaxRougeTokens words, the first ones count.
inline constexpr size_t kMaxRougeTokens = 4'096;
double RougeL(std::string_view answer, std::string_view reference);

// The best over the references; NaN without any.
struct ReferenceScores {
  double exact_match = 0;
  double f1 = 0;
  double rouge_l = 0;
};
ReferenceScores CompareWithReferences(std::string_view answer,
                                      const std::vector<std::string>& references);

// Ids of what was retrieved, in rank order, against those judged relevant. An id that stands twice
// counts once.
struct ContextScores {
  double precision = 0;  // hits / retrieved; NaN where nothing was retrieved
  double recall = 0;     // found reference ids / reference ids; NaN without any
  double ranked_precision = 0;  // RAGAS: sum of P@k over hits / (hits + 1e-10); NaN like precision
};
ContextScores CompareContext(const std::vector<std::string>& retrieved,
                             const std::vector<std::string>& relevant);

// A statement of an answer: whether all it cites supports it, and each of its citations alone.
struct CitedStatement {
  bool supported = false;
  std::vector<bool> citations = {};
};
// ALCE (Gao et al., 2023), with the deterministic check of grounding in place of an entailment
// model: recall is the share of supported statements, precision the share of citations that stand
// for a supported statement and support it. NaN without statements, or without citations.
struct CitationScores {
  double precision = 0;
  double recall = 0;
};
CitationScores ScoreCitations(const std::vector<CitedStatement>& statements);

// One question as abstention sees it.
struct Attempt {
  bool answered = false;      // not abstained
  bool correct = false;       // of an answered question
  bool answerable = true;
  double confidence = 0;      // more: surer; NaN counts as the least
};
struct AbstentionScores {
  double coverage = 0;        // answered / all
  double risk = 0;            // wrong / answered; NaN where nothing was answered
  double abstain_precision = 0;  // unanswerable / abstained; NaN where nothing was
  double abstain_recall = 0;     // abstained / unanswerable; NaN where there are none
  double aurc = 0;  // mean risk over all coverages of the answered, surest first; NaN where none was
};
AbstentionScores ScoreAbstention(const std::vector<Attempt>& attempts);

// Risk at each coverage, surest first: the curve whose mean is `aurc`. Questions of one confidence
// come together, with their mean risk.
struct RiskPoint {
  double coverage = 0;  // of all questions
  double risk = 0;
};
std::vector<RiskPoint> RiskCoverage(const std::vector<Attempt>& attempts);

}  // namespace vouch
