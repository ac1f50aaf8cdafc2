#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/eval/drift_words.h"

namespace vouch {

// Points to be compared: rows of `dim` floats, each of length 1, or all zeros where a text says
// nothing to its embedder.
struct DriftPoints {
  uint32_t dim = 0;
  std::vector<float> values = {};  // size() * dim, row-major

  size_t size() const { return dim == 0 ? 0 : values.size() / dim; }
  // Brought to length 1; an empty vector becomes zeros.
  void Add(const std::vector<float>& vector);
};

struct DriftWindowOptions {
  double alpha = 0.01;       // chance of an alarm by any of the tests without drift
  double min_moved = 0.02;   // share of the window that must have moved, besides
  uint64_t seed = 1;         // the same points and seed give the same bits
  CancelToken cancel = {};   // a comparison of large windows takes a minute
};

// One way to see that a window is not from where the reference is from.
struct DriftTestResult {
  std::string what = {};  // "embeddings", "novelty", "topics", "words", "best score"
  double p = 1;           // without drift at most x with chance x at most
  double moved = 0;       // share of the window that has moved, as far as this test sees it
  bool alarms = false;
};

struct DriftComparison {
  std::vector<DriftTestResult> tests = {};
  bool alarms = false;               // one of them does
  // The window's points, the most novel first; those whose words are rarest where these tell the window apart the better.
  std::vector<size_t> unlike = {};
  std::vector<double> novelty = {};  // one each of `unlike`, 0 … 1: how novel, or how rare
};

// What may be known of points besides: of both sides, or of neither.
struct DriftBesides {
  std::vector<double> scores = {};      // one a point
  // Of a window one a point; of a reference those that there still are, from kMinPoints on.
  std::vector<DriftWords> words = {};
};

// Compares windows with a reference by
// - embeddings: the energy distance (Székely and Rizzo, 2004), p by permutation;
// - novelty: how many of the window are among the twentieth of all of which the reference explains
//   least, by what is left of a point after a ridge regression on those of the reference (the
//   variance of a Gaussian process that has seen them); p exact (hypergeometric);
// - topics: the share of each cluster of the reference, p by permutation of the population stability;
// - words, where points have them: how many of the window are among the twentieth of all texts whose words are rarest in the
//   reference (CompareWords), p by permutation; it sees a new topic that the embedder puts next to a known one;
// - best score, where points have scores: Kolmogorov and Smirnov's distance.
// Each p holds for any size but the last, which is asymptotic.
// For novelty and topics half of the reference says what is near and which clusters there are; the other half, which has
// had no say in that, is what the window is held against. So without drift its points and those of
// the window are drawn alike, and the p-values hold. Each test has an equal share of alpha
// (Bonferroni): the chance of an alarm stays at most alpha however the tests depend on each other,
// which Benjamini and Hochberg's adjustment would not promise of a window. Thread safe.
class DriftDetector {
 public:
  static constexpr size_t kMinPoints = 30;  // of a reference and of a window, to compare them at all
  static constexpr size_t kShown = 5;       // of DriftComparison::unlike

  DriftDetector(DriftPoints reference, const DriftWindowOptions& options);

  // `window` of the reference's dim. An error is that of the options' token, of now or of when the detector was made.
  absl::StatusOr<DriftComparison> Compare(const DriftPoints& window, const DriftBesides& of_reference,
                                          const DriftBesides& of_window) const;

 private:
  absl::Status Learn();
  double Novelty(const float* point) const;
  size_t NearestCluster(const float* point) const;
  absl::StatusOr<DriftTestResult> CompareEmbeddings(
      const std::vector<std::vector<float>>& to_reference, const DriftPoints& window,
      uint32_t draws) const;
  DriftTestResult CompareNovelty(const std::vector<double>& window) const;
  absl::StatusOr<DriftTestResult> CompareTopics(const DriftPoints& window, uint32_t draws) const;

  const DriftPoints reference_;
  const DriftWindowOptions options_;
  absl::Status learned_;               // not OK: it was cancelled before it knew the reference
  std::vector<size_t> base_;           // of the reference
  std::vector<size_t> held_;           // the others
  std::vector<float> distances_;       // of reference points, size n * n
  std::vector<double> known_;          // a triangle of base_'s products, see Factor
  std::vector<double> held_novelty_;   // by held_
  DriftPoints centres_;
  std::vector<size_t> held_clusters_;  // by held_
};

// Clopper and Pearson's interval of the mean of shares, each of `per_unit` events of one unit, by as
// many independent events as they are worth (Korn and Graubard, 1998): the events of a unit are
// alike, and would otherwise count as more than they are.
struct ShareEstimate {
  double share = 0;
  double low = 0;
  double high = 1;
  double events = 0;  // independent ones, that they are worth
};
ShareEstimate EstimateShare(const std::vector<double>& shares, uint32_t per_unit, double confidence);
// The chance of such a share, or a lower one, where `target` is the true one.
double ShareBelowP(const ShareEstimate& estimate, double target);

}  // namespace vouch
